"""Figures of orbits in their plane: where the truth goes, where the model goes, and which way each is pulled."""

import numpy as np
import xarray
from jaxtyping import Bool, Float64, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from keplearn.figures import style
from keplearn.figures.inputs import OneOrbit, one_orbit
from keplearn.orbits.constants import EARTH_RADIUS

Plane = Float64[np.ndarray, "2 3"]
Points = Float64[np.ndarray, "point 2"]

_PREDICTED = ("predicted_position", "predicted_velocity", "predicted_acceleration")
_ARROWS = 12
_SUBSTEPS = 12
"""Points between two samples of a drawn curve: near the periapsis of e = 0.9 samples are 40° apart."""


@style.styled
def orbit(evaluation: xarray.Dataset, orbit: int = 0, title: str = "") -> Figure:
    """Draw a true orbit and the model's, with arrows of acceleration on both.

    Planar orbits in x and y; others projected on the osculating plane of their first sample. The arrows stand
    at the same times on both orbits, evenly along the true one, and their length goes as the cube root of the
    acceleration, so that those at apoapsis are seen beside those at periapsis. The frame is that of the true orbit, up
    to twice as wide where the model leaves it.

    Parameters
    ----------
    evaluation
        Truth and prediction, dimensions (orbit, sample, component), in km, km/s, km/s².
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
    plane, planar = _plane(one)
    figure, (axes,) = style.new_figure(5.2)
    axes.add_patch(Circle((0, 0), EARTH_RADIUS, facecolor=style.EARTH, edgecolor=style.GREY, linewidth=0.6))
    axes.annotate(
        "Earth", (0, 0), ha="center", va="center", fontsize=7, color=style.GREY, annotation_clip=True
    )
    true, predicted = (_curve(one, prefix, plane) for prefix in ("", "predicted_"))
    axes.plot(*true.T, color=style.TRUTH, linewidth=1.6, label="true orbit", gid="true")
    axes.plot(
        *predicted.T, color=style.PREDICTION, linewidth=1.3, linestyle=(0, (4, 1.5)), label="predicted orbit",
        gid="predicted",
    )  # fmt: skip
    left = _frame(axes, true, predicted)
    _draw_arrows(axes, one, plane)
    _mark_places(axes, one, plane, left)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, labelspacing=0.7)
    _label(axes, one, plane, planar)
    name = f"orbit {one.name}: a = {one.semi_major_axis:,.0f} km, e = {one.eccentricity:.3f}"
    axes.set_title(title or name)
    return figure


def _plane(one: OneOrbit) -> tuple[Plane, bool]:
    """Return two unit vectors that span the drawing, and whether they are x and y themselves."""
    heights = (one.values[name][:, 2] for name in ("position", "predicted_position"))
    if all((np.nan_to_num(z) == 0.0).all() for z in heights):
        return np.eye(3)[:2], True
    r, v = one.values["position"][0], one.values["velocity"][0]
    outward = r / np.linalg.norm(r)
    ahead = v - (v @ outward) * outward
    return np.stack([outward, ahead / np.linalg.norm(ahead)]), False


def _curve(one: OneOrbit, prefix: str, plane: Plane) -> Points:
    """Return points along an orbit: its samples, and between them the quintic with the same r, v, a at both ends."""
    r, v, a = (one.finite(f"{prefix}{name}") @ plane.T for name in ("position", "velocity", "acceleration"))
    h = np.diff(one.values["time"])[:, None, None]
    t = (np.arange(_SUBSTEPS) / _SUBSTEPS)[None, :, None]
    ends = [[x[:-1, None], x[1:, None]] for x in (r, v, a)]
    (r0, r1), (v0, v1), (a0, a1) = ends
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging model's last samples
        inner = (
            r0 + (r1 - r0) * t**3 * (10 - 15 * t + 6 * t**2)
            + h * v0 * (t - 6 * t**3 + 8 * t**4 - 3 * t**5)
            + h * v1 * (-4 * t**3 + 7 * t**4 - 3 * t**5)
            + h**2 * a0 * (t**2 - 3 * t**3 + 3 * t**4 - t**5) / 2
            + h**2 * a1 * (t**3 - 2 * t**4 + t**5) / 2
        )  # fmt: skip
    inner[:, 0] = r[:-1]  # the samples themselves, also where their neighbour is NaN
    return np.concatenate([inner.reshape(-1, 2), r[-1:]])


def _frame(axes: Axes, true: Points, predicted: Points) -> bool:
    """Set the range of both axes; return whether the prediction leaves it."""
    earth = np.array([[-EARTH_RADIUS] * 2, [EARTH_RADIUS] * 2])
    inside = np.concatenate([true[np.isfinite(true).all(axis=1)], earth])
    low, high = inside.min(axis=0), inside.max(axis=0)
    centre, half = (low + high) / 2, 0.5 * (high - low).max()
    seen = predicted[np.isfinite(predicted).all(axis=1)]
    reach = np.abs(seen - centre)
    # A model that runs away must not shrink the orbit to a dot.
    half_x, half_y = (
        1.08 * np.clip(reach[:, k].max(initial=0.0), (high - low)[k] / 2, 2 * half) for k in (0, 1)
    )
    axes.set_xlim(centre[0] - half_x, centre[0] + half_x)
    axes.set_ylim(centre[1] - half_y, centre[1] + half_y)
    axes.set_aspect("equal")
    return bool((reach > [half_x, half_y]).any())


def _draw_arrows(axes: Axes, one: OneOrbit, plane: Plane) -> None:
    """Draw both accelerations at the same times, evenly along the true orbit."""
    chosen = _evenly_along(one.values["position"])
    size = np.linalg.norm(one.values["acceleration"], axis=1).max()
    frame = min(abs(np.diff(axes.get_xlim())[0]), abs(np.diff(axes.get_ylim())[0]))
    for prefix, colour, label, width in (
        ("", style.TRUTH, "true acceleration", 0.0042),
        ("predicted_", style.PREDICTION, "predicted acceleration", 0.0028),
    ):
        at = one.finite(f"{prefix}position")[chosen] @ plane.T
        a = one.finite(f"{prefix}acceleration")[chosen]
        magnitude = np.linalg.norm(a, axis=1, keepdims=True)
        drawn = _finite_rows(at) & _finite_rows(a) & (magnitude[:, 0] > 0)
        length = 0.2 * frame * np.cbrt(magnitude[drawn] / size)
        arrows = a[drawn] / magnitude[drawn] @ plane.T * length
        axes.quiver(
            *at[drawn].T, *arrows.T, angles="xy", scale_units="xy", scale=1, color=colour, width=width,
            headwidth=4.5, headlength=5.5, headaxislength=5, zorder=3, label=f"{label}\n(length ∝ |a|$^{{1/3}}$)",
        )  # fmt: skip


def _finite_rows(x: Float64[np.ndarray, "point component"]) -> Bool[np.ndarray, "point"]:
    return np.isfinite(x).all(axis=1)


def _evenly_along(position: Float64[np.ndarray, "sample 3"]) -> Int[np.ndarray, "arrow"]:
    """Indices of the samples nearest to even steps of the path's length, the first sample among them."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(position, axis=0), axis=1))])
    wanted = np.arange(_ARROWS) * length[-1] / _ARROWS
    return np.unique(np.abs(length[None, :] - wanted[:, None]).argmin(axis=1))


def _mark_places(axes: Axes, one: OneOrbit, plane: Plane, left: bool) -> None:
    """Mark the start, the periapsis, and where the prediction ends if it does before its time."""
    look = {"linestyle": "none", "zorder": 4}
    start = plane @ one.values["position"][0]
    axes.plot(*start, "o", color="white", markeredgecolor=style.TRUTH, markersize=6.5, label="start", **look)
    if one.periapsis is not None:
        axes.plot(*(plane @ one.periapsis), "D", color=style.GREEN, markersize=5, label="periapsis", **look)
    predicted = one.finite("predicted_position")
    good = np.flatnonzero(_finite_rows(predicted))
    if len(good) and (one.diverged or len(good) < len(predicted)):
        when = f"diverged after\n{one.hours[good[-1]]:.2f} h"
        axes.plot(
            *(plane @ predicted[good[-1]]),
            "X",
            color=style.PREDICTION,
            markersize=8,
            label=f"prediction {when}",
            **look,
        )
    if left:
        axes.plot([], [], " ", label="the prediction\nleaves the frame")


def _label(axes: Axes, one: OneOrbit, plane: Plane, planar: bool) -> None:
    """Name the axes, in thousands of km; say what a projection hides."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
    if planar:
        axes.set_xlabel("x (10³ km)")
        axes.set_ylabel("y (10³ km)")
        return
    axes.set_xlabel("in the osculating plane at the start: along the first position (10³ km)")
    axes.set_ylabel("ahead of it, in that plane (10³ km)")
    normal = np.cross(*plane)
    with np.errstate(invalid="ignore"):
        heights = np.abs(one.finite("predicted_position") @ normal)
    highest = np.nanmax(heights) if np.isfinite(heights).any() else np.nan
    axes.plot([], [], " ", label=f"prediction out of\nplane: up to {highest:,.3g} km")
