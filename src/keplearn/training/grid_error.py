"""How well the steps of a grid follow a known law: measured on a phase's own segments before it begins."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from keplearn.core.programs import compiled, power_above
from keplearn.integrate import Grid, GridSolution, fixed_solve, grid_solve
from keplearn.systems import System
from keplearn.training.problem import Batch, Setup, padded


class GridError(NamedTuple):
    """How well a grid follows the law: 99th percentile and maximum of |ŷ - y|/|y|, and the worst disagreement.

    Orbits near a circle hide the few steps through a perigee from the percentile: the maximum shows them.
    """

    percentile: float
    maximum: float
    disagreement: float


def grid_error(setup: Setup, law: System, batch: Batch) -> GridError:
    """Measure a phase's grid, dense output included, on segments that obey a law (canonical).

    The truth of the phase itself, in float64, integrated from each segment's first sample with the law, by
    the method that trains. Call it inside ``jax.enable_x64(True)``.
    """
    shape = setup.architecture
    steps = LawSteps(law, setup.grid, shape.uses_velocity or law.uses_velocity, shape.first_order)
    filled = padded(batch, power_above(batch.keep.shape[0], least=256), keep=0.0)
    solved, disagreement = (
        np.asarray(x)[..., : batch.keep.shape[0]] for x in compiled(_law_solve, steps, filled).call(filled)
    )
    truth = np.asarray(batch.states[1:])
    error = np.linalg.norm(solved - truth, axis=1) / np.linalg.norm(truth, axis=1)
    return GridError(float(np.percentile(error, 99)), float(np.max(error)), float(np.max(disagreement)))


class LawSteps(NamedTuple):
    """How a law is integrated to measure a grid: its steps, and the method that they are taken with."""

    law: System
    grid: Grid
    depends_on_velocity: bool
    first_order: bool


def _law_solve(steps: LawSteps, batch: Batch) -> GridSolution:
    initial, law = batch.states[0], steps.law.acceleration
    if steps.first_order:
        field = lambda t, y, args: jnp.concatenate([y[3:], law(t, y[:3], y[3:])])  # noqa: E731
        one = lambda y, t: fixed_solve(field, y, t, steps.grid)  # noqa: E731
        states = jax.vmap(one, in_axes=-1, out_axes=-1)(initial, batch.times)[1:]
        return GridSolution(states, jnp.zeros_like(batch.keep))
    return grid_solve(law, initial[:3], initial[3:], batch.times, steps.grid, steps.depends_on_velocity)
