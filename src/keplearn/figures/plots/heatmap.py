"""The map of a group: a metric over two parameters, in cells that say their number."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from keplearn.core.errors import KeplearnError, nearest
from keplearn.figures.parts import style
from keplearn.figures.parts.cells import Cells, write_cells
from keplearn.figures.parts.colours import label_colours
from keplearn.figures.parts.facets import (
    Facets,
    draw_legend,
    facets,
    label_axes,
    name_ticks,
    note,
    tick_letters,
)
from keplearn.figures.parts.labels import (
    choose,
    default_title,
    metric_label,
    named,
    with_tests,
    wrap,
)
from keplearn.figures.parts.scales import wants_log
from keplearn.figures.registry import figure
from keplearn.groups.values import is_ordered, levels, require_columns, values_of

REDUCTIONS = {"median": "median", "mean": "mean", "min": "least", "max": "greatest"}
"""How a cell's runs become one number, and what the colour bar then says."""

_COLOURS = "viridis"
_LETTERS = 22
"""Names along y break into lines of so many letters."""


@figure(
    "group",
    {
        "metric": "What is drawn: median, mean, field, theta-deg, position%, steps_per_second, …",
        "x": "A parameter along an axis, e.g. segment_ratio; by default one of those with most values.",
        "y": "A parameter along the other axis, e.g. num_train_orbits.",
        "row": "A parameter with a row of panels for each value.",
        "column": "A parameter with a column of panels for each value.",
        "reduce": "How the runs of a cell become one number.",
    },
)
def heatmap(
    table: pd.DataFrame,
    metric: str = "median",
    x: str | None = None,
    y: str | None = None,
    row: str | None = None,
    column: str | None = None,
    reduce: Literal["median", "mean", "min", "max"] | str = "median",
    title: str = "",
) -> Figure:
    """Draw a metric over two parameters, the cells annotated, with panels by a third and a fourth.

    A cell is reduced over its runs; one that lost samples, its orbits diverged or its errors not finite, counts
    as worse than any number. Where that is the outcome the cell is hatched and says "lost"; how many runs did
    stands in it in any case, and how many have no value, such as failed ones. A cell without a value is hatched
    in grey, one without a run empty. The number of runs stands in the cells where it varies, else below.

    Parameters
    ----------
    table
        As from `keplearn.groups.table.group_table`, a row a run.
    metric
        A metric's key, or another column of numbers.
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
    row, column = with_tests(table, row, column, (x, y))
    x = x or choose(table, (y, row, column))
    y = y or choose(table, (x, row, column))
    require_columns(table, metric, (x, y, row, column))
    across, down = levels(values_of(table[x])), levels(values_of(table[y]))
    height = 0.3 + max(0.5 * len(down), 0.9)
    drawn = facets(table, row, column, height, 1.9)
    grids = [Cells(panel.table, metric, x, y, across, down, reduce) for panel in drawn.panels]
    every = np.concatenate([grid.values.ravel() for grid in grids])
    norm = _norm(every, metric)
    counts = {int(n) for grid in grids for n in grid.runs.ravel() if n}
    for panel, grid in zip(drawn.panels, grids, strict=True):
        _draw_cells(panel.axes, grid, norm)
    _name_axes(drawn, x, y, across, down, height)
    bar = drawn.figure.colorbar(
        ScalarMappable(norm, _COLOURS), ax=[panel.axes for panel in drawn.panels], pad=0.02,
        aspect=max(12, 12 * drawn.rows), fraction=0.05,
    )  # fmt: skip
    bar.ax.tick_params(labelsize=style.STYLE["ytick.labelsize"], which="both")
    if isinstance(norm, LogNorm):
        low, high = bar.ax.get_ylim()
        label_colours(bar.ax, high / low)
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
        write_cells(panel, grids, grid, norm, colours, len(counts) > 1)
    return drawn.figure


def _norm(values: Float64[np.ndarray, "cell"], metric: str) -> Normalize:
    """Return the scale of the colours: logarithmic where the values ask for it."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Normalize(0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    if wants_log(values, metric):
        return LogNorm(float(finite[finite > 0].min()), high, clip=True)
    return Normalize(low, high if high > low else low + (abs(low) or 1.0))


def _draw_cells(axes: Axes, grid: Cells, norm: Normalize) -> None:
    """Draw the colours, and hatches where the outcome is no number."""
    down, across = grid.values.shape
    axes.pcolormesh(
        np.arange(across + 1) - 0.5, np.arange(down + 1) - 0.5, np.ma.masked_invalid(grid.values),
        norm=norm, cmap=_COLOURS, edgecolors="white", linewidth=0.8, gid="cells",
    )  # fmt: skip
    for gid, cells, look in (
        ("none", (grid.runs > 0) & np.isnan(grid.values), _NONE), ("lost", np.isposinf(grid.values), _LOST)
    ):  # fmt: skip
        for j, i in zip(*np.nonzero(cells), strict=True):
            axes.add_patch(Rectangle((i - 0.5, j - 0.5), 1, 1, gid=gid, **look))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlim(-0.5, across - 0.5)
    axes.set_ylim(-0.5, down - 0.5)


_NONE: dict[str, Any] = {
    "facecolor": "#F2F2F2", "edgecolor": "#B0B0B0", "hatch": "////", "linewidth": 0.0,
}  # fmt: skip
_LOST: dict[str, Any] = {
    "facecolor": style.LOST, "edgecolor": "#E9B08A", "hatch": "\\\\\\\\", "linewidth": 0.0,
}  # fmt: skip


def _name_axes(
    drawn: Facets, x: str, y: str, across: Sequence[Any], down: Sequence[Any], height: float
) -> None:
    beside, texts = named(y, down, _LETTERS)
    names = [wrap(text, _LETTERS) for text in texts.values()]
    for panel in drawn.panels:
        if not is_ordered(y, down):
            panel.axes.invert_yaxis()  # names are read from the top
        panel.axes.set_yticks(
            range(len(down)), names if panel.column == 0 else [""] * len(down), fontsize=7.5
        )
    taken = 1.1 + 0.06 * max(len(line) for name in names for line in name.split("\n"))
    inches = (style.WIDTH - taken) / drawn.columns / len(across)
    below, texts = named(x, across, tick_letters(inches))
    for panel in drawn.bottom:
        name_ticks(panel.axes, list(texts.values()), inches)
    label_axes(drawn, below, beside, height)


def _legend(grids: Sequence[Cells], counts: set[int]) -> list[Any]:
    """Return what the hatches and signs mean."""
    runs, lost, none, unfinished = (
        sum(int(getattr(grid, name).sum()) for grid in grids)
        for name in ("runs", "lost", "none", "unfinished")
    )
    handles: list[Any] = []
    if any(np.isposinf(grid.values).any() for grid in grids):
        handles.append(Patch(label="lost: worse than any number", **_LOST))
    if any((np.isnan(grid.values) & (grid.runs > 0)).any() for grid in grids):
        handles.append(Patch(label="no run with a value", **_NONE))
    if lost:
        handles.append(note("◇n of m: n runs lost samples"))
    if none:
        parts = {"not finished": unfinished, "without a number": none - unfinished}
        said = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
        handles.append(note(f"×n of m: runs without a value\n({said})"))
    if any((grid.runs == 0).any() for grid in grids):
        handles.append(note("empty: no run"))
    if len(counts) == 1 and runs:
        (count,) = counts
        handles.append(note(f"{count} run{'s' * (count > 1)} a cell"))
    return handles
