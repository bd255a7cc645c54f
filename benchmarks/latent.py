"""A latent ODE on toy data: Diffrax's own example of one, as a user would write it, beside keplearn's.

Decaying oscillators, 20 samples of two numbers at times of each one's own (the example ``latent_ode`` of Diffrax's
documentation, whose sizes and rate both have). The data are no orbits, so keplearn is asked below the config: segments
made of them go through ``fit``. Compared are minus the bound on what is held out, and the time of a step in core time.
"""

import time
from statistics import mean, median
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.cores import alone
from keplearn.data.segments import Segments
from keplearn.data.splits import Split
from keplearn.integrate import adaptive_solve
from keplearn.models.encoders import Observed
from keplearn.models.latent_ode import LatentArchitecture, LatentODE, new_latent_ode
from keplearn.models.neural_ode import Architecture
from keplearn.training.curriculum import Phase
from keplearn.training.events import PhaseEnded
from keplearn.training.fit import fit
from keplearn.training.settings import FitSettings

SAMPLES, SIZE, DEPTH, BATCH, RATE = 20, 16, 2, 256, 1e-2
TRAIN, HELD_OUT, SEEDS = 10_000, 2_000, 3
STEPS, MORE = 1_000, 4_000
"""Over which the rate falls to 0: as many as the example takes to come to its bound, and so many as take its time."""
STRIDE = 10
"""Samples in a step of keplearn's solver: two steps a trajectory, which is half a turn."""


def oscillators(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return times (trajectory, sample) and values (trajectory, sample, 2) of y' = ((-0.1, 1.3), (-1, -0.1)) y."""
    draw = np.random.default_rng(seed)
    start = draw.normal(size=(count, 2, 1))
    times = np.sort(draw.uniform(size=(count, SAMPLES)) * draw.uniform(2, 3, size=(count, 1)))
    angle, ratio = np.sqrt(1.3) * (times - times[:, :1]), np.sqrt(1.3)
    decay, cos, sin = np.exp(-0.1 * (times - times[:, :1])), np.cos(angle), np.sin(angle)
    x, y = start[:, 0], start[:, 1]
    return times, np.stack([decay * (x * cos + y * ratio * sin), decay * (y * cos - x / ratio * sin)], -1)


class Field(eqx.Module):
    """A scaled network that ends in tanh."""

    scale: jax.Array
    network: eqx.nn.MLP

    def __call__(self, t: Any, y: jax.Array, args: Any) -> jax.Array:
        """Return dy/dt."""
        return self.scale * self.network(y)


class Example(eqx.Module):
    """Encoder, field and decoder of the example: a GRU unrolled over the samples, a solve for each trajectory."""

    field: Field
    cell: eqx.nn.GRUCell
    to_latent: eqx.nn.Linear
    to_hidden: eqx.nn.MLP
    to_data: eqx.nn.Linear

    def __init__(self, key: jax.Array) -> None:
        keys = jax.random.split(key, 5)
        squashed: Any = {"activation": jax.nn.softplus, "final_activation": jax.nn.tanh}
        self.field = Field(jnp.ones(()), eqx.nn.MLP(SIZE, SIZE, SIZE, DEPTH, key=keys[0], **squashed))
        self.cell = eqx.nn.GRUCell(3, SIZE, key=keys[1])
        self.to_latent = eqx.nn.Linear(SIZE, 2 * SIZE, key=keys[2])
        self.to_hidden = eqx.nn.MLP(SIZE, SIZE, SIZE, DEPTH, key=keys[3])
        self.to_data = eqx.nn.Linear(SIZE, 2, key=keys[4])

    def __call__(self, times: jax.Array, values: jax.Array, key: jax.Array) -> jax.Array:
        """Return minus the bound of one trajectory, without its constant: squares over two, and the divergence."""
        hidden = jnp.zeros(SIZE)
        for at, value in zip(times[::-1], values[::-1], strict=True):
            hidden = self.cell(jnp.concatenate([at[None], value]), hidden)
        middle, log_spread = jnp.split(self.to_latent(hidden), 2)
        spread = jnp.exp(log_spread)
        start = self.to_hidden(middle + spread * jax.random.normal(key, (SIZE,)))
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(self.field),
            diffrax.Tsit5(),
            t0=times[0],
            t1=times[-1],
            dt0=0.4,
            y0=start,
            saveat=diffrax.SaveAt(ts=times),
        )
        assert solution.ys is not None
        left = jax.vmap(self.to_data)(solution.ys) - values
        return (jnp.sum(left**2) + jnp.sum(middle**2 + spread**2 - 2 * log_spread - 1)) / 2


def bound(model: Example, times: jax.Array, values: jax.Array, key: jax.Array) -> jax.Array:
    """Return minus the bound, the mean over trajectories."""
    return jnp.mean(jax.vmap(model)(times, values, jax.random.split(key, len(times))))


def example(seed: int, steps: int) -> dict[str, float]:
    """Train the example's way: a compiled step, called from Python with batches drawn there."""
    times, values = (jnp.asarray(x, "float32") for x in oscillators(TRAIN, 0))
    key, model_key = jax.random.split(jax.random.PRNGKey(seed))
    model, optimizer = Example(model_key), optax.adam(optax.cosine_decay_schedule(RATE, steps))
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model: Example, state: Any, ti: jax.Array, yi: jax.Array, key: jax.Array):
        value, gradient = eqx.filter_value_and_grad(bound)(model, ti, yi, key)
        updates, state = optimizer.update(gradient, state)
        return value, eqx.apply_updates(model, updates), state

    seconds, draw, order = [], np.random.default_rng(seed), np.array([], int)
    for number in range(steps):
        began = time.process_time()
        order = order if len(order) >= BATCH else draw.permutation(TRAIN)
        chosen, order = order[:BATCH], order[BATCH:]
        now = jax.random.fold_in(key, number)
        value, model, state = step(model, state, times[chosen], values[chosen], now)
        value.block_until_ready()
        seconds.append(time.process_time() - began)
    times, values = (jnp.asarray(x, "float32") for x in oscillators(HELD_OUT, 1))
    # The first step compiles.
    return _told(float(eqx.filter_jit(bound)(model, times, values, key)), mean(seconds[1:]), seconds[0])


def _told(bound: float, step: float, compiling: float) -> dict[str, float]:
    return {"bound": bound, "milliseconds": 1e3 * step, "compile_seconds": compiling}


def _segments(count: int, seed: int) -> Segments:
    """Return the toy data as positions in the plane."""
    times, values = oscillators(count, seed)
    states = np.zeros((SAMPLES, 6, count))
    states[:, :2] = np.moveaxis(values, 0, -1)
    return Segments(states, (times - times[:, :1]).T, np.zeros((SAMPLES, 3, count)))


def ours(seed: int, steps: int) -> dict[str, float]:
    """Train keplearn's latent ODE through ``fit``: a free latent, positions in the plane observed, noise 1."""
    network = Architecture("cartesian", "mlp_simple", SIZE, DEPTH, "softplus", planar_constraint=True)
    shape = LatentArchitecture(
        network, "free", SIZE, hidden_size=SIZE, decoder="linear", observed_fraction=1.0, likelihood_noise=1.0
    )
    held = _segments(HELD_OUT, 1)
    settings = FitSettings(
        loss="evidence_lower_bound", loss_weights={"kl_weight": 1.0}, seed=seed, law=None, validate_every=steps,
    )  # fmt: skip
    phase = Phase((0.0, 1.0), RATE, steps, SAMPLES, schedule="cosine", batch_size=BATCH, stride=STRIDE)
    split = Split(_segments(TRAIN, 0), held, True, TRAIN)
    clock, began, final = [], time.process_time(), None
    for event in fit(new_latent_ode(shape, seed), [phase], [split], settings):
        if isinstance(event, PhaseEnded):
            final = event.final
        else:
            clock.append((event.step, time.process_time()))
    assert isinstance(final, LatentODE)  # fit ends every phase with its result
    # The first chunk compiles the steps, the last one the validation.
    (first, compiled), (last, ended) = clock[0], clock[-2]
    return _told(_bound(final, held, seed), (ended - compiled) / (last - first), compiled - began)


def _bound(model: LatentODE, held: Segments, seed: int) -> float:
    """Return minus the bound without its constant, as of the example; with paths solved to 1e-6."""
    times, values = (jnp.asarray(x, "float32") for x in (held.times, held.states[:, :2]))
    posterior = model.posterior(Observed(times, values, jnp.ones_like(times)))
    noise = np.random.default_rng(seed).normal(size=(SIZE, len(held)))
    start = model.begin(posterior.draw(jnp.asarray(noise, "float32")))
    solve = jax.vmap(
        lambda z, t: adaptive_solve(model.flow, z, t, rtol=1e-6, atol=1e-6)[0], in_axes=-1, out_axes=-1
    )
    left = jax.vmap(model.decode)(jax.jit(solve)(start, times)) - values
    return float(jnp.mean(jnp.sum(left**2, axis=(0, 1)) / 2 + posterior.divergence))


WAYS = {
    "Diffrax's example": ("example", STEPS),
    "keplearn": ("ours", STEPS),
    "keplearn, more steps": ("ours", MORE),
}


def bench() -> dict[str, Any]:
    """Measure and print every way, from several seeds each."""
    found: dict[str, Any] = {}
    print(
        f"{'':24}{'steps':>7}{'minus the bound':>22}{'ms a step':>11}{'keplearn is':>13}{'compiling s':>13}"
    )
    for way, (function, steps) in WAYS.items():
        code = (
            f"from benchmarks.latent import {function} as train; print(json.dumps(train(*map(int, words))))"
        )
        rows = [alone(code, str(seed), str(steps)) for seed in range(SEEDS)]
        found[way] = rows
        bounds = sorted(row["bound"] for row in rows)
        step, compiling = (median(row[key] for row in rows) for key in ("milliseconds", "compile_seconds"))
        theirs = median(row["milliseconds"] for row in next(iter(found.values())))
        ratio = f"{theirs / step:.1f} x" if function == "ours" else ""
        told = f"{median(bounds):.3f} ({bounds[0]:.3f}-{bounds[-1]:.3f})"
        print(f"{way:24}{steps:7}{told:>22}{step:11.2f}{ratio:>13}{compiling:13.1f}", flush=True)
    return found
