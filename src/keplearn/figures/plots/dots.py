"""The runs of a group, a dot each: a metric against up to five parameters."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.ranking import drawn_values
from keplearn.evaluation.statistics import median
from keplearn.figures.parts import style
from keplearn.figures.parts.facets import (
    Panel,
    draw_legend,
    facets,
    groups_of,
    label_axes,
    name_ticks,
    tick_letters,
    write_lost,
)
from keplearn.figures.parts.labels import (
    Looks,
    choose,
    default_title,
    metric_label,
    named,
    parameter_label,
    with_tests,
)
from keplearn.figures.parts.lost import lost_handle, make_band
from keplearn.figures.parts.scales import limits, wants_log
from keplearn.figures.parts.swarm import Places, Swarm, arrange
from keplearn.figures.registry import figure
from keplearn.groups.values import level_text, level_texts, levels, require_columns, values_of


@figure(
    "group",
    {
        "metric": "What is drawn: median, mean, field, theta-deg, position%, steps_per_second, …",
        "x": "The parameter along the axis; by default the varying one with most values.",
        "row": "A parameter with a row of panels for each value.",
        "column": "A parameter with a column of panels for each value.",
        "colour": ("--colour", "--color", "A parameter told apart by colours within a place."),
        "marker": "A parameter told apart by markers within a place.",
    },
)
def dots(
    table: pd.DataFrame,
    metric: str = "median",
    x: str | None = None,
    row: str | None = None,
    column: str | None = None,
    colour: str | None = None,
    marker: str | None = None,
    title: str = "",
) -> Figure:
    """Draw every run as a dot: one metric against up to five parameters at once.

    Runs of one place stand side by side, never one on another, by a rule without chance. A run that lost
    samples, its orbits diverged or its errors not finite, is worse than any number: a hollow dot in a band on
    top. A line is the median of a place and colour over all runs with a dot. Above their place stand in red
    the numbers of runs in the band and of runs without a dot, such as failed ones.

    Parameters
    ----------
    table
        As from `keplearn.groups.table.group_table`, a row a run.
    metric
        A metric's key, or another column of numbers.
    x
        The parameter along the axis; by default the varying one with most values that is not used otherwise.
    row, column
        Parameters with a panel for each value.
    colour, marker
        Parameters told apart within a place; without ``marker``, colours have markers of their own.
    title
        Above the figure; by default the group and the test dataset.

    Raises
    ------
    KeplearnError
        If there is no run, the metric is no number, no run has one, or a parameter is missing or given twice.
    """
    row, column = with_tests(table, row, column, (x, colour, marker))
    x = x or choose(table, (row, column, colour, marker))
    require_columns(table, metric, (x, row, column, colour, marker))
    values = drawn_values(table, metric)
    table = table.assign(**{metric: values})
    log, some_lost = wants_log(values, metric), bool(np.isposinf(values).any())
    height = 2.2 if row else 2.7
    drawn = facets(table, row, column, height, 2.1)
    places = levels(values_of(table[x]))
    by = colour if colour is not None else marker
    slots = levels(values_of(_dotted(table, metric)[by])) if by is not None else [None]
    if not slots:
        raise KeplearnError(f"There is nothing to draw: no run has a number for {metric}.")
    at = Places(x, by, places, slots)
    looks, band = Looks(table, colour, marker), np.nan
    for panel in drawn.panels:
        if log:
            style.log_axis(panel.axes)
        low, high = limits(values, log, above=0.06 if some_lost else 0.16)
        panel.axes.set_ylim(low, high)
        if some_lost:
            band = make_band(panel.axes, low, high, named=panel.column == 0)
        panel.axes.set_xlim(-0.5, len(places) - 0.5)
        panel.axes.grid(visible=False, axis="x")
        panel.axes.tick_params(axis="x", length=0)
        for edge in range(1, len(places)):
            panel.axes.axvline(edge - 0.5, color=style.PALE, linewidth=0.7, zorder=0.5)
        if panel.column:
            panel.axes.tick_params(labelleft=False, which="both")
    inches = 0.8 * style.WIDTH / drawn.columns / len(places)
    label, names = named(x, places, tick_letters(inches))
    for panel in drawn.bottom:
        name_ticks(panel.axes, list(names.values()), inches)
    draw_legend(drawn.figure, _legend(table, metric, looks, log))
    drawn.figure.suptitle(title or default_title(table))
    label_axes(drawn, label, metric_label(metric), height)
    # Dots are placed on the paper: the panels must stand before.
    drawn.figure.draw_without_rendering()
    size, swarms = arrange(drawn, metric, at, log)
    for panel, swarm in zip(drawn.panels, swarms, strict=True):
        _draw_dots(panel, metric, swarm, looks, size, log)
        _draw_lost(panel, metric, at, looks, size, band)
        _draw_medians(panel, metric, at, looks, band)
        _count_lost(panel, metric, at)
    return drawn.figure


def _dotted(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The runs with a dot, those in the band among them."""
    return table[~np.isnan(table[metric].to_numpy(np.float64))]


def _draw_dots(panel: Panel, metric: str, swarm: Swarm, looks: Looks, size: float, log: bool) -> None:
    """Draw the runs of a panel, those of one look as one series."""
    if not swarm:
        return
    runs = pd.concat([part.assign(_x=x) for part, x in swarm])
    low, _ = panel.axes.get_ylim()
    for (colour, marker), part in groups_of(runs, *looks.names):
        y = part[metric].to_numpy(np.float64)
        look: dict[str, Any] = dict(looks(colour, marker))
        panel.axes.plot(
            part["_x"], np.where(y > 0, y, low) if log else y, linestyle="none", markersize=size,
            markeredgewidth=0.3, markeredgecolor="white", zorder=3, clip_on=False,
            gid=f"dots:{level_text(colour)}:{level_text(marker)}", **look,
        )  # fmt: skip


def _draw_lost(panel: Panel, metric: str, at: Places, looks: Looks, size: float, band: float) -> None:
    """Draw the runs that lost samples in the band, side by side, those with fewest on the left."""
    lost = panel.table[np.isposinf(panel.table[metric].to_numpy(np.float64))]
    for (place, slot), runs in groups_of(lost, at.x, at.by):
        if "lost" in runs:
            runs = runs.sort_values("lost", kind="stable")
        across = 0.8 * at.share * ((np.arange(len(runs)) + 0.5) / len(runs) - 0.5)
        placed = runs.assign(_x=at.centre(place, slot) + across)
        for (colour, marker), part in groups_of(placed, *looks.names):
            look = looks(colour, marker)
            panel.axes.plot(
                part["_x"], np.full(len(part), band), linestyle="none", markersize=size, marker=look["marker"],
                markerfacecolor="white", markeredgecolor=look["color"], markeredgewidth=0.8, zorder=3,
                gid=f"lost:{level_text(colour)}:{level_text(marker)}",
            )  # fmt: skip


def _draw_medians(panel: Panel, metric: str, at: Places, looks: Looks, band: float) -> None:
    """Draw the median of each place and colour as a short line, in the band if that is where it is."""
    dotted = _dotted(panel.table, metric)
    for slot in at.slots:
        line_x, line_y = [], []
        for (place, other), runs in groups_of(dotted, at.x, at.by):
            if other != slot:
                continue
            centre = at.centre(place, slot)
            line_x += [centre - at.share / 2, centre + at.share / 2, np.nan]
            middle = median(runs[metric].to_numpy(np.float64))
            line_y += [*[middle if np.isfinite(middle) else band] * 2, np.nan]
        if line_x:
            colour = looks.colours[slot] if looks.names[0] is not None else style.BLACK
            panel.axes.plot(
                line_x, line_y, color=colour, linewidth=1.4, zorder=2.5, gid=f"median:{level_text(slot)}",
                solid_capstyle="butt",
            )  # fmt: skip


def _count_lost(panel: Panel, metric: str, at: Places) -> None:
    """Write above each place how many of its runs have no number."""
    lost = panel.table[~np.isfinite(panel.table[metric].to_numpy(np.float64))]
    for (place,), runs in groups_of(lost, at.x):
        write_lost(panel.axes, at.places.index(place), len(runs))


def _legend(table: pd.DataFrame, metric: str, looks: Looks, log: bool) -> list[tuple[str, list[Any]]]:
    """Return the handles of the colours, of the markers, and of what else is drawn."""
    colour, marker = looks.names
    dot: dict[str, Any] = {"linestyle": "none", "markersize": 5, "markeredgewidth": 0.0}
    groups: list[tuple[str, list[Any]]] = []
    if colour is not None:
        shown = levels(values_of(table[colour]))
        seen = set(values_of(_dotted(table, metric)[colour]))
        names = {v: text + " (no dot)" * (v not in seen) for v, text in level_texts(shown).items()}
        shapes = ["s"] * len(shown) if marker is not None else [looks.markers[value] for value in shown]
        groups.append(
            (
                parameter_label(colour),
                [
                    Line2D([], [], color=looks.colours[value], marker=shape, label=names[value], **dot)
                    for value, shape in zip(shown, shapes, strict=True)
                ],
            )
        )
    if marker is not None:
        face = style.BLUE if colour is None else style.GREY
        groups.append(
            (
                parameter_label(marker),
                [
                    Line2D([], [], color=face, marker=looks.markers[value], label=text, **dot)
                    for value, text in level_texts(looks.markers).items()
                ],
            )
        )
    groups.append((" " * bool(groups), _notes(table, metric, log)))
    return groups


def _notes(table: pd.DataFrame, metric: str, log: bool) -> list[Any]:
    """Return the handles of the median, the band, and runs without a dot."""
    values = table[metric].to_numpy(np.float64)
    lost, none = np.isposinf(values), np.isnan(values)
    failed = none & (table["state"] != "finished").to_numpy() if "state" in table else np.zeros_like(none)
    handles: list[Any] = [Line2D([], [], color=style.GREY, linewidth=1.4, label="median, of all dots")]
    if lost.any():
        handles.append(lost_handle("lost samples: worse than any number"))
    parts = {
        "lost samples": int(lost.sum()), "not finished": int(failed.sum()),
        "without a value": int((none & ~failed).sum()),
    }  # fmt: skip
    if said := ", ".join(f"{count} {what}" for what, count in parts.items() if count):
        cross = Line2D([], [], linestyle="none", marker="x", color=style.VERMILION, markersize=4.5)
        cross.set_label(f"n  runs here have no number\n(in all: {said})")
        handles.append(cross)
    if log and (zeros := int((values == 0).sum())):
        handles.append(Line2D([], [], linestyle="none", label=f"{zeros} runs at 0 lie on the lower edge"))
    return handles
