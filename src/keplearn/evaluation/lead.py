"""How far ahead of the truth a prediction is along the true orbit, in mean anomaly: the drift of its phase.

The true orbit is the one that osculates where the propagation begins.

Arrays are (orbit, sample) and (orbit, sample, 3), float64; NaN in gives NaN out from there on, and no function warns.
"""

import numpy as np
from jaxtyping import Int

from keplearn.core.shapes import OrbitVectors, ScalarArray
from keplearn.evaluation.vectors import unit
from keplearn.orbits.kepler import eccentric_from_true, mean_from_eccentric

Begins = Int[np.ndarray, " sample"]
"""The sample at which the propagation to each sample began."""

CIRCULAR = 1e-8
"""Up to this eccentricity the direction of the periapsis is rounding."""


def mean_anomaly(position: OrbitVectors, eccentricity: OrbitVectors, momentum: OrbitVectors) -> ScalarArray:
    """Mean anomaly on a bound orbit of the point in the direction of a position, rad in (−π, π].

    The orbit is given by its eccentricity vector and its angular momentum; what lies out of its plane does not count.
    On a circle a fixed direction stands for the periapsis: differences of anomalies stay what they are.

    Vallado, *Fundamentals of Astrodynamics and Applications*, 4th ed., section 2.2.
    """
    with np.errstate(all="ignore"):
        e = np.linalg.norm(eccentricity, axis=-1)
        e = np.where(e < 1.0, e, np.nan)
        # Where there is no periapsis, +x stands for it, or +y where +x is the orbit's normal.
        normal = unit(momentum)
        across = np.where(np.abs(normal[..., :1]) < 0.9, np.eye(3)[0], np.eye(3)[1])
        across = across - (across * normal).sum(-1, keepdims=True) * normal
        towards = unit(np.where(e[..., None] > CIRCULAR, eccentricity, across))
        ahead = np.cross(normal, towards)
        true = np.arctan2((position * ahead).sum(-1), (position * towards).sum(-1))
        return mean_from_eccentric(eccentric_from_true(true, e), e)


def lead_deg(
    position: OrbitVectors,
    true_position: OrbitVectors,
    eccentricity: OrbitVectors,
    momentum: OrbitVectors,
    begins: Begins,
) -> ScalarArray:
    """How far the predicted position is ahead (+) of or behind (−) the true one, ° of mean anomaly of the true orbit.

    Whole revolutions count; where a propagation begins, none is taken to have passed.
    """
    predicted, true = (mean_anomaly(r, eccentricity, momentum) for r in (position, true_position))
    return np.degrees(_since_begin(predicted - true, begins, keep=True))


def revolutions(
    true_position: OrbitVectors, eccentricity: OrbitVectors, momentum: OrbitVectors, begins: Begins
) -> ScalarArray:
    """Revolutions of the true orbit since the propagation began, in mean anomaly over 360°."""
    return _since_begin(mean_anomaly(true_position, eccentricity, momentum), begins, keep=False) / (2 * np.pi)


def _since_begin(angles: ScalarArray, begins: Begins, *, keep: bool) -> ScalarArray:
    """Angles without jumps, counted from where each propagation begins; ``keep`` leaves what they are there."""
    with np.errstate(all="ignore"):
        whole = np.unwrap(angles, axis=-1)
        first = whole[:, begins]
        return whole - (2 * np.pi * np.round(first / (2 * np.pi)) if keep else first)
