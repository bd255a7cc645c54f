"""The figure of errors by time ahead: where an orbit is observed and beyond, for runs and what needs no model."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import xarray
from jaxtyping import Float64
from matplotlib.figure import Figure

from keplearn.core.errors import KeplearnError
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.statistics import quantiles
from keplearn.evaluation.table import true_samples
from keplearn.figures.parts import style
from keplearn.figures.parts.bins import draw_band
from keplearn.figures.parts.inputs import require
from keplearn.figures.parts.labelled import labelled_evaluations
from keplearn.figures.parts.labels import legend_columns
from keplearn.figures.registry import figure
from keplearn.runs.store import Run

_BINS = 16
"""Over the time that is observed, and over as much of the time ahead."""
_LEVELS = (0.1, 0.5, 0.9)
_BASELINES = {
    "forecast_line": ("straight line", style.GREY, (0, (1, 1))),
    "forecast_osculating": ("last osculating orbit", style.ORANGE, (0, (4, 1.5))),
    "forecast_kepler": ("Kepler fit", style.BLACK, (0, (6, 1.5, 1, 1.5))),
}


def _of_forecasts(
    runs: Sequence[Run], dataset: OrbitDataset, model: str, segments: int | None
) -> dict[str, xarray.Dataset]:
    """Return the evaluations of runs by what the legend calls them."""
    return labelled_evaluations(runs, dataset, "forecast", model, segments)


@figure("runs", prepare=_of_forecasts)
def ahead(evaluations: Mapping[str, xarray.Dataset], title: str = "") -> Figure:
    """Draw the position error by time ahead of what is observed, for one run or several, beside the baselines.

    Lines are medians over orbits, bands go from the 10 % to the 90 % quantile. The time is in that from the first to
    the last observed sample of the orbit: up to 0 it is observed, at 1 the forecast has gone as far again. What is a
    hundred times below all runs is not shown, and the legend says so: without noise a Kepler fit is exact.

    Parameters
    ----------
    evaluations
        Label to evaluation of a run: its model observes a part of each orbit.
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If no run has a model that observes anything.
    """
    evaluations = {label: one for label, one in evaluations.items() if "observed" in one}
    if not evaluations:
        raise KeplearnError(
            "There is nothing to draw: no model observes a part of each orbit, and forecasts the rest."
        )
    figure, (axes,) = style.new_figure(3.8 + 0.16 * len(evaluations))
    style.log_axis(axes)
    least = np.inf
    for (label, one), (colour, marker) in zip(evaluations.items(), cycle(style.MODELS), strict=False):
        x, (low, middle, high) = _by_time(one, "forecast")
        draw_band(axes, x, low, high, colour, label)
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 3.5}
        axes.plot(x, middle, label=label, gid=f"{label}:median", **look)
        axes.set_xlim(-1.0, max(axes.get_xlim()[1], x[-1]) if least < np.inf else x[-1] + 0.5 / _BINS)
        least = min(least, np.nanmin(low))
    first = next(iter(evaluations.values()))
    for name, (label, colour, dashes) in _BASELINES.items():
        if name in first:
            x, (_, middle, _) = _by_time(first, name)
            label = f"{label}, below" if np.nanmax(middle) < 1e-2 * least else label
            axes.plot(
                x, middle, color=colour, linestyle=dashes, label=label, gid=f"{name}:median", zorder=1.9
            )
    axes.axvspan(-1.0, 0.0, color=style.PALE, alpha=0.5, linewidth=0.0, zorder=0)
    axes.annotate("observed", (-0.5, 1.0), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                  ha="center", va="bottom", fontsize=8.0, color=style.GREY)  # fmt: skip
    axes.set_ylim(max(axes.get_ylim()[0], 1e-2 * least))
    axes.set_xlabel("time since the last observed sample, over the time observed")
    axes.set_ylabel(METRICS["position%"].label)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=legend_columns(labels))
    if title:
        figure.suptitle(title)
    return figure


def _by_time(
    evaluation: xarray.Dataset, name: str
) -> tuple[Float64[np.ndarray, " bin"], Float64[np.ndarray, "3 bin"]]:
    """Return the middles of bins of time, and quantiles of a variable in each; what is lost counts as the greatest."""
    require(evaluation, (name, "observed", "time"))
    times, observed = evaluation["time"].values, evaluation["observed"].values > 0
    last = np.where(observed, times, -np.inf).max(axis=1, keepdims=True)
    ahead = (times - last) / (last - times[:, :1])
    values = evaluation[name].values
    asked = np.isfinite(true_samples(evaluation)) & np.isfinite(ahead)
    values = np.where(np.isfinite(values), values, np.inf)[asked]
    place = np.floor(_BINS * ahead[asked]).astype(int)
    bins = np.arange(-_BINS, place.max() + 1)
    found = np.array([quantiles(values[place == k], _LEVELS) for k in bins])
    return (bins + 0.5) / _BINS, np.where(np.isfinite(found), found, np.nan).T
