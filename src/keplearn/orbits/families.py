"""Families of orbits: the random distributions that datasets are drawn from, by name.

Adding a family is adding one function to `FAMILIES`. It gets ``uniform``, which returns the n random numbers
in [0, 1) of the stream with a given word, and returns (a, e, ν₀).

The numbers are the same on every machine: there is one stream for each (family, problem, split, draw, element),
a PCG64 seeded with the SHA-256 of these words and read as raw 64-bit words, whose sequence NumPy guarantees
(NEP 19). Hence datasets that differ only in n are nested, draws are independent of one another, and a modifier
changes nothing but what it names.
"""

import hashlib
from collections.abc import Callable, Collection

import numpy as np

from keplearn.core.shapes import OrbitElements, ScalarArray
from keplearn.orbits.constants import EARTH_RADIUS, GEO_RADIUS

Uniform = Callable[[str], ScalarArray]
Shape = tuple[ScalarArray, ScalarArray, ScalarArray]

MIN_SEMI_MAJOR_AXIS = EARTH_RADIUS + 200.0
MAX_ECCENTRICITY = 0.99
MODIFIERS = ("fixnu0", "rotated")
"""What a name may add, in the order in which it does: ν₀ = 0; planar with the periapsis anywhere."""

_TWO_PI = 2.0 * np.pi


def max_eccentricity(semi_major_axis: ScalarArray) -> ScalarArray:
    """The largest eccentricity that keeps the periapsis above the ground: min(0.99, 1 − R_E/a)."""
    return np.minimum(MAX_ECCENTRICITY, 1.0 - EARTH_RADIUS / semi_major_axis)


def _semi_major_axis(uniform: Uniform) -> ScalarArray:
    """From 200 km above the ground to the geostationary radius, km."""
    return MIN_SEMI_MAJOR_AXIS + (GEO_RADIUS - MIN_SEMI_MAJOR_AXIS) * uniform("a")


def complex_family(uniform: Uniform) -> Shape:
    """Every bound orbit that misses the Earth: e uniform in [0, e_max(a)]."""
    a = _semi_major_axis(uniform)
    return a, max_eccentricity(a) * uniform("e"), _TWO_PI * uniform("nu")


def simple_family(uniform: Uniform) -> Shape:
    """Nearly circular orbits: e uniform in [0, min(0.1, e_max(a))]."""
    a = _semi_major_axis(uniform)
    return a, np.minimum(0.1, max_eccentricity(a)) * uniform("e"), _TWO_PI * uniform("nu")


def circular_family(uniform: Uniform) -> Shape:
    """Circles, ν₀ counted from the node (from +x if planar)."""
    a = _semi_major_axis(uniform)
    return a, np.zeros_like(a), _TWO_PI * uniform("nu")


FAMILIES: dict[str, Callable[[Uniform], Shape]] = {
    "complex": complex_family,
    "simple": simple_family,
    "circular": circular_family,
}


def uniform_stream(
    family: str, problem: str, split: str, element: str, n: int, *, draw: int = 0
) -> ScalarArray:
    """The first n numbers in [0, 1) of the stream of these words (53 random bits each)."""
    words = "/".join(["keplearn", family, problem, split, *([f"@{draw}"] if draw else []), element])
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest(), "big")
    raw = np.random.PCG64(seed).random_raw(n)
    return (np.atleast_1d(raw) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw_elements(
    family: str,
    problem: str,
    n: int,
    *,
    split: str = "",
    draw: int = 0,
    planar: bool = False,
    modifiers: Collection[str] = (),
) -> OrbitElements:
    """Draw the elements (a, e, i, Ω, ω, ν₀) of a family's first n orbits; km and rad, NaN where undefined.

    Each ``draw`` is another independent set of orbits; those of a draw are nested in n.
    In 3D the orientation is uniform: cos i in [−1, 1], Ω and ω in [0, 2π). Planar orbits have i = 0 and the
    periapsis on +x, or anywhere if ``rotated``, which then is ω. Circles have ω NaN unless ``rotated``.
    """

    def uniform(element: str) -> ScalarArray:
        return uniform_stream(family, problem, split, element, n, draw=draw)

    a, e, nu = FAMILIES[family](uniform)
    if "fixnu0" in modifiers:
        nu = np.zeros(n)
    undefined = np.full(n, np.nan)
    if planar:
        inclination, node = np.zeros(n), undefined
        argument = _TWO_PI * uniform("omega") if "rotated" in modifiers else undefined
    else:
        inclination, node = np.arccos(1.0 - 2.0 * uniform("i")), _TWO_PI * uniform("node")
        argument = np.where(e == 0.0, np.nan, _TWO_PI * uniform("omega"))
    return np.stack([a, e, inclination, node, argument, nu], axis=-1)
