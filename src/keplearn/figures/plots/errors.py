"""The errors of several runs on every test orbit."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray
from jaxtyping import Bool, Float64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.metrics import Metric, find_metric, sampled
from keplearn.evaluation.ranking import lost_samples
from keplearn.evaluation.statistics import Distribution, median
from keplearn.evaluation.table import asked_samples
from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import require
from keplearn.figures.parts.labelled import labelled_evaluations
from keplearn.figures.parts.labels import legend_columns, number, wrap
from keplearn.figures.parts.scales import wants_log
from keplearn.figures.registry import figure


class _Errors(NamedTuple):
    """A model's error on each orbit, and the orbits' elements; ``outside``: it leaves the training radii.

    ``lost``: orbits some of whose samples diverged or have no finite error.
    """

    error: Float64[np.ndarray, "orbit"]
    lost: Bool[np.ndarray, "orbit"]
    outside: Bool[np.ndarray, "orbit"]
    eccentricity: Float64[np.ndarray, "orbit"]
    semi_major_axis: Float64[np.ndarray, "orbit"]


_Model = tuple[_Errors, str, str]
"""A model's errors, colour and marker."""


@figure(
    "runs",
    {
        "quantity": (
            "--metric",
            "--quantity",
            "A metric that is computed by sample: mean (along the propagated path), field (at the true states), "
            "position%, theta-deg, …",
        )
    },
    prepare=labelled_evaluations,
)
def errors(
    evaluations: Mapping[str, xarray.Dataset],
    training_range: tuple[float, float] | None = None,
    quantity: str = "mean",
    title: str = "",
) -> Figure:
    """Draw every test orbit's error for one run or several, against eccentricity and semi-major axis.

    A point is the metric of an orbit, mostly the mean over its samples, the line a model's median over its orbits.
    Orbits that lost samples, diverged or not finite, stand in a strip on top, and count as infinite in the median.

    Parameters
    ----------
    evaluations
        Label to evaluation.
    training_range
        Least and greatest radius of the training data, km: shaded; orbits that leave it are hollow.
    quantity
        The key of a metric that is computed by sample, or the name of its samples: ``mean``, ``position%``, …
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If there is no model or no orbit, a variable is missing, or the quantity is no such metric.
    """
    if not evaluations:
        raise KeplearnError("There is nothing to draw: no evaluation was given.")
    metric = find_metric(quantity, sampled(), "quantity")
    models = {
        label: (_read(evaluation, metric, training_range), *style.MODELS[k % len(style.MODELS)])
        for k, (label, evaluation) in enumerate(evaluations.items())
    }
    fallen = [model for model in models.values() if model[0].lost.any()]
    # A strip on top for the lost orbits, a row a model.
    rows = [0.16 * len(fallen), 2.4] if fallen else [2.4]
    figure, panels = style.new_figure(0.75 + sum(rows) + 0.16 * len(models), rows, columns=2)
    for column, name in enumerate(("eccentricity", "semi_major_axis")):
        _draw_errors(panels[column - 2], name, models, metric)
        if fallen:
            _draw_lost(panels[column], name, fallen)
    # One range for both: the same errors stand in both.
    panels[-1].set_ylim(panels[-2].get_ylim())
    panels[-1].tick_params(labelleft=False, which="both")
    panels[-2].set_ylabel(wrap(metric.label, 26))
    panels[-2].set_xlabel("eccentricity")
    panels[-1].set_xlabel("semi-major axis (10³ km)")
    panels[-1].xaxis.set_major_formatter(style.THOUSANDS)
    shaded: list[Artist] = []
    if training_range is not None:
        span = panels[-1].axvspan(*training_range, color=style.PALE, alpha=0.5, linewidth=0, zorder=0.4)
        span.set_label("training radii (hollow: the orbit leaves them)")
        shaded.append(span)
    _draw_legend(figure, models, shaded, metric.axis_unit)
    if title:
        figure.suptitle(title)
    return figure


def _draw_legend(figure: Figure, models: Mapping[str, _Model], others: Sequence[Artist], unit: str) -> None:
    """Draw the models with their medians, and what else is labelled, below the panels."""
    handles: list[Artist] = [
        Line2D([], [], color=colour, marker=marker, markersize=4.5, label=f"{label}: {_count(errors, unit)}")
        for label, (errors, colour, marker) in models.items()
    ]
    handles += others
    columns = legend_columns([str(handle.get_label()) for handle in handles])
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def _read(evaluation: xarray.Dataset, metric: Metric, training_range: tuple[float, float] | None) -> _Errors:
    """Take what is drawn out of one model's evaluation."""
    quantity = metric.of
    require(evaluation, (quantity, "eccentricity", "semi_major_axis", "position"))
    values = evaluation[quantity].to_numpy()
    error = np.array(
        [metric.factor * metric.total(Distribution(row)) for row in values.reshape(len(values), 1, -1)]
    )
    lost = ~np.isfinite(error)
    if "sample" in evaluation[quantity].dims and "acceleration" in evaluation:
        lost |= lost_samples(values, asked_samples(evaluation, metric)) > 0
    # At the true states nothing is lost of a propagation that diverged.
    if "diverged" in evaluation and metric.lost == "lost":
        lost |= evaluation["diverged"].to_numpy() > 0
    radius = np.linalg.norm(evaluation["position"].to_numpy(), axis=-1)
    low, high = training_range or (0.0, np.inf)
    # Rounding at the edge is not leaving.
    outside = ((radius < low * (1 - 1e-9)) | (radius > high * (1 + 1e-9))).any(axis=-1)
    elements = (
        evaluation[name].to_numpy().astype(np.float64) for name in ("eccentricity", "semi_major_axis")
    )
    return _Errors(error.astype(np.float64), lost, outside, *elements)


def _median(errors: _Errors) -> float:
    """Median over all orbits, a lost one counted as infinite."""
    return median(np.where(errors.lost, np.inf, errors.error))


def _count(errors: _Errors, unit: str) -> str:
    """Return "median 1.2 %, 3 of 100 lost" for the legend."""
    total, lost = len(errors.error), int(errors.lost.sum())
    middle = _median(errors)
    text = f"median {number(middle)} {unit}".rstrip() if np.isfinite(middle) else "median: lost"
    return text + (f", {lost} of {total} lost" if lost else "")


def _draw_errors(axes: Axes, name: str, models: Mapping[str, _Model], metric: Metric) -> None:
    """Draw every model's points against an element of the orbits, and its median."""
    for label, (errors, colour, marker) in models.items():
        for place, chosen, face in (("in", ~errors.outside, colour), ("out", errors.outside, "white")):
            chosen = chosen & ~errors.lost
            look = {"marker": marker, "markersize": 4.2, "markeredgecolor": colour, "markerfacecolor": face}
            x, y = getattr(errors, name)[chosen], errors.error[chosen]
            axes.plot(x, y, linestyle="none", alpha=0.8, gid=f"{label}:{place}", **look)
        if np.isfinite(middle := _median(errors)):
            axes.axhline(middle, color=colour, linewidth=1.1, gid=f"{label}:median")
    if wants_log(np.concatenate([errors.error for errors, *_ in models.values()]), metric.key):
        style.log_axis(axes, metric.rounding)


def _draw_lost(axes: Axes, name: str, models: Sequence[_Model]) -> None:
    """Draw the lost orbits, a row a model, the first on top."""
    for row, (errors, colour, marker) in enumerate(models):
        x = getattr(errors, name)[errors.lost]
        axes.plot(
            x,
            np.full(len(x), -row),
            linestyle="none",
            marker=marker,
            markersize=4.2,
            color=colour,
            gid="lost",
        )
    axes.set_ylim(0.6 - len(models), 0.6)
    axes.set_yticks([(1 - len(models)) / 2], ["lost" if name == "eccentricity" else ""])
    axes.set_facecolor(style.LOST)
    axes.grid(visible=False, axis="y")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
