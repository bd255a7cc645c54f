"""One box or violin, and the legend that explains it."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.mlab import GaussianKDE
from matplotlib.patches import Patch

from keplearn.evaluation.statistics import quantiles
from keplearn.figures.parts import style
from keplearn.figures.parts.facets import note, write_lost


def draw_box(
    axes: Axes, at: int, rows: pd.DataFrame, ends: tuple[float, float], *, violin: bool, log: bool
) -> pd.DataFrame:
    """Draw one box and count what is lost; return the outliers that are finite, with their place in ``at``.

    ``ends``: what is below the first stands there, what is infinite at the second.
    """
    values = rows["value"].to_numpy(np.float64)
    finite, (floor, band) = np.isfinite(values), ends
    kept = values[finite]
    if lost := int((~finite).sum()):
        write_lost(axes, at, lost)
    q1, median, q3 = quantiles(values, [0.25, 0.5, 0.75])
    reach = 1.5 * (q3 - q1) if np.isfinite(q3) else np.inf
    beyond = finite & ((values < q1 - reach) | (values > q3 + reach))
    inside = values[finite & ~beyond] if kept.size else values
    whisker = float(inside.max()) if np.isfinite(q3) else np.inf
    shown = {"med": median, "mean": float(values.mean()), "q1": q1, "q3": q3}
    shown |= {"whislo": float(inside.min()), "whishi": whisker}
    shown = {name: value if np.isfinite(value) else band for name, value in shown.items()}
    if log:
        shown = {name: max(value, floor) for name, value in shown.items()}
    if violin:
        _draw_violin(axes, at, kept[kept >= floor] if log else kept, log)
    outline = {"color": style.BLACK, "linewidth": 0.8}
    face = {"edgecolor": style.BLACK, "linewidth": 0.8, "facecolor": "white" if violin else _FACE}
    drawn = axes.bxp(
        [shown | {"fliers": []}], positions=[at], widths=0.14 if violin else 0.5, showmeans=True,
        showfliers=False, manage_ticks=False, patch_artist=True, whiskerprops=outline, capprops=outline,
        boxprops=face, medianprops=_MEDIAN, meanprops=_MEAN,
    )  # fmt: skip
    for part, names in {"boxes": "box", "medians": "median", "means": "mean", "whiskers": "whisker"}.items():
        for artist in drawn[part]:
            artist.set_gid(names)
    placed = np.maximum(values, floor) if log else values
    points = {"outliers": (placed[beyond], 0.0, _OUTLIER)}
    if rows.attrs.get("per") == "run":
        points["runs"] = (placed[finite], -0.12 if violin else -0.3, _RUN)
    for gid, (heights, aside, look) in points.items():
        many = len(heights) > 500
        axes.plot(np.full(len(heights), at + aside), heights, gid=gid, rasterized=many, zorder=2, **look)
    return rows[beyond].assign(at=at)


_FACE = "#BFDCEE"
_MEDIAN: dict[str, Any] = {"color": style.VERMILION, "linewidth": 1.6, "solid_capstyle": "butt"}
_MEAN: dict[str, Any] = {
    "marker": "D", "markersize": 4.2, "markerfacecolor": "white", "markeredgecolor": style.BLACK,
    "markeredgewidth": 0.8, "linestyle": "none", "zorder": 5,
}  # fmt: skip
_OUTLIER: dict[str, Any] = {
    "marker": "o", "markersize": 2.6, "markerfacecolor": "none", "markeredgecolor": style.GREY,
    "markeredgewidth": 0.5, "linestyle": "none",
}  # fmt: skip
_RUN: dict[str, Any] = {
    "marker": "o", "markersize": 3.2, "markerfacecolor": style.BLUE, "markeredgecolor": "white",
    "markeredgewidth": 0.4, "linestyle": "none",
}  # fmt: skip


def _draw_violin(axes: Axes, at: int, values: Float64[np.ndarray, "row"], log: bool) -> None:
    """Draw the density of the values, or of their logarithms, as wide as there is room."""
    seen = np.log10(values) if log else values
    if len(seen) < 2 or seen.max() - seen.min() < 1e-9 * max(1.0, np.abs(seen).max()):
        return  # all the same: the box says it
    heights = np.linspace(seen.min(), seen.max(), 200)
    # A density of more values looks the same: every so many of them, in their order.
    chosen = np.sort(seen)[:: max(1, len(seen) // 5000)]
    density = GaussianKDE(chosen).evaluate(heights)
    half = 0.42 * density / density.max()
    axes.fill_betweenx(
        10**heights if log else heights, at - half, at + half, facecolor=_FACE, edgecolor=style.BLUE,
        linewidth=0.7, zorder=1, gid="violin",
    )  # fmt: skip


def legend(errors: pd.DataFrame, worst: pd.DataFrame, violin: bool, below: int) -> list[Any]:
    """Return what explains boxes; ``worst`` are the outliers, ``below`` how many values lie below the axis."""
    handles: list[Any] = [
        Line2D([], [], label="median", **_MEDIAN),
        Line2D([], [], label="mean", **_MEAN),
        Patch(facecolor="white" if violin else _FACE, edgecolor=style.BLACK, label="quartiles"),
    ]
    if violin:
        handles.append(Patch(facecolor=_FACE, edgecolor=style.BLUE, label="density"))
    if errors.attrs.get("per") == "run":
        handles.append(Line2D([], [], label="a run each", **_RUN))
    if len(worst):
        handles.append(Line2D([], [], label="outliers", **_OUTLIER))
    values = errors["value"].to_numpy(np.float64)
    if lost := int((~np.isfinite(values)).sum()):
        cross = Line2D([], [], linestyle="none", marker="x", color=style.VERMILION, markersize=4.5)
        cross.set_label(f"n  values are lost: diverged\nor not finite ({lost:,} in all)")
        handles.append(cross)
    if below:
        handles.append(note(f"{below:,} values lie below the axis"))
    if left := errors.attrs.get("left_out"):
        handles.append(note(f"{left} unfinished run{'s' * (left > 1)} left out"))
    return handles
