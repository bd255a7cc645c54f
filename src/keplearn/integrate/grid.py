"""Fixed steps over several samples at once; the samples in between are read off a quintic Hermite polynomial."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from keplearn.core.errors import KeplearnError
from keplearn.integrate.nystrom import DENSE, NYSTROM5, TSIT5, Acceleration, flow_step, step


@dataclass(frozen=True)
class Grid:
    """Fixed steps of ``stride`` samples over a segment of ``length`` samples; the last may be shorter.

    ``uniform``: the samples within a step are equally spaced in time, which makes the program smaller.
    """

    length: int
    stride: int
    uniform: bool = True

    def __post_init__(self) -> None:
        """Refuse a segment without a second sample, and steps that do not advance."""
        if self.length < 2:
            raise KeplearnError(f"segment length {self.length}: a segment needs at least 2 samples.")
        if self.stride < 1:
            raise KeplearnError(f"stride {self.stride}: a step must advance at least 1 sample.")

    @classmethod
    def default(cls, length: int, stride: int | None = None, uniform: bool = True) -> "Grid":
        """Return the grid of a segment length: ``stride`` samples a step, min(length - 1, 6) unless given."""
        stride = min(length - 1, 6 if stride is None else stride)
        return cls(length, stride, uniform or stride == 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Samples that each step advances."""
        full, rest = divmod(self.length - 1, self.stride)
        return (self.stride,) * full + ((rest,) if rest else ())


@cache
def _hermite_weights(width: int, stride: int) -> np.ndarray:
    """Weights (2, stride, 6) of a step's ends for position and velocity at its 1st … stride-th sample.

    A step of fewer samples than the stride gives values beyond its end there, which the caller drops.
    """
    return _hermite(np.arange(1, stride + 1) / width, np)


def _hermite(theta: Any, numpy_or_jax: Any) -> Any:
    """Weights (2, …, 6) of a step's ends for position and velocity at these parts of it.

    The ends are (r0, h v0, h² a0, r1, h v1, h² a1); the quintic that meets them is textbook Hermite interpolation.
    """
    powers = np.arange(6)
    # Value, first and second derivative of each power at the two ends.
    left = [powers == 0, powers == 1, 2 * (powers == 2)]
    right = [np.ones(6), powers, powers * (powers - 1)]
    coefficients = np.linalg.inv(np.array([*left, *right], float)).astype(theta.dtype)  # (power, end)
    position = theta[..., None] ** powers @ coefficients
    velocity = (powers * theta[..., None] ** np.maximum(powers - 1, 0)) @ coefficients
    return numpy_or_jax.stack([position, velocity])


def _irregular_weights(
    times: Float[Array, "sample segment"], grid: Grid
) -> Float[Array, "step 2 stride segment 6"]:
    """Weights of each step's ends at its samples, whatever their times; the caller drops what is beyond its end."""
    return jnp.moveaxis(_hermite(_parts(times, grid), jnp), 0, 1)


def _parts(times: Float[Array, "sample segment"], grid: Grid) -> Float[Array, "step stride segment"]:
    """Which part of its step each sample is at; 1 in the place of samples that the last, shorter one lacks."""
    ends = np.concatenate([[0], np.cumsum(grid.widths)])
    samples = np.minimum(ends[:-1, None] + np.arange(1, grid.stride + 1), ends[1:, None])
    start, end = times[ends[:-1], None], times[ends[1:], None]
    return (times[samples] - start) / (end - start)


class GridSolution(NamedTuple):
    """Samples after the first, and how far a segment's worst step is from being resolved.

    The last stage of a step is at its end too, to a lower order than the step itself. ``disagreement`` is the
    distance between these two positions over the distance from the origin where the step starts: about the
    step's own error while that is small, and large where the steps no longer follow the solution.
    """

    states: Float[Array, "sample_after_first 6 segment"]
    disagreement: Float[Array, "segment"]


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
        Maps times (segment,), positions and velocities (3, segment) to accelerations (3, segment).
    position, velocity
        The state at each segment's first sample, (3, segment).
    times
        (sample, segment). Samples within a step must be equally spaced if ``grid.uniform``.
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
    if grid.uniform:
        weights = np.stack([_hermite_weights(width, grid.stride) for width in widths]).astype(dtype)
        at_samples = "kse,ecb->skcb"
    else:
        weights, at_samples = _irregular_weights(times, grid).astype(dtype), "ksbe,ecb->skcb"

    ends = np.concatenate([[0], np.cumsum(widths)])
    durations = times[ends[1:]] - times[ends[:-1]]

    def advance(carry, given):
        r, v = carry
        t, h, dense = given
        r1, v1, a0, a1, apart = step(method, acceleration, t, r, v, h)
        at_ends = jnp.stack([r, h * v, (h * h) * a0, r1, h * v1, (h * h) * a1])
        samples = jnp.einsum(at_samples, dense, at_ends)
        samples = jnp.concatenate([samples[:, 0], samples[:, 1] / h], axis=1)
        return (r1, v1), (samples, apart)

    start = (position, velocity)
    if len(widths) == 1:
        return GridSolution(*advance(start, (times[0], durations[0], weights[0]))[1])
    _, (samples, apart) = jax.lax.scan(advance, start, (times[ends[:-1]], durations, weights))
    samples = samples.reshape(-1, 6, position.shape[-1])[: grid.length - 1]
    return GridSolution(samples, jnp.max(apart, axis=0))


def flow_solve(
    flow: Callable[..., Any],
    start: Float[Array, "number segment"],
    times: Float[Array, "sample segment"],
    grid: Grid,
) -> Float[Array, "sample_after_first number segment"]:
    """Integrate y' = f(t, y) over each segment's samples with Tsit5 steps of ``grid.stride`` samples, however spaced.

    ``flow`` maps times (segment,) and numbers (number, segment) to their derivatives. Samples within a step are of
    order 4. A solution that blows up becomes non-finite; nothing is raised.
    """
    ends = np.concatenate([[0], np.cumsum(grid.widths)])
    begins = times[ends[:-1]]
    powers = _parts(times, grid)[..., None] ** np.arange(DENSE.shape[1])
    dense = jnp.moveaxis(powers @ DENSE.T.astype(start.dtype), -1, 1)

    def advance(y, given):
        t, h, weights = given
        stages, end = flow_step(flow, t, y, h)
        samples = [weight[:, None] * stage for weight, stage in zip(weights, stages, strict=True)]
        return end, y + h * sum(samples[1:], start=samples[0])

    given = (begins, times[ends[1:]] - begins, dense)
    # Two steps in one go take half the time; more of them would be longer to compile.
    _, samples = jax.lax.scan(advance, start, given, unroll=2)
    return samples.reshape(-1, *start.shape)[: grid.length - 1]
