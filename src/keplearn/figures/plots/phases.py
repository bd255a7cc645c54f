"""The model after each phase of a training, on one orbit: where it goes, and how wrong its pull is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.subject import model_hash
from keplearn.figures.parts import style
from keplearn.figures.parts.events import mark_events
from keplearn.figures.parts.inputs import OneOrbit, one_orbit
from keplearn.figures.parts.labels import number
from keplearn.figures.parts.plane import (
    DASHES,
    Frame,
    curve,
    draw_body,
    drawing_plane,
    frame_around,
    label_axes,
)
from keplearn.figures.registry import figure
from keplearn.models.kinds import Model

_DASHES = ((0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
"""Of the phases before the last."""


@figure("phases")
def phases(
    models: Sequence[Model], labels: Sequence[str], evaluations: Sequence[xarray.Dataset], title: str = ""
) -> Figure:
    """Draw the model after each phase, on the orbit of the training set's mean elements.

    The first orbit of the evaluations; the last phase is drawn on top. On the left the plane with the body, to
    scale; on the right the error of the acceleration along the propagated path (``mean``).

    Parameters
    ----------
    models
        The model after each phase.
    labels
        What each phase is called, as many.
    evaluations
        Of each model, on the same orbit (`keplearn.data.single.mean_orbit`, `keplearn.data.single.single_orbit`).
    title
        Above the figure; by default the orbit's name, semi-major axis and eccentricity.

    Raises
    ------
    KeplearnError
        If there is no phase, these are not as many, a variable is missing, or an evaluation is of another model
        or another orbit than the rest.
    """
    _check(models, labels, evaluations)
    ones = [one_orbit(x, 0, (*_NEEDED, "mean")) for x in evaluations]
    plane, planar = drawing_plane(ones[0])
    flat = planar and all(drawing_plane(one)[1] for one in ones)
    true = curve(ones[0], "", plane)
    paths = [
        curve(one, "predicted_", plane, int(x.attrs.get("segments", 0)))
        for one, x in zip(ones, evaluations, strict=True)
    ]
    frame = frame_around(true, np.concatenate(paths), ones[0].body)
    figure, left, right = _new_panels(frame, len(labels))
    looks = [_look(k, len(labels)) for k in range(len(labels))]
    draw_body(left, ones[0].body)
    left.plot(*true.T, color=style.TRUTH, linewidth=1.8, gid="true")
    for k, (one, path, look) in enumerate(zip(ones, paths, looks, strict=True)):
        left.plot(*path.T, gid=f"predicted:{k}", **look)
        right.plot(one.hours, one.finite("mean"), gid=f"mean:{k}", **look)
    if ones[0].periapsis is not None:
        at = plane @ ones[0].periapsis
        left.plot(*at, "D", color=style.GREEN, markersize=5.0, zorder=4, gid="periapsis")
    label_axes(left, flat)
    if not flat:
        left.set_xlabel("along the first position (10³ km)")
        left.set_ylabel("90° ahead in the osculating plane (10³ km)")
    mark_events([right], ones[0], ones[0].hours)
    style.log_axis(right)
    right.set_xlim(ones[0].hours[0], ones[0].hours[-1])
    right.set_xlabel("time (h)")
    right.set_ylabel(METRICS["mean"].short_label)
    figure.legend(handles=_legend(ones, labels, looks, frame, paths), loc="outside lower center", ncols=1)
    figure.suptitle(title or ones[0].title)
    return figure


_NEEDED = ("predicted_position", "predicted_velocity", "predicted_acceleration")


def _check(models: Sequence[Model], labels: Sequence[str], evaluations: Sequence[xarray.Dataset]) -> None:
    """Refuse what is not one evaluation and label for each model, all on one orbit."""
    if not len(models) == len(labels) == len(evaluations):
        counts = f"{len(models)} models, {len(labels)} labels, {len(evaluations)} evaluations"
        raise KeplearnError(f"{counts}: every phase needs one of each.")
    if not models:
        raise KeplearnError("There is nothing to draw: no phase was given.")
    first = evaluations[0].attrs.get("dataset_hash")
    for model, label, evaluation in zip(models, labels, evaluations, strict=True):
        if evaluation.attrs.get("model_hash", hashed := model_hash(model)) != hashed:
            raise KeplearnError(f"The evaluation of {label!r} is not of that phase's model.")
        if evaluation.attrs.get("dataset_hash") != first:
            raise KeplearnError(f"The evaluations of {labels[0]!r} and {label!r} are on different orbits.")


def _new_panels(frame: Frame, count: int) -> tuple[Figure, Axes, Axes]:
    """Return a figure with the frame on the left, equally high panels, and room for the legend below."""
    width, height = frame.high - frame.low
    tall = 2.85 * float(np.clip(height / width, 0.7, 1.15))
    figure = Figure(figsize=(style.WIDTH, tall + 1.05 + 0.17 * (count + 2)), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set(xlim=(frame.low[0], frame.high[0]), ylim=(frame.low[1], frame.high[1]))
    left.set_aspect("equal", adjustable="box")
    right.set_box_aspect(tall / 2.85)
    for axes in (left, right):
        axes.tick_params(labelsize=style.STYLE["xtick.labelsize"], which="both")
    return figure, left, right


def _look(k: int, count: int) -> dict[str, Any]:
    """Colour by the order of the phases, from orange to violet; the last one has the dashes of a prediction."""
    last = k == count - 1
    return {
        "color": style.PHASES(k / max(1, count - 1) if count > 1 else 1.0),
        "linewidth": 1.6 if last else 1.2,
        "linestyle": DASHES if last else _DASHES[k % len(_DASHES)],
        "zorder": 2 + k / count,
    }


def _legend(
    ones: Sequence[OneOrbit],
    labels: Sequence[str],
    looks: Sequence[dict[str, Any]],
    frame: Frame,
    paths: Sequence[Any],
) -> list[Line2D]:
    """Return the entries: truth, phases with their mean errors and what became of them, periapsis."""
    entries = [Line2D([], [], color=style.TRUTH, linewidth=1.8, label="true orbit")]
    for one, label, look, path in zip(ones, labels, looks, paths, strict=True):
        errors = one.finite("mean")
        known = errors[np.isfinite(errors)]
        text = f"{label}: mean {number(float(known.mean()))} %" if len(known) else f"{label}: nowhere finite"
        if one.diverged or len(known) < len(errors):
            hours = one.hours[np.isfinite(errors)]
            text += f", diverged after {number(float(hours[-1]) if len(hours) else 0.0)} h"
        elif not frame.holds(path[np.isfinite(path).all(axis=1)]).all():
            text += ", leaves the frame"
        entries.append(Line2D([], [], label=text, **look))
    if ones[0].periapsis is not None:
        look = {"color": style.GREEN, "marker": "D", "markersize": 5.0}
        entries.append(Line2D([], [], linewidth=1.0, label="periapsis", **look))
    return entries
