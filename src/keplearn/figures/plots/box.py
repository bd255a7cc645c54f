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
from keplearn.figures.parts.boxes import made_by, name_boxes, named_runs
from keplearn.figures.parts.facets import Panel, draw_legend, facets, groups_of, note, write_lost
from keplearn.figures.parts.labels import default_title, metric_label, unit_of, wrap
from keplearn.figures.parts.lost import make_band
from keplearn.figures.parts.outliers import number_points, worst_of
from keplearn.figures.parts.scales import limits, wants_log
from keplearn.figures.registry import figure
from keplearn.groups.error_table import error_table
from keplearn.groups.values import levels, values_of
from keplearn.runs.store import Run

_COLUMNS = ("run_id", "label", "orbit", "value")


def _errors(
    runs: Sequence[Run],
    table: pd.DataFrame,
    metric: str | None = None,
    parameters: Sequence[str] | None = None,
    per: Literal["orbit", "sample", "run"] | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> pd.DataFrame:
    """Return the errors of a group's runs by the values of parameters: by default of two that vary.

    Where seeds alone vary a row is a run; of one run each orbit is a box of its samples.
    """
    varying = [key for key in table.attrs["varying"] if key not in ("seed", "test")]
    seeds = len(runs) > 1 and not {*varying, *(parameters or ())} - {"test"}
    per = per or ("run" if seeds else "orbit")
    metric = metric or ("mean" if per == "sample" else LEADING)
    alone = "orbit" if len(runs) == 1 and per == "sample" else "test"
    by = parameters or varying[:2] or [alone]
    found = error_table(runs, table.attrs["tests"], by, per, metric, say, table.attrs["segments"] or None)
    found.attrs["where"] = table.attrs.get("where")
    return found


@figure(
    "group",
    {
        "metric": "What is drawn: median, mean, field, theta-deg, position%, …; by default the median, by sample mean.",
        "parameters": (
            "--by",
            "Parameters that make a box, e.g. output_layer,feature_layer; runs that differ in others (seeds) are "
            "pooled. Also orbit, and test, which else makes a panel for each dataset of --on.",
        ),
        "per": "Of what there is a value each: orbit, sample or run; by default run where only seeds vary, else orbit.",
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
    stands in a band on top, with the number of lost values. Violins are of the finite ones, and so are names. Where a
    row is a run, each is a dot beside its box, and those that are lost are named too. Errors on several test datasets
    stand in panels, unless these make the boxes.

    Parameters
    ----------
    errors
        A row an orbit, sample or run: ``run_id``, ``label``, ``orbit``, ``value`` (infinite or not a number where
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
    several = "test" in errors and errors["test"].nunique() > 1 and "test" not in made_by(errors, by)
    column = "test" if several else None
    most = max(errors.groupby(column or (lambda row: 0))[by].nunique())
    drawn = facets(errors, None, column, (2.5 if most < 7 else 3.3) + 0.4 * several, 2.1)
    ends = limits(_without_dust(values) if log else values, log, above=0.06 if some_lost else 0.2)
    outliers = []
    for panel in drawn.panels:
        outliers.append(_draw_panel(panel, by, log, ends, some_lost, violin))
        name_boxes(panel, by, 0.88 * style.WIDTH / drawn.columns)
    worst = worst_of(pd.concat(outliers))
    drawn.panels[0].axes.set_ylabel(wrap(_value_label(errors, metric), 32))
    figure = drawn.figure
    handles = _legend(errors, worst, violin, int((values < ends[0]).sum()) if log else 0)
    half = -(-len(handles) // 2)
    found = named_runs(errors, worst, errors.attrs.get("unit", unit_of(metric)))
    draw_legend(figure, [(" ", handles[:half]), (" ", handles[half:]), *found])
    figure.suptitle(title or default_title(errors))
    figure.draw_without_rendering()
    for panel in drawn.panels:
        number_points(panel.axes, worst[worst["panel"] == panel.column], 0.8 if some_lost else 0.9)
    return figure


def _draw_panel(
    panel: Panel, by: str, log: bool, ends: tuple[float, float], some_lost: bool, violin: bool
) -> pd.DataFrame:
    """Draw the boxes of a panel; return their outliers."""
    axes, (low, high) = panel.axes, ends
    if log:
        style.log_axis(axes)
    axes.set_ylim(low, high)
    band = make_band(axes, low, high, named=panel.column == 0) if some_lost else high
    places = levels(values_of(panel.table[by]))
    beside = 0.5 if len(places) > 1 else 1.0
    axes.set_xlim(-beside, len(places) - 1 + beside)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    if panel.column:
        axes.tick_params(labelleft=False, which="both")
    outliers = [
        _draw_box(axes, places.index(place), rows, (low, band), violin=violin, log=log)
        for (place,), rows in groups_of(panel.table, by)
    ]
    return pd.concat(outliers).assign(panel=panel.column)


def _without_dust(values: Float64[np.ndarray, "row"]) -> Float64[np.ndarray, "kept"]:
    """Return the positive values without those far below the hundredth part: rounding would fill the axis."""
    values = values[np.isfinite(values) & (values > 0)]
    return values[values >= 1e-2 * np.quantile(values, 0.01)]


def _value_label(errors: pd.DataFrame, metric: str) -> str:
    """Return the axis's label; the unit that the table says goes first."""
    label = metric_label(metric, of_runs=errors.attrs.get("per") != "sample")
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


def _legend(errors: pd.DataFrame, worst: pd.DataFrame, violin: bool, below: int) -> list[Any]:
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
