"""Which parameters of a group drive a metric: correlation, importance, and what is best on average and at best."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from keplearn.figures.parts import style
from keplearn.figures.parts.facets import draw_legend, letters_in, name_ticks, tick_letters
from keplearn.figures.parts.labels import (
    default_title,
    metric_label,
    named,
    parameter_label,
    wrap,
)
from keplearn.figures.parts.lost import make_band
from keplearn.figures.parts.scales import limits, wants_log
from keplearn.figures.registry import figure
from keplearn.groups.importance import Learnt, dependence, importances, learn
from keplearn.groups.values import is_ordered


@figure(
    "group",
    {
        "metric": "What is explained: median, mean, field, theta-deg, position%, …",
        "parameters": "Only these, e.g. width,depth; by default all that vary.",
        "seed": "Of the random forest.",
    },
)
def importance(
    table: pd.DataFrame,
    metric: str = "median",
    parameters: Sequence[str] | None = None,
    seed: int = 0,
    title: str = "",
) -> Figure:
    """Draw which parameters drive a metric: rank correlation, permutation importance, best on average and at best.

    Above, rank correlations and permutation importances as in `importance_table`, the most important
    parameter on top; below, the partial dependence on each and the best run of each value, the least of
    either filled: where the two differ, what is best on average is not what the best run had.

    Parameters
    ----------
    table, metric, parameters, seed
        As for `importance_table`.
    title
        Above the figure; by default the group and the test dataset.

    Raises
    ------
    KeplearnError
        As for `importance_table`.
    """
    learnt = learn(table, metric, parameters, seed)
    found, values = importances(learnt), dependence(learnt)
    names = list(found.index)
    columns = 3 if len(names) <= 6 else 4
    rows = ceil(len(names) / columns)
    upper = 0.55 + 0.24 * len(names)
    figure, axes = style.new_figure(2.0 + upper + 2.05 * rows, [upper, *[1.7] * rows], 12, share_x=False)
    grid = axes[0].get_gridspec()
    assert grid is not None
    for one in axes:
        one.remove()
    left, right = figure.add_subplot(grid[0, :6]), figure.add_subplot(grid[0, 6:])
    _draw_correlations(left, found)
    _draw_permutations(right, found)
    share = 12 // columns
    panels = [
        figure.add_subplot(grid[1 + k // columns, share * (k % columns) : share * (k % columns + 1)])
        for k in range(len(names))
    ]
    drawn = values[["partial", "best"]].to_numpy(np.float64)
    some_lost = bool(np.isposinf(drawn).any())
    drawn = drawn[np.isfinite(drawn)]
    log = wants_log(drawn, metric)
    for k, (name, panel) in enumerate(zip(names, panels, strict=True)):
        if log:
            style.log_axis(panel)
        low, high = limits(drawn, log)
        panel.set_ylim(low, high)
        band = make_band(panel, low, high, named=k % columns == 0) if some_lost else high
        _draw_dependence(panel, name, values[values["parameter"] == name], 5.6 / columns, band)
        if k % columns:
            panel.tick_params(labelleft=False, which="both")
        else:
            panel.set_ylabel(wrap(metric_label(metric), 26), fontsize=8)
    for one in (left, right, *panels):
        one.tick_params(labelsize=7.5, which="both")
    draw_legend(figure, [("", part) for part in _legend(learnt, found)])
    figure.suptitle(title or default_title(table))
    return figure


def _draw_bars(axes: Axes, found: pd.DataFrame, widths: Any, texts: Sequence[str], **look: Any) -> None:
    """Draw a bar a parameter, the first on top, its number at its end."""
    y = np.arange(len(found))
    axes.barh(y, widths, height=0.62, **look)
    for at, width, text in zip(y, widths, texts, strict=True):
        axes.annotate(
            text, (max(width, 0.0), at), (4, 0), textcoords="offset points", va="center", ha="left",
            fontsize=7.5, annotation_clip=False,
        )  # fmt: skip
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _two_digits(value: float) -> str:
    """Return a number with two digits after the point and a proper sign, none if it is 0."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _draw_correlations(axes: Axes, found: pd.DataFrame) -> None:
    signs = {"rho": "ρ", "eta": "η"}
    texts = [
        f"{signs[measure]} = {_two_digits(value)}"
        for measure, value in zip(found["measure"], found["correlation"], strict=True)
    ]
    colours = [
        _ETA if measure == "eta" else _RISES if value >= 0 else _FALLS
        for measure, value in zip(found["measure"], found["correlation"], strict=True)
    ]
    _draw_bars(axes, found, found["correlation"].abs().to_numpy(), texts, color=colours, gid="correlation")
    axes.set_yticks(range(len(found)), [parameter_label(str(name)) for name in found.index])
    axes.set_xlim(0, 1)
    axes.set_xlabel("rank correlation\n(|ρ| or η)")


def _draw_permutations(axes: Axes, found: pd.DataFrame) -> None:
    falls, spread = found["permutation"].to_numpy(), found["spread"].to_numpy()
    texts = [_two_digits(fall) for fall in falls]
    _draw_bars(axes, found, falls, texts, color=style.SKY, gid="permutation", xerr=spread, error_kw=_WHISKER)
    # The number stands after the whisker, or right of 0.
    for text, end in zip(axes.texts, falls + spread, strict=True):
        text.xy = (max(float(end), 0.0), text.xy[1])  # type: ignore[attr-defined]
    axes.set_yticks(range(len(found)), [""] * len(found))
    axes.set_xlim(
        min(0.0, 1.1 * float((falls - spread).min())), 1.22 * max(float((falls + spread).max()), 0.05)
    )
    axes.set_xlabel("permutation importance\n(fall of out-of-bag R²)")


_RISES, _FALLS, _ETA = style.VERMILION, style.BLUE, "#9A9A9A"
_WHISKER: dict[str, Any] = {"linewidth": 0.8, "ecolor": style.BLACK}
_PARTIAL: dict[str, Any] = {"color": style.BLUE, "marker": "o", "markersize": 5.0, "linewidth": 1.2}
_BEST: dict[str, Any] = {
    "color": style.GREEN, "marker": "v", "markersize": 5.0, "linewidth": 1.0, "linestyle": (0, (2, 1.5)),
}  # fmt: skip


def _draw_dependence(axes: Axes, name: str, rows: pd.DataFrame, inches: float, band: float) -> None:
    """Draw the forest's mean and the best run at each value; the least is filled, a lost one stands in the band."""
    at = np.arange(len(rows))
    for key, look in (("partial", _PARTIAL), ("best", _BEST)):
        values = rows[key].to_numpy(np.float64)
        values = np.where(np.isposinf(values), band, values)
        # Between names there is nothing: a line would say otherwise.
        line: dict[str, Any] = {} if is_ordered(name, rows["value"]) else {"linestyle": "none"}
        alone: dict[str, Any] = look | {"linestyle": "none"}
        axes.plot(at, values, markerfacecolor="white", gid=f"{key}:{name}", **(look | line))
        least = int(values.argmin())
        axes.plot(
            at[least : least + 1],
            values[least : least + 1],
            gid=f"least {key}:{name}",
            **alone,
        )
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.grid(visible=False, axis="x")
    label, names = named(name, rows["value"], tick_letters(inches / len(rows), 7.0))
    axes.set_title(wrap(label, letters_in(inches, 8.0)), fontsize=8)
    name_ticks(axes, list(names.values()), inches / len(rows), 7.0)


def _legend(learnt: Learnt, found: pd.DataFrame) -> list[list[Any]]:
    said = f"random forest on {'log10 of the metric' if learnt.log else 'the metric'}:"
    kinds = set(found["measure"])
    signed = found["correlation"][found["measure"] == "rho"]
    first: list[Any] = []
    if (signed >= 0).any():
        first.append(Patch(color=_RISES, label="ρ (Spearman): rises with it"))
    if (signed < 0).any():
        first.append(Patch(color=_FALLS, label="ρ (Spearman): falls with it"))
    if "eta" in kinds:
        first.append(Patch(color=_ETA, label="η: correlation ratio of ranks,\nfor values without order"))
    out = f", {learnt.left_out} left out" if learnt.left_out else ""
    if lost := found.attrs["lost"]:
        out += f",\n{lost} that lost samples count as the worst"
    second = [
        Line2D([], [], markerfacecolor="white", label="forest's mean (partial dependence)", **_PARTIAL),
        Line2D([], [], markerfacecolor="white", label="best run; filled: the least", **_BEST),
        Line2D(
            [], [], linestyle="none",
            label=f"{said}\nout-of-bag R² = {found.attrs['oob_r2']:.2f}, {len(learnt.runs)} runs{out}",
        ),
    ]  # fmt: skip
    return [first, second]
