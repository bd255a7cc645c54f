"""How far ahead of the truth a prediction is along the true orbit, in mean anomaly: the drift of its phase.

The true orbit is the one that osculates where the propagation begins.

Arrays are (orbit, sample) and (orbit, sample, 3), float64; NaN in gives NaN out from there on, and no function warns.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from keplearn.core.shapes import OrbitVectors, ScalarArray
from keplearn.evaluation.vectors import unit
from keplearn.orbits.kepler import eccentric_from_true, mean_from_eccentric

Begins = Int[np.ndarray, " sample"]
"""The sample at which the propagation to each sample began."""

CIRCULAR = 1e-8
"""Up to this eccentricity the direction of the periapsis is rounding."""


class Axes(NamedTuple):
    """An orbit's eccentricity, and unit vectors towards its periapsis and 90° ahead of it."""

    eccentricity: ScalarArray
    towards: OrbitVectors
    ahead: OrbitVectors


def axes_of(eccentricity: OrbitVectors, momentum: OrbitVectors) -> Axes:
    """Axes of bound orbits, NaN of others, by eccentricity vector and angular momentum.

    On a circle a fixed direction stands for the periapsis: differences of anomalies stay what they are.
    """
    with np.errstate(all="ignore"):
        e = np.linalg.norm(eccentricity, axis=-1)
        e = np.where(e < 1.0, e, np.nan)
        # Where there is no periapsis, +x stands for it, or +y where +x is the orbit's normal.
        normal = unit(momentum)
        across = np.where(np.abs(normal[..., :1]) < 0.9, np.eye(3)[0], np.eye(3)[1])
        across = across - (across * normal).sum(-1, keepdims=True) * normal
        towards = unit(np.where(e[..., None] > CIRCULAR, eccentricity, across))
        return Axes(e, towards, np.cross(normal, towards))


def mean_anomaly(position: OrbitVectors, axes: Axes) -> ScalarArray:
    """Mean anomaly on an orbit of the point in the direction of a position, rad in (−π, π].

    What lies out of the orbit's plane does not count. Vallado, *Fundamentals of Astrodynamics and Applications*,
    4th ed., section 2.2.
    """
    with np.errstate(all="ignore"):
        true = np.arctan2((position * axes.ahead).sum(-1), (position * axes.towards).sum(-1))
        return mean_from_eccentric(eccentric_from_true(true, axes.eccentricity), axes.eccentricity)


def lead_deg(predicted: ScalarArray, true: ScalarArray, begins: Begins) -> ScalarArray:
    """How far a predicted mean anomaly is ahead (+) of or behind (−) the true one, °.

    Whole revolutions count; where a propagation begins, none is taken to have passed.
    """
    whole, first = _without_jumps(predicted - true, begins)
    with np.errstate(all="ignore"):
        return np.degrees(whole - 2 * np.pi * np.round(first / (2 * np.pi)))


def revolutions(true: ScalarArray, begins: Begins) -> ScalarArray:
    """Revolutions of the true orbit since the propagation began, in mean anomaly over 360°."""
    whole, first = _without_jumps(true, begins)
    return (whole - first) / (2 * np.pi)


def _without_jumps(angles: ScalarArray, begins: Begins) -> tuple[ScalarArray, ScalarArray]:
    """Angles that go on from sample to sample, and what they are where the propagation to each began."""
    with np.errstate(all="ignore"):
        whole = np.unwrap(angles, axis=-1)
    return whole, whole[:, begins]
