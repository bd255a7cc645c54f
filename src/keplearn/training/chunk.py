"""What a training compiles: draw batches, take a chunk of steps, validate, take a step without lost segments.

Each function's first argument is static, mostly the `Setup`; all else are arrays, and phases whose arrays have the
same shapes share its program.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from keplearn.core.jax_shapes import Scalar
from keplearn.training.objective import objective, settled, to_minimise, validation, without_lost
from keplearn.training.optimizers import OPTIMIZERS, Pace
from keplearn.training.problem import Batch, Chance, Constants, Setup


class Carry(NamedTuple):
    """What a chunk takes and gives back; of the optimiser's state the leaves, so that it is arrays alone.

    ``best_value`` is what the best parameters are chosen by: their validation loss, or the error of their field.
    """

    parameters: Float[Array, "parameter"]
    optimizer: list[Array]
    best: Float[Array, "parameter"]
    best_value: Scalar
    best_step: Int32[Array, ""]


def draw(
    _: None,
    data: Batch,
    indices: Int32[Array, "step batch"],
    rotations: Float[Array, "step 3 3 batch"] | None,
    chance: Chance | None,
    keep: Float[Array, "batch"],
    count: Array,
) -> Batch:
    """Gather the batches of a chunk's first ``count`` steps along a first axis, and rotate them.

    Apart from the chunk, so that the chunk's program does not depend on how many segments there are. ``chance`` is
    what is drawn anew in each step of a latent ODE.
    ``keep`` is that of every batch: 0 where it is only filled up.
    """

    def take(i: Array, batches: Batch) -> Batch:
        return jax.tree.map(
            lambda steps, x: steps.at[i].set(jnp.take(x, indices[i], axis=-1, mode="clip")), batches, data
        )

    empty = jax.tree.map(lambda x: jnp.zeros((len(indices), *x.shape[:-1], indices.shape[1]), x.dtype), data)
    batches = jax.lax.fori_loop(0, count, take, empty)
    batches = batches._replace(keep=jnp.broadcast_to(keep, batches.keep.shape), chance=chance)
    return batches if rotations is None else jax.vmap(rotate)(batches, rotations)


def rotate(batch: Batch, turn: Float[Array, "3 3 segment"]) -> Batch:
    """Rotate each segment: positions, velocities and accelerations alike."""
    turned = lambda x: jnp.einsum("ijb,sjb->sib", turn, x)  # noqa: E731
    states = jnp.concatenate([turned(batch.states[:, :3]), turned(batch.states[:, 3:])], axis=1)
    accelerations = None if batch.accelerations is None else turned(batch.accelerations)
    return batch._replace(states=states, accelerations=accelerations)


def take_steps(
    setup: Setup,
    carry: Carry,
    batches: Batch,
    rates: Float[Array, "step"],
    count: Array,
    constants: Constants,
) -> tuple[Carry, dict[str, Array], Array]:
    """Take ``count`` steps: carry, metrics by step, steps taken.

    ``batches`` holds one batch a step along a first axis, or without that axis the one batch of all steps. It
    stops before a step whose loss or gradient is not finite, and leaves that step to ``rescue``.
    """
    optimizer = OPTIMIZERS[setup.optimizer]
    one_for_all = batches.keep.ndim == 1

    def batch_at(i):
        return batches if one_for_all else jax.tree.map(lambda x: x[i], batches)

    state = _whole_state(setup, carry, batches if optimizer.full_batch else None, constants)
    parts = jax.eval_shape(lambda x: objective(setup, x, batch_at(0), constants)[1], carry.parameters)
    names = ("loss", *parts, "grad_norm")
    buffers = {name: jnp.zeros(rates.shape[0], carry.parameters.dtype) for name in names}

    def body(loop):
        parameters, state, buffers, i, _, batch = loop
        function = to_minimise(setup, batch, constants)
        pace = Pace(rates[i], constants.max_grad_norm, constants.weight_decay)
        step = optimizer.step(function, parameters, state, pace)
        values = {"loss": step.loss, **step.parts, "grad_norm": step.gradient_norm}
        buffers = {name: buffers[name].at[i].set(values[name]) for name in names}
        i = i + step.finite.astype(jnp.int32)
        # The next batch goes through the loop: XLA would slice it anew in each of the step's kernels.
        return step.parameters, step.state, buffers, i, step.finite, batch_at(i)

    start = (carry.parameters, state, buffers, jnp.int32(0), jnp.array(True), batch_at(0))
    parameters, state, buffers, taken, *_ = jax.lax.while_loop(
        lambda loop: (loop[3] < count) & loop[4], body, start
    )
    return carry._replace(parameters=parameters, optimizer=jax.tree.leaves(state)), buffers, taken


def validate(
    setup: Setup,
    carry: Carry,
    batch: Batch,
    step: Array,
    constants: Constants,
    judged: Scalar | None,
) -> tuple[Carry, dict[str, Array]]:
    """Validate and keep the best parameters: those of least ``judged``, or of least loss where that is None.

    A model that loses a validation segment is never the best, nor is one of which ``judged`` is no number. A noise that
    is not searched for is put in place.
    """
    loss, parts, lost = validation(setup, carry.parameters, batch, constants)
    carry = carry._replace(parameters=settled(setup, carry.parameters, batch, constants))
    comparable = jnp.where(lost > 0, jnp.inf, loss if judged is None else judged)
    better = comparable < carry.best_value
    carry = carry._replace(
        best=jnp.where(better, carry.parameters, carry.best),
        best_value=jnp.where(better, comparable, carry.best_value),
        best_step=jnp.where(better, step, carry.best_step),
    )
    return carry, {
        "val_loss": loss,
        **{f"val_{name}": part for name, part in parts.items()},
        "val_lost": lost,
    }


def rescue(
    setup: Setup, carry: Carry, batch: Batch, rate: Scalar, constants: Constants
) -> tuple[Carry, dict[str, Array]]:
    """Take one step without its lost segments; where all are lost, or nothing finite is left, take none.

    The numbers of a step that is not taken are NaN, and all its segments count as lost.
    """
    optimizer = OPTIMIZERS[setup.optimizer]
    given = jnp.sum(batch.keep)
    batch = without_lost(setup, carry.parameters, batch, constants)
    function = to_minimise(setup, batch, constants)
    state = _whole_state(setup, carry, None, constants)
    pace = Pace(rate, constants.max_grad_norm, constants.weight_decay)
    step = optimizer.step(function, carry.parameters, state, pace)
    some = jnp.any(batch.keep > 0)
    moved = jax.tree.map(
        lambda new, old: jnp.where(some, new, old),
        (step.parameters, jax.tree.leaves(step.state)),
        (carry.parameters, carry.optimizer),
    )
    taken = some & step.finite
    values = {"loss": step.loss, **step.parts, "grad_norm": step.gradient_norm}
    # The mean over no segment is no number, and 0 would look like a perfect fit.
    values = jax.tree.map(lambda x: jnp.where(taken, x, jnp.nan), values)
    lost = jnp.where(taken, given - jnp.sum(batch.keep), given)
    return carry._replace(parameters=moved[0], optimizer=moved[1]), values | {"lost": lost}


def start(setup: Setup, parameters: Array, data: Batch | None, constants: Constants) -> list[Array]:
    """Return the leaves of the optimiser's state at the start of a phase; data where it takes full batches."""
    return [jnp.asarray(leaf) for leaf in jax.tree.leaves(_initial_state(setup, parameters, data, constants))]


def _initial_state(setup: Setup, parameters: Array, data: Batch | None, constants: Constants) -> Any:
    def function(x):
        assert data is not None  # an optimiser that takes batches does not evaluate to begin
        return to_minimise(setup, data, constants)(x)

    return OPTIMIZERS[setup.optimizer].init(function, parameters)


def _whole_state(setup: Setup, carry: Carry, data: Batch | None, constants: Constants) -> Any:
    """Return the optimiser's state of its leaves."""
    shape = jax.eval_shape(lambda: _initial_state(setup, carry.parameters, data, constants))
    return jax.tree.unflatten(jax.tree.structure(shape), carry.optimizer)
