"""What is minimised: the loss of a batch of segments as a function of the flat vector of parameters."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int32

from keplearn.core.jax_shapes import Scalar
from keplearn.models.latent_ode import LatentODE, LatentParameters
from keplearn.models.neural_ode import NeuralODE
from keplearn.training.bound import calibration
from keplearn.training.compared import OBJECTIVES
from keplearn.training.encoding import seen_encoded
from keplearn.training.losses import Parts, least_squares, total_loss
from keplearn.training.optimizers import OPTIMIZERS, Function
from keplearn.training.problem import Batch, Constants, Setup, assemble, beside, replace_lost
from keplearn.training.residuals import Flat
from keplearn.training.solved import FieldPair, Solved

# A step is lost, and its segment with it, when its two end positions are so many distances from the origin apart:
# 150 and more where solutions ran away, at most 1.1 under the law in steps of six samples. Where the law itself has
# more than a tenth of it (longer steps), ten times the law's own counts.
UNRESOLVED = 10.0


def field_pair(model: NeuralODE, batch: Batch) -> FieldPair:
    """Return dy/dt at the true states: the model's, and the true one."""
    assert batch.accelerations is not None
    r, v = batch.states[:, :3], batch.states[:, 3:]
    predicted = jnp.concatenate(jax.vmap(model.derivative)(r, v), axis=1)
    return FieldPair(predicted, jnp.concatenate([v, batch.accelerations], axis=1))


def seen(
    setup: Setup, flat: Flat, batch: Batch, constants: Constants, learning: bool = False
) -> tuple[Solved, Float[Array, "segment"]]:
    """Return what the loss sees of a batch, ``learning`` or validating, and how much the solution's steps disagree."""
    model = assemble(setup, flat, constants.scales)
    if isinstance(model, LatentODE):
        return seen_encoded(setup, model, batch, constants, learning)
    predicted, truth, disagreement, gap = None, batch.states[1:], jnp.zeros_like(batch.keep), None
    if setup.needs & {"pair", "trajectory"}:
        compared = OBJECTIVES[setup.objective]
        more = (beside(setup, flat),) if compared.cut == "pieces" else ()
        predicted, truth, disagreement, gap = compared.function(setup, model, batch, constants, *more)
    rates = field_pair(model, batch) if "field" in setup.needs else None
    solved = Solved(truth, batch.states[0], batch.keep, model, predicted, rates, setup.law, gap=gap)
    return solved, disagreement


def in_training(setup: Setup, flat: Flat, batch: Batch, constants: Constants) -> Solved:
    """Return what the loss sees in training: segments with a step that does not resolve them are lost (`UNRESOLVED`).

    They add neither value nor gradient. Segments of a solution that is not finite must have been replaced
    (`without_lost`). An optimiser that compares values needs one function and gets all segments as they are: it
    rejects what runs away.
    """
    solved, disagreement = seen(setup, flat, batch, constants, learning=True)
    if OPTIMIZERS[setup.optimizer].full_batch:
        return solved
    resolved = ~(disagreement > constants.max_disagreement)  # NaN is left to be found in the loss
    return _without(solved, resolved)


def objective(setup: Setup, flat: Flat, batch: Batch, constants: Constants) -> tuple[Scalar, Parts]:
    """Return the loss of a batch and its parts; among them, of weight nothing, ``lost``, the number of lost segments.

    Where no segment is left the loss is NaN.
    """
    solved = in_training(setup, flat, batch, constants)
    return _counted(batch, solved, *total_loss(setup.loss, setup.additive, solved, constants.weights))


def residuals(
    setup: Setup, flat: Flat, batch: Batch, constants: Constants
) -> tuple[Flat, tuple[Scalar, Parts]]:
    """Return a vector half of whose squared length is the loss, beside what `objective` returns."""
    solved = in_training(setup, flat, batch, constants)
    loss = _counted(batch, solved, *total_loss(setup.loss, setup.additive, solved, constants.weights))
    vector = least_squares(setup.loss, setup.additive, solved, constants.weights)
    return jnp.where(jnp.any(solved.keep > 0), vector, jnp.nan), loss


def to_minimise(setup: Setup, batch: Batch, constants: Constants) -> Function:
    """Return the function that the phase's optimiser takes, of the parameters."""
    function = residuals if OPTIMIZERS[setup.optimizer].least_squares else objective
    return lambda flat: function(setup, flat, batch, constants)


def _counted(batch: Batch, solved: Solved, loss: Scalar, parts: Parts) -> tuple[Scalar, Parts]:
    lost = jnp.sum(batch.keep) - jnp.sum(solved.keep)
    return jnp.where(jnp.any(solved.keep > 0), loss, jnp.nan), parts | {"lost": lost}


def _without(solved: Solved, good: Bool[Array, "segment"]) -> Solved:
    """Take the truth for what is predicted of other segments, with ``keep`` 0."""
    trajectory, rates, gap = solved.trajectory, solved.rates, solved.gap
    if gap is not None:
        gap = gap._replace(predicted=jnp.where(good, gap.predicted, gap.truth))
    if trajectory is not None:
        trajectory = jnp.where(good, trajectory, solved.truth)
    if rates is not None:
        rates = rates._replace(predicted=jnp.where(good, rates.predicted, rates.truth))
    return replace(solved, trajectory=trajectory, rates=rates, gap=gap, keep=solved.keep * good)


def validation(
    setup: Setup, flat: Flat, batch: Batch, constants: Constants
) -> tuple[Scalar, Parts, Int32[Array, ""]]:
    """Return loss, parts and the number of lost segments, which do not count in them; NaN if all are lost."""
    solved, _ = seen(setup, flat, batch, constants)
    finite = _finite(solved)
    solved = _without(solved, finite)
    loss, parts = total_loss(setup.loss, setup.additive, solved, constants.weights)
    # The mean over no segment is no number, and 0 would look like a perfect fit.
    counted = batch.keep > 0
    some = jnp.any(finite & counted)
    loss, parts = jax.tree.map(lambda x: jnp.where(some, x, jnp.nan), (loss, parts))
    return loss, parts, jnp.sum(~finite & counted).astype(jnp.int32)


def settled(setup: Setup, flat: Flat, batch: Batch, constants: Constants) -> Flat:
    """Return the parameters with the noise whose interval is right on a batch, where it is not searched for."""
    solved, _ = seen(setup, flat, batch, constants)
    if solved.latent is None or not solved.latent.fits:
        return flat
    factor = calibration(_without(solved, _finite(solved)))
    parameters = assemble(setup, flat, constants.scales).parameters
    assert isinstance(parameters, LatentParameters)
    log_noise = parameters.log_noise + jnp.where(jnp.isfinite(factor) & (factor > 0), jnp.log(factor), 0)
    return ravel_pytree(replace(parameters, log_noise=log_noise))[0]


def _finite(solved: Solved) -> Bool[Array, "segment"]:
    """Which segments have a prediction of numbers, and of numbers whose squares are."""
    predicted = [x for x in (solved.trajectory, solved.rates and solved.rates.predicted) if x is not None]
    # Squares too: a state of 1e30 is finite in float32, and its segment's loss is not.
    sums = [jnp.sum(x * x, axis=(0, 1)) for x in predicted]
    return jnp.isfinite(sum(sums[1:], sums[0]))


def without_lost(setup: Setup, flat: Flat, batch: Batch, constants: Constants) -> Batch:
    """Mark the segments whose own loss or gradient is not finite, and put a healthy one in their place.

    Marking is not enough: a zero weight times a non-finite derivative is NaN. With a healthy copy in its
    place and ``keep`` 0, a lost segment contributes neither value nor gradient.
    """

    def healthy(one: Batch) -> Array:
        single = jax.tree.map(lambda x: x[..., None], one)
        value, gradient = jax.value_and_grad(lambda x: objective(setup, x, single, constants)[0])(flat)
        return jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))

    by_segment = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), batch)
    good = jax.lax.map(healthy, by_segment, batch_size=min(64, batch.keep.shape[0]))
    return replace_lost(batch, good)
