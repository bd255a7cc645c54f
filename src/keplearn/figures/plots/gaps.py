"""Errors of latent ODEs by how long a gap there is in what they observe."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from keplearn.core.errors import KeplearnError
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.statistics import quantiles
from keplearn.evaluation.subject import Subject
from keplearn.figures.parts import style
from keplearn.figures.parts.bins import draw_band
from keplearn.figures.parts.labels import legend_columns
from keplearn.figures.registry import figure
from keplearn.groups.legend import legend
from keplearn.models.latent_ode import LatentODE
from keplearn.runs.store import Run

SHARES = (0, 10, 25, 50, 75, 90)
"""Percent of the observed stretch that is missing, in its middle."""
_LEVELS = (0.1, 0.5, 0.9)
_ERRORS = {"forecast": ("beyond what is observed", "-"), "reconstruction": ("in the gap", (0, (4, 1.5)))}

Errors = Mapping[str, Float64[np.ndarray, "gap quantile"]]


def _with_gaps(runs: Sequence[Run], dataset: OrbitDataset, model: str, orbits: int = 20) -> dict[str, Errors]:
    """Return quantiles of the errors by gap, of runs by what the legend calls them."""
    some = dataset.first(min(orbits, len(dataset)))
    found: dict[str, Errors] = {}
    for run, label in zip(runs, legend(runs), strict=True):
        made = run.model(model)
        if not isinstance(made, LatentODE):
            continue
        stretch = Subject.predictor(made).stretch(some, None)
        rows: dict[str, list[list[float]]] = {name: [] for name in _ERRORS}
        for share in SHARES:
            gap = in_gap(stretch, share)
            seen = np.where(gap[..., None], np.nan, some.observed_states)
            evaluation = evaluate(made, replace(some, observations=seen))
            for name, asked in (("forecast", ~stretch), ("reconstruction", gap if share else stretch)):
                values = evaluation[name].values
                values = np.where(np.isfinite(values), values, np.inf)[asked & np.isfinite(some.times)]
                rows[name].append(quantiles(values, _LEVELS))
        found[label] = {name: np.array(row) for name, row in rows.items()}
    return found


def in_gap(stretch: np.ndarray, share: int) -> np.ndarray:
    """Return which samples of stretches (orbit, sample) are in a gap of so many percent in their middle.

    Never the first or the last.
    """
    counts = stretch.sum(axis=1, keepdims=True)
    long = np.minimum(np.round(counts * share / 100), counts - 2)
    first = np.ceil((counts - long) / 2)
    place = np.cumsum(stretch, axis=1) - 1
    return stretch & (place >= first) & (place < first + long)


@figure("runs", {"orbits": "The first so many test orbits."}, prepare=_with_gaps)
def gaps(errors: Mapping[str, Errors], title: str = "") -> Figure:
    """Draw the errors of latent ODEs by the length of a gap in what they observe of each orbit.

    The gap is in the middle of the observed stretch. Lines are medians over samples and orbits, bands go from the 10 %
    to the 90 % quantile of the forecast. Without a gap the reconstruction is that of all that is observed.

    Parameters
    ----------
    errors
        Label to quantiles by gap.
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If no run has a model that observes anything.
    """
    if not errors:
        raise KeplearnError("There is nothing to draw: no model observes a part of each orbit.")
    figure, (axes,) = style.new_figure(3.6 + 0.16 * len(errors))
    style.log_axis(axes)
    handles = []
    for (label, one), (colour, marker) in zip(errors.items(), cycle(style.MODELS), strict=False):
        for name, (where, dashes) in _ERRORS.items():
            low, middle, high = np.where(np.isfinite(one[name]), one[name], np.nan).T
            if name == "forecast":
                draw_band(axes, np.array(SHARES, float), low, high, colour, label)
            look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.0, "linestyle": dashes}
            look |= {"markerfacecolor": colour if name == "forecast" else "white"}
            axes.plot(SHARES, middle, gid=f"{label}:{name}", **look)
            words = where if len(errors) == 1 else f"{label}, {where}"
            handles.append(Line2D([], [], label=words, **look))
    axes.set_xlabel("length of the gap (% of what is observed)")
    axes.set_ylabel(METRICS["position%"].label)
    axes.set_xlim(-3.0, 93.0)
    labels = [str(handle.get_label()) for handle in handles]
    figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns(labels))
    figure.suptitle(title)
    return figure
