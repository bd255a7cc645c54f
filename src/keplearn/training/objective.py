"""What is minimised: the loss of a batch of segments, integrated with the model, of a flat vector."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int32

from keplearn.core.jax_shapes import Scalar
from keplearn.core.programs import compiled, power_above
from keplearn.integrate import Grid, GridSolution, adaptive_solve, fixed_solve, grid_solve
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model
from keplearn.systems import System
from keplearn.training.losses import Parts, Solved, Weights, total_loss
from keplearn.training.optimizers import OPTIMIZERS

# A step is lost, and its segment with it, when its two end positions are so many distances from the origin apart:
# 150 and more where solutions ran away, at most 1.1 under the law in steps of six samples. Where the law itself has
# more than a tenth of it (longer steps), ten times the law's own counts.
UNRESOLVED = 10.0


@dataclass(frozen=True)
class Problem:
    """All of a phase that is compiled in; phases with one problem and equal shapes share a program.

    ``law`` is the system in canonical units, where the loss asks for it.
    """

    architecture: Architecture
    grid: Grid
    integrator: str
    loss: str
    additive: tuple[str, ...]
    optimizer: str
    dtype: str
    law: System | None = None


class Batch(NamedTuple):
    """Segments (sample, 6, segment), times (sample, segment) from 0, and ``keep``: 0 for a lost segment."""

    states: Float[Array, "sample 6 segment"]
    times: Float[Array, "sample segment"]
    keep: Float[Array, "segment"]


class Constants(NamedTuple):
    """Numbers that enter a step and are no reason to compile again."""

    max_acceleration: Scalar
    weights: Weights
    rtol: Scalar
    atol: Scalar
    max_grad_norm: Scalar
    max_disagreement: Scalar


@cache
def _unravel(architecture: Architecture, dtype: str):
    with jax.enable_x64(True):
        return ravel_pytree(new_model(architecture, 0, dtype).parameters)[1]


def assemble(problem: Problem, flat: Float[Array, "parameter"], max_acceleration: Scalar) -> NeuralODE:
    """Make the model of a flat vector of parameters."""
    parameters = _unravel(problem.architecture, problem.dtype)(flat)
    return NeuralODE(parameters, max_acceleration, problem.architecture)


def solve(problem: Problem, model: NeuralODE, batch: Batch, rtol: Scalar, atol: Scalar) -> GridSolution:
    """Integrate every segment from its first sample; a segment that the solver gives up on becomes NaN.

    Steps that a solver controls, and those of a field that gives whole states, have no disagreement: 0.
    """
    initial = batch.states[0]
    if problem.integrator == "adaptive":
        ys, ok = jax.vmap(
            lambda y, t: adaptive_solve(model, y, t, rtol=rtol, atol=atol), in_axes=-1, out_axes=(-1, 0)
        )(initial, batch.times)
        return GridSolution(jnp.where(ok, ys, jnp.nan)[1:], jnp.zeros_like(batch.keep))
    if problem.architecture.outputs.whole_state:
        fixed = jax.vmap(lambda y, t: fixed_solve(model, y, t, problem.grid), in_axes=-1, out_axes=-1)
        return GridSolution(fixed(initial, batch.times)[1:], jnp.zeros_like(batch.keep))
    return grid_solve(
        model.acceleration,
        initial[:3],
        initial[3:],
        batch.times,
        problem.grid,
        problem.architecture.uses_velocity,
    )


def objective(
    problem: Problem, flat: Float[Array, "parameter"], batch: Batch, constants: Constants
) -> tuple[Scalar, Parts]:
    """Return the loss of a batch and its parts; among them, of weight nothing, ``lost``.

    ``lost`` counts the segments with a step that does not resolve them (`UNRESOLVED`): they add neither value nor
    gradient, and where none is left the loss is NaN. Segments of a solution that is not finite must have been
    replaced (`without_lost`). An optimiser that compares values needs one function and gets all segments as
    they are: it rejects what runs away.
    """
    model = assemble(problem, flat, constants.max_acceleration)
    predicted, disagreement = solve(problem, model, batch, constants.rtol, constants.atol)
    truth, keep = batch.states[1:], batch.keep
    if not OPTIMIZERS[problem.optimizer].full_batch:
        resolved = ~(disagreement > constants.max_disagreement)  # NaN is left to be found in the loss
        predicted, keep = jnp.where(resolved, predicted, truth), keep * resolved
    loss, parts = total_loss(
        problem.loss,
        problem.additive,
        Solved(predicted, truth, batch.states[0], keep, model, problem.law),
        constants.weights,
    )
    return jnp.where(jnp.any(keep > 0), loss, jnp.nan), parts | {"lost": jnp.sum(batch.keep) - jnp.sum(keep)}


def validation(
    problem: Problem, flat: Float[Array, "parameter"], batch: Batch, constants: Constants
) -> tuple[Scalar, Parts, Int32[Array, ""]]:
    """Return loss, parts and the number of lost segments, which do not count in them; NaN if all are lost."""
    model = assemble(problem, flat, constants.max_acceleration)
    predicted = solve(problem, model, batch, constants.rtol, constants.atol).states
    # Squares too: a state of 1e30 is finite in float32, and its segment's loss is not.
    finite = jnp.isfinite(jnp.sum(predicted * predicted, axis=(0, 1)))
    truth = batch.states[1:]
    predicted, keep = jnp.where(finite, predicted, truth), batch.keep * finite
    solved = Solved(predicted, truth, batch.states[0], keep, model, problem.law)
    loss, parts = total_loss(problem.loss, problem.additive, solved, constants.weights)
    # The mean over no segment is no number, and 0 would look like a perfect fit.
    counted = batch.keep > 0
    some = jnp.any(finite & counted)
    loss, parts = jax.tree.map(lambda x: jnp.where(some, x, jnp.nan), (loss, parts))
    return loss, parts, jnp.sum(~finite & counted).astype(jnp.int32)


def without_lost(
    problem: Problem, flat: Float[Array, "parameter"], batch: Batch, constants: Constants
) -> Batch:
    """Mark the segments whose own loss or gradient is not finite, and put a healthy one in their place.

    Marking is not enough: a zero weight times a non-finite derivative is NaN. With a healthy copy in its
    place and ``keep`` 0, a lost segment contributes neither value nor gradient.
    """

    def healthy(one: Batch) -> Array:
        single = jax.tree.map(lambda x: x[..., None], one)
        value, gradient = jax.value_and_grad(lambda x: objective(problem, x, single, constants)[0])(flat)
        return jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))

    by_segment = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), batch)
    good = jax.lax.map(healthy, by_segment, batch_size=min(64, batch.keep.shape[0]))
    return replace_lost(batch, good)


def padded(batch: Batch, size: int, keep: float) -> Batch:
    """Fill up to a size with copies of the last segment, so that fewer shapes need a program."""
    more = size - batch.keep.shape[0]
    states, times = (
        jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)], mode="edge") for x in (batch.states, batch.times)
    )
    return Batch(states, times, jnp.pad(batch.keep, (0, more), constant_values=keep))


def replace_lost(batch: Batch, good: Bool[Array, "segment"]) -> Batch:
    """Put the first good segment in the place of those that are not, with ``keep`` 0."""
    substitute = jnp.argmax(good)
    states, times = (jnp.where(good, x, x[..., substitute][..., None]) for x in (batch.states, batch.times))
    return Batch(states, times, batch.keep * good)


class GridError(NamedTuple):
    """How well a grid follows the law: 99th percentile and maximum of |ŷ - y|/|y|, and the worst disagreement.

    Orbits near a circle hide the few steps through a perigee from the percentile: the maximum shows them.
    """

    percentile: float
    maximum: float
    disagreement: float


def grid_error(problem: Problem, law: System, batch: Batch) -> GridError:
    """Measure a phase's grid, dense output included, on segments that obey a law (canonical).

    The truth of the phase itself, in float64, integrated from each segment's first sample with the law, by
    the method that trains. Call it inside ``jax.enable_x64(True)``.
    """
    shape = problem.architecture
    steps = LawSteps(law, problem.grid, shape.uses_velocity or law.uses_velocity, shape.outputs.whole_state)
    filled = padded(batch, power_above(batch.keep.shape[0], least=256), keep=0.0)
    solved, disagreement = (
        np.asarray(x)[..., : batch.keep.shape[0]] for x in compiled(_law_solve, steps, filled).call(filled)
    )
    truth = np.asarray(batch.states[1:])
    error = np.linalg.norm(solved - truth, axis=1) / np.linalg.norm(truth, axis=1)
    return GridError(float(np.percentile(error, 99)), float(np.max(error)), float(np.max(disagreement)))


class LawSteps(NamedTuple):
    """How a law is integrated to measure a grid: its steps, and the method that they are taken with."""

    law: System
    grid: Grid
    depends_on_velocity: bool
    first_order: bool


def _law_solve(steps: LawSteps, batch: Batch) -> GridSolution:
    initial, law = batch.states[0], steps.law.acceleration
    if steps.first_order:
        field = lambda t, y, args: jnp.concatenate([y[3:], law(t, y[:3], y[3:])])  # noqa: E731
        one = lambda y, t: fixed_solve(field, y, t, steps.grid)  # noqa: E731
        states = jax.vmap(one, in_axes=-1, out_axes=-1)(initial, batch.times)[1:]
        return GridSolution(states, jnp.zeros_like(batch.keep))
    return grid_solve(law, initial[:3], initial[3:], batch.times, steps.grid, steps.depends_on_velocity)
