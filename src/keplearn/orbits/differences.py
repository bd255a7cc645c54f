"""Derivatives of sampled curves by finite differences of sixth order, on any increasing times.

For data without a known law: the acceleration is the derivative of the velocity.
"""

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import OrbitStates, OrbitTimes, OrbitVectors, ScalarArray, VectorArray

STENCIL = 7
"""Samples that a sixth-order first derivative needs; an orbit with fewer has none."""


def derivative(times: ScalarArray, values: VectorArray, stencil: int = STENCIL) -> VectorArray:
    """Derivative of vectors sampled at strictly increasing times, at those times; sixth order everywhere.

    At each sample it is the derivative of the polynomial through the seven samples around it (the first or
    last seven near the ends). Since the sample is a node of that polynomial, Fornberg's weights (*Mathematics
    of Computation* 51, 1988) take their barycentric form (Berrut and Trefethen, *SIAM Review* 46, 2004,
    eq. 9.4-9.5): w_j = (λ_j/λ_i)/(t_i − t_j) for j ≠ i, with 1/λ_j = Π_k (t_j − t_k), and the weight of the
    sample itself is minus their sum, so that a constant has derivative exactly 0.

    Parameters
    ----------
    times
        Shape (n,), n ≥ 7.
    values
        Shape (n, 3).
    stencil
        Samples around each that are used: an odd number; the order is one less.
    """
    n = len(times)
    if n < STENCIL:
        raise KeplearnError(f"Sixth-order differences need at least {STENCIL} samples an orbit, not {n}.")
    start = np.clip(np.arange(n) - stencil // 2, 0, n - stencil)
    members = start[:, None] + np.arange(stencil)
    # Times in units of the stencil's length: products of six differences neither overflow nor underflow.
    length = times[members[:, -1]] - times[members[:, 0]]
    nodes = (times[members] - times[:, None]) / length[:, None]
    gaps = nodes[:, :, None] - nodes[:, None, :] + np.eye(stencil)
    inverse_lambda = np.prod(gaps, axis=-1)
    own = np.arange(n) - start
    own_inverse_lambda = np.take_along_axis(inverse_lambda, own[:, None], axis=1)
    itself = members == np.arange(n)[:, None]
    distance = np.where(itself, 1.0, -nodes * length[:, None])
    weights = np.where(itself, 0.0, own_inverse_lambda / inverse_lambda / distance)
    return np.einsum("nj,njc->nc", weights, values[members] - values[:, None, :])


def acceleration_by_differences(times: OrbitTimes, states: OrbitStates) -> OrbitVectors:
    """Accelerations of orbits, km/s², as derivatives of the velocities; NaN where the orbit is padded."""
    accelerations = np.full((*states.shape[:-1], 3), np.nan)
    for orbit, n in enumerate(np.isfinite(times).sum(axis=1)):
        accelerations[orbit, :n] = derivative(times[orbit, :n], states[orbit, :n, 3:])
    return accelerations
