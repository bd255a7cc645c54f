"""What is compared of a batch, predicted and true: objectives, by name. Adding one is adding one function here.

How the two are compared is the loss's business. An objective that does not integrate compares what the model says at
the observed samples, each asked once, with what these say of the acceleration, without knowledge of a law.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.tables import Table
from keplearn.models.neural_ode import NeuralODE
from keplearn.orbits.quadrature import AFTER, BEFORE
from keplearn.training.optimizers import OPTIMIZERS
from keplearn.training.paths import fitted, path_from, sizes, solve
from keplearn.training.problem import Batch, Constants, Setup
from keplearn.training.solved import Gap

Compared = Float[Array, "sample component segment"]


class Pair(NamedTuple):
    """What the model predicts and what is true, and by how much a solution's steps disagree in a segment.

    ``gap``: of pieces with beginnings of their own, between where each ends and the next begins.
    """

    predicted: Compared
    truth: Compared
    disagreement: Float[Array, "segment"]
    gap: Gap | None = None


@dataclass(frozen=True)
class Objective:
    """An objective.

    Attributes
    ----------
    function
        Makes the pair of a batch; of pieces it is given their free beginnings too.
    gives
        What of `keplearn.training.solved.NEEDS` losses and terms can ask for under it.
    integrates
        Whether it integrates the model.
    cut
        Whether each orbit's window is cut into ``segments``, stays whole (``windows``), with the weights of a
        quadrature, or is cut into ``pieces`` that begin where they like (`keplearn.data.segments.CUTS`).
    differences
        Whether accelerations are those of differences of what is observed (`OrbitDataset.differenced`).
    compares
        What, in words.
    """

    function: Callable[..., Pair]
    gives: frozenset[str]
    integrates: bool = False
    cut: str = "segments"
    differences: bool = False
    compares: str = ""


OBJECTIVES: Table[Objective] = Table("objective")


def objective(*, gives: Iterable[str] = ("pair",), **facts: Any) -> Callable[[Any], Any]:
    """Enter an objective into the table under its function's name, with what `Objective` says of it."""

    def enter(function: Any) -> Any:
        OBJECTIVES.enter(function, Objective(function, frozenset(gives), **facts))
        return function

    return enter


@objective(gives=("pair", "trajectory", "field", "law"), integrates=True, compares="states")
def trajectory(setup: Setup, model: NeuralODE, batch: Batch, constants: Constants) -> Pair:
    """States that the model comes to from a segment's first sample, and the observed ones."""
    solved = solve(setup, model, batch.states[0], batch.times, constants)
    return Pair(solved.states, batch.states[1:], solved.disagreement)


@objective(gives=("pair", "field"), integrates=True, cut="pieces", compares="states along pieces of an orbit")
def shooting(
    setup: Setup, model: NeuralODE, batch: Batch, constants: Constants, free: Float[Array, "6 piece"]
) -> Pair:
    """States that the model comes to from a beginning of its own for each piece, and the observed ones; and the gaps.

    Positions by their radius, velocities by their speed. Multiple shooting (Bock, in Modelling of chemical reaction
    systems, Springer 1981) with gaps that are penalised and not forbidden (Turan & Jäschke, Multiple shooting for
    training neural differential equations, IEEE Control Systems Letters 6, 2022). Beginnings are trained beside the
    model; in validation they are those that fit each piece best.
    """
    scale = sizes(batch.states)
    truth, pieces = batch.states / scale, batch.pieces
    if pieces is None:
        path, disagreement = path_from(setup, model, batch, constants, fitted(setup, model, batch, constants))
        return Pair(path / scale, truth, disagreement)
    # So much of the first observed radius and speed: as stiff as weights to what sees all pieces, which count by their
    # number; and no more than a step of Adam moves weights by.
    unit = free.shape[1] ** 0.5 if OPTIMIZERS[setup.optimizer].full_batch else 0.01
    path, disagreement = path_from(setup, model, batch, constants, unit * free[:, pieces.own])
    # It is compared as the last observed state is: the next one's beginning would be a scale that could be trained.
    following = batch.states[-1] / scale[-1] + unit * free[:, pieces.next]
    ends = truth[-1] + path[-1] / scale[-1] - following
    joined = jnp.asarray(pieces.next >= 0, batch.keep.dtype)
    return Pair(path / scale, truth, disagreement, Gap(ends[None], truth[-1:], joined))


@objective(differences=True, compares="accelerations")
def derivative(setup: Setup, model: NeuralODE, batch: Batch, constants: Constants) -> Pair:
    """Accelerations at the samples: the model's, and those of differences of the observed states."""
    assert batch.accelerations is not None
    return Pair(_accelerations(model, batch), batch.accelerations, jnp.zeros_like(batch.keep))


@objective(cut="windows", compares="increments of velocity")
def weak(setup: Setup, model: NeuralODE, batch: Batch, constants: Constants) -> Pair:
    """Increments of velocity over all spans of as many samples as a segment has.

    The model's are a quadrature of its acceleration along the observed samples; no data are differentiated (the weak
    form; Messenger & Bortz, Weak SINDy, Multiscale Modeling & Simulation 19, 2021, with step functions).
    """
    assert batch.quadrature is not None
    weights, inside = batch.quadrature
    count = len(inside)
    steps = len(batch.states) - count
    around = jnp.pad(_accelerations(model, batch), ((BEFORE, AFTER - 1), (0, 0), (0, 0)))
    terms = [weights[:, k, None] * around[k : k + len(weights)] for k in range(weights.shape[1])]
    predicted = _sums(reduce(jnp.add, terms), steps)
    truth = batch.states[steps:, 3:] - batch.states[:count, 3:]
    # Beyond the end of a shorter orbit there is nothing to compare.
    counted = inside[:, None] > 0
    truth, predicted = jnp.where(counted, truth, 1), jnp.where(counted, predicted, 1)
    return Pair(predicted, truth, jnp.zeros_like(batch.keep))


def _accelerations(model: NeuralODE, batch: Batch) -> Float[Array, "sample 3 segment"]:
    samples, _, segments = batch.states.shape
    # All samples as one batch: products of matrices go half as long as under vmap.
    flat = jnp.moveaxis(batch.states, 1, 0).reshape(6, -1)
    found = model.acceleration(0.0, flat[:3], flat[3:])
    return jnp.moveaxis(found.reshape(3, samples, segments), 0, 1)


def _sums(x: Float[Array, "step 3 segment"], count: int) -> Float[Array, "span 3 segment"]:
    """Return the sums of ``count`` successive rows each: of 1, 2, 4 … of them, put together."""
    spans, found, taken = len(x) - count + 1, None, 0
    power, size = x, 1
    while size <= count:
        if count & size:
            part = power[taken : taken + spans]
            found, taken = part if found is None else found + part, taken + size
        power, size = power[: len(power) - size] + power[size:], 2 * size
    assert found is not None
    return found
