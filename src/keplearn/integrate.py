"""The only caller of ODE solvers: fixed grid steps for training, adaptive steps for everything else.

``grid_solve`` takes fixed Runge-Kutta-Nyström steps over several samples at once and reads the samples in
between off a quintic Hermite polynomial. Arrays are feature-major, (component, segment), so that one step is
a handful of matrix products over all segments. ``adaptive_solve`` is Diffrax with step control, and never
raises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from keplearn.errors import KeplearnError

Acceleration = Callable[[Float[Array, "3 segment"], Float[Array, "3 segment"]], Float[Array, "3 segment"]]
Field = Callable[[Any, Float[Array, "6"], Any], Float[Array, "6"]]


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


def _tsit5() -> Nystrom:
    """Tsitouras' method of order 5 (Computers & Mathematics with Applications 62, 2011) in Nyström form.

    Inserting v_j = v0 + h Σ_k A_jk a_k into the position stages gives the matrix A² and the weights bᵀA. The
    seventh stage, which its step control needs, is left out.
    """
    tableau = diffrax.Tsit5.tableau
    size = len(tableau.b_sol) - 1
    stages = np.zeros((size, size))
    for i, row in enumerate(tableau.a_lower[:-1]):
        stages[i + 1, : i + 1] = row
    weights = np.asarray(tableau.b_sol)[:-1]
    nodes = np.concatenate([[0.0], tableau.c[:-1]])
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
    c, a = nodes, stages
    trees = np.stack([np.ones_like(c), c, c**2, a @ c, c**3, c * (a @ c), a @ c**2, a @ a @ c])
    wanted = np.array([1, 1, 1, 1 / 2, 1, 1 / 2, 1 / 3, 1 / 6])
    return np.linalg.lstsq(trees, wanted)[0]


TSIT5 = _tsit5()

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


@dataclass(frozen=True)
class Grid:
    """Fixed steps of ``stride`` samples over a segment of ``length`` samples; the last may be shorter."""

    length: int
    stride: int

    def __post_init__(self) -> None:
        """Refuse a segment without a second sample, and steps that do not advance."""
        if self.length < 2:
            raise KeplearnError(f"segment length {self.length}: a segment needs at least 2 samples.")
        if self.stride < 1:
            raise KeplearnError(f"stride {self.stride}: a step must advance at least 1 sample.")

    @classmethod
    def default(cls, length: int, stride: int | None = None) -> "Grid":
        """Return the grid of a segment length: ``stride`` samples a step, min(length - 1, 6) unless given."""
        return cls(length, min(length - 1, 6 if stride is None else stride))

    @property
    def widths(self) -> tuple[int, ...]:
        """Samples that each step advances."""
        full, rest = divmod(self.length - 1, self.stride)
        return (self.stride,) * full + ((rest,) if rest else ())


@cache
def _hermite_weights(width: int, stride: int) -> np.ndarray:
    """Weights (2, stride, 6) of a step's ends for position and velocity at its 1st … stride-th sample.

    The ends are (r0, h v0, h² a0, r1, h v1, h² a1); the quintic that meets them is textbook Hermite
    interpolation. A step of fewer samples than the stride gives values beyond its end there, which the caller
    drops.
    """
    powers = np.arange(6)
    # Value, first and second derivative of each power at the two ends.
    left = [powers == 0, powers == 1, 2 * (powers == 2)]
    right = [np.ones(6), powers, powers * (powers - 1)]
    coefficients = np.linalg.inv(np.array([*left, *right], float))  # (power, end)
    theta = np.arange(1, stride + 1)[:, None] / width
    position = theta**powers @ coefficients
    velocity = (powers * theta ** np.maximum(powers - 1, 0)) @ coefficients
    return np.stack([position, velocity])


class GridSolution(NamedTuple):
    """Samples after the first, and how far a segment's worst step is from being resolved.

    The last stage of a step is at its end too, to a lower order than the step itself. ``disagreement`` is the
    distance between these two positions over the distance from the origin where the step starts: about the
    step's own error while that is small, and large where the steps no longer follow the solution.
    """

    states: Float[Array, "sample_after_first 6 segment"]
    disagreement: Float[Array, "segment"]


def _step(method: Nystrom, acceleration: Acceleration, r: Array, v: Array, h: Array):
    """Advance r and v (3, segment) by one step of h (segment,).

    Returns the new r and v, the accelerations at both ends, and the step's disagreement (see `GridSolution`).
    """
    stages: list[Array] = []
    for i, node in enumerate(method.nodes):
        if i == 0:
            a = acceleration(r, v)
        else:
            at = r + (h * float(node)) * v + (h * h) * _weighted(method.position_stages[i], stages)
            speed = (
                v if method.velocity_stages is None else v + h * _weighted(method.velocity_stages[i], stages)
            )
            a = acceleration(at, speed)
        # Without the barrier XLA recomputes whole accelerations in every consumer, above all backward.
        stages.append(jax.lax.optimization_barrier(a))
    r1 = r + h * v + (h * h) * _weighted(method.position_weights, stages)
    v1 = v + h * _weighted(method.velocity_weights, stages)
    apart = (h * h) * _weighted(method.position_stages[-1] - method.position_weights, stages)
    disagreement = jax.lax.stop_gradient(jnp.linalg.norm(apart, axis=0) / jnp.linalg.norm(r, axis=0))
    return r1, v1, stages[0], _weighted(method.end_weights, stages), disagreement


def _weighted(weights: np.ndarray, stages: list[Array]) -> Array:
    """Sum the stages with the weights that are not zero."""
    terms = [float(w) * k for w, k in zip(weights, stages, strict=False) if w != 0.0]
    return sum(terms[1:], start=terms[0]) if terms else jnp.zeros_like(stages[0])


def grid_solve(
    acceleration: Acceleration,
    position: Float[Array, "3 segment"],
    velocity: Float[Array, "3 segment"],
    times: Float[Array, "sample segment"],
    grid: Grid,
    depends_on_velocity: bool = True,
) -> GridSolution:
    """Integrate r'' = a(r, v) over each segment's samples with fixed steps of ``grid.stride`` samples.

    Parameters
    ----------
    acceleration
        Maps positions and velocities (3, segment) to accelerations (3, segment).
    position, velocity
        The state at each segment's first sample, (3, segment).
    times
        (sample, segment). Samples within a step must be equally spaced; with a stride of one they need not
        be.
    grid
        The segment's length in samples, and samples per step.
    depends_on_velocity
        False allows Nyström's method, four evaluations a step, in place of Tsit5's six.

    Returns
    -------
    solution
        ``states`` (grid.length - 1, 6, segment): all samples but the first. A solution that blows up becomes
        non-finite; nothing is raised. ``disagreement`` (segment,) tells a finite one that cannot be trusted.
    """
    method = TSIT5 if depends_on_velocity else NYSTROM5
    dtype = position.dtype
    widths = grid.widths
    weights = np.stack([_hermite_weights(width, grid.stride) for width in widths]).astype(dtype)

    ends = np.concatenate([[0], np.cumsum(widths)])
    durations = times[ends[1:]] - times[ends[:-1]]

    def advance(carry, step):
        r, v = carry
        h, dense = step
        r1, v1, a0, a1, apart = _step(method, acceleration, r, v, h)
        at_ends = jnp.stack([r, h * v, (h * h) * a0, r1, h * v1, (h * h) * a1])
        samples = jnp.einsum("kse,ecb->skcb", dense, at_ends)
        samples = jnp.concatenate([samples[:, 0], samples[:, 1] / h], axis=1)
        return (r1, v1), (samples, apart)

    start = (position, velocity)
    if len(widths) == 1:
        return GridSolution(*advance(start, (durations[0], weights[0]))[1])
    _, (samples, apart) = jax.lax.scan(advance, start, (durations, weights))
    samples = samples.reshape(-1, 6, position.shape[-1])[: grid.length - 1]
    return GridSolution(samples, jnp.max(apart, axis=0))


def adaptive_solve(
    field: Field,
    state: Float[Array, "6"],
    times: Float[Array, "sample"],
    *,
    rtol: float | Array,
    atol: float | Array,
    max_steps: int = 4096,
    high_order: bool = False,
) -> tuple[Float[Array, "sample 6"], Bool[Array, ""]]:
    """Integrate y' = field(t, y, None) from ``times[0]`` with step control, and read it at ``times``.

    ``high_order``, for smooth fields, takes Dormand-Prince 8(7) in place of Tsit5 5(4). Tsit5 has a PI controller
    (Hairer & Wanner, Solving Ordinary Differential Equations II, IV.2): a quarter fewer steps across kinks.
    Returns the states and whether the solver succeeded; where it did not, the samples it did not reach are
    infinite. Never raises; batch it by ``jax.vmap``.
    """
    solver, gains = (diffrax.Dopri8(), (0.0, 1.0)) if high_order else (diffrax.Tsit5(), (0.4, 0.3))
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),  # pyright: ignore[reportArgumentType]
        solver,
        t0=times[0],
        t1=times[-1],
        dt0=times[1] - times[0],
        y0=state,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol, pcoeff=gains[0], icoeff=gains[1]),
        max_steps=max_steps,
        throw=False,
    )
    assert solution.ys is not None  # SaveAt(ts=…) always saves
    return solution.ys, solution.result == diffrax.RESULTS.successful


def fixed_solve(
    field: Field, state: Float[Array, "6"], times: Float[Array, "sample"], grid: Grid
) -> Float[Array, "sample 6"]:
    """Integrate a field of first order (r' ≠ v) with Tsit5 steps of ``grid.stride`` samples."""
    ends = np.concatenate([[0], np.cumsum(grid.widths)])
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),  # pyright: ignore[reportArgumentType]
        diffrax.Tsit5(),
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=state,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.StepTo(ts=times[ends]),
        max_steps=len(ends) + 1,
        throw=False,
    )
    assert solution.ys is not None
    return solution.ys
