"""Losses: pure functions of predicted and true segments. Adding one is adding one function here.

A loss returns its parts by name, each already multiplied by its weight, so that they add up to the loss that
is minimised and can be drawn as they are. All means skip lost segments (``keep`` 0); the first sample of a
segment is given and does not count. |·| of a state is the norm of its six components in canonical units.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import Scalar
from keplearn.core.tables import Table
from keplearn.models.neural_ode import NeuralODE
from keplearn.systems import System

Weights = Mapping[str, Scalar]
Parts = dict[str, Scalar]


class Solved(NamedTuple):
    """What a loss sees: a batch of integrated segments.

    ``law`` is the system in canonical units, where a term needs it (`NEEDS_LAW`).
    ``predicted`` and ``truth`` (sample, 6, segment) without the first sample, ``initial`` (6, segment) that
    sample, ``keep`` (segment,) 1, or 0 for a lost segment, ``model`` the network being trained.
    """

    predicted: Float[Array, "sample 6 segment"]
    truth: Float[Array, "sample 6 segment"]
    initial: Float[Array, "6 segment"]
    keep: Float[Array, "segment"]
    model: NeuralODE
    law: System | None


Loss = Callable[[Solved, Weights], Parts]
LOSSES: Table[Loss] = Table("loss")


def loss(function: Loss) -> Loss:
    """Enter a loss into the table under its own name."""
    LOSSES.enter(function, function)
    return function


@loss
def percent_error(solved: Solved, weights: Weights) -> Parts:
    """Mean of 100 |ŷ - y| / max(|y|, 1e-8)."""
    error = _size(solved.predicted - solved.truth) / jnp.maximum(_size(solved.truth), 1e-8)
    return {"percent_error": 100 * _mean(error, solved.keep)}


@loss
def mean_squared_error(solved: Solved, weights: Weights) -> Parts:
    """Mean of (ŷ - y)² over samples and components."""
    return {"mean_squared_error": _mean_square(solved.predicted - solved.truth, solved.keep)}


@loss
def percent_error_plus_nmse(solved: Solved, weights: Weights) -> Parts:
    """percent_error + w · 100 sqrt(mean (ŷ-y)² / (mean y² + 1e-8) + 1e-8), w = ``mse_weight``."""
    error = _mean_square(solved.predicted - solved.truth, solved.keep)
    scale = _mean_square(solved.truth, solved.keep) + 1e-8
    nmse = 100 * weights["mse_weight"] * jnp.sqrt(error / scale + 1e-8)
    return percent_error(solved, weights) | {"nmse": nmse}


@loss
def percent_error_with_attraction(solved: Solved, weights: Weights) -> Parts:
    """percent_error + w · 100 mean relu(a_θ·r̂/|a_θ|) at ŷ, w = ``attraction_weight``: no outward force."""
    r, v = solved.predicted[:, :3], solved.predicted[:, 3:]
    a = _at_samples(lambda r, v: solved.model.acceleration(0.0, r, v))(r, v)
    outward = jnp.sum(a * r, axis=1) / jnp.maximum(_size(a) * _size(r), 1e-12)
    attraction = 100 * weights["attraction_weight"] * _mean(jax.nn.relu(outward), solved.keep)
    return percent_error(solved, weights) | {"attraction": attraction}


@loss
def relative_squared_error(solved: Solved, weights: Weights) -> Parts:
    """Mean of |ŷ - y|²/|y|²: smooth, for second-order optimisers."""
    squares = jnp.sum((solved.predicted - solved.truth) ** 2, axis=1) / jnp.sum(solved.truth**2, axis=1)
    return {"relative_squared_error": _mean(squares, solved.keep)}


def l1(solved: Solved) -> Scalar:
    """Sum of |w| over the network's weights (biases excepted)."""
    return jnp.sum(jnp.stack([jnp.sum(jnp.abs(w)) for w in solved.model.parameters.weights]))


def l2(solved: Solved) -> Scalar:
    """Sum of w² over the network's weights (biases excepted)."""
    return jnp.sum(jnp.stack([jnp.sum(w * w) for w in solved.model.parameters.weights]))


def energy_drift(solved: Solved) -> Scalar:
    """Mean |E - E₀|/|E₀| of the system's energy along the predicted segment, E₀ at its first sample."""
    start = _energy(solved, solved.initial[None])
    return _mean(jnp.abs((_energy(solved, solved.predicted) - start) / start), solved.keep)


def sign_flip(solved: Solved) -> Scalar:
    """Smoothed share of consecutive samples between which m changes sign: mean (1 - s_k s_(k+1))/2.

    s = tanh(10 m): a change of sign counts fully once |m| is about 0.2 on both sides. The segment's first
    sample is one of the two for the second, so that a segment of two samples has a change to count.
    """
    samples = jnp.concatenate([solved.initial[None], solved.predicted])
    r, v = samples[:, :3], samples[:, 3:]
    sign = jnp.tanh(10 * _at_samples(lambda r, v: solved.model.network(r, v)[:1])(r, v)[:, 0])
    return _mean((1 - sign[1:] * sign[:-1]) / 2, solved.keep)


# Terms that any loss can take, weight 0 unless set; the function's name is the weight's in the config.
ADDITIVE_TERMS: dict[str, Callable[[Solved], Scalar]] = {
    f.__name__: f for f in (l1, l2, energy_drift, sign_flip)
}


# Those that ask what the law conserves.
NEEDS_LAW = frozenset(("energy_drift",))


def total_loss(
    name: str, additive: tuple[str, ...], solved: Solved, weights: Weights
) -> tuple[Scalar, Parts]:
    """Return the loss that is minimised and its parts: the named loss and the additive terms in use."""
    parts = LOSSES[name](solved, weights) | {
        term: weights[term] * ADDITIVE_TERMS[term](solved) for term in additive
    }
    return jnp.sum(jnp.stack(list(parts.values()))), parts


def _at_samples(function: Callable) -> Callable:
    """Make a function of positions and velocities (3, segment) take arrays (sample, 3, segment)."""
    return jax.vmap(function)


def _size(x: Float[Array, "sample component segment"]) -> Float[Array, "sample segment"]:
    """Norm over components, with gradient zero at zero."""
    square = jnp.sum(x * x, axis=1)
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def _mean(x: Float[Array, "sample segment"], keep: Float[Array, "segment"]) -> Scalar:
    """Mean over samples and kept segments; 0 where none is kept."""
    return jnp.sum(x * keep) / (x.shape[0] * jnp.maximum(jnp.sum(keep), 1))


def _mean_square(x: Float[Array, "sample component segment"], keep: Float[Array, "segment"]) -> Scalar:
    return _mean(jnp.mean(x * x, axis=1), keep)


def _energy(solved: Solved, y: Float[Array, "sample 6 segment"]) -> Float[Array, "sample segment"]:
    assert solved.law is not None
    (energy,) = (invariant.value for invariant in solved.law.invariants if invariant.name == "energy")
    return energy(jnp.moveaxis(y[:, :3], 1, 0), jnp.moveaxis(y[:, 3:], 1, 0))
