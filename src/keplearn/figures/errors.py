"""Figures of errors: the acceleration along one orbit, and every test orbit's error for several models."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray
from jaxtyping import Bool, Float64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.metrics import METRICS, Metric, find_metric, sampled
from keplearn.evaluation.ranking import lost_samples
from keplearn.evaluation.statistics import median
from keplearn.evaluation.table import true_samples
from keplearn.evaluation.vectors import angle_deg
from keplearn.figures import style
from keplearn.figures.events import mark_events
from keplearn.figures.inputs import OneOrbit, one_orbit, require
from keplearn.figures.labels import wrap

_DEGREES = 360.0

# Longer labels than this do not fit twice below a figure of the house's width.
_LEGEND_LETTERS = 40


@style.styled
def acceleration(evaluation: xarray.Dataset, orbit: int = 0, title: str = "") -> Figure:
    """Draw the acceleration along an orbit: its magnitude, its angle to the true one, and its error.

    Both along the model's propagated path and at the true states.

    Parameters
    ----------
    evaluation
        With the errors ``mean`` and ``field`` in % at each sample.
    orbit
        Which orbit, from 0.
    title
        Above the figure; by default the orbit's name, semi-major axis and eccentricity.

    Raises
    ------
    KeplearnError
        If a variable is missing, or there is no such orbit.
    """
    one = one_orbit(evaluation, orbit, ("predicted_acceleration", "field_acceleration", "mean", "field"))
    figure, (above, middle, below) = style.new_figure(5.6, (1.0, 0.9, 1.2))
    bound = bool(np.isfinite(one.period_hours))
    x = _DEGREES * one.hours / one.period_hours if bound else one.hours
    path: dict[str, Any] = {"color": style.PREDICTION, "linestyle": (0, (4, 1.5))}
    field: dict[str, Any] = {"color": style.FIELD, "linestyle": (0, (1, 1))}
    magnitudes = {
        "acceleration": ("true", {"color": style.TRUTH}),
        "predicted_acceleration": ("predicted, propagated path", path),
        "field_acceleration": ("predicted, true states", field),
    }
    for name, (label, look) in magnitudes.items():
        above.plot(x, np.linalg.norm(one.finite(name), axis=1), label=label, gid=name, **look)
    for name, look in (("predicted_acceleration", path), ("field_acceleration", field)):
        angles = angle_deg(one.finite(name), one.finite("acceleration"))
        middle.plot(x, angles, gid=f"angle:{name}", **look)
    for name, label, look in (("mean", "propagated path", path), ("field", "true states", field)):
        below.plot(x, one.finite(name), label=f"{label}\n{_summary(one, name)}", gid=name, **look)
    mark_events((above, middle, below), one, x, np.isfinite(one.values["mean"]))
    angle, error = METRICS["theta-deg"], METRICS["mean"]
    middle.set_ylabel(wrap(angle.short_label, 20))
    if any(
        (np.asarray(line.get_ydata(), float) > 0).any()
        for line in middle.lines
        if line.get_gid() != "periapsis"
    ):
        style.log_axis(middle, angle.rounding)
    style.log_axis(above)
    style.log_axis(below, error.rounding)
    for axes, label in ((above, "|a| (km/s²)"), (below, error.short_label)):
        axes.set_ylabel(label)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    below.set_xlim(x[0], x[-1])
    below.set_xlabel("mean anomaly since the first sample (°)" if bound else "time (h)")
    if bound:
        below.xaxis.set_major_locator(MultipleLocator(45 if x[-1] <= _DEGREES else 180))
        scale = one.period_hours / _DEGREES
        both_ways = partial(np.multiply, scale), partial(np.multiply, 1 / scale)
        hours = above.secondary_xaxis("top", functions=both_ways)
        hours.set_xlabel("time (h)")
        hours.tick_params(labelsize=style.STYLE["xtick.labelsize"])
    figure.suptitle(title or one.title)
    return figure


def _summary(one: OneOrbit, name: str) -> str:
    """Return "mean 1.2 %" and how many samples are lost, or that nothing is finite."""
    values = one.finite(name)
    lost = int((~np.isfinite(values)).sum())
    if lost == len(values):
        return "nowhere finite"
    return f"mean {np.nanmean(values):.3g} %" + (f",\n{lost} of {len(values)} samples lost" if lost else "")


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


@style.styled
def orbit_errors(
    evaluations: Mapping[str, xarray.Dataset],
    training_range: tuple[float, float] | None = None,
    quantity: str = "mean",
    title: str = "",
) -> Figure:
    """Draw several models' errors on every test orbit, against eccentricity and semi-major axis.

    A point is the mean over an orbit's samples, the line a model's median over its orbits. Orbits that lost
    samples, diverged or not finite, stand in a strip on top, and count as infinite in the median.

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
    widest = max(len(str(handle.get_label())) for handle in handles)
    columns = 2 if len(handles) > 2 and widest <= _LEGEND_LETTERS else 1
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def _read(evaluation: xarray.Dataset, metric: Metric, training_range: tuple[float, float] | None) -> _Errors:
    """Take what is drawn out of one model's evaluation."""
    quantity = metric.of
    require(evaluation, (quantity, "eccentricity", "semi_major_axis", "position"))
    values = evaluation[quantity].where(np.isfinite(evaluation[quantity]))
    error = metric.factor * (values.mean("sample") if "sample" in values.dims else values).to_numpy()
    lost = ~np.isfinite(error)
    if "sample" in values.dims and "acceleration" in evaluation:
        lost |= lost_samples(evaluation[quantity].to_numpy(), true_samples(evaluation)) > 0
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
    text = f"median {middle:.3g} {unit}".rstrip() if np.isfinite(middle) else "median: lost"
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
    if metric.log:
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
