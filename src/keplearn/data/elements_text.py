"""An orbit's elements written as text, ``a=20000,e=0.4,nu0=20deg``, and which of them are no orbit."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from keplearn.core.errors import KeplearnError, nearest
from keplearn.orbits.bodies import Body

_ANGLES = ("i", "raan", "argp", "nu0")
_KEYS = ("a", "e", *_ANGLES)
_EXAMPLE = "a=20000,e=0.4,nu0=20deg"


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
    for key, value, where in _parts(text):
        if key in elements:
            raise KeplearnError(f"{where}: {key} stands there twice.")
        elements[key] = _number(key, value, where)
    missing = [key for key in ("a", "e") if key not in elements]
    if missing:
        raise KeplearnError(f"orbit {text!r} lacks {' and '.join(missing)}: write it as {_EXAMPLE}.")
    check_bound(elements["a"], elements["e"])
    if not 0.0 <= elements.get("i", 0.0) <= np.pi:
        raise KeplearnError(f"orbit {text!r}: the inclination is not between 0 and 180deg.")
    if elements.get("i") or elements.get("raan"):
        elements["planar"] = False
    return elements


def written_orbit(text: str) -> str:
    """Write an orbit's elements in the one way that counts: in order, without spaces and angles that are 0.

    Angles stay in the unit that they are given in.

    Raises
    ------
    KeplearnError
        As `parse_orbit` does.
    """
    elements = parse_orbit(text)
    pieces = {key: value for key, value, _ in _parts(text)}
    written = []
    for key in _KEYS:
        if key in ("a", "e") or elements.get(key):
            number = float(pieces[key].removesuffix("deg"))
            unit = "deg" if pieces[key].endswith("deg") else ""
            written.append(f"{key}={repr(number).removesuffix('.0')}{unit}")
    return ",".join(written)


def _parts(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield key, value, and what a message says of where they stand."""
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        where = f"orbit {text!r}: {part.strip()!r}"
        if not equals:
            raise KeplearnError(f"{where} is not of the form key=value, as in {_EXAMPLE}.")
        if key not in _KEYS:
            raise KeplearnError(f"{where}: {key!r} is not one of {', '.join(_KEYS)}.{nearest(key, _KEYS)}")
        yield key, value, where


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


def check_bound(a: float, e: float) -> None:
    """Refuse what is no bound orbit."""
    if not 0.0 < a < np.inf:
        raise KeplearnError(f"The orbit's semi-major axis a is {a:g} km, not positive: not a bound orbit.")
    if not 0.0 <= e < 1.0:
        raise KeplearnError(f"The orbit's eccentricity e is {e:g}, not in [0, 1): not a bound orbit.")


def check_ground(a: float, e: float, body: Body) -> None:
    """Refuse an orbit that dips below the body's surface, where that is known."""
    radius = body.known_radius
    if a * (1.0 - e) < radius * (1 - 1e-12):
        most = f"; with this a, e is at most {1 - radius / a:.4f}" if a > radius else ""
        raise KeplearnError(
            f"The orbit a = {a:g} km, e = {e:g} crosses {body.the}: its periapsis, a (1 − e) = "
            f"{a * (1 - e):,.0f} km from the centre, lies below the radius of {radius:,.0f} km{most}."
        )
