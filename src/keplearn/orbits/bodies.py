"""The bodies that orbits go round: name and radius, and the few whose gravitational parameter tells which they are.

A body whose radius is not known is a point: figures draw no ball, nothing is masked, no orbit crosses it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from keplearn.core.errors import KeplearnError, nearest
from keplearn.orbits.constants import EARTH_RADIUS, MU_EARTH

SAME_MU = 1e-3
"""Gravitational parameters that differ by less than this, relatively, are of the same body: sources differ by up
to 3e-4 (a giant planet with its moons or without), the Earth with the Moon from the Earth alone by 1e-2."""

SAME_LAW = 1e-4
"""Likewise, below which a model serves: see `same_law`."""

_WITH_ARTICLE = ("Earth", "Moon", "Sun", "central body")


@dataclass(frozen=True)
class Body:
    """A central body: its ``name``, and its equatorial ``radius`` in km or None where that is not known."""

    name: str = "central body"
    radius: float | None = None

    def __post_init__(self) -> None:
        """Refuse a radius that is none."""
        if self.radius is not None and not 0.0 < self.radius < float("inf"):
            raise KeplearnError(
                f"the radius of {self.the} must be a positive number of km, not {self.radius}."
            )

    @property
    def the(self) -> str:
        """Its name in a sentence: the Moon, Mars."""
        return f"the {self.name}" if self.name in _WITH_ARTICLE else self.name

    @property
    def known_radius(self) -> float:
        """Its radius, km, or 0 for a point: what bounds a frame, a mask or an orbit."""
        return self.radius or 0.0

    def attributes(self) -> dict[str, str | float]:
        """It as attributes of a file, with NaN for an unknown radius; `body_of` reads them."""
        return {"body": self.name, "body_radius_km": math.nan if self.radius is None else self.radius}


class _Known(NamedTuple):
    mu: float
    radius: float


KNOWN = {
    "Sun": _Known(132712440041.28, 695700.0),
    "Mercury": _Known(22031.86855, 2440.53),
    "Venus": _Known(324858.592, 6051.8),
    "Earth": _Known(MU_EARTH, EARTH_RADIUS),
    "Moon": _Known(4902.800118, 1737.4),
    "Mars": _Known(42828.37582, 3396.19),
    "Jupiter": _Known(126712764.1, 71492.0),
    "Saturn": _Known(37940584.84, 60268.0),
    "Uranus": _Known(5794556.4, 25559.0),
    "Neptune": _Known(6836527.1, 24764.0),
    "Pluto": _Known(869.61, 1188.3),
}
"""Gravitational parameters, km³/s² (JPL DE440; planets with moons: of the system), and radii, km (Archinal et al.,
*Celestial Mechanics and Dynamical Astronomy* 130, 2018)."""


def same_mu(one: float, other: float) -> bool:
    """Whether two gravitational parameters can be of the same body."""
    return abs(one - other) < SAME_MU * other


def same_law(one: float, other: float) -> bool:
    """Whether a model of one gravitational parameter serves data of another: the accelerations agree to 0.01 %.

    Sources of one body's differ by 1e-6, relatively, and by less than this where they are rounded to four digits.
    """
    return abs(one - other) < SAME_LAW * other


def body_of(mu: float, attributes: Mapping[str, Any] | None = None) -> Body:
    """The body that a file's ``attributes`` state, or else the one whose gravitational parameter ``mu`` is.

    Raises
    ------
    KeplearnError
        If the attributes state what is no name or no radius.
    """
    stated = attributes or {}
    if "body" in stated:
        radius = stated.get("body_radius_km")
        if not isinstance(stated["body"], str) or not isinstance(radius, Real):
            raise KeplearnError(
                f"the attributes body = {stated['body']}, body_radius_km = {radius} state no body."
            )
        return Body(stated["body"], None if math.isnan(radius) else float(radius))
    for name, known in KNOWN.items():
        if same_mu(mu, known.mu):
            return Body(name, known.radius)
    return Body()


def central_body(
    name: str | None = None, mu: float | None = None, radius: float | None = None
) -> tuple[Body, float]:
    """The body and the gravitational parameter that a user means by some of name, ``mu`` and ``radius``.

    Without a name, the body is the one that ``mu`` tells, the Earth where that is missing too. A name of `KNOWN`
    (in any case) gives what was not given; another needs ``mu``.

    Raises
    ------
    KeplearnError
        If the name is not known and there is no ``mu``, or ``mu`` is not that of the body named.
    """
    if mu is not None and not 0.0 < mu < float("inf"):
        raise KeplearnError(f"mu must be a positive number of km³/s², not {mu}.")
    if name is None:
        mu = MU_EARTH if mu is None else mu
        found = body_of(mu)
        return (found if radius is None else Body(found.name, radius)), mu
    spelled = {known.lower(): known for known in KNOWN}.get(name.strip().lower())
    if spelled is None:
        if mu is None:
            raise KeplearnError(
                f"the body {name!r} is not known here ({', '.join(KNOWN)}): give its --mu too, and its --radius "
                f"if it has one.{nearest(name, KNOWN)}"
            )
        return Body(name.strip() or Body.name, radius), mu
    known = KNOWN[spelled]
    if mu is not None and not same_mu(mu, known.mu):
        raise KeplearnError(
            f"mu = {mu:g} km³/s² is not that of {Body(spelled).the}, {known.mu:g}: leave one of the two out."
        )
    return Body(spelled, known.radius if radius is None else radius), known.mu if mu is None else mu
