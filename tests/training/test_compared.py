"""What objectives compare: nothing but rounding is left of a model that obeys the law, whatever is compared."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from keplearn.config import run_config
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.segments import CUTS, Segments
from keplearn.data.units import units_for
from keplearn.integrate import Grid
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model
from keplearn.orbits.quadrature import AFTER, BEFORE, step_weights
from keplearn.training.batches import on_device
from keplearn.training.compared import OBJECTIVES, Pair
from keplearn.training.problem import Constants, Setup

NAME = "complex_TBP_planar_3_train"


def lawful() -> NeuralODE:
    """A model that is the two-body law: exp(-2 log r) towards the centre, by the linear path alone."""
    shape = Architecture("log_radius", "mlp_rtn_logmag_unit_exp", 4, 1, "tanh", skip=True, init="zero_last")
    model = new_model(shape, 0, "float64")
    last = jnp.array([0.0, -1e6, 0.0, 0.0])  # û is d/(|d| + 1e-8)
    made = replace(
        model.parameters, biases=[model.parameters.biases[0], last], skip=jnp.array([[-2.0], [0], [0], [0]])
    )
    return replace(model, parameters=made)


def pair(objective: str, model: NeuralODE, segments: Segments) -> Pair:
    """What an objective makes of segments."""
    setup = Setup(
        model.architecture,
        Grid.default(4),
        "grid",
        "relative_squared_error",
        (),
        "bfgs",
        "float64",
        None,
        objective,
    )
    batch = on_device(segments, setup, np.float64)
    one = jnp.ones(())
    constants = Constants(model.scales, {}, one, one, one, one)
    free = (jnp.zeros((6, len(segments))),) if batch.pieces else ()
    return OBJECTIVES[objective].function(setup, model, batch, constants, *free)


def some(name: str, length: int, how: str = "segments") -> tuple[OrbitDataset, Segments]:
    """Segments of a dataset, as it is observed, accelerations by differences."""
    dataset = load_dataset(name).as_observed.differenced
    return dataset, CUTS[how](dataset, units_for(dataset), (0.0, 1.0), length, range(len(dataset)))


@pytest.mark.parametrize(
    ("objective", "length", "most"),
    [("trajectory", 4, 1e-5), ("shooting", 4, 1e-5), ("derivative", 4, 1e-8), ("weak", 18, 1e-7)],
)
def test_nothing_is_left_of_a_model_that_obeys_the_law(objective, length, most):
    _, segments = some(NAME, length, OBJECTIVES[objective].cut)
    with jax.enable_x64(True):
        found = pair(objective, lawful(), segments)
    predicted, truth = np.asarray(found.predicted), np.asarray(found.truth)
    assert predicted.shape == truth.shape
    assert np.abs(predicted - truth).max() < most * np.abs(truth).max()


@pytest.mark.parametrize(
    "name", [NAME, "complex_TBP_planar_missing30_3_train", "complex_TBP_planar_irregular_3_train"]
)
@pytest.mark.parametrize("length", [2, 7, 18])
def test_weak_sums_up_the_steps_of_every_span(name, length):
    """Orbits that have fewer samples than others end earlier, and count no span beyond."""
    dataset, windows = some(name, length, "windows")
    units = units_for(dataset)
    with jax.enable_x64(True):
        model = new_model(Architecture("sph_4D_logr_vel", "mlp_4D_signed", 5, 1, "tanh"), 1, "float64")
        found = pair("weak", model, windows)
        for orbit, n in enumerate(dataset.n_samples):
            states = units.to_canonical_states(dataset.states[orbit, :n])
            times = units.to_canonical_times(dataset.times[orbit, :n])
            a = np.asarray(
                model.acceleration(0.0, jnp.asarray(states[:, :3].T), jnp.asarray(states[:, 3:].T))
            ).T
            padded = np.pad(a, ((BEFORE, AFTER), (0, 0)))
            weights = step_weights(times)
            steps = np.array([w @ padded[k : k + len(w)] for k, w in enumerate(weights)])
            for first in (0, n // 2, n - length):
                last = first + length - 1
                np.testing.assert_allclose(
                    found.predicted[first, :, orbit], steps[first:last].sum(0), rtol=1e-11, atol=1e-13
                )
                np.testing.assert_array_equal(
                    found.truth[first, :, orbit], (states[last] - states[first])[3:]
                )
            beyond = np.s_[n - length + 1 :, :, orbit]
            np.testing.assert_array_equal(found.predicted[beyond], found.truth[beyond])


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            {"objective": "weak", "loss_fcn": "percent_error_with_attraction"},
            "loss_fcn percent_error_with_attraction needs the trajectory",
        ),
        (
            {"objective": [["derivative", "trajectory"]], "energy_drift": 0.1},
            "the term energy_drift needs the trajectory",
        ),
        (
            {"objective": "derivative", "output_layer": "mlp_simple"},
            "output_layer mlp_simple would learn no r'",
        ),
        ({"objective": "weak", "model": "latent_ode"}, "evidence lower bound is none's"),
        ({"objective": "shooting", "model": "latent_ode"}, "evidence lower bound is none's"),
        ({"objective": "shooting", "energy_drift": 0.1}, "the term energy_drift needs the trajectory"),
        ({"objective": "shooting", "integrator": "adaptive"}, "which adaptive steps do not have"),
        ({"objective": "shooting", "output_layer": "mlp_simple"}, "output_layer mlp_simple do not have"),
    ],
)
def test_what_an_objective_cannot_serve_is_refused(parameters, said):
    with pytest.raises(KeplearnError, match=f"objective: (weak|derivative|shooting) .*{said}"):
        run_config(NAME, **parameters)
