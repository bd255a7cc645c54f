"""What is measured: the cases, their data and starting model, and what a trained model is held to."""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from keplearn.data.dataset import load_dataset
from keplearn.data.segments import Segments
from keplearn.data.splits import split_segments
from keplearn.data.units import units_for
from keplearn.integrate import adaptive_solve
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model

TRAINING = "complex_TBP_planar_10_train"
LEARNING_RATE = 1e-3


def learning_rate(steps: int) -> optax.Schedule:
    """Return the rate over the steps: constant, and over the last quarter a half cosine to 0.

    Speed is that of the constant rate, as in users' runs; the end takes the noise out of the loss.
    """
    begin = steps - steps // 4
    parts = [
        optax.constant_schedule(LEARNING_RATE),
        optax.cosine_decay_schedule(LEARNING_RATE, steps - begin),
    ]
    return optax.join_schedules(parts, [begin])


# A solve of one segment: model, times (sample,), initial state (6,) to states (sample, 6).
Solve = Callable[[NeuralODE, jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class Case:
    """One training to measure: 10 complex planar orbits, all segments of a length, float32 unless said."""

    feature_layer: str = "sph_4D_rinv_vel"
    length: int = 4
    activation: str = "leaky_relu"
    output_layer: str = "mlp_4D_logmag_unit_exp"
    batch: int = 256
    width: int = 64
    depth: int = 2
    dtype: str = "float32"

    @property
    def architecture(self) -> Architecture:
        """The model's architecture."""
        names = (self.feature_layer, self.output_layer, self.width, self.depth, self.activation)
        return Architecture(*names, planar_constraint=True)


def training_segments(case: Case) -> Segments:
    """Return all segments of the training orbits, in canonical units."""
    dataset = load_dataset(TRAINING)
    units = units_for(dataset, "max_radius")
    return split_segments(dataset, units, (0.0, 1.0), case.length, 1.0, "orbits").train


def starting_model(case: Case) -> NeuralODE:
    """Return the untrained model: the same for every way to train."""
    return new_model(case.architecture, 0, case.dtype)


def judge(case: Case, model: NeuralODE, solved: np.ndarray) -> dict[str, float]:
    """Judge a trained model and the solver it was trained with, in percent of |y|.

    ``loss`` is the mean error of the model on all training segments, solved in float64 to 1e-9: the same for
    every way to train. ``solution_error`` is the 99th percentile of the distance between that solution and
    ``solved`` (sample, 6, segment), the trained model's solution by the training's own solver.
    """
    segments = training_segments(case)
    with jax.enable_x64(True):
        exact = model.astype("float64")
        solve = jax.vmap(
            lambda y, t: adaptive_solve(exact, y, t, rtol=1e-9, atol=1e-9)[0], in_axes=-1, out_axes=-1
        )
        tight = np.asarray(jax.jit(solve)(jnp.asarray(segments.states[0]), jnp.asarray(segments.times)))[1:]
    truth = segments.states[1:]
    scale = np.linalg.norm(truth, axis=1)
    distance = np.linalg.norm(solved[1:] - tight, axis=1) / scale
    error = np.linalg.norm(tight - truth, axis=1) / scale
    return {"loss": float(100 * error.mean()), "solution_error": float(100 * np.percentile(distance, 99))}


def by_segment(solve: Solve, model: NeuralODE, segments: Segments, dtype: str) -> np.ndarray:
    """Solve all segments one by one under ``vmap``: (sample, 6, segment)."""
    batched = eqx.filter_jit(eqx.filter_vmap(solve, in_axes=(None, -1, -1), out_axes=-1))
    times, initial = (jnp.asarray(x, dtype) for x in (segments.times, segments.states[0]))
    return np.asarray(batched(model, times, initial))
