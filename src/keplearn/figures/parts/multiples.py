"""Small multiples: a panel a quantity, each with its own range."""

import re

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keplearn.figures.parts import style


def small_multiples(count: int, columns: int, height: float = 1.2) -> tuple[Figure, list[Axes]]:
    """Return a figure and its first ``count`` panels, each of a height in inches; the others are hidden."""
    rows = -(-count // columns)
    figure, panels = style.new_figure(height * rows + 1.15, [1.0] * rows, columns)
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def widen(axes: Axes) -> None:
    """Keep rounding out of sight: a constant is a straight line in the middle."""
    low, high = axes.dataLim.y0, axes.dataLim.y1
    least = max(1e-6, 1e-3 * max(abs(low), abs(high)))
    if high - low < least:
        axes.set_ylim((low + high) / 2 - 0.5, (low + high) / 2 + 0.5)


def typeset(name: str) -> str:
    """Set what follows a ``_`` below the line: v_x, and r'_x as r' with x below."""
    return re.sub(r"(\w)('?)_(\w)", lambda m: rf"${m[1]}{m[2]}_{{{m[3]}}}$", name)
