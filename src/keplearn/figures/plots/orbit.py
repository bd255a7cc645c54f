"""Figures of orbits in their plane: where the truth and the model go, and which way each is pulled."""

from typing import Any

import numpy as np
import xarray
from jaxtyping import Float64, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import OneOrbit, one_orbit
from keplearn.figures.parts.labels import number
from keplearn.figures.parts.plane import (
    DASHES,
    Frame,
    Plane,
    curve,
    draw_body,
    drawing_plane,
    frame_around,
    label_axes,
)
from keplearn.figures.registry import figure

_PREDICTED = ("predicted_position", "predicted_velocity", "predicted_acceleration")
_ARROWS = 12


@figure("evaluation")
def orbit(evaluation: xarray.Dataset, orbit: int = 0, title: str = "") -> Figure:
    """Draw an orbit, true and predicted, with arrows of acceleration.

    Planar orbits in x and y; others projected on the osculating plane of their first sample. The arrows stand
    at the same times on both orbits, evenly along the true one, and their length goes as the fourth root of
    the acceleration, so that those at apoapsis are seen beside those at periapsis. A model that runs away
    leaves the frame, which then is half as wide again as the true orbit. A broad band below the true orbit says where
    its states are near the training states, and where far from them.

    Parameters
    ----------
    evaluation
        Truth and prediction (`keplearn.evaluation.layout`).
    orbit
        Which orbit, from 0.
    title
        Above the figure; by default the orbit's name, semi-major axis and eccentricity.

    Raises
    ------
    KeplearnError
        If a variable is missing, or there is no such orbit.
    """
    one = one_orbit(evaluation, orbit, _PREDICTED)
    plane, planar = drawing_plane(one)
    true = curve(one, "", plane)
    predicted = curve(one, "predicted_", plane, int(evaluation.attrs.get("segments", 0)))
    frame = frame_around(true, predicted, one.body)
    title = title or one.title
    figure, axes = _new_panel(frame, lines=title.count("\n") + 1)
    draw_body(axes, one.body)
    _draw_regions(axes, one, plane)
    axes.plot(*true.T, color=style.TRUTH, linewidth=1.6, gid="true")
    axes.plot(*predicted.T, color=style.PREDICTION, linewidth=1.3, linestyle=DASHES, gid="predicted")
    _draw_arrows(axes, one, plane, frame)
    _mark_places(axes, one, plane, frame)
    label_axes(axes, planar)
    axes.legend(
        handles=_legend(one, plane, planar, frame), loc="upper left", bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0.0, labelspacing=0.6,
    )  # fmt: skip
    axes.set_title(title)
    return figure


_REGION: dict[str, Any] = {"linewidth": 7.0, "alpha": 0.35, "solid_capstyle": "butt"}


def _draw_regions(axes: Axes, one: OneOrbit, plane: Plane) -> None:
    """Draw a broad band where the true states are near the training states, and where far from them."""
    for name, samples in one.regions.items():
        at = np.where(samples[:, None], one.finite("position"), np.nan) @ plane.T
        axes.plot(*at.T, color=style.REGIONS[name][0], zorder=1.2, gid=f"{name} training states", **_REGION)


def _new_panel(frame: Frame, lines: int) -> tuple[Figure, Axes]:
    """Return a figure whose one panel has the frame's shape; the legend is at its right, the title above."""
    width, (left, right), (bottom, top) = 4.45, (0.6, 2.15), (0.5, 0.17 + 0.18 * lines)
    height = width * float(np.divide(*(frame.high - frame.low)[::-1]))
    whole = (left + width + right, bottom + height + top)
    figure = Figure(figsize=whole)
    axes = figure.add_axes((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
    axes.set(xlim=(frame.low[0], frame.high[0]), ylim=(frame.low[1], frame.high[1]), aspect="equal")
    axes.tick_params(labelsize=style.STYLE["xtick.labelsize"])
    return figure, axes


def _draw_arrows(axes: Axes, one: OneOrbit, plane: Plane, frame: Frame) -> None:
    """Draw both accelerations at the same times, evenly along the true orbit."""
    chosen = _evenly_along(one.values["position"])
    greatest = np.linalg.norm(one.values["acceleration"], axis=1).max()
    longest = 0.15 * (frame.high - frame.low).max()
    for prefix, colour, width in (("", style.TRUTH, 0.0038), ("predicted_", style.PREDICTION, 0.0026)):
        at = one.finite(f"{prefix}position")[chosen] @ plane.T
        a = one.finite(f"{prefix}acceleration")[chosen]
        size = np.linalg.norm(a, axis=1)
        drawn = np.isfinite(at).all(axis=1) & (size > 0)
        length = longest * (size[drawn] / greatest) ** 0.25
        arrows = (a[drawn] / size[drawn, None]) @ plane.T * length[:, None]
        axes.quiver(
            *at[drawn].T, *arrows.T, angles="xy", scale_units="xy", scale=1, color=colour, width=width,
            headwidth=4.5, headlength=5.5, headaxislength=5, zorder=3, gid=f"{prefix}acceleration",
        )  # fmt: skip


def _evenly_along(position: Float64[np.ndarray, "sample 3"]) -> Int[np.ndarray, "arrow"]:
    """Indices of the samples nearest to even steps of the path's length, the first sample among them."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(position, axis=0), axis=1))])
    wanted = np.arange(_ARROWS) * length[-1] / _ARROWS
    return np.unique(np.abs(length[None, :] - wanted[:, None]).argmin(axis=1))


_START = {"marker": "o", "color": "white", "markeredgecolor": style.TRUTH, "markersize": 6.5}
_PERIAPSIS = {"marker": "D", "color": style.GREEN, "markersize": 5.0}
_END = {"marker": "X", "color": style.PREDICTION, "markersize": 8.0}


def _end(one: OneOrbit) -> int | None:
    """Index of the last sample that a diverged prediction reached."""
    good = np.flatnonzero(np.isfinite(one.values["predicted_position"]).all(axis=1))
    return int(good[-1]) if len(good) and (one.diverged or len(good) < len(one.hours)) else None


def _mark_places(axes: Axes, one: OneOrbit, plane: Plane, frame: Frame) -> None:
    """Mark the start, the periapsis, and where the prediction ends if it does before its time."""
    places = [(one.values["position"][0], _START, "start"), (one.periapsis, _PERIAPSIS, "periapsis")]
    if (end := _end(one)) is not None:
        places.append((one.values["predicted_position"][end], _END, "diverged"))
    for place, look, name in places:
        if place is not None and frame.holds((plane @ place)[None]).all():
            axes.plot(*(plane @ place), linestyle="none", zorder=4, gid=name, **look)


def _legend(one: OneOrbit, plane: Plane, planar: bool, frame: Frame) -> list[Line2D]:
    """Return the legend's entries: what is drawn, and what a reader must know besides."""

    def entry(label: str, **look: Any) -> Line2D:
        whole: dict[str, Any] = {"linestyle": "none"} | look
        return Line2D([], [], label=label, **whole)

    arrow = {"marker": r"$\rightarrow$", "markersize": 17.0, "markeredgewidth": 0.3}
    entries = [
        entry("true orbit", color=style.TRUTH, linestyle="-", linewidth=1.6),
        entry("predicted orbit", color=style.PREDICTION, linestyle=DASHES, linewidth=1.3),
        entry("true acceleration", color=style.TRUTH, **arrow),
        entry("predicted acceleration\n(arrow length ∝ |a|$^{1/4}$)", color=style.PREDICTION, **arrow),
        entry("start", **_START),
    ]
    if one.periapsis is not None:
        entries.append(entry("periapsis", **_PERIAPSIS))
    for name, samples in one.regions.items():
        if samples.any():
            colour, text = style.REGIONS[name]
            entries.append(entry(text, color=colour, linestyle="-", **_REGION))
    if one.body.radius is not None:
        ball = {"marker": "o", "markersize": 9, "color": style.EARTH, "markeredgecolor": style.GREY}
        entries.append(entry(f"{one.body.name}, to scale", **ball))
    predicted = one.finite("predicted_position")
    projected = predicted @ plane.T
    projected = projected[np.isfinite(projected).all(axis=1)]
    if (end := _end(one)) is not None:
        inside = frame.holds(projected[-1:]).all()
        entries.append(
            entry(f"prediction diverged\nafter {number(float(one.hours[end]))} h", **(_END if inside else {}))
        )
    if not frame.holds(projected).all():
        entries.append(entry("prediction leaves\nthe frame"))
    if not planar and len(projected):
        highest = np.nanmax(np.abs(predicted @ np.cross(*plane)))
        entries.append(entry(f"prediction out of plane:\nup to {number(float(highest))} km"))
    return entries
