"""The place of what is lost: a band at the worst end of an axis, above all numbers (`keplearn.evaluation.ranking`)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator

from keplearn.figures.parts import style
from keplearn.figures.parts.colours import Map

_SHARE = 0.2
"""Of the axis's height, for marks and counts."""
_MARKS = 0.36
"""Of the band's height, where marks stand; counts are above."""


def make_band(axes: Axes, low: float, high: float, *, named: bool = True) -> float:
    """Give the y axis the range from ``low`` to ``high`` and a band above for what is lost; return where it stands.

    The scale must be set before. ``named``: the band's name stands at its left.
    """
    forward, backward = (np.log10, _power) if axes.get_yscale() == "log" else (float, float)
    bottom, ceiling = float(forward(low)), float(forward(high))
    top = bottom + (ceiling - bottom) / (1.0 - _SHARE)
    axes.set_ylim(low, float(backward(top)))
    for axis_ticks, set_locator in (
        (axes.yaxis.get_majorticklocs(), axes.yaxis.set_major_locator),
        (axes.yaxis.get_minorticklocs(), axes.yaxis.set_minor_locator),
    ):
        set_locator(FixedLocator([tick for tick in axis_ticks if low <= tick <= high]))
    axes.axhspan(high, float(backward(top)), facecolor=style.LOST, linewidth=0.0, zorder=0.6)
    if named:
        axes.annotate(
            "lost", (0.0, 1.0 - _SHARE * (1.0 - _MARKS)), (-4, 0), xycoords="axes fraction",
            textcoords="offset points", ha="right", va="center", fontsize=style.STYLE["ytick.labelsize"],
            color=style.VERMILION, annotation_clip=False, gid="lost axis",
        )  # fmt: skip
    return float(backward(ceiling + _MARKS * (top - ceiling)))


def _power(exponent: float) -> float:
    return 10.0**exponent


def lost_handle(text: str, marker: str = "o") -> Line2D:
    """Return a legend's entry for what stands in the band."""
    look: dict[str, Any] = {"markersize": 4.5, "markerfacecolor": "white", "markeredgecolor": style.GREY}
    return Line2D([], [], linestyle="none", marker=marker, label=text, **look)


_CELL: dict[str, Any] = {
    "facecolor": style.LOST, "hatch": "xxxxx", "edgecolor": style.VERMILION, "linewidth": 0.8
}  # fmt: skip


def draw_lost_cells(maps: Sequence[Map], what: str) -> list[Artist]:
    """Hatch the cells of maps where their values are true: lost; return the legend's entry, if any."""
    count = 0
    for axes, (x, y), lost in maps:
        i, k = np.nonzero(lost)
        if not len(i):
            continue
        corners = [(x[k], y[i]), (x[k + 1], y[i]), (x[k + 1], y[i + 1]), (x[k], y[i + 1])]
        cells = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
        # Outlines of single cells would fill a fine map.
        look: dict[str, Any] = _CELL | {"linewidth": _CELL["linewidth"] if len(cells) <= 400 else 0.0}
        axes.add_collection(PolyCollection(list(cells), gid="lost", **look), autolim=False)
        count += len(cells)
    return [Patch(label=f"{what} ({count:,} cell{'s' * (count > 1)})", **_CELL)] if count else []
