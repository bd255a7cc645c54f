"""Values over another quantity: medians in bins of its logarithm, and bands from the 10 % to the 90 % quantile."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes

from keplearn.evaluation.statistics import quantiles
from keplearn.figures.parts import style

LEAST = 20
"""Values of a bin whose quantiles are drawn."""
SHORTEST = 1e-3
"""State distances below are drawn there: training states themselves are at distance 0."""
BAND = "10 % to 90 %"
_LEVELS = (0.1, 0.5, 0.9)

Values = Float64[np.ndarray, "value"]


class Bins(NamedTuple):
    """Bins from the least to the greatest: quantiles of the values in each, NaN of fewer than `LEAST`; counts."""

    middles: Float64[np.ndarray, "bin"]
    quantiles: Float64[np.ndarray, "bin 3"]
    edges: Float64[np.ndarray, "edge"]
    counts: Float64[np.ndarray, "bin"]


def binned(x: Values, y: Values, per_decade: int) -> Bins:
    """Sort values y by x, which is positive, into so many bins a decade."""
    place = np.floor(per_decade * np.log10(x)).astype(int)
    numbers = np.arange(place.min(), place.max() + 1)
    within = [y[place == k] for k in numbers]
    found = [quantiles(one, _LEVELS) if len(one) >= LEAST else [np.nan] * len(_LEVELS) for one in within]
    edges = 10.0 ** (np.append(numbers, numbers[-1] + 1) / per_decade)
    counts = np.array([len(one) for one in within], np.float64)
    return Bins(np.sqrt(edges[1:] * edges[:-1]), np.array(found), edges, counts)


def draw_bins(axes: Axes, bins: Bins, gid: str, lost: float = np.nan, **look: Any) -> None:
    """Draw medians and the band about them; quantiles that are infinite, lost, stand at ``lost``."""
    low, middle, high = np.where(np.isposinf(bins.quantiles), lost, bins.quantiles).T
    draw_band(axes, bins.middles, low, high, look["color"], gid)
    axes.plot(bins.middles, middle, markersize=3.5, gid=f"{gid}:median", **look)


def draw_band(axes: Axes, x: Values, low: Values, high: Values, colour: str, gid: str) -> None:
    """Draw the band between two quantiles over x."""
    axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0.0, gid=f"{gid}:quantiles")


def mark_distances(axes: Axes, *distances: float) -> None:
    """Draw a faint line at each state distance."""
    for at in distances:
        axes.axvline(at, color=style.GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
