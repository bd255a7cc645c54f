"""The baseline: a neural ODE trained by the pattern of Diffrax's own tutorial.

A vmapped adaptive ``diffeqsolve`` (Tsit5, PID controller) inside a jitted step, a Python loop around it with
a data loader that permutes indices, Adam from Optax on the model's leaves. Model, data, loss and units are
keplearn's.
"""

import time
from collections.abc import Iterator

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.cases import Case, loss_of, starting_model, training_segments


def _batches(count: int, size: int, key: jax.Array) -> Iterator[jax.Array]:
    indices = jnp.arange(count)
    while True:
        key, draw = jax.random.split(key)
        shuffled = jax.random.permutation(draw, indices)
        for start in range(0, count - size + 1, size):
            yield shuffled[start : start + size]


def _solve(model, times: jax.Array, initial: jax.Array) -> jax.Array:
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(model),
        diffrax.Tsit5(),
        t0=times[0],
        t1=times[-1],
        dt0=times[1] - times[0],
        y0=initial,
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-6),
        saveat=diffrax.SaveAt(ts=times),
    )
    assert solution.ys is not None
    return solution.ys


def train(case: Case, steps: int) -> dict[str, float]:
    """Train for so many steps; the seconds are of the second half, after compiling."""
    segments = training_segments(case)
    times = jnp.asarray(segments.times.T, case.dtype)
    states = jnp.asarray(np.moveaxis(segments.states, -1, 0), case.dtype)
    model = starting_model(case)
    optimizer = optax.adam(1e-3)
    state = optimizer.init(eqx.filter(model.parameters, eqx.is_inexact_array))

    @eqx.filter_value_and_grad
    def loss(parameters, model, ti, yi):
        model = eqx.tree_at(lambda m: m.parameters, model, parameters)
        predicted = jax.vmap(_solve, in_axes=(None, 0, 0))(model, ti, yi[:, 0])
        error = jnp.linalg.norm(predicted[:, 1:] - yi[:, 1:], axis=-1)
        return jnp.mean(100 * error / jnp.linalg.norm(yi[:, 1:], axis=-1))

    @eqx.filter_jit
    def make_step(ti, yi, model, state):
        value, gradient = loss(model.parameters, model, ti, yi)
        updates, state = optimizer.update(gradient, state)
        moved = eqx.apply_updates(model.parameters, updates)
        return value, eqx.tree_at(lambda m: m.parameters, model, moved), state

    started = time.perf_counter()
    first = middle = started
    batches = _batches(len(segments), case.batch, jax.random.key(0))
    for step, batch in zip(range(steps), batches, strict=False):
        value, model, state = make_step(times[batch], states[batch], model, state)
        if step == 0:
            value.block_until_ready()
            first = time.perf_counter()
        if step == steps // 2:
            value.block_until_ready()
            middle = time.perf_counter()
    jax.block_until_ready(model.parameters)
    seconds = time.perf_counter() - middle
    return {
        "steps_per_second": (steps - steps // 2 - 1) / seconds,
        "first_step_seconds": first - started,
        "loss": loss_of(case, model),
    }
