"""The figure of an ensemble: its error against its spread, and both against the state distance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from keplearn.core.errors import KeplearnError
from keplearn.core.numbers import number_text
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.distance import FAR, NEAR
from keplearn.evaluation.ensemble import calibration
from keplearn.evaluation.ensemble import ensemble as as_one
from keplearn.figures.parts import style
from keplearn.figures.parts.bins import BAND, LEAST, SHORTEST, Values, binned, draw_bins, mark_distances
from keplearn.figures.registry import figure
from keplearn.groups.scoring import evaluate_runs
from keplearn.runs.store import Run

_PER_DECADE = 6


def _members(runs: Sequence[Run], dataset: OrbitDataset, model: str) -> xarray.Dataset:
    """Return the ensemble of some runs on a dataset."""
    return as_one([found for _, found in evaluate_runs(runs, dataset, which=model)])


@figure("runs", prepare=_members)
def ensemble(found: xarray.Dataset, title: str = "") -> Figure:
    """Draw an ensemble's error against its spread, and both against the distance to the nearest training state.

    Several runs that differ by their seed are one model: the mean of their accelerations at the true states. Lines are
    medians in bins, bands go from the 10 % to the 90 % quantile. On the dashed line the spread says how large the
    error is; above it the ensemble is too sure of itself.

    Parameters
    ----------
    found
        What `keplearn.evaluation.ensemble.ensemble` gives.
    title
        Above the figure; the number of members and the shares within once and twice the spread stand below it.

    Raises
    ------
    KeplearnError
        If the training states of a member are not known.
    """
    if "distance" not in found:
        raise KeplearnError(
            "It is not known what the members were trained on, nor how far from that samples are."
        )
    spread, error, distance = (found[name].to_numpy().ravel() for name in ("spread", "error", "distance"))
    known = ~(np.isnan(spread) | np.isnan(error) | np.isnan(distance)) & (spread > 0) & (error > 0)
    if not known.any():
        raise KeplearnError("There is nothing to draw: the ensemble has no spread anywhere.")
    spread, error, distance = spread[known], error[known], np.maximum(distance[known], SHORTEST)
    drawn, (left, right) = style.new_figure(3.9, columns=2)
    n, (once, twice) = int(found.attrs["members"]), calibration(found)
    _draw(left, spread, error, "error", style.FIELD, "o")
    ends = np.array(left.get_xlim())
    left.plot(
        ends,
        ends * np.sqrt(1 + 1 / n),
        color=style.TRUTH,
        linestyle=(0, (4, 2)),
        linewidth=1.0,
        gid="calibrated",
    )
    left.set_xlim(*ends)
    _draw(right, distance, error, "error by distance", style.FIELD, "o")
    _draw(right, distance, spread, "spread by distance", style.PREDICTION, "s")
    mark_distances(right, NEAR, FAR)
    left.set_xlabel("spread of the members (%)")
    left.set_ylabel("error of their mean (%)")
    right.set_xlabel("state distance to the nearest training state")
    right.set_ylabel("error, spread (%)")
    _draw_legend(drawn)
    told = (
        f"{n} members: the mean is {number_text(float(error.mean()))} % off, "
        f"a member {number_text(float(np.nanmean(found['member_error'].to_numpy())))} %;\n"
        f"{once:.0f} % of the errors of the mean are within the spread, {twice:.0f} % within twice"
    )
    drawn.suptitle(f"{title}\n{told}" if title else told)
    return drawn


def _draw(axes: Axes, x: Values, y: Values, gid: str, colour: str, marker: str) -> None:
    """Draw y by x, both on logarithmic axes; bins of too few samples are left out."""
    found = binned(x, y, _PER_DECADE)
    full = found.counts >= LEAST
    if not full.any():
        return
    style.log_axis(axes, x=True)
    style.log_axis(axes)
    drawn = found._replace(middles=found.middles[full], quantiles=found.quantiles[full])
    draw_bins(axes, drawn, gid, color=colour, marker=marker)


def _draw_legend(drawn: Figure) -> None:
    """Say what lines and bands are."""
    lines: dict[str, dict[str, Any]] = {
        "error of the mean": {"color": style.FIELD, "marker": "o"},
        "spread": {"color": style.PREDICTION, "marker": "s"},
        "error as the spread says": {"color": style.TRUTH, "linestyle": (0, (4, 2)), "linewidth": 1.0},
    }
    handles: list[Any] = [Line2D([], [], markersize=4, label=label, **look) for label, look in lines.items()]
    handles.append(Patch(color=style.GREY, alpha=0.25, linewidth=0.0, label=BAND))
    drawn.legend(handles=handles, loc="outside lower center", ncols=4)
