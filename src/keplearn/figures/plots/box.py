"""Boxes and violins: how errors are spread over orbits or samples, for each value of some parameters."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.figure import Figure

from keplearn.core.errors import KeplearnError, nearest
from keplearn.evaluation.ranking import LEADING
from keplearn.figures.parts import style
from keplearn.figures.parts.boxes import made_by, name_boxes, named_runs
from keplearn.figures.parts.facets import Panel, draw_legend, facets, groups_of
from keplearn.figures.parts.labels import default_title, metric_label, unit_of, wrap
from keplearn.figures.parts.lost import make_band
from keplearn.figures.parts.one_box import draw_box, legend
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
    handles = legend(errors, worst, violin, int((values < ends[0]).sum()) if log else 0)
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
        draw_box(axes, places.index(place), rows, (low, band), violin=violin, log=log)
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
