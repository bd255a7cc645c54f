"""Runge-Kutta-Nyström methods for r'' = a(r, v), and one step of them over all segments at once.

Arrays are feature-major, (component, segment), so that a step is a handful of matrix products.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Acceleration = Callable[
    [Float[Array, "segment"], Float[Array, "3 segment"], Float[Array, "3 segment"]], Float[Array, "3 segment"]
]
"""Times (segment,), positions and velocities (3, segment) to accelerations (3, segment)."""


@dataclass(frozen=True, eq=False)
class Nystrom:
    """A Runge-Kutta method for r'' = a(r, v), written for positions and velocities apart.

    Stage i is at r0 + c_i h v0 + h² Σ_j position_stages_ij a_j and, where accelerations depend on velocity,
    at v0 + h Σ_j velocity_stages_ij a_j. ``velocity_stages`` is None for a method that is for a(r) alone.
    ``end_weights`` give the acceleration at the end of the step, Σ_i w_i a_i, to the order that the samples
    within the step need: no evaluation is spent on it.
    """

    nodes: np.ndarray
    position_stages: np.ndarray
    velocity_stages: np.ndarray | None
    position_weights: np.ndarray
    velocity_weights: np.ndarray
    end_weights: np.ndarray


# Tsitouras' method of order 5 (Computers & Mathematics with Applications 62, 2011), as Diffrax has it.
_STAGES = (
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
    (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
)
_WEIGHTS = (
    0.09646076681806523,
    0.01,
    0.4798896504144996,
    1.379008574103742,
    -3.290069515436081,
    2.324710524099774,
)
_NODES = (0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0)


def _tsit5() -> Nystrom:
    """Tsitouras' method in Nyström form.

    Inserting v_j = v0 + h Σ_k A_jk a_k into the position stages gives the matrix A² and the weights bᵀA. The
    seventh stage, which its step control needs, is left out.
    """
    stages = np.zeros((6, 6))
    for i, row in enumerate(_STAGES):
        stages[i + 1, : i + 1] = row
    weights, nodes = np.array(_WEIGHTS), np.array(_NODES)
    return Nystrom(
        nodes=nodes,
        position_stages=stages @ stages,
        velocity_stages=stages,
        position_weights=weights @ stages,
        velocity_weights=weights,
        end_weights=_end_weights(stages, nodes),
    )


def _end_weights(stages: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Weights w with Σ_i w_i a_i = a(t + h) + O(h⁴), by the order conditions Σ_i w_i Φ_i(τ) = |τ|/γ(τ) of trees.

    They are the derivative at θ = 1 of the conditions Σ_i b_i(θ) Φ_i(τ) = θ^|τ|/γ(τ) of a continuous method
    (Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, II.6), for all trees of up to four
    nodes. Tsitouras' six stages meet all eight.
    """
    wanted = np.array([1, 1, 1, 1 / 2, 1, 1 / 2, 1 / 3, 1 / 6])
    return np.linalg.lstsq(_trees(stages, nodes), wanted)[0]


def _trees(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Φ_i(τ) of the eight trees of up to four nodes, a row each."""
    return np.stack([np.ones_like(c), c, c**2, a @ c, c**3, c * (a @ c), a @ c**2, a @ a @ c])


def _dense_weights(method: Nystrom) -> np.ndarray:
    """Coefficients (stage, power) of weights b_i(θ) for y' = f(t, y), of order 4 throughout a step, by such conditions.

    Tsitouras' six stages meet all eight at any θ, in one way: at θ = 1 it is the step itself.
    """
    assert method.velocity_stages is not None
    trees, orders = _trees(method.velocity_stages, method.nodes), np.array([1, 2, 3, 3, 4, 4, 4, 4])
    density = np.array([1, 2, 3, 6, 4, 8, 12, 24])
    return np.linalg.lstsq(trees, (orders[:, None] == np.arange(5)) / density[:, None])[0]


TSIT5 = _tsit5()
DENSE = _dense_weights(TSIT5)

# Nyström's method of order 5 for a(r): Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I,
# table II.14.1.
NYSTROM5 = Nystrom(
    nodes=np.array([0.0, 1 / 5, 2 / 3, 1.0]),
    position_stages=np.array(
        [[0, 0, 0, 0], [1 / 50, 0, 0, 0], [-1 / 27, 7 / 27, 0, 0], [3 / 10, -2 / 35, 9 / 35, 0]]
    ),
    velocity_stages=None,
    position_weights=np.array([14, 100, 54, 0]) / 336,
    velocity_weights=np.array([14, 125, 162, 35]) / 336,
    end_weights=np.array([0.0, 0.0, 0.0, 1.0]),  # to h³ only, but with a small constant
)


def step(method: Nystrom, acceleration: Acceleration, t: Array, r: Array, v: Array, h: Array):
    """Advance r and v (3, segment) by one step from t to t + h (segment,).

    Returns the new r and v, the accelerations at both ends, and the step's disagreement (see `GridSolution`).
    """
    stages: list[Array] = []
    for i, node in enumerate(method.nodes):
        if i == 0:
            a = acceleration(t, r, v)
        else:
            at = r + (h * float(node)) * v + (h * h) * _weighted(method.position_stages[i], stages)
            speed = (
                v if method.velocity_stages is None else v + h * _weighted(method.velocity_stages[i], stages)
            )
            a = acceleration(t + float(node) * h, at, speed)
        # Without the barrier XLA recomputes whole accelerations in every consumer, above all backward.
        stages.append(jax.lax.optimization_barrier(a))
    r1 = r + h * v + (h * h) * _weighted(method.position_weights, stages)
    v1 = v + h * _weighted(method.velocity_weights, stages)
    apart = (h * h) * _weighted(method.position_stages[-1] - method.position_weights, stages)
    disagreement = jax.lax.stop_gradient(jnp.linalg.norm(apart, axis=0) / jnp.linalg.norm(r, axis=0))
    return r1, v1, stages[0], _weighted(method.end_weights, stages), disagreement


def flow_step(flow: Callable[..., Array], t: Array, y: Array, h: Array) -> tuple[list[Array], Array]:
    """Take a step of `TSIT5` for y' = f(t, y) from t to t + h (segment,): its stages, and y (number, segment) there."""
    stages: list[Array] = []
    assert TSIT5.velocity_stages is not None
    for node, row in zip(TSIT5.nodes, TSIT5.velocity_stages, strict=True):
        at = y + h * _weighted(row, stages) if stages else y
        stages.append(jax.lax.optimization_barrier(flow(t + float(node) * h, at)))
    return stages, y + h * _weighted(TSIT5.velocity_weights, stages)


def _weighted(weights: np.ndarray, stages: list[Array]) -> Array:
    """Sum the stages with the weights that are not zero."""
    terms = [float(w) * k for w, k in zip(weights, stages, strict=False) if w != 0.0]
    return sum(terms[1:], start=terms[0]) if terms else jnp.zeros_like(stages[0])
