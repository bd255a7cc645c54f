"""Boxes and violins: how errors are spread over orbits or samples, for each value of some parameters."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.mlab import GaussianKDE
from matplotlib.patches import Patch

from keplearn.core.errors import KeplearnError, nearest
from keplearn.evaluation.ranking import LEADING
from keplearn.evaluation.statistics import quantiles
from keplearn.figures.parts import style
from keplearn.figures.parts.facets import draw_legend, groups_of, name_ticks, note, write_lost
from keplearn.figures.parts.labels import (
    default_title,
    metric_label,
    number,
    parameter_label,
    unit_of,
    wrap,
)
from keplearn.figures.parts.lost import make_band
from keplearn.figures.parts.outliers import name_of, number_points, records, worst_of
from keplearn.figures.parts.scales import limits, wants_log
from keplearn.figures.registry import figure
from keplearn.groups.error_table import error_table
from keplearn.groups.values import level_texts, levels, values_of
from keplearn.runs.store import Run

_COLUMNS = ("run_id", "label", "orbit", "value")


def _errors(
    runs: Sequence[Run],
    table: pd.DataFrame,
    metric: str | None = None,
    parameters: Sequence[str] | None = None,
    per: Literal["orbit", "sample"] = "orbit",
    say: Callable[[str], object] = lambda text: None,
) -> pd.DataFrame:
    """Return the errors of a group's runs by the values of parameters: by default of two that vary."""
    by = parameters or [key for key in table.attrs["varying"] if key != "seed"][:2]
    metric = metric or (LEADING if per == "orbit" else "mean")
    return error_table(runs, table.attrs["dataset"], by, per, metric, say, table.attrs["segments"] or None)


@figure(
    "group",
    {
        "metric": "What is drawn: median, mean, field, theta-deg, position%, …; by default the median, by sample mean.",
        "parameters": (
            "--by",
            "Parameters that make a box, e.g. output_layer,feature_layer; runs that differ in others (seeds) are "
            "pooled.",
        ),
        "per": "orbit or sample.",
        "violin": "Draw densities besides.",
    },
    prepare=_errors,
)
def box(
    errors: pd.DataFrame,
    metric: str | None = None,
    by: str | None = None,
    violin: bool = False,
    title: str = "",
) -> Figure:
    """Draw boxes or violins of errors by parameter values, with medians, means and the worst outliers named.

    A box reaches from the lower to the upper quartile, its whiskers to the last value within 1.5 times that
    from it; what lies beyond is an outlier, and the worst are named by run and orbit. A value that is infinite is
    lost, worse than any number, and counts as such in quartiles, median and mean: what of them is infinite
    stands in a band on top, with the number of lost values. Violins and names are of the finite ones.

    Parameters
    ----------
    errors
        A row a sample or orbit: ``run_id``, ``label``, ``orbit``, ``value`` (infinite or not a number where
        lost), as from `error_table`; the unit in ``attrs["unit"]``.
    metric
        What the values are, a metric's key: the label of the axis; by default that in ``attrs["metric"]``.
    by
        The column with a box for each value; by default ``label``.
    violin
        Draw densities besides: of the logarithms where the axis is logarithmic.
    title
        Above the figure; by default the group and the test dataset.

    Raises
    ------
    KeplearnError
        If there is no row, or a column is missing.
    """
    by = by or "label"
    metric = metric or str(errors.attrs.get("metric", LEADING))
    for name in (*(one for one in _COLUMNS if one != "label"), by):
        if name not in errors:
            raise KeplearnError(f"these errors have no column {name!r}.{nearest(name, map(str, errors))}")
    if errors.empty:
        raise KeplearnError("There is nothing to draw: the table has no row.")
    values = np.where(np.isfinite(errors["value"]), errors["value"], np.inf).astype(np.float64)
    errors = errors.assign(value=values)
    log, some_lost = wants_log(values, metric), bool(np.isinf(values).any())
    places = levels(values_of(errors[by]))
    figure, (axes,) = style.new_figure(4.6 if len(places) < 7 else 5.4)
    if log:
        style.log_axis(axes)
    low, high = limits(_without_dust(values) if log else values, log, above=0.06 if some_lost else 0.2)
    axes.set_ylim(low, high)
    band = make_band(axes, low, high) if some_lost else high
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    boxes = {place: rows for (place,), rows in groups_of(errors, by)}
    outliers = [
        _draw_box(axes, k, boxes[place], (low, band), violin=violin, log=log)
        for k, place in enumerate(places)
    ]
    _name_boxes(axes, errors, by, places, boxes)
    axes.set_ylabel(wrap(_value_label(errors, metric), 32))
    worst = worst_of(pd.concat(outliers))
    handles = _legend(errors, worst, violin, int((values < low).sum()) if log else 0)
    unit = errors.attrs.get("unit", unit_of(metric))
    names = [note(f"{row.number}  {name_of(row)}: {number(row.value)} {unit}") for row in records(worst)]
    half = -(-len(handles) // 2)
    draw_legend(figure, [(" ", handles[:half]), (" ", handles[half:]), ("worst outliers: run/orbit", names)])
    figure.suptitle(title or default_title(errors))
    figure.draw_without_rendering()
    number_points(axes, worst, 0.8 if some_lost else 0.9)
    return figure


def _without_dust(values: Float64[np.ndarray, "row"]) -> Float64[np.ndarray, "kept"]:
    """Return the positive values without those far below the hundredth part: rounding would fill the axis."""
    values = values[np.isfinite(values) & (values > 0)]
    return values[values >= 1e-2 * np.quantile(values, 0.01)]


def _value_label(errors: pd.DataFrame, metric: str) -> str:
    """Return the axis's label; the unit that the table says goes first."""
    label = metric_label(metric, of_runs=errors.attrs.get("per") == "orbit")
    unit = errors.attrs.get("unit", unit_of(metric))
    name = label.removesuffix(f" ({unit_of(metric)})")
    return f"{name} ({unit})" if unit else name


def _draw_box(
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
    fallen = np.maximum(values, floor)[beyond] if log else values[beyond]
    axes.plot(
        np.full(len(fallen), at), fallen, gid="outliers", rasterized=len(fallen) > 500, zorder=2, **_OUTLIER
    )
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


def _name_boxes(
    axes: Axes, errors: pd.DataFrame, by: str, places: Sequence[Any], boxes: dict[Any, pd.DataFrame]
) -> None:
    """Name the boxes and say of how many values each is, where they differ."""
    counts = [len(boxes[place]) for place in places]
    runs = [boxes[place]["run_id"].nunique() for place in places]
    named = errors.attrs.get("by", []) if by == "label" else [by]
    what = {"orbit": "orbits", "sample": "samples"}.get(errors.attrs.get("per", ""), "values")

    def counted(count: int, of: int) -> str:
        return f"{count:,} {what} of {of} run{'s' * (of > 1)}"

    # A label's parts are short already.
    texts = list(map(str, places)) if by == "label" else list(level_texts(places).values())
    same = len(set(zip(counts, runs, strict=True))) == 1
    if not same:
        texts = [f"{text} (n = {count:,})" for text, count in zip(texts, counts, strict=True)]
    name_ticks(axes, texts, 0.88 * style.WIDTH / len(places))
    end = counted(counts[0], runs[0]) if same else f"n: {what}"
    axes.set_xlabel(", ".join(map(parameter_label, named)) + f"\n({end}{' each' * same})")


def _legend(errors: pd.DataFrame, worst: pd.DataFrame, violin: bool, below: int) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], label="median", **_MEDIAN),
        Line2D([], [], label="mean", **_MEAN),
        Patch(facecolor="white" if violin else _FACE, edgecolor=style.BLACK, label="quartiles"),
    ]
    if violin:
        handles.append(Patch(facecolor=_FACE, edgecolor=style.BLUE, label="density"))
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
