"""The map of a group: a metric over two parameters, in cells that say their number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from keplearn.errors import KeplearnError, nearest
from keplearn.figures import style
from keplearn.figures.facets import (
    Facets,
    Panel,
    draw_legend,
    facets,
    groups_of,
    inches_of,
    label_axes,
    name_ticks,
    note,
)
from keplearn.figures.labels import (
    choose,
    default_title,
    is_ordered,
    level_text,
    levels,
    metric_label,
    number,
    parameter_label,
    require_columns,
    values_of,
    wants_log,
    wrap,
)

REDUCTIONS = {"median": "median", "mean": "mean", "min": "least", "max": "greatest"}
"""How a cell's runs become one number, and what the colour bar then says."""

_COLOURS = "viridis"
_LETTERS = 22
"""Names along y break into lines of so many letters."""


@style.styled
def heatmap(
    table: pd.DataFrame,
    metric: str = "mean",
    x: str | None = None,
    y: str | None = None,
    row: str | None = None,
    column: str | None = None,
    reduce: str = "median",
    title: str = "",
) -> Figure:
    """Draw a metric over two parameters as coloured cells, each with its number.

    A cell is reduced over its finite runs. Where a run failed or its metric is not finite the cell says how
    many of its runs; a cell without a finite run is hatched, one without a run empty. The number of runs
    stands in the cells where it varies, else below.

    Parameters
    ----------
    table
        As from `keplearn.evaluation.group_table.group_table`, a row a run.
    metric
        A key of SPEC 4, or another column of numbers.
    x, y
        The parameters along the axes; by default the varying ones with most values. Numbers stand in their
        order, names in order of appearance.
    row, column
        Parameters with a panel for each value.
    reduce
        ``median``, ``mean``, ``min`` or ``max``.
    title
        Above the figure; by default the group and the test dataset.

    Raises
    ------
    KeplearnError
        If there is no run, the metric is no number, a parameter is missing or given twice, or the reduction
        is none of these.
    """
    if reduce not in REDUCTIONS:
        raise KeplearnError(
            f"no reduction {reduce!r}, only {', '.join(REDUCTIONS)}.{nearest(reduce, REDUCTIONS)}"
        )
    x = x or choose(table, (y, row, column))
    y = y or choose(table, (x, row, column))
    require_columns(table, metric, (x, y, row, column))
    across, down = levels(values_of(table[x])), levels(values_of(table[y]))
    height = 0.3 + max(0.5 * len(down), 0.9)
    drawn = facets(table, row, column, height, 1.9)
    grids = [_Cells(panel.table, metric, x, y, across, down, reduce) for panel in drawn.panels]
    every = np.concatenate([grid.values.ravel() for grid in grids])
    norm = _norm(every)
    counts = {int(n) for grid in grids for n in grid.runs.ravel() if n}
    for panel, grid in zip(drawn.panels, grids, strict=True):
        _draw_cells(panel.axes, grid, norm)
    _name_axes(drawn, x, y, across, down, height)
    bar = drawn.figure.colorbar(
        ScalarMappable(norm, _COLOURS), ax=[panel.axes for panel in drawn.panels], pad=0.02,
        aspect=max(12, 12 * drawn.rows), fraction=0.05,
    )  # fmt: skip
    bar.ax.tick_params(labelsize=style.STYLE["ytick.labelsize"], which="both")
    text = (
        metric_label(metric)
        if max(counts) == 1
        else f"{REDUCTIONS[reduce]} over runs of {metric_label(metric)}"
    )
    bar.set_label(wrap(text, int(0.9 * height * drawn.rows / (0.6 * 9 / 72)) + 8))
    bar.ax.grid(visible=False)
    handles = _legend(grids, counts)
    draw_legend(drawn.figure, [("", handles[:2]), ("", handles[2:])])
    drawn.figure.suptitle(title or default_title(table))
    # The size of the numbers depends on the cells as they will be.
    drawn.figure.draw_without_rendering()
    colours = colormaps[_COLOURS]
    for panel, grid in zip(drawn.panels, grids, strict=True):
        _write_cells(panel, grids, grid, norm, colours, len(counts) > 1)
    return drawn.figure


class _Cells:
    """What stands in the cells of a panel, (y, x): the reduced metric, the runs, those of them without a number."""

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
        self.runs, self.lost, self.unfinished, self.diverged = (np.zeros(shape, int) for _ in range(4))
        for (at, over), runs in groups_of(table, x, y):
            cell = down.index(over), across.index(at)
            values = runs[metric].to_numpy(np.float64)
            finite = values[np.isfinite(values)]
            self.runs[cell], self.lost[cell] = len(values), len(values) - len(finite)
            if "state" in runs:
                self.unfinished[cell] = (
                    ~np.isfinite(values) & (runs["state"] != "finished").to_numpy()
                ).sum()
            if "diverged" in runs:
                self.diverged[cell] = (runs["diverged"].to_numpy()[np.isfinite(values)] > 0).sum()
            if len(finite):
                self.values[cell] = getattr(np, reduce)(finite)


def _norm(values: Float64[np.ndarray, "cell"]) -> Normalize:
    """Return the scale of the colours: logarithmic where the values ask for it."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Normalize(0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    if wants_log(values) and low > 0:
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + (abs(low) or 1.0))


def _draw_cells(axes: Axes, grid: _Cells, norm: Normalize) -> None:
    """Draw the colours, and hatches where no run has a number."""
    down, across = grid.values.shape
    axes.pcolormesh(
        np.arange(across + 1) - 0.5, np.arange(down + 1) - 0.5, np.ma.masked_invalid(grid.values),
        norm=norm, cmap=_COLOURS, edgecolors="white", linewidth=0.8, gid="cells",
    )  # fmt: skip
    for j, i in zip(*np.nonzero((grid.runs > 0) & (grid.lost == grid.runs)), strict=True):
        axes.add_patch(Rectangle((i - 0.5, j - 0.5), 1, 1, gid="lost", **_HATCH))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlim(-0.5, across - 0.5)
    axes.set_ylim(-0.5, down - 0.5)


_HATCH: dict[str, Any] = {
    "facecolor": "#F2F2F2", "edgecolor": "#B0B0B0", "hatch": "////", "linewidth": 0.0,
}  # fmt: skip


def _name_axes(
    drawn: Facets, x: str, y: str, across: Sequence[Any], down: Sequence[Any], height: float
) -> None:
    names = [wrap(level_text(value), _LETTERS) for value in down]
    for panel in drawn.panels:
        if not is_ordered(y, down):
            panel.axes.invert_yaxis()  # names are read from the top
        panel.axes.set_yticks(
            range(len(down)), names if panel.column == 0 else [""] * len(down), fontsize=7.5
        )
    taken = 1.1 + 0.06 * max(len(line) for name in names for line in name.split("\n"))
    for panel in drawn.bottom:
        inches = (style.WIDTH - taken) / drawn.columns / len(across)
        name_ticks(panel.axes, [level_text(value) for value in across], inches)
    label_axes(drawn, parameter_label(x), parameter_label(y), height)


def _write_cells(
    panel: Panel, grids: Sequence[_Cells], grid: _Cells, norm: Normalize, colours: Colormap, varies: bool
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
        background = colours(norm(value)) if finite else (0.95, 0.95, 0.95, 1.0)
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


def _words(grid: _Cells, j: int, i: int, varies: bool) -> tuple[str, list[str]]:
    """Return what stands in a cell, and the remarks below."""
    lost = f"×{grid.lost[j, i]} of {grid.runs[j, i]}"
    if not np.isfinite(grid.values[j, i]):
        return lost, []
    remarks = [lost] if grid.lost[j, i] else [f"n = {grid.runs[j, i]}"] if varies else []
    return number(float(grid.values[j, i])), remarks + [f"◇{grid.diverged[j, i]}"] * bool(grid.diverged[j, i])


def readable(background: Sequence[float]) -> str:
    """Return black or white, whichever stands out more on a colour (contrast of WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background[:3]]
    luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
    return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"


def _legend(grids: Sequence[_Cells], counts: set[int]) -> list[Any]:
    """Return what the hatches and signs mean."""
    runs, lost = (sum(int(getattr(grid, name).sum()) for grid in grids) for name in ("runs", "lost"))
    handles: list[Any] = []
    if any(((grid.lost == grid.runs) & (grid.runs > 0)).any() for grid in grids):
        handles.append(Patch(label="no run with a number", **_HATCH))
    if lost:
        unfinished = sum(int(grid.unfinished.sum()) for grid in grids)
        parts = {"not finished": unfinished, "not finite": lost - unfinished}
        said = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
        handles.append(note(f"×n of m: runs without a number\n({said})"))
    if any(grid.diverged.any() for grid in grids):
        handles.append(note("◇n: n runs with diverged test orbits"))
    if any((grid.runs == 0).any() for grid in grids):
        handles.append(note("empty: no run"))
    if len(counts) == 1 and runs:
        (count,) = counts
        handles.append(note(f"{count} run{'s' * (count > 1)} a cell"))
    return handles
