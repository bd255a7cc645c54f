"""What is compared of a batch, predicted and true: objectives, by name. Adding one is adding one function here.

How the two are compared is the loss's business. An objective that does not integrate compares what the model says at
the observed samples, each asked once, with what these say of the acceleration, without knowledge of a law.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.tables import Table
from keplearn.integrate import GridSolution, adaptive_solve, fixed_solve, flow_solve, grid_solve
from keplearn.models.neural_ode import NeuralODE
from keplearn.orbits.quadrature import AFTER, BEFORE
from keplearn.training.problem import Batch, Constants, Setup

Compared = Float[Array, "sample component segment"]


class Pair(NamedTuple):
    """What the model predicts and what is true, and by how much a solution's steps disagree in a segment."""

    predicted: Compared
    truth: Compared
    disagreement: Float[Array, "segment"]


@dataclass(frozen=True)
class Objective:
    """An objective.

    Attributes
    ----------
    function
        Makes the pair of a batch.
    gives
        What of `keplearn.training.solved.NEEDS` losses and terms can ask for under it.
    integrates
        Whether it integrates the model.
    whole_windows
        Whether each orbit's window stays whole, with the weights of a quadrature; else it is cut into segments.
    differences
        Whether accelerations are those of differences of what is observed (`OrbitDataset.differenced`).
    compares
        What, in words.
    """

    function: Callable[[Setup, NeuralODE, Batch, Constants], Pair]
    gives: frozenset[str]
    integrates: bool = False
    whole_windows: bool = False
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


@objective(differences=True, compares="accelerations")
def derivative(setup: Setup, model: NeuralODE, batch: Batch, constants: Constants) -> Pair:
    """Accelerations at the samples: the model's, and those of differences of the observed states."""
    assert batch.accelerations is not None
    return Pair(_accelerations(model, batch), batch.accelerations, jnp.zeros_like(batch.keep))


@objective(whole_windows=True, compares="increments of velocity")
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


def solve(
    setup: Setup,
    flow: Any,
    initial: Float[Array, "flow segment"],
    times: Float[Array, "sample segment"],
    constants: Constants,
) -> GridSolution:
    """Integrate every segment from its first sample; a segment that the solver gives up on becomes NaN.

    ``flow`` is the field: of positions and velocities, or where it is of first order any function of time and numbers.

    Steps that a solver controls, and those of a field that gives whole states, have no disagreement: 0.
    """
    undisputed = jnp.zeros_like(times[0])
    if setup.integrator == "adaptive":
        rtol, atol = constants.rtol, constants.atol
        ys, ok = jax.vmap(
            lambda y, t: adaptive_solve(flow, y, t, rtol=rtol, atol=atol), in_axes=-1, out_axes=(-1, 0)
        )(initial, times)
        return GridSolution(jnp.where(ok, ys, jnp.nan)[1:], undisputed)
    if setup.architecture.field is None:
        return GridSolution(flow_solve(flow, initial, times, setup.grid), undisputed)
    if setup.architecture.first_order:
        fixed = jax.vmap(lambda y, t: fixed_solve(flow, y, t, setup.grid), in_axes=-1, out_axes=-1)
        return GridSolution(fixed(initial, times)[1:], undisputed)
    return grid_solve(
        flow.acceleration,
        initial[:3],
        initial[3:],
        times,
        setup.grid,
        setup.architecture.uses_velocity,
    )
