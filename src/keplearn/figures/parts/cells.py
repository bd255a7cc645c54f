"""The cells of a heat map: runs reduced to a number each, and what is written in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.colors import Colormap, Normalize

from keplearn.evaluation.ranking import drawn_values
from keplearn.evaluation.statistics import median
from keplearn.figures.parts.facets import Panel, groups_of, inches_of
from keplearn.figures.parts.labels import number


class Cells:
    """What stands in the cells of a panel, (y, x): the reduced metric, infinite where lost, and numbers of runs.

    ``lost``: those that lost samples; ``none``: those without a value, ``unfinished`` of them are not finished.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        metric: str,
        x: str,
        y: str,
        across: Sequence[Any],
        down: Sequence[Any],
        reduce: str,
    ):
        shape = len(down), len(across)
        self.values: Float64[np.ndarray, "y x"] = np.full(shape, np.nan)
        self.runs, self.lost, self.none, self.unfinished = (np.zeros(shape, int) for _ in range(4))
        for (at, over), runs in groups_of(table, x, y):
            cell = down.index(over), across.index(at)
            values = drawn_values(runs, metric)
            there = values[~np.isnan(values)]
            self.runs[cell], self.none[cell] = len(values), len(values) - len(there)
            self.lost[cell] = np.isposinf(there).sum()
            if "state" in runs:
                self.unfinished[cell] = (np.isnan(values) & (runs["state"] != "finished").to_numpy()).sum()
            if len(there):
                self.values[cell] = _REDUCE[reduce](there)


_REDUCE = {"median": median, "mean": np.mean, "min": np.min, "max": np.max}


def write_cells(
    panel: Panel, grids: Sequence[Cells], grid: Cells, norm: Normalize, colours: Colormap, varies: bool
) -> None:
    """Write in each cell its number, and what else must be known of its runs, in a colour that is read."""
    width, height = inches_of(panel.axes)
    down, across = grid.values.shape
    width, height = width / across, height / down
    longest = max(
        [len(number(value)) for one in grids for value in one.values.ravel() if np.isfinite(value)] or [1]
    )
    size = float(np.clip(72 * 0.9 * width / (0.62 * longest), 4.0, 8.5))
    for (j, i), value in np.ndenumerate(grid.values):
        if not grid.runs[j, i]:
            continue
        finite = np.isfinite(value)
        background = colours(norm(value)) if finite else (0.95, 0.93, 0.9, 1.0)
        look: dict[str, Any] = {"ha": "center", "color": readable(background), "annotation_clip": False}
        words, remarks = _words(grid, j, i, varies)
        # One line of remarks, or two where one would be too small.
        lines, small = remarks, 0.0
        for lines in ([" ".join(remarks)], remarks):
            small = min(0.8 * size, 72 * 0.92 * width / (0.62 * max([1, *map(len, lines)])))
            if small >= _SMALLEST:
                break
        fits = bool(remarks) and small >= 0.8 * _SMALLEST and 72 * height > 1.2 * (size + small * len(lines))
        shift = 0.62 * small * len(lines) if fits else 0.0
        own = min(size, 72 * 0.92 * width / (0.62 * len(words)))
        panel.axes.annotate(
            words, (i, j), (0, shift), textcoords="offset points", va="center", fontsize=own, gid="value",
            **look,
        )  # fmt: skip
        if fits:
            panel.axes.annotate(
                "\n".join(lines), (i, j), (0, shift - 0.62 * size), textcoords="offset points", va="top",
                fontsize=small, linespacing=1.05, gid="runs", **look,
            )  # fmt: skip


_SMALLEST = 5.0
"""Points; the remarks in a cell are not smaller if they can be set in two lines."""


def _words(grid: Cells, j: int, i: int, varies: bool) -> tuple[str, list[str]]:
    """Return what stands in a cell, and the remarks below."""
    none, lost, runs = (int(x[j, i]) for x in (grid.none, grid.lost, grid.runs))
    value = float(grid.values[j, i])
    if np.isnan(value):
        return f"×{none} of {runs}", []
    remarks = [f"◇{lost} of {runs}"] if lost else []
    if none:
        remarks.append(f"×{none}" if lost else f"×{none} of {runs}")
    if varies and not remarks:
        remarks = [f"n = {runs}"]
    return number(value) if np.isfinite(value) else "lost", remarks


def readable(background: Sequence[float]) -> str:
    """Return black or white, whichever stands out more on a colour (contrast of WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background[:3]]
    luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
    return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"
