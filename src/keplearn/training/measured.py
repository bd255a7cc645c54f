"""Errors of the acceleration that are measured as a run validates, at the same states in all phases.

They have programs of their own, one for all phases: what validates is the same with and without them.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import Scalar
from keplearn.core.programs import power_above
from keplearn.data.segments import Segments
from keplearn.data.splits import Samples
from keplearn.integrate import Grid
from keplearn.models.kinds import Architecture, Model
from keplearn.models.neural_ode import NeuralODE, Scales
from keplearn.training.curriculum import Phase
from keplearn.training.paths import solve
from keplearn.training.problem import Batch, Constants, Setup, Shape, assemble, padded
from keplearn.training.settings import FitSettings

# Samples at which errors are measured as a run validates: it costs as little as some steps.
MOST_POINTS = 2048


class Points(NamedTuple):
    """Single states, the true accelerations there, and ``keep``: 0 where they only fill up."""

    states: Float[Array, "6 sample"]
    accelerations: Float[Array, "3 sample"]
    keep: Float[Array, "sample"]


def points(samples: Samples, dtype: Any) -> Points:
    """Put samples on the device, of more than `MOST_POINTS` every so many. Call it inside ``jax.enable_x64(True)``."""
    every = -(-len(samples) // MOST_POINTS)
    states, accelerations = (x[:, ::every] for x in (samples.states, samples.accelerations))
    count = states.shape[1]
    more = power_above(count, least=512) - count
    arrays = (np.pad(x, ((0, 0), (0, more)), mode="edge") for x in (states, accelerations))
    keep = np.arange(count + more) < count
    return Points(*(jnp.asarray(x, dtype) for x in (*arrays, keep)))


def paths(segments: Segments, dtype: Any) -> Batch:
    """Put segments on the device, of more than `MOST_POINTS` samples every so many. Within ``jax.enable_x64(True)``."""
    length = len(segments.states)
    every = -(-len(segments) * length // MOST_POINTS)
    chosen = segments.take(np.arange(0, len(segments), every))
    states, times, accelerations = (
        jnp.asarray(x, dtype) for x in (chosen.states, chosen.times, chosen.accelerations)
    )
    batch = Batch(states, times, jnp.ones(len(chosen), dtype), accelerations)
    return padded(batch, power_above(len(chosen), least=16), keep=0.0)


def path_setup(segments: Segments, architecture: Architecture, phase: Phase, settings: FitSettings) -> Setup:
    """Return what is compiled in to propagate over segments as a run validates, by the phase's stride."""
    stride = phase.stride if segments.uniform and (phase.stride or settings.law) else 1
    grid = Grid.default(len(segments.states), stride)
    return Setup(architecture, grid, "grid", loss="", additive=(), optimizer="", dtype=settings.dtype)


def _field(model: Model) -> NeuralODE:
    assert model.field is not None  # else there is nothing to measure (`keplearn.experiment.plan`)
    return model.field


def field_error(
    shape: Shape, parameters: Float[Array, "parameter"], points: Points, scales: Scales
) -> Scalar:
    """Return the mean error of the model's acceleration at true states, % of the true one: the metric ``field``."""
    field = _field(assemble(shape, parameters, scales))
    predicted = field.acceleration(0.0, points.states[:3], points.states[3:])
    sizes = (jnp.linalg.norm(x, axis=0) for x in (predicted - points.accelerations, points.accelerations))
    errors = jnp.where(points.keep > 0, jnp.divide(*sizes), 0.0)
    return 100.0 * jnp.sum(errors) / jnp.sum(points.keep)


def path_error(
    setup: Setup, parameters: Float[Array, "parameter"], batch: Batch, constants: Constants
) -> Scalar:
    """Return the mean error of the acceleration along paths from true states, % of the true one: the metric ``mean``.

    Not finite where the path of one segment is not.
    """
    field = _field(assemble(setup, parameters, constants.scales))
    solved, _ = solve(setup, field, batch.states[0], batch.times, constants)
    path = jnp.concatenate([batch.states[:1], solved])
    predicted = jax.vmap(lambda r, v: field.acceleration(0.0, r, v))(path[:, :3], path[:, 3:])
    assert batch.accelerations is not None
    sizes = (jnp.linalg.norm(x, axis=1) for x in (predicted - batch.accelerations, batch.accelerations))
    errors = jnp.where(batch.keep > 0, jnp.divide(*sizes), 0.0)
    return 100.0 * jnp.sum(errors) / (len(path) * jnp.sum(batch.keep))
