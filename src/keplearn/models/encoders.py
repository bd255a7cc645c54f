"""Encoders: what of the observed samples of a trajectory tells where it began. Adding one is adding one function here.

Recurrent ones read backwards in time, from the last observed sample to the first. What is not observed, and whatever
stands there, changes nothing; how far apart the samples are does, so that they need not be evenly spaced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from keplearn.core.tables import Table
from keplearn.models.network import Layers, dense, draw_layers

Hidden = Float[Array, "hidden *batch"]
Gaps = Float[Array, "sample *batch"]


class Observed(NamedTuple):
    """Samples of trajectories, and which are observed: ``seen`` is 1 there and 0 elsewhere.

    ``sites``: where the station that observes each sample is, if they are observed by stations.
    """

    times: Float[Array, "sample *batch"]
    values: Float[Array, "sample component *batch"]
    seen: Float[Array, "sample *batch"]
    sites: Float[Array, "sample 3 *batch"] | None = None


class EncoderLayers(eqx.Module):
    """What is trained of an encoder: layers of one step of it, and those that make of the last its answer."""

    steps: list[Layers]
    answer: Layers


class Given(NamedTuple):
    """What an encoder reads: of each sample values and the time to the next observed one; when it is; if it is seen."""

    inputs: Float[Array, "sample input *batch"]
    since: Float[Array, "sample *batch"]
    seen: Float[Array, "sample *batch"]


Step = Callable[[list[Layers], Hidden, Float[Array, "input *batch"]], Hidden]


@dataclass(frozen=True)
class Encoder:
    """An encoder: what it makes of all samples, and the sizes (in, out) of the layers that it takes."""

    read: Callable[[list[Layers], Given, int], Hidden]
    sizes: Callable[[int, int], list[tuple[int, int]]]


ENCODERS: Table[Encoder] = Table("encoder")


def encoder(sizes: Callable[[int, int], list[tuple[int, int]]]):
    """Enter an encoder into the table under its own name: a function of layers, what is given, and its size.

    ``sizes`` gives its layers' of the sizes of input and hidden.
    """

    def enter(function: Callable[..., Hidden]) -> Callable[..., Hidden]:
        ENCODERS.enter(function, Encoder(function, sizes))
        return function

    return enter


@encoder(lambda given, hidden: [(given, 3 * hidden), (hidden, 3 * hidden)])
def gru(layers: list[Layers], given: Given, size: int) -> Hidden:
    """A gated recurrent unit (Cho et al., Learning phrase representations, EMNLP 2014)."""
    return _backwards(_gated, layers, given, size)


@encoder(
    lambda given, hidden: [(given, 3 * hidden), (hidden, 3 * hidden), (hidden, hidden), (hidden, hidden)]
)
def ode_rnn(layers: list[Layers], given: Given, size: int) -> Hidden:
    """The same, its hidden state moved by a neural ODE between samples (Rubanova et al., NeurIPS 2019).

    By one step of the midpoint rule over the time from a sample to the next.
    """

    def step(layers: list[Layers], hidden: Hidden, x: Float[Array, "input *batch"]) -> Hidden:
        gate, field = layers[:2], layers[2:]

        def slope(h: Hidden) -> Hidden:
            within = jnp.tanh(dense(field[0].weights[0], field[0].biases[0], h))
            return jnp.tanh(dense(field[1].weights[0], field[1].biases[0], within))

        half = hidden + x[-1] / 2 * slope(hidden)
        return _gated(gate, hidden + x[-1] * slope(half), x)

    return _backwards(step, layers, given, size)


@encoder(lambda given, hidden: [(given + 1, hidden), (hidden, hidden), (hidden, hidden)])
def attention(layers: list[Layers], given: Given, size: int) -> Hidden:
    """Pooling by attention: each hidden unit is a mean over the samples with weights of its own.

    With a head for each unit (Lee et al., Set Transformer, ICML 2019, section 3.2); a sample's time is an input.
    """
    every = jnp.concatenate([given.inputs, given.since[:, None]], axis=1)

    def of_sample(x: Float[Array, "input *batch"]) -> tuple[Hidden, Hidden]:
        within = jnp.tanh(dense(layers[0].weights[0], layers[0].biases[0], x))
        score, value = (dense(one.weights[0], one.biases[0], within) for one in layers[1:])
        return score, value

    scores, values = jax.lax.map(of_sample, every)
    seen = given.seen[:, None] > 0
    highest = jnp.max(jnp.where(seen, scores, -jnp.inf), axis=0)
    weights = jnp.where(seen, jnp.exp(scores - jnp.where(jnp.isfinite(highest), highest, 0)), 0)
    total = jnp.sum(weights, axis=0)
    return jnp.sum(weights * values, axis=0) / jnp.where(total > 0, total, 1)


def _gated(layers: list[Layers], hidden: Hidden, given: Float[Array, "input *batch"]) -> Hidden:
    parts = [dense(one.weights[0], one.biases[0], x) for one, x in zip(layers, (given, hidden), strict=True)]
    (reset, update, new), (old_reset, old_update, old) = (jnp.split(part, 3) for part in parts)
    forget = jax.nn.sigmoid(update + old_update)
    candidate = jnp.tanh(new + jax.nn.sigmoid(reset + old_reset) * old)
    return (1 - forget) * candidate + forget * hidden


def _backwards(step: Step, layers: list[Layers], given: Given, size: int) -> Hidden:
    """Take a step for each observed sample, from the last to the first."""

    def read(hidden: Hidden, one: tuple[Array, Array]) -> tuple[Hidden, None]:
        x, seen = one
        return jnp.where(seen > 0, step(layers, hidden, x), hidden), None

    empty = jnp.zeros((size, *given.seen.shape[1:]), given.inputs.dtype)
    return jax.lax.scan(read, empty, (given.inputs, given.seen), reverse=True)[0]


def draw_encoder(
    draw: np.random.Generator, name: str, components: int, hidden: int, answers: int, dtype: str
) -> EncoderLayers:
    """Draw an untrained encoder of so many components, with so many numbers as its answer: at first all 0."""
    sizes = ENCODERS[name].sizes(components + 1, hidden)
    steps = [draw_layers(draw, size, dtype) for size in sizes]
    answer = draw_layers(draw, (hidden + 1, hidden, answers), dtype)
    last = [jnp.zeros_like(x) for x in (answer.weights[-1], answer.biases[-1])]
    return EncoderLayers(
        steps, Layers([*answer.weights[:-1], last[0]], [*answer.biases[:-1], last[1]], answer.slopes)
    )


def encode(name: str, layers: EncoderLayers, observed: Observed) -> Float[Array, "answer *batch"]:
    """Return what an encoder answers of observed samples; where nothing is observed, what it answers of nothing."""
    values = observed.values
    if observed.sites is not None:
        values = jnp.concatenate([values, observed.sites], axis=1)
    values = jnp.where(observed.seen[:, None] > 0, values, 0)
    gaps, start = _gaps(observed)
    inputs = jnp.concatenate([values, gaps[:, None]], axis=1)
    size = layers.answer.weights[0].shape[1] - 1
    since = jnp.where(observed.seen > 0, observed.times - observed.times[0], 0)
    hidden = ENCODERS[name].read(layers.steps, Given(inputs, since, observed.seen), size)
    return layers.answer(jnp.concatenate([hidden, start[None]]), "tanh")


def _gaps(observed: Observed) -> tuple[Gaps, Float[Array, "*batch"]]:
    """Return the time from each observed sample to the next observed one, and from the beginning to the first.

    0 where there is none.
    """
    times, seen = observed.times, observed.seen > 0
    later = jax.lax.cummin(jnp.where(seen, times, jnp.inf), axis=0, reverse=True)
    first, following = later[0], jnp.concatenate([later[1:], jnp.full_like(later[:1], jnp.inf)])
    gaps = jnp.where(seen & jnp.isfinite(following), following - times, 0)
    return gaps, jnp.where(jnp.isfinite(first), first - times[0], 0)
