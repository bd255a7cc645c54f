"""Whether given velocities are the derivative of the positions, compared as vectors, and if not, why.

Also whether states turn with a body: velocities may be right, and the frame no inertial one.
"""

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np

from keplearn.core.shapes import ScalarArray, StateArray, VectorArray
from keplearn.orbits.differences import derivative
from keplearn.systems.two_body import TwoBody

REFUSED = 0.05
"""A relative difference of velocities and derivatives beyond which they are not the same thing."""

DOUBTFUL = 0.01
"""One that is told, and refused where a simple cause explains it."""

RATES = {"Earth": 7.292115e-5, "Moon": 2.661699e-6, "Mars": 7.088218e-5}
"""Rates of rotation of bodies, rad/s (sidereal; Archinal et al., *Celestial Mechanics* 130, 2018)."""


def velocity_fault(times: ScalarArray, states: StateArray) -> tuple[str, bool]:
    """Say what is wrong with the velocities of an arc, and whether it is to be refused; ("", False) if nothing.

    The velocities are compared with sixth-order derivatives of the positions, by the median over the samples of
    the vectors' difference. What the derivative itself may be wrong by, where samples are far apart or the
    positions noisy, is seen by its difference from the fourth-order one.
    """
    given, wanted = states[:, 3:], derivative(times, states[:, :3])
    scale = _typical(wanted)
    if scale == 0:
        moving = bool(_typical(given))
        return ("its positions do not move, but its velocities are not 0" if moving else ""), moving
    doubt = _typical(wanted - derivative(times, states[:, :3], stencil=5)) / scale
    difference = _typical(given - wanted) / scale
    if difference <= max(DOUBTFUL, 3 * doubt):
        if doubt > REFUSED:
            return "its samples are too far apart to check its velocities and to difference them well", False
        return "", False
    cause = _cause(states, given, wanted, limit=max(3 * doubt, min(DOUBTFUL, difference / 5)) * scale)
    refused = bool(cause) or difference > max(REFUSED, 3 * doubt)
    return (
        f"its velocities differ by {100 * difference:.3g} % from the derivative of its positions"
        + (f": {cause}" if cause else ", or its samples are too far apart to differentiate"),
        refused,
    )


def _typical(vectors: VectorArray) -> float:
    return float(np.median(np.linalg.norm(vectors, axis=-1)))


def _cause(states: StateArray, given: VectorArray, wanted: VectorArray, limit: float) -> str:
    """Name the first simple change that makes the velocities right to ``limit`` km/s; "" where none does."""
    if not given.any():
        return "they are all 0"
    for said, changed in _changes(given):
        if _typical(changed - wanted) < limit:
            return said
    for said, changed in (("", given), *_changes(given)):
        factor = float((changed * wanted).sum() / (changed * changed).sum())
        if factor > 0 and _typical(factor * changed - wanted) < limit:
            return " and ".join(filter(None, (said, f"they are to be multiplied by {factor:.4g}")))
    # wanted - given = ω × r, linear in ω.
    x, y, z = states[:, :3].T
    o = np.zeros_like(x)
    rows = [np.stack(row, axis=-1) for row in ((o, z, -y), (-z, o, x), (y, -x, o))]
    matrix = np.stack(rows, axis=1)
    turning = np.linalg.lstsq(matrix.reshape(-1, 3), (wanted - given).reshape(-1))[0]
    if _typical(given + np.cross(turning, states[:, :3]) - wanted) < limit:
        return _turning(turning)
    return ""


def _changes(given: VectorArray) -> Iterator[tuple[str, VectorArray]]:
    """Velocities as they would be negated, or with components swapped or of other sign: the simplest first."""
    yield "they point backwards (negated, or the times run backwards)", -given
    names = ("vx", "vy", "vz")
    for order in permutations(range(3)):
        if order != (0, 1, 2):
            yield (
                f"their components are swapped: as ({', '.join(names[k] for k in order)}) they fit",
                given[:, order],
            )
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            shown = ", ".join(f"{'-' if s < 0 else ''}{names[k]}" for k, s in zip(order, signs, strict=True))
            yield (
                f"their components have another order or sign: as ({shown}) they fit",
                given[:, order] * signs,
            )


def _turning(rate: VectorArray) -> str:
    """Name the rotation between the frame of the velocities and that of the positions."""
    size = float(np.linalg.norm(rate))
    if abs(rate[2]) < 0.99 * size:
        return f"they belong to a frame that turns at {size:.4g} rad/s against that of the positions"
    body = next((f" (the {b}'s rate)" for b, w in RATES.items() if abs(size / w - 1) < 0.01), "")
    turning, still = ("velocities", "positions") if rate[2] > 0 else ("positions", "velocities")
    return f"the {turning} are in a frame that turns about z at {size:.4g} rad/s{body}, the {still} are not"


def fixed_frame(states: StateArray, accelerations: VectorArray, mu: float) -> str:
    """Say if states obey the two-body law far better once a body's rotation about z is taken out of them.

    In a frame that turns with ω, the inertial acceleration is a + 2 ω × v + ω × (ω × r).
    """
    law = TwoBody(mu)
    position, velocity = states[..., :3], states[..., 3:]
    times = np.zeros(states.shape[:-1])

    def distance(rate: float) -> float:
        omega = np.array([0.0, 0.0, rate])
        inertial = accelerations + 2 * np.cross(omega, velocity) + np.cross(omega, np.cross(omega, position))
        return float(np.nanmean(law.distance_percent(times, states, inertial)))

    found = {body: distance(rate) for body, rate in RATES.items()}
    body, own = min(found, key=lambda b: found[b]), distance(0.0)
    if own > 0.5 and found[body] < own / 5:
        return (
            f"its states look fixed to the {body}: taken out of a frame that turns about z at {RATES[body]:.4g} rad/s, "
            f"they are {found[body]:.2g} % from the two-body law, as they stand {own:.3g} %. "
            "keplearn takes states as inertial: convert them first"
        )
    return ""
