"""Datasets of one Kepler orbit: chosen by its elements, or the mean of a dataset's orbits."""

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import StateArray
from keplearn.data.elements_text import check_bound, check_ground
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.two_body import two_body_dataset
from keplearn.orbits.bodies import Body, body_of
from keplearn.orbits.elements import SAMPLES
from keplearn.orbits.kepler import wrap_angle


def single_orbit(
    mu: float,
    a: float,
    e: float,
    i: float = 0.0,
    raan: float = 0.0,
    argp: float = 0.0,
    nu0: float = 0.0,
    samples: int = SAMPLES,
    planar: bool = True,
    body: Body | None = None,
) -> OrbitDataset:
    """Make one Kepler orbit of its elements, over one period.

    Parameters
    ----------
    mu
        km³/s².
    a, e
        Semi-major axis in km, eccentricity.
    i, raan, argp, nu0
        Inclination in [0, π], longitude of the ascending node, argument of periapsis, true anomaly of the first
        sample; rad.
    samples
        In equal steps of mean anomaly.
    planar
        In z = 0, counterclockwise; then ``i`` and ``raan`` must be 0.
    body
        What it goes round; by default the body that ``mu`` tells.

    Raises
    ------
    KeplearnError
        If the orbit is not bound or its periapsis lies below the body's surface, an element is no such number,
        or a planar orbit has an inclination or a node.
    """
    body = body_of(mu) if body is None else body
    check_bound(a, e)
    check_ground(a, e, body)
    for name, angle in {"i": i, "raan": raan, "argp": argp, "nu0": nu0}.items():
        if not np.isfinite(angle):
            raise KeplearnError(f"The orbit's {name} is {angle}, not an angle in rad.")
    if not 0.0 <= i <= np.pi:
        raise KeplearnError(f"The orbit's inclination i is {i:g} rad, not in [0, π].")
    if planar and (i or raan):
        raise KeplearnError(f"A planar orbit has no inclination and no node, but i = {i:g}, raan = {raan:g}.")
    if samples < 2:
        raise KeplearnError(f"{samples} samples; an orbit needs at least 2.")
    name = f"a = {a:g} km, e = {e:g}"
    given = {"i": i, "raan": raan, "argp": argp, "nu0": nu0}
    name += "".join(f", {key} = {np.degrees(angle):.4g}°" for key, angle in given.items() if angle)
    return _make(name, mu, body, _elements(a, e, i, raan, argp, nu0), samples, planar, "of given elements")


def mean_orbit(dataset: OrbitDataset, samples: int = SAMPLES) -> OrbitDataset:
    """Make the orbit of a dataset's mean elements, from its periapsis over one period.

    Mean a and e of the bound orbits; where the dataset is not planar, also their mean inclination, with the node
    on +x and the periapsis at the node. Orbits that miss the body have a mean that misses it, for their e is at
    most 1 − R/a, which is concave in a.

    Parameters
    ----------
    dataset
        The training orbits.
    samples
        In equal steps of mean anomaly.

    Raises
    ------
    KeplearnError
        If no orbit is bound.
    """
    bound = (dataset.elements[:, 0] > 0) & (dataset.elements[:, 1] < 1) & np.isfinite(dataset.elements[:, 0])
    if not bound.any():
        raise KeplearnError(f"{dataset.name} has no bound orbit, so no mean one.")
    a, e = dataset.elements[bound, :2].mean(axis=0)
    tilts = dataset.elements[bound, 2]
    i = 0.0 if dataset.planar else float(np.mean(tilts[np.isfinite(tilts)]))
    elements = _elements(float(a), float(e), i, 0.0, 0.0, 0.0)
    name = f"mean of {dataset.name}"
    return _make(name, dataset.mu, dataset.body, elements, samples, dataset.planar, "of mean elements")


def _elements(a: float, e: float, i: float, raan: float, argp: float, nu0: float) -> StateArray:
    """Elements with the conventions of `keplearn.orbits.elements`: NaN where undefined, its angle in the next."""
    node, argument, nu = raan, argp, nu0
    if i in (0.0, np.pi):
        # Without a node, ω counts from +x in the direction of motion.
        argument += node if i == 0.0 else -node
        node = np.nan
    if e == 0.0:
        nu, argument = nu + argument, np.nan
    elif i == 0.0 and argument == 0.0:
        argument = np.nan  # as in planar datasets: on +x
    angles = wrap_angle(np.array([node, argument, nu]))
    return np.array([a, e, i, *angles])


def _make(
    name: str, mu: float, body: Body, elements: StateArray, samples: int, planar: bool, origin: str
) -> OrbitDataset:
    return two_body_dataset(
        name, elements[None], mu, [origin], origin, planar=planar, samples=samples, body=body
    )
