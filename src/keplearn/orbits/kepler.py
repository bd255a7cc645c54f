"""Kepler's equation M = E − e sin E, solved to machine precision, and the three anomalies.

Everything is vectorised by NumPy's broadcasting, float64, angles in rad. Near-parabolic orbits lose digits
in the textbook forms 1 − e cos E and E − e sin E; here both are split into (1 − e), exact in floating point
for e ≥ ½, and a remainder without cancellation.
"""

import numpy as np
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError

Angles = Float64[np.ndarray, "*#batch"]

_TWO_PI = 2.0 * np.pi
_SERIES_BELOW = 1.0
_MAX_ITERATIONS = 60


def wrap_angle(angle: Angles) -> Angles:
    """Return the angle in [0, 2π); NaN stays NaN."""
    wrapped = np.mod(angle, _TWO_PI)
    # np.mod(-1e-17, 2π) rounds to 2π itself.
    return np.where(wrapped >= _TWO_PI, 0.0, wrapped)


def _e_minus_sin(angle: Angles) -> Angles:
    """E − sin E without cancellation: the Taylor series below 1, the difference above."""
    square = np.minimum(np.abs(angle), _SERIES_BELOW) ** 2
    tail = np.ones_like(square)
    # E³/3! (1 − E²/(4·5) (1 − E²/(6·7) (…))), innermost bracket first; 21! ends it below rounding.
    for k in range(20, 3, -2):
        tail = 1.0 - square / (k * (k + 1)) * tail
    return np.where(np.abs(angle) < _SERIES_BELOW, angle**3 / 6.0 * tail, angle - np.sin(angle))


def mean_from_eccentric(eccentric_anomaly: Angles, eccentricity: Angles) -> Angles:
    """Kepler's equation forward: M = (1 − e) E + e (E − sin E), rad."""
    return (1.0 - eccentricity) * eccentric_anomaly + eccentricity * _e_minus_sin(eccentric_anomaly)


def eccentric_from_mean(mean_anomaly: Angles, eccentricity: Angles) -> Angles:
    """Solve Kepler's equation for the eccentric anomaly by Newton's method from above.

    On [0, π] the residual f(E) = E − e sin E − M is convex and increasing, so Newton's iteration started
    anywhere above the root descends to it monotonically: no safeguard is needed, for any e in [0, 1). The
    start is the least of the upper bounds M + e, M/(1 − e), (π² M/e)^⅓ (from E − sin E ≥ E³/π²; for e > 0.1)
    and π, within a small factor of the root even where e → 1 and M → 0.

    Parameters
    ----------
    mean_anomaly
        M, rad, any finite value; whole revolutions are kept in the result.
    eccentricity
        e in [0, 1).

    Returns
    -------
    E, rad, with E − e sin E = M to a few units in the last place.

    Raises
    ------
    KeplearnError
        If some eccentricity lies outside [0, 1) or some mean anomaly is not finite.
    """
    anomaly, e = np.broadcast_arrays(mean_anomaly, eccentricity)
    if not np.all((e >= 0.0) & (e < 1.0)):
        bad = e[~((e >= 0.0) & (e < 1.0))].flat[0]
        raise KeplearnError(
            f"Kepler's equation needs eccentricities in [0, 1), not {bad}: bound orbits only."
        )
    if not np.all(np.isfinite(anomaly)):
        raise KeplearnError("Kepler's equation needs finite mean anomalies.")
    revolutions = np.round(anomaly / _TWO_PI)
    reduced = anomaly - revolutions * _TWO_PI
    target = np.minimum(np.abs(reduced), np.pi)

    cubic = np.where(e > 0.1, np.cbrt(np.pi**2 * target / np.maximum(e, 0.1)), np.pi)
    root = np.minimum.reduce([target + e, target / (1.0 - e), cubic, np.full_like(target, np.pi)])
    active = np.ones_like(root, dtype=bool)
    for _ in range(_MAX_ITERATIONS):
        slope = (1.0 - e) + 2.0 * e * np.sin(0.5 * root) ** 2
        step = (mean_from_eccentric(root, e) - target) / slope
        # A root that has arrived stays: its last digit must not depend on which others are solved with it.
        root = np.where(active, np.maximum(root - step, 0.0), root)
        active &= np.abs(step) > 2.0 * np.finfo(float).eps * root
        if not active.any():
            break
    return np.copysign(root, reduced) + revolutions * _TWO_PI


def eccentric_from_true(true_anomaly: Angles, eccentricity: Angles) -> Angles:
    """Eccentric anomaly of a true one, rad: tan(E/2) = sqrt((1−e)/(1+e)) tan(ν/2) (Vallado, section 2.2)."""
    return 2.0 * np.arctan2(
        np.sqrt(1.0 - eccentricity) * np.sin(0.5 * true_anomaly),
        np.sqrt(1.0 + eccentricity) * np.cos(0.5 * true_anomaly),
    )


def true_from_eccentric(eccentric_anomaly: Angles, eccentricity: Angles) -> Angles:
    """True anomaly of an eccentric anomaly, rad: the inverse of `eccentric_from_true`."""
    return 2.0 * np.arctan2(
        np.sqrt(1.0 + eccentricity) * np.sin(0.5 * eccentric_anomaly),
        np.sqrt(1.0 - eccentricity) * np.cos(0.5 * eccentric_anomaly),
    )


def period(semi_major_axis: Angles, mu: float) -> Angles:
    """Period 2π sqrt(a³/μ) of a bound orbit, s (Kepler's third law)."""
    return _TWO_PI * np.sqrt(semi_major_axis**3 / mu)
