"""Derivatives of sampled curves by finite differences of high order, on any increasing times.

For data without a known law: the acceleration is the derivative of the velocity, and the second one of the position.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import OrbitStates, OrbitTimes, OrbitVectors, ScalarArray, StateArray, VectorArray

STENCIL = 7
"""Samples that a sixth-order first derivative needs; an orbit with fewer has none."""
WIDE, OSCULATING = 13, 9
"""Samples of the widest stencils that `observed_acceleration` tries: of velocities, of whole states."""


class _Stencils(NamedTuple):
    """The samples around each one of n: those nearest, at the ends the first or last.

    ``nodes``: their times from the sample's own in units of the stencil's ``length``: products of many differences
    neither overflow nor underflow. ``slopes``: of each one's Lagrange polynomial l_j at the sample, 0 for its own;
    Fornberg's weights (*Mathematics of Computation* 51, 1988) in barycentric form (Berrut and Trefethen, *SIAM Review*
    46, 2004, eq. 9.4-9.5): (λ_j/λ_i)/(t_i - t_j) with 1/λ_j = Π_k (t_j - t_k).
    """

    members: Int[np.ndarray, "n member"]
    itself: Bool[np.ndarray, "n member"]
    nodes: Float64[np.ndarray, "n member"]
    gaps: Float64[np.ndarray, "n member member"]
    length: Float64[np.ndarray, "n"]
    slopes: Float64[np.ndarray, "n member"]

    @classmethod
    def of(cls, times: ScalarArray, stencil: int) -> "_Stencils":
        n = len(times)
        if n < STENCIL:
            raise KeplearnError(f"Sixth-order differences need at least {STENCIL} samples an orbit, not {n}.")
        stencil = min(stencil, n)
        start = np.clip(np.arange(n) - stencil // 2, 0, n - stencil)
        members = start[:, None] + np.arange(stencil)
        length = times[members[:, -1]] - times[members[:, 0]]
        nodes = (times[members] - times[:, None]) / length[:, None]
        gaps = nodes[:, :, None] - nodes[:, None, :] + np.eye(stencil)
        inverse_lambda = np.prod(gaps, axis=-1)
        own = (np.arange(n) - start)[:, None]
        own_inverse_lambda = np.take_along_axis(inverse_lambda, own, axis=1)
        itself = members == np.arange(n)[:, None]
        distance = np.where(itself, 1.0, -nodes * length[:, None])
        slopes = np.where(itself, 0.0, own_inverse_lambda / inverse_lambda / distance)
        return cls(members, itself, nodes, gaps, length, slopes)


def derivative(times: ScalarArray, values: VectorArray, stencil: int = STENCIL) -> VectorArray:
    """Derivative of vectors sampled at strictly increasing times, at those times; sixth order everywhere.

    At each sample it is the derivative of the polynomial through the seven samples around it (the first or
    last seven near the ends). The sample is a node of that polynomial, and its own weight minus the sum of the
    others, so that a constant has derivative exactly 0.

    Parameters
    ----------
    times
        Shape (n,), n ≥ 7.
    values
        Shape (n, 3).
    stencil
        Samples around each that are used: an odd number; the order is one less.
    """
    found = _Stencils.of(times, stencil)
    return np.einsum("nj,njc->nc", found.slopes, values[found.members] - values[:, None, :])


def osculating_acceleration(times: ScalarArray, states: StateArray, stencil: int = OSCULATING) -> VectorArray:
    """Second derivative of positions whose first is known, at the samples' own times.

    At each sample it is that of Hermite's polynomial, which has positions and velocities of the samples around it: of
    order 2 · stencil - 2. With l_j as above and L_j = l_j'(t_j) its derivatives at t_i are, of the position at
    j ≠ i, 2 l_j'² (1 + 2 (t_j - t_i) L_j), of the velocity there 2 l_j'² (t_i - t_j), and 4 L_i of that at i.
    """
    found = _Stencils.of(times, stencil)
    length = found.length[:, None]
    slopes = found.slopes * length
    own = np.sum(1 / found.gaps, axis=-1) - 1
    of_positions = 2 * slopes**2 * (1 + 2 * found.nodes * own)
    of_velocities = np.where(found.itself, 4 * own, -2 * slopes**2 * found.nodes)
    positions, velocities = states[:, :3], states[:, 3:]
    moved = positions[found.members] - positions[:, None]
    bend = np.einsum("nj,njc->nc", of_positions, moved) / length**2
    return bend + np.einsum("nj,njc->nc", of_velocities, velocities[found.members]) / length


def observed_acceleration(times: ScalarArray, states: StateArray) -> VectorArray:
    """Acceleration along an observed orbit, of what differences are the surest, without a law.

    Wide stencils follow the perigee of an eccentric orbit and make noise larger, those of positions most of all.
    Each kind is made with two widths: how far these are apart, root of the mean square over the orbit relative to
    the acceleration, says how sure it is.

    Parameters
    ----------
    times
        Shape (n,), n ≥ 7.
    states
        Shape (n, 6).
    """
    pairs = [
        [derivative(times, states[:, 3:], stencil) for stencil in (width, width - 2)]
        for width in (STENCIL, WIDE)
    ]
    pairs.append([osculating_acceleration(times, states, width) for width in (OSCULATING, OSCULATING - 2)])

    def doubt(pair: list[VectorArray]) -> float:
        wide, narrow = pair
        size = np.linalg.norm(wide, axis=-1)
        return float(
            np.mean((np.linalg.norm(wide - narrow, axis=-1) / np.maximum(size, size.max() * 1e-9)) ** 2)
        )

    return min(pairs, key=doubt)[0]


def acceleration_by_differences(times: OrbitTimes, states: OrbitStates) -> OrbitVectors:
    """Accelerations of orbits, km/s², as derivatives of the velocities; NaN where the orbit is padded."""
    return _by_orbit(times, states, lambda t, y: derivative(t, y[:, 3:]))


def surest_accelerations(times: OrbitTimes, states: OrbitStates) -> OrbitVectors:
    """Accelerations of orbits, km/s², each by its own `observed_acceleration`; NaN where the orbit is padded."""
    return _by_orbit(times, states, observed_acceleration)


def _by_orbit(
    times: OrbitTimes, states: OrbitStates, accelerate: Callable[[ScalarArray, StateArray], VectorArray]
) -> OrbitVectors:
    accelerations = np.full((*states.shape[:-1], 3), np.nan)
    for orbit, n in enumerate(np.isfinite(times).sum(axis=1)):
        accelerations[orbit, :n] = accelerate(times[orbit, :n], states[orbit, :n])
    return accelerations
