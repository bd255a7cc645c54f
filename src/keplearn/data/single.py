"""Datasets of one Kepler orbit: chosen by its elements, written as text, or the mean of a dataset's orbits."""

import re
from typing import Any

import numpy as np

from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.shapes import StateArray
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.two_body import two_body_dataset
from keplearn.orbits.bodies import Body, body_of
from keplearn.orbits.elements import SAMPLES
from keplearn.orbits.kepler import wrap_angle

_ANGLES = ("i", "raan", "argp", "nu0")
_KEYS = ("a", "e", *_ANGLES)
_EXAMPLE = "a=20000,e=0.4,nu0=20deg"


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
    _check_bound(a, e)
    _check_ground(a, e, body)
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


def parse_orbit(text: str) -> dict[str, Any]:
    """Read an orbit's elements, as in ``a=20000,e=0.4,nu0=20deg``: arguments of `single_orbit`.

    ``a`` in km; ``i``, ``raan``, ``argp`` and ``nu0`` in degrees with ``deg`` behind, else in rad. An orbit with
    an ``i`` or a ``raan`` other than 0 gets ``planar`` False.

    Raises
    ------
    KeplearnError
        If a part does not parse, stands twice or is missing, or the orbit is unbound.
    """
    elements: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        where = f"orbit {text!r}: {part.strip()!r}"
        if not equals:
            raise KeplearnError(f"{where} is not of the form key=value, as in {_EXAMPLE}.")
        if key not in _KEYS:
            raise KeplearnError(f"{where}: {key!r} is not one of {', '.join(_KEYS)}.{nearest(key, _KEYS)}")
        if key in elements:
            raise KeplearnError(f"{where}: {key} stands there twice.")
        elements[key] = _number(key, value, where)
    missing = [key for key in ("a", "e") if key not in elements]
    if missing:
        raise KeplearnError(f"orbit {text!r} lacks {' and '.join(missing)}: write it as {_EXAMPLE}.")
    _check_bound(elements["a"], elements["e"])
    if not 0.0 <= elements.get("i", 0.0) <= np.pi:
        raise KeplearnError(f"orbit {text!r}: the inclination is not between 0 and 180deg.")
    if elements.get("i") or elements.get("raan"):
        elements["planar"] = False
    return elements


def _number(key: str, value: str, where: str) -> float:
    """Read a value: a number, for angles perhaps in degrees."""
    degrees = key in _ANGLES and value.endswith("deg")
    plain = value.removesuffix("deg").strip() if degrees else value
    # Not whatever float() reads: no underscores, no nan.
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", plain, re.ASCII):
        unit = {"a": " of km", "e": ""}.get(key, ", in rad or with deg behind")
        raise KeplearnError(f"{where}: {value!r} is not a number{unit}.")
    number = float(plain)
    if not np.isfinite(number):
        raise KeplearnError(f"{where}: {value!r} is too large.")
    return float(np.radians(number)) if degrees else number


def _check_bound(a: float, e: float) -> None:
    """Refuse what is no bound orbit."""
    if not 0.0 < a < np.inf:
        raise KeplearnError(f"The orbit's semi-major axis a is {a:g} km, not positive: not a bound orbit.")
    if not 0.0 <= e < 1.0:
        raise KeplearnError(f"The orbit's eccentricity e is {e:g}, not in [0, 1): not a bound orbit.")


def _check_ground(a: float, e: float, body: Body) -> None:
    """Refuse an orbit that dips below the body's surface, where that is known."""
    radius = body.known_radius
    if a * (1.0 - e) < radius * (1 - 1e-12):
        most = f"; with this a, e is at most {1 - radius / a:.4f}" if a > radius else ""
        raise KeplearnError(
            f"The orbit a = {a:g} km, e = {e:g} crosses {body.the}: its periapsis, a (1 − e) = "
            f"{a * (1 - e):,.0f} km from the centre, lies below the radius of {radius:,.0f} km{most}."
        )


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
