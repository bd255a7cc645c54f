"""What figures with a panel for each value of one or two parameters share: the panels, their names, the legend."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from keplearn.figures.parts import style
from keplearn.figures.parts.labels import fits_in, named, wrap
from keplearn.groups.values import levels, values_of

_LETTER = 0.62
"""Width of a letter, as a share of its font's size."""


class Panel(NamedTuple):
    """A panel: its axes, where it stands, and the rows of the table that it shows."""

    axes: Axes
    row: int
    column: int
    table: pd.DataFrame


class Facets(NamedTuple):
    """A figure and its panels, row by row, one for each pair of values."""

    figure: Figure
    panels: list[Panel]
    rows: int
    columns: int

    @property
    def left(self) -> list[Panel]:
        """The panels of the first column."""
        return [panel for panel in self.panels if panel.column == 0]

    @property
    def bottom(self) -> list[Panel]:
        """The panels of the last row."""
        return [panel for panel in self.panels if panel.row == self.rows - 1]


def facets(table: pd.DataFrame, row: str | None, column: str | None, height: float, margin: float) -> Facets:
    """Return a figure with a panel for each value of ``row`` and of ``column``, named on top and at the right.

    ``height`` of a panel and ``margin`` around them all, in inches.
    """
    down, across = _levels(table, row), _levels(table, column)
    figure, axes = style.new_figure(margin + height * len(down), [1.0] * len(down), len(across))
    panels = []
    for place, one in enumerate(axes):
        i, j = divmod(place, len(across))
        chosen = _where(table, row, down[i]) & _where(table, column, across[j])
        panels.append(Panel(one, i, j, table[chosen]))
    if column is not None:
        label, texts, letters = _panel_names(column, across, style.WIDTH / len(across) * 0.88)
        broken = wrap(label, letters)
        once = _breaks(broken) > 1  # it would fill narrow panels: above the first of them it has room
        for one, text in zip(axes, texts, strict=False):
            one.set_title(f"{'' if once else broken}\n{text}", fontsize=_PANEL)
        if once:
            lines = 1 + max(map(_breaks, texts))
            above = axes[0].annotate(
                label, (0.0, 1.0), (0.0, 6.0 + 1.2 * _PANEL * lines), xycoords="axes fraction",
                textcoords="offset points", fontsize=_PANEL, va="bottom", gid="column",
            )  # fmt: skip
            above.set_in_layout(False)
    if row is not None:
        label, texts, letters = _panel_names(row, down, 0.95 * height)
        for one, text in zip(axes[len(across) - 1 :: len(across)], texts, strict=True):
            one.text(
                1.02, 0.5, f"{wrap(label, letters)}\n{text}", rotation=270, ha="left", va="center",
                multialignment="center", fontsize=_PANEL, transform=one.transAxes, gid="row",
            )  # fmt: skip
    return Facets(figure, panels, len(down), len(across))


_PANEL = 8.5
"""Points: the size of panels' names."""


def _panel_names(name: str, values: Sequence[Any], inches: float) -> tuple[str, list[str], int]:
    """Return what is written beside panels: the parameter, its values in lines, and how many letters these have."""
    letters = letters_in(inches, _PANEL)
    label, texts = named(name, values, letters, 2)
    return label, [wrap(texts[value], letters) for value in values], letters


def _breaks(text: str) -> int:
    return text.count("\n")


def letters_in(inches: float, size: float) -> int:
    """Return how many letters of a size in points fit side by side."""
    return int(inches / (_LETTER * size / 72))


def _levels(table: pd.DataFrame, name: str | None) -> list[Any]:
    return [None] if name is None else levels(values_of(table[name]))


def _where(table: pd.DataFrame, name: str | None, value: Any) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    if name is None:
        return np.ones(len(table), bool)
    return np.array([found == value for found in values_of(table[name])], bool)


def groups_of(table: pd.DataFrame, *names: str | None) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Yield the rows of each combination of values that occurs; a name that is None has the value None."""
    columns = [values_of(table[name]) if name is not None else [None] * len(table) for name in names]
    keys = list(zip(*columns, strict=True))
    for key in dict.fromkeys(keys):
        yield key, table[np.array([other == key for other in keys], bool)]


def tick_letters(inches: float, size: float = 7.5) -> int:
    """Return how many letters of a tick's name fit side by side in a place ``inches`` wide."""
    return letters_in(0.86 * inches, size)


def name_ticks(axes: Axes, texts: Sequence[str], inches: float, size: float = 7.5) -> None:
    """Name the places 0, 1, … on x, each ``inches`` wide: upright where the names fit, else turned.

    Names break after blanks and underscores. Where turned ones would overlap some places are not named.
    """
    letters = tick_letters(inches, size)
    broken = [wrap(text, letters) for text in texts]
    fits = fits_in(texts, letters, 4)
    if not fits:
        # Turned names may have as many lines as fit side by side.
        lines = max(1, int(inches / (1.25 * size / 72)))
        broken = [wrap(text, max(16, -(-len(text) // lines))) for text in texts]
        if max(text.count("\n") for text in broken) >= lines:
            broken = list(texts)
    every = 1 if fits else ceil(1.1 * size / 72 / inches)
    axes.set_xticks(
        range(0, len(texts), every), broken[::every], rotation=0 if fits else 90, fontsize=size, va="top", ha="center",
        linespacing=1.05,
    )  # fmt: skip


def draw_legend(figure: Figure, groups: Sequence[tuple[str, Sequence[Artist]]]) -> None:
    """Draw groups of handles below all panels, each under its heading, side by side while they fit."""
    columns = [
        [_heading(title), *handles] if title else list(handles) for title, handles in groups if handles
    ]
    while len(columns) > 1 and sum(map(_inches, columns)) > style.WIDTH:
        # The narrowest two stand one below the other.
        first, second = sorted(sorted(range(len(columns)), key=lambda k: _inches(columns[k]))[:2])
        columns[first] += columns.pop(second)
    if not columns:
        return
    padded = list(zip(*zip_longest(*columns), strict=True))
    handles = [one or _heading("") for column in padded for one in column]
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=len(columns), columnspacing=2.0,
        handletextpad=0.5, borderaxespad=0.2,
    )  # fmt: skip
    titles = {title for title, _ in groups if title}
    for text in legend.get_texts():
        if text.get_text() in titles:
            text.set_fontweight("bold")


def _inches(handles: Sequence[Artist]) -> float:
    """Width of a column of the legend."""
    lines = [line for handle in handles for line in str(handle.get_label()).split("\n")]
    return 0.6 + max(map(len, lines)) * 0.56 * 8 / 72


def _heading(text: str) -> Artist:
    return Line2D([], [], linestyle="none", label=text or " ")


def note(text: str) -> Artist:
    """Return a handle that is text alone."""
    return Line2D([], [], linestyle="none", label=text)


def write_lost(axes: Axes, at: int, count: int) -> None:
    """Write above a place how many runs or values have none in the panel."""
    axes.text(
        at, 0.985, f"×{count}", color=style.VERMILION, fontsize=7.5, fontweight="bold", ha="center", va="top",
        transform=axes.get_xaxis_transform(), gid="lost",
    )  # fmt: skip


def inches_of(axes: Axes) -> tuple[float, float]:
    """Return width and height of laid out axes, inches; lay the figure out before."""
    box = axes.get_window_extent()
    dpi = axes.figure.get_dpi() if axes.figure is not None else 100.0
    return box.width / dpi, box.height / dpi


def label_axes(drawn: Facets, x: str, y: str, height: float) -> None:
    """Name the axes, once for all panels where there are several; ``height`` of a panel in inches."""
    letter = _LETTER * 9 / 72
    # The name stands at the middle panel, or between the two in the middle.
    at = drawn.bottom[(drawn.columns - 1) // 2].axes
    at.set_xlabel(x, x=1.04 if drawn.columns % 2 == 0 else 0.5)
    at = drawn.left[drawn.rows // 2].axes
    at.set_ylabel(wrap(y, int(height * drawn.rows / letter)), y=1.04 if drawn.rows % 2 == 0 else 0.5)
