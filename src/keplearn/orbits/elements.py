"""Classical elements ↔ Cartesian states, and Kepler orbits sampled in mean anomaly.

An element vector is (a, e, i, Ω, ω, ν): semi-major axis in km, eccentricity, inclination, longitude of the
ascending node, argument of periapsis and true anomaly in rad.

Conventions where an element is undefined: it is NaN, and whatever needs it reads it as 0.

- equatorial (i = 0 or π): Ω is NaN; ω is counted from +x in the direction of motion
- circular (e = 0): ω is NaN; ν is the argument of latitude, counted from the node
- both: Ω and ω are NaN; ν is counted from +x in the direction of motion
- rectilinear (**r** × **v** = 0): i, Ω, ω and ν are NaN; such a vector has no way back

Source: Vallado, *Fundamentals of Astrodynamics and Applications*, 4th ed., section 2.5 and algorithms 9-10;
the angles are taken from sums that stay well conditioned (see `elements_from_states`).
"""

import numpy as np
from jaxtyping import Float64

from keplearn.core.shapes import OrbitElements, OrbitStates, OrbitTimes, StateArray, VectorArray
from keplearn.orbits.kepler import (
    eccentric_from_mean,
    eccentric_from_true,
    mean_from_eccentric,
    period,
    wrap_angle,
)

ELEMENT_NAMES = (
    "semi_major_axis",
    "eccentricity",
    "inclination",
    "node_longitude",
    "periapsis_argument",
    "true_anomaly",
)
SAMPLES = 360
"""Samples of one revolution: 1° of mean anomaly each."""

# Below these, an element is rounding noise of the state it was computed from.
_CIRCULAR = 1e-14
_EQUATORIAL = 1e-15


def _orbit_axes(elements: StateArray) -> tuple[VectorArray, VectorArray]:
    """Unit vectors towards the periapsis and 90° ahead of it in the orbit's plane (Vallado, algorithm 10)."""
    inclination, node, argument = np.moveaxis(elements[..., 2:5], -1, 0)
    cos_i, sin_i = np.cos(inclination), np.sin(inclination)
    cos_node, sin_node = np.cos(np.nan_to_num(node)), np.sin(np.nan_to_num(node))
    cos_arg, sin_arg = np.cos(np.nan_to_num(argument)), np.sin(np.nan_to_num(argument))
    towards = np.stack(
        [
            cos_node * cos_arg - sin_node * sin_arg * cos_i,
            sin_node * cos_arg + cos_node * sin_arg * cos_i,
            sin_arg * sin_i,
        ],
        axis=-1,
    )
    ahead = np.stack(
        [
            -cos_node * sin_arg - sin_node * cos_arg * cos_i,
            -sin_node * sin_arg + cos_node * cos_arg * cos_i,
            cos_arg * sin_i,
        ],
        axis=-1,
    )
    return towards, ahead


def states_from_elements(elements: StateArray, mu: float) -> StateArray:
    """States (km, km/s) of classical elements: p = a (1 − e²), r = p / (1 + e cos ν) (Vallado, algorithm 10).

    Bound and hyperbolic orbits (a < 0, e > 1) alike; parabolas have no a and give NaN. ``mu`` in km³/s².
    """
    a, e, nu = elements[..., 0], elements[..., 1], elements[..., 5]
    parameter = a * (1.0 - e) * (1.0 + e)
    cos_nu, sin_nu = np.cos(nu), np.sin(nu)
    radius = parameter / (1.0 + e * cos_nu)
    speed = np.sqrt(mu / parameter)
    towards, ahead = _orbit_axes(elements)
    position = (radius * cos_nu)[..., None] * towards + (radius * sin_nu)[..., None] * ahead
    velocity = (-speed * sin_nu)[..., None] * towards + (speed * (e + cos_nu))[..., None] * ahead
    return np.concatenate([position, velocity], axis=-1)


def elements_from_states(states: StateArray, mu: float) -> StateArray:
    """Osculating elements of states (km, km/s), with this module's conventions; ``mu`` in km³/s².

    ω is u − ν with the argument of latitude u = ω + ν measured from the computed node. So where Ω, ω and ν
    are badly conditioned one by one (i or e near 0), their errors cancel and the state comes back in full.
    """
    if states.ndim == 1:
        return elements_from_states(states[None], mu)[0]
    position, velocity = states[..., :3], states[..., 3:]
    radius = np.linalg.norm(position, axis=-1)
    momentum = np.cross(position, velocity)
    h = np.linalg.norm(momentum, axis=-1)
    radial_speed = np.sum(position * velocity, axis=-1) / radius
    with np.errstate(invalid="ignore", divide="ignore"):  # parabolas have no a, rectilinear orbits no plane
        a = 1.0 / (2.0 / radius - np.sum(velocity**2, axis=-1) / mu)
        normal = momentum / h[..., None]
        e_cos_nu = h / mu * (h / radius) - 1.0
        e_sin_nu = h / mu * radial_speed

    horizontal = np.hypot(normal[..., 0], normal[..., 1])
    equatorial = horizontal < _EQUATORIAL
    inclination = np.arctan2(np.where(equatorial, 0.0, horizontal), normal[..., 2])
    node = np.where(equatorial, 0.0, np.arctan2(normal[..., 0], -normal[..., 1]))
    to_node = np.stack([np.cos(node), np.sin(node), np.zeros_like(node)], axis=-1)
    latitude_argument = np.arctan2(
        np.sum(position * np.cross(normal, to_node), axis=-1), np.sum(position * to_node, axis=-1)
    )

    e = np.hypot(e_cos_nu, e_sin_nu)
    circular = e < _CIRCULAR
    nu = np.where(circular, latitude_argument, np.arctan2(e_sin_nu, e_cos_nu))
    rectilinear = h == 0.0
    result = [
        a,
        np.where(circular, 0.0, e),
        inclination,
        np.where(equatorial | rectilinear, np.nan, wrap_angle(node)),
        np.where(circular | rectilinear, np.nan, wrap_angle(latitude_argument - nu)),
        np.where(rectilinear, np.nan, wrap_angle(nu)),
    ]
    return np.stack(result, axis=-1)


def kepler_states(
    elements: OrbitElements, mean_anomalies: Float64[np.ndarray, "#orbit sample"], mu: float
) -> OrbitStates:
    """States along bound orbits at given mean anomalies past each orbit's start.

    Parameters
    ----------
    elements
        One row (a, e, i, Ω, ω, ν₀) an orbit, e in [0, 1).
    mean_anomalies
        Mean anomaly since the orbit's first state, rad.
    mu
        km³/s².

    Returns
    -------
    States in km and km/s, in closed form of the eccentric anomaly (Vallado, section 2.2):
    **r** = a (cos E − e) **P** + b sin E **Q**, **v** = (n a²/r) (−sin E **P** + sqrt(1 − e²) cos E **Q**).
    """
    a, e, nu = elements[:, 0:1], elements[:, 1:2], elements[:, 5:6]
    start = mean_from_eccentric(eccentric_from_true(nu, e), e)
    eccentric = eccentric_from_mean(start + mean_anomalies, e)
    cos_e, sin_e = np.cos(eccentric), np.sin(eccentric)
    haversine = 2.0 * np.sin(0.5 * eccentric) ** 2  # 1 − cos E
    root = np.sqrt((1.0 - e) * (1.0 + e))
    radius = a * ((1.0 - e) + e * haversine)
    speed = np.sqrt(mu * a) / radius
    towards, ahead = (axis[:, None, :] for axis in _orbit_axes(elements))
    position = (a * ((1.0 - e) - haversine))[..., None] * towards + (a * root * sin_e)[..., None] * ahead
    velocity = (-speed * sin_e)[..., None] * towards + (speed * root * cos_e)[..., None] * ahead
    return np.concatenate([position, velocity], axis=-1)


def along_orbits(
    elements: OrbitElements, mu: float, phases: Float64[np.ndarray, "#orbit sample"]
) -> tuple[OrbitTimes, OrbitStates]:
    """Times (s, from 0) and states at so many periods past each orbit's start."""
    times = period(elements[:, 0:1], mu) * phases
    return times, kepler_states(elements, 2.0 * np.pi * phases, mu)


def one_revolution(
    elements: OrbitElements, mu: float, n_samples: int = SAMPLES
) -> tuple[OrbitTimes, OrbitStates]:
    """Times (s, from 0) and states of one revolution in ``n_samples`` equal steps of mean anomaly."""
    return along_orbits(elements, mu, (np.arange(n_samples) / n_samples)[None])
