"""Baseline (b): Diffrax with the settings that an expert would choose for speed.

``throw=False``, the loop of steps in ``lax.scan`` with the batches drawn beforehand, and either ``StepTo`` on
the samples or a loose PID controller (rtol 1e-3) whose first step is the whole segment. Model, data, loss and
units are keplearn's; Adam is Optax's.
"""

import time
from collections.abc import Callable
from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.cases import Case, by_segment, judge, learning_rate, starting_model, training_segments
from keplearn.models.neural_ode import NeuralODE

CHUNK = 50


def measured(steps: int) -> tuple[int, int, int]:
    """Return the steps in a chunk, and the first and last step of the third quarter in whole chunks, for >= 4 steps."""
    quarter = steps // 4
    chunk = min(CHUNK, quarter)
    first, last = (share * quarter // chunk * chunk for share in (2, 3))
    return chunk, first, last


def solve(control: str, model: NeuralODE, times: jax.Array, initial: jax.Array) -> jax.Array:
    """Solve one segment by steps from sample to sample (``steps``), or with loose step control (``loose``)."""
    steps = control == "steps"
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(model),
        diffrax.Tsit5(),
        t0=times[0],
        t1=times[-1],
        dt0=None if steps else times[-1] - times[0],
        y0=initial,
        stepsize_controller=diffrax.StepTo(ts=times)
        if steps
        else diffrax.PIDController(rtol=1e-3, atol=1e-3),
        saveat=diffrax.SaveAt(steps=True, t0=True) if steps else diffrax.SaveAt(ts=times),
        max_steps=len(times) - 1 if steps else 64,
        throw=False,
    )
    assert solution.ys is not None
    return solution.ys


def train(
    case: Case, steps: int, control: str, report: Callable[[NeuralODE], object] = lambda model: None
) -> dict[str, float]:
    """Train for so many steps; the speed is that of the third quarter. ``report`` gets the model after each chunk."""
    segments = training_segments(case)
    times = jnp.asarray(segments.times.T, case.dtype)
    states = jnp.asarray(np.moveaxis(segments.states, -1, 0), case.dtype)
    size = min(case.batch, len(segments))
    draws = np.random.default_rng(0)
    orders = jnp.asarray([draws.permutation(len(segments))[:size] for _ in range(steps)], jnp.int32)
    optimizer = optax.adam(learning_rate(steps))
    model = starting_model(case)
    parameters, fixed = eqx.partition(model, eqx.is_inexact_array)
    batched = jax.vmap(partial(solve, control), in_axes=(None, 0, 0))

    def loss(parameters, ti, yi):
        predicted = batched(eqx.combine(parameters, fixed), ti, yi[:, 0])
        error = jnp.linalg.norm(predicted[:, 1:] - yi[:, 1:], axis=-1)
        return jnp.mean(100 * error / jnp.linalg.norm(yi[:, 1:], axis=-1))

    def step(carry, chosen):
        parameters, state = carry
        value, gradient = jax.value_and_grad(loss)(parameters, times[chosen], states[chosen])
        # The scale of the acceleration is the data's, not trained.
        gradient = eqx.tree_at(lambda m: m.scales, gradient, jax.tree.map(jnp.zeros_like, model.scales))
        updates, state = optimizer.update(gradient, state)
        return (eqx.apply_updates(parameters, updates), state), value

    @jax.jit
    def chunk(carry, orders):
        return jax.lax.scan(step, carry, orders)

    carry = (parameters, optimizer.init(parameters))
    started = time.perf_counter()
    at = {0: started}
    size, middle, late = measured(steps)
    for begin in range(0, steps, size):
        carry, _ = jax.block_until_ready(chunk(carry, orders[begin : begin + size]))
        at[begin + size] = time.perf_counter()
        report(eqx.combine(carry[0], fixed))
    model = eqx.combine(carry[0], fixed)
    return {
        "steps_per_second": (late - middle) / (at[late] - at[middle]),
        "first_step_seconds": at[size] - started,
        **judge(case, model, by_segment(partial(solve, control), model, segments, case.dtype)),
    }
