"""Encoders: what of the observed samples of a trajectory tells where it began. Adding one is adding one function here.

They read backwards in time, from the last observed sample to the first. What is not observed, and whatever stands
there, changes nothing; how far apart the samples are does, so that they need not be evenly spaced.
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
    """Samples of trajectories, and which are observed: ``seen`` is 1 there and 0 elsewhere."""

    times: Float[Array, "sample *batch"]
    values: Float[Array, "sample component *batch"]
    seen: Float[Array, "sample *batch"]


class EncoderLayers(eqx.Module):
    """What is trained of an encoder: layers of one step of it, and those that make of the last its answer."""

    steps: list[Layers]
    answer: Layers


@dataclass(frozen=True)
class Encoder:
    """An encoder: a step from one observed sample to the next, and the sizes (in, out) of the layers that it takes."""

    step: Callable[[list[Layers], Hidden, Float[Array, "input *batch"]], Hidden]
    sizes: Callable[[int, int], list[tuple[int, int]]]


ENCODERS: Table[Encoder] = Table("encoder")


def encoder(sizes: Callable[[int, int], list[tuple[int, int]]]):
    """Enter a step into the table under its own name; ``sizes`` gives its layers' of the sizes of input and hidden."""

    def enter(function: Callable[..., Hidden]) -> Callable[..., Hidden]:
        ENCODERS.enter(function, Encoder(function, sizes))
        return function

    return enter


@encoder(lambda given, hidden: [(given, 3 * hidden), (hidden, 3 * hidden)])
def gru(layers: list[Layers], hidden: Hidden, given: Float[Array, "input *batch"]) -> Hidden:
    """A gated recurrent unit (Cho et al., Learning phrase representations, EMNLP 2014)."""
    parts = [dense(one.weights[0], one.biases[0], x) for one, x in zip(layers, (given, hidden), strict=True)]
    (reset, update, new), (old_reset, old_update, old) = (jnp.split(part, 3) for part in parts)
    forget = jax.nn.sigmoid(update + old_update)
    candidate = jnp.tanh(new + jax.nn.sigmoid(reset + old_reset) * old)
    return (1 - forget) * candidate + forget * hidden


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
    values = jnp.where(observed.seen[:, None] > 0, observed.values, 0)
    gaps, start = _gaps(observed)
    inputs = jnp.concatenate([values, gaps[:, None]], axis=1)
    step = ENCODERS[name].step

    def read(hidden: Hidden, given: tuple[Array, Array]) -> tuple[Hidden, None]:
        x, seen = given
        return jnp.where(seen > 0, step(layers.steps, hidden, x), hidden), None

    size = layers.answer.weights[0].shape[1] - 1
    empty = jnp.zeros((size, *observed.times.shape[1:]), inputs.dtype)
    hidden, _ = jax.lax.scan(read, empty, (inputs, observed.seen), reverse=True)
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
