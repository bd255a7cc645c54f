"""What is measured: the cases, their data and starting model, and the loss a trained model is held to."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from keplearn.data.dataset import load_dataset
from keplearn.data.segments import Segments, split_segments
from keplearn.data.units import units_for
from keplearn.integrate import adaptive_solve
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model

TRAINING = "complex_TBP_planar_10_train"


@dataclass(frozen=True)
class Case:
    """One training to measure: 10 complex planar orbits, all segments of a length, float32 unless said."""

    name: str
    feature_layer: str = "sph_4D_rinv_vel"
    output_layer: str = "mlp_4D_logmag_unit_exp"
    activation: str = "leaky_relu"
    length: int = 4
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


def loss_of(case: Case, model: NeuralODE) -> float:
    """Mean percent error of a model on all training segments, solved in float64 to 1e-9: the same for all."""
    segments = training_segments(case)
    with jax.enable_x64(True):
        exact = model.astype("float64")
        solve = jax.vmap(
            lambda y, t: adaptive_solve(exact, y, t, rtol=1e-9, atol=1e-9)[0], in_axes=-1, out_axes=-1
        )
        predicted = jax.jit(solve)(jnp.asarray(segments.states[0]), jnp.asarray(segments.times))
    truth = segments.states[1:]
    error = np.linalg.norm(np.asarray(predicted)[1:] - truth, axis=1) / np.linalg.norm(truth, axis=1)
    return float(np.mean(100 * error))
