"""Baseline (a): a neural ODE trained by the pattern of Diffrax's own tutorial.

A vmapped adaptive ``diffeqsolve`` (Tsit5, PID controller at rtol and atol 1e-6) inside a jitted step, a Python
loop around it with a data loader that permutes indices, Adam from Optax on the model's leaves. Model, data,
loss and units are keplearn's.
"""

import time
from collections.abc import Iterator, Sequence

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.cases import Case, by_segment, judge, learning_rate, starting_model, training_segments
from keplearn.data.dataset import load_dataset
from keplearn.data.segments import Segments
from keplearn.data.units import Units
from keplearn.models.neural_ode import NeuralODE


def _batches(count: int, size: int, key: jax.Array) -> Iterator[jax.Array]:
    indices = jnp.arange(count)
    while True:
        key, draw = jax.random.split(key)
        shuffled = jax.random.permutation(draw, indices)
        for start in range(0, count - size + 1, size):
            yield shuffled[start : start + size]


def solve(model: NeuralODE, times: jax.Array, initial: jax.Array, throw: bool = True) -> jax.Array:
    """Solve one segment with step control; with ``throw``, Diffrax raises where it gives up."""
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(model),
        diffrax.Tsit5(),
        t0=times[0],
        t1=times[-1],
        dt0=times[1] - times[0],
        y0=initial,
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-6),
        saveat=diffrax.SaveAt(ts=times),
        throw=throw,
    )
    assert solution.ys is not None
    return solution.ys


def fit(model: NeuralODE, segments: Segments, batch: int, steps: int, report=lambda step, value, model: None):
    """Train by the pattern; ``report`` is called after every step."""
    dtype = model.parameters.weights[0].dtype
    times = jnp.asarray(segments.times.T, dtype)
    states = jnp.asarray(np.moveaxis(segments.states, -1, 0), dtype)
    optimizer = optax.adam(learning_rate(steps))
    state = optimizer.init(eqx.filter(model.parameters, eqx.is_inexact_array))

    @eqx.filter_value_and_grad
    def loss(parameters, model, ti, yi):
        model = eqx.tree_at(lambda m: m.parameters, model, parameters)
        predicted = jax.vmap(solve, in_axes=(None, 0, 0))(model, ti, yi[:, 0])
        error = jnp.linalg.norm(predicted[:, 1:] - yi[:, 1:], axis=-1)
        return jnp.mean(100 * error / jnp.linalg.norm(yi[:, 1:], axis=-1))

    @eqx.filter_jit
    def make_step(ti, yi, model, state):
        value, gradient = loss(model.parameters, model, ti, yi)
        updates, state = optimizer.update(gradient, state)
        moved = eqx.apply_updates(model.parameters, updates)
        return value, eqx.tree_at(lambda m: m.parameters, model, moved), state

    batches = _batches(len(segments), min(batch, len(segments)), jax.random.key(0))
    for step, chosen in zip(range(steps), batches, strict=False):
        value, model, state = make_step(times[chosen], states[chosen], model, state)
        report(step, value, model)
    return jax.block_until_ready(model)


def evaluate(model: NeuralODE, units: Units, names: Sequence[str]) -> list[float]:
    """Propagate the orbits of each dataset under ``vmap``, and return their mean acceleration errors, percent."""
    scores = []
    for name in names:
        dataset = load_dataset(name)
        states = units.to_canonical_states(dataset.states)
        times = units.to_canonical_times(dataset.times)
        arrays = (jnp.asarray(x, model.parameters.weights[0].dtype) for x in (times, states[:, 0]))
        predicted = jax.jit(jax.vmap(lambda t, y: solve(model, t, y, throw=False)))(*arrays)
        field = jax.jit(jax.vmap(jax.vmap(lambda r, v: model.acceleration(0.0, r, v))))
        found = np.asarray(field(predicted[..., :3], predicted[..., 3:]))
        true = units.to_canonical_accelerations(dataset.accelerations)
        error = np.linalg.norm(found - true, axis=-1) / np.linalg.norm(true, axis=-1)
        scores.append(float(100 * error.mean()))
    return scores


def train(case: Case, steps: int) -> dict[str, float]:
    """Train for so many steps; the speed is that of the third quarter."""
    segments = training_segments(case)
    at: dict[int, float] = {}

    def report(step: int, value: jax.Array, model: NeuralODE) -> None:
        if step in (0, steps // 2, steps - steps // 4):
            value.block_until_ready()
            at[step] = time.perf_counter()

    started = time.perf_counter()
    model = fit(starting_model(case), segments, case.batch, steps, report)
    quarter = steps - steps // 4 - steps // 2
    return {
        "steps_per_second": quarter / (at[steps - steps // 4] - at[steps // 2]),
        "first_step_seconds": at[0] - started,
        **judge(case, model, by_segment(solve, model, segments, case.dtype)),
    }
