"""Losses: what is compared of predicted and true segments. Adding one is adding one function here.

A loss states what it needs, and returns its parts by name: residuals with their weight (`Residuals`, `Penalty`), or a
plain number. What is minimised is the sum of its parts' numbers, which are recorded at every step; where all are
squares, methods of least squares can minimise it too. The first sample of a segment is given and does not count.
|·| of a state is the norm of its six components in canonical units.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.errors import KeplearnError
from keplearn.core.jax_shapes import Scalar
from keplearn.core.tables import Table
from keplearn.training.bound import evidence_lower_bound
from keplearn.training.residuals import (
    Flat,
    Part,
    Penalty,
    Residuals,
    least_squares_of,
    size,
    value_of,
    weighted,
)
from keplearn.training.solved import NEEDS, Solved

Weights = Mapping[str, Scalar]
Parts = dict[str, Scalar]


@dataclass(frozen=True)
class Loss:
    """A loss, or a term that any loss can take: its function, and what that needs, of `NEEDS`."""

    function: Callable[[Solved, Weights], Mapping[str, Part]]
    needs: frozenset[str]


LOSSES: Table[Loss] = Table("loss")
# Losses of kinds of models that have one of their own (`keplearn.models.kinds`); no config chooses them.
OWN = {"evidence_lower_bound": Loss(evidence_lower_bound, frozenset(("posterior",)))}
# Terms that any loss can take, weight 0 unless set; the function's name is the weight's in the config.
ADDITIVE_TERMS: dict[str, Loss] = {}


def loss(function: Any = None, *, needs: str | Iterable[str] = "trajectory") -> Any:
    """Enter a loss into the table under its own name.

    Parameters
    ----------
    function
        From `Solved` and the weights of the config to the loss's parts by name.
    needs
        What it compares: the ``pair`` that the objective makes, whatever it is, or states alone, the ``trajectory``;
        ``field`` (dy/dt at the true states); ``law``, if it asks what the system conserves.
    """

    def enter(function: Any) -> Any:
        made = _made(function, needs)
        if not made.needs & {"pair", "trajectory", "field"}:
            raise KeplearnError(
                f"loss {function.__name__}: it must need pair, trajectory or field, to compare one."
            )
        LOSSES.enter(function, made)
        return function

    return enter if function is None else enter(function)


def _term(*needs: str) -> Callable[[Any], Any]:
    """Enter a term into the table of those that any loss can take."""

    def enter(function: Any) -> Any:
        ADDITIVE_TERMS[function.__name__] = _made(function, needs)
        return function

    return enter


def _made(function: Any, needs: str | Iterable[str]) -> Loss:
    words = frozenset((needs,) if isinstance(needs, str) else needs)
    if unknown := words - set(NEEDS):
        raise KeplearnError(
            f"loss {function.__name__}: needs {sorted(unknown)[0]!r}, which is none of {', '.join(NEEDS)}."
        )
    return Loss(function, words)


@loss(needs="pair")
def percent_error(solved: Solved, weights: Weights) -> dict[str, Part]:
    """Mean of 100 |ŷ - y| / max(|y|, 1e-8)."""
    scale = jnp.maximum(size(solved.truth), 1e-8)
    return {"percent_error": Residuals(solved.predicted - solved.truth, 1, scale, 100.0)}


@loss(needs="pair")
def mean_squared_error(solved: Solved, weights: Weights) -> dict[str, Part]:
    """Mean of (ŷ - y)² over samples and components."""
    return {"mean_squared_error": _by_component(solved.predicted - solved.truth)}


@loss(needs="pair")
def percent_error_plus_nmse(solved: Solved, weights: Weights) -> dict[str, Part]:
    """percent_error + w · 100 sqrt(mean (ŷ-y)² / (mean y² + 1e-8) + 1e-8), w = ``mse_weight``."""
    error = _by_component(solved.predicted - solved.truth).value(solved.keep)
    scale = _by_component(solved.truth).value(solved.keep) + 1e-8
    nmse = 100 * weights["mse_weight"] * jnp.sqrt(error / scale + 1e-8)
    return percent_error(solved, weights) | {"nmse": nmse}


@loss(needs="trajectory")
def percent_error_with_attraction(solved: Solved, weights: Weights) -> dict[str, Part]:
    """percent_error + w · 100 mean relu(a_θ·r̂/|a_θ|) at ŷ, w = ``attraction_weight``: no outward force."""
    r, v = solved.predicted[:, :3], solved.predicted[:, 3:]
    a = jax.vmap(lambda r, v: solved.learned.acceleration(0.0, r, v))(r, v)
    outward = jnp.sum(a * r, axis=1) / jnp.maximum(size(a) * size(r), 1e-12)
    weight = 100 * weights["attraction_weight"]
    attraction = Residuals(jax.nn.relu(outward)[:, None], power=1, weight=weight)
    return percent_error(solved, weights) | {"attraction": attraction}


@loss(needs="pair")
def relative_squared_error(solved: Solved, weights: Weights) -> dict[str, Part]:
    """Mean of |ŷ - y|²/|y|²: smooth, for second-order optimisers."""
    scale = jnp.sum(solved.truth * solved.truth, axis=1)
    return {"relative_squared_error": Residuals(solved.predicted - solved.truth, scale=scale)}


@_term()
def l1(solved: Solved, weights: Weights) -> dict[str, Part]:
    """Sum of |w| over the network's weights (biases excepted)."""
    return {"l1": Penalty(solved.model.parameters.weights, 1, weights["l1"])}


@_term()
def l2(solved: Solved, weights: Weights) -> dict[str, Part]:
    """Sum of w² over the network's weights (biases excepted)."""
    return {"l2": Penalty(solved.model.parameters.weights, 2, weights["l2"])}


@_term("trajectory", "law")
def energy_drift(solved: Solved, weights: Weights) -> dict[str, Part]:
    """Mean |E - E₀|/|E₀| of the system's energy along the predicted segment, E₀ at its first sample."""
    start = _energy(solved, solved.initial[None])
    drift = (_energy(solved, solved.predicted) - start) / start
    return {"energy_drift": Residuals(drift[:, None], power=1, weight=weights["energy_drift"])}


@_term("trajectory")
def sign_flip(solved: Solved, weights: Weights) -> dict[str, Part]:
    """Smoothed share of consecutive samples between which m changes sign: mean (1 - s_k s_(k+1))/2.

    s = tanh(10 m): a change of sign counts fully once |m| is about 0.2 on both sides. The segment's first
    sample is one of the two for the second, so that a segment of two samples has a change to count.
    """
    samples = jnp.concatenate([solved.initial[None], solved.predicted])
    r, v = samples[:, :3], samples[:, 3:]
    sign = jnp.tanh(10 * jax.vmap(lambda r, v: solved.learned.network(r, v)[:1])(r, v)[:, 0])
    changes = (1 - sign[1:] * sign[:-1]) / 2
    return {"sign_flip": Residuals(changes[:, None], power=1, weight=weights["sign_flip"])}


def needs_of(name: str, additive: Iterable[str]) -> frozenset[str]:
    """Return what a loss and the additive terms in use need."""
    return _loss(name).needs.union(*(ADDITIVE_TERMS[term].needs for term in additive))


def total_loss(
    name: str, additive: tuple[str, ...], solved: Solved, weights: Weights
) -> tuple[Scalar, Parts]:
    """Return the loss that is minimised and its parts: the named loss and the additive terms in use."""
    # Numbers one function after another: the order in which gradients are summed decides their last bits.
    parts = {part: value_of(x, keep) for part, x, keep in _parts(name, additive, solved, weights)}
    return jnp.sum(jnp.stack(list(parts.values()))), parts


def least_squares(name: str, additive: tuple[str, ...], solved: Solved, weights: Weights) -> Flat:
    """Return a loss of squares alone (`keplearn.training.checks`) as a vector half of whose squared length it is."""
    vectors = []
    for part, x, keep in _parts(name, additive, solved, weights):
        vector = least_squares_of(x, keep)
        assert vector is not None, part
        vectors.append(vector)
    return jnp.concatenate(vectors)


def parts_without_squares(
    name: str, additive: tuple[str, ...], solved: Solved, weights: Weights
) -> list[str]:
    """Return the parts of a loss that are not made of squares."""
    parts = _parts(name, additive, solved, weights)
    return [part for part, x, keep in parts if least_squares_of(x, keep) is None]


def _parts(
    name: str, additive: tuple[str, ...], solved: Solved, weights: Weights
) -> Iterator[tuple[str, Part, Float[Array, "segment"]]]:
    """Yield the parts of a loss, its terms, and ``continuity`` times the loss of gaps, with what counts in each."""
    for function in (_loss(name).function, *(ADDITIVE_TERMS[term].function for term in additive)):
        for part, x in function(solved, weights).items():
            yield part, x, solved.keep
    if (gap := solved.gap) is not None:
        keep = solved.keep * gap.joined
        between = replace(solved, truth=gap.truth, trajectory=gap.predicted, keep=keep)
        for part, x in _loss(name).function(between, weights).items():
            yield f"gap_{part}", weighted(x, weights["continuity"]), keep


def _loss(name: str) -> Loss:
    return OWN.get(name) or LOSSES[name]


def _by_component(values: Float[Array, "sample component segment"]) -> Residuals:
    """Return the mean of squares over components too."""
    return Residuals(values, scale=float(values.shape[1]))


def _energy(solved: Solved, y: Float[Array, "sample 6 segment"]) -> Float[Array, "sample segment"]:
    (energy,) = (invariant.value for invariant in solved.law.invariants if invariant.name == "energy")
    return energy(jnp.moveaxis(y[:, :3], 1, 0), jnp.moveaxis(y[:, 3:], 1, 0))
