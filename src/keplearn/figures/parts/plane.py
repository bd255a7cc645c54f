"""Orbits drawn to scale in a plane: which plane, the curve between samples, the frame, axes in 10³ km."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import OneOrbit
from keplearn.orbits.bodies import Body

Plane = Float64[np.ndarray, "2 3"]
Points = Float64[np.ndarray, "point 2"]

SUBSTEPS = 12
"""Points between two samples of a drawn curve: near the periapsis of e = 0.9 samples are 40° apart."""


DASHES = (0, (4, 1.5))
"""Of a prediction, so that the truth is seen through it."""

"""Writes km as thousands of them."""


class Frame(NamedTuple):
    """Ends of both axes, km."""

    low: Float64[np.ndarray, "2"]
    high: Float64[np.ndarray, "2"]

    def holds(self, points: Points) -> Bool[np.ndarray, "point"]:
        """Whether each point lies inside."""
        return np.all((points >= self.low) & (points <= self.high), axis=1)


def drawing_plane(one: OneOrbit) -> tuple[Plane, bool]:
    """Return two unit vectors that span the drawing, and whether they are x and y themselves."""
    heights = (one.finite(name)[:, 2] for name in ("position", "predicted_position"))
    if all((np.nan_to_num(z) == 0.0).all() for z in heights):
        return np.eye(3)[:2], True
    r, v = one.values["position"][0], one.values["velocity"][0]
    outward = r / np.linalg.norm(r)
    ahead = v - (v @ outward) * outward
    return np.stack([outward, ahead / np.linalg.norm(ahead)]), False


def curve(one: OneOrbit, prefix: str, plane: Plane, segments: int = 0) -> Points:
    """Return points along an orbit: its samples, and in between the quintic with r, v, a of both.

    With ``segments``, the propagation starts anew every so many samples, and the curve is broken there.
    """
    r, v, a = (one.finite(f"{prefix}{name}") @ plane.T for name in ("position", "velocity", "acceleration"))
    points = between_samples(one.values["time"], r, v, a)
    if segments:
        stretches = points[:-1].reshape(-1, SUBSTEPS, 2)
        stretches[segments - 1 :: segments, 1:] = np.nan
    return points


def between_samples(
    times: Float64[np.ndarray, "sample"],
    r: Float64[np.ndarray, "sample axis"],
    v: Float64[np.ndarray, "sample axis"],
    a: Float64[np.ndarray, "sample axis"],
    substeps: int = SUBSTEPS,
) -> Float64[np.ndarray, "point axis"]:
    """Return the samples, and between two of them ``substeps`` - 1 points of the quintic with r, v, a of both."""
    h = np.diff(times)[:, None, None]
    t = (np.arange(substeps) / substeps)[None, :, None]
    (r0, r1), (v0, v1), (a0, a1) = ((x[:-1, None], x[1:, None]) for x in (r, v, a))
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging model's last samples
        points = (
            r0 + (r1 - r0) * t**3 * (10 - 15 * t + 6 * t**2)
            + h * v0 * (t - 6 * t**3 + 8 * t**4 - 3 * t**5)
            + h * v1 * (-4 * t**3 + 7 * t**4 - 3 * t**5)
            + h**2 * a0 * (t**2 - 3 * t**3 + 3 * t**4 - t**5) / 2
            + h**2 * a1 * (t**3 - 2 * t**4 + t**5) / 2
        )  # fmt: skip
    points[:, 0] = r[:-1]  # the samples themselves, also where their neighbour is NaN
    return np.concatenate([points.reshape(-1, r.shape[1]), r[-1:]])


def draw_body(axes: Axes, body: Body) -> None:
    """Draw a body to scale, if its radius is known."""
    if body.radius is not None:
        look: dict[str, Any] = {"facecolor": style.EARTH, "edgecolor": style.GREY, "linewidth": 0.6}
        axes.add_patch(Circle((0, 0), body.radius, gid="body", **look))


def frame_around(true: Points, predicted: Float64[np.ndarray, "_ 2"], body: Body) -> Frame:
    """Return a frame around the body, the true orbit, and the prediction as far as it stays near."""
    ball = np.array([[-body.known_radius] * 2, [body.known_radius] * 2])
    needed = np.concatenate([true[np.isfinite(true).all(axis=1)], ball])
    low, high = needed.min(axis=0), needed.max(axis=0)
    # A model that runs away must not shrink the orbit to a dot.
    margin = 0.25 * (high - low).max()
    seen = np.clip(predicted[np.isfinite(predicted).all(axis=1)], low - margin, high + margin)
    low, high = (
        np.minimum(low, seen.min(axis=0, initial=np.inf)),
        np.maximum(high, seen.max(axis=0, initial=-np.inf)),
    )
    edge = 0.04 * (high - low).max()
    low, high = low - edge, high + edge
    # Not flatter than the legend is high, and not much higher than wide.
    width, height = high - low
    wanted = np.array([max(width, height / 1.15), max(height, 0.56 * width)])
    grown = (wanted - (high - low)) / 2
    return Frame(low - grown, high + grown)


def label_axes(axes: Axes, planar: bool) -> None:
    """Name the axes, in thousands of km."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(style.THOUSANDS)
    if planar:
        axes.set_xlabel("x (10³ km)")
        axes.set_ylabel("y (10³ km)")
    else:
        axes.set_xlabel("in the osculating plane at the start: along the first position (10³ km)")
        axes.set_ylabel("90° ahead in that plane (10³ km)")
