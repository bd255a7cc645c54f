"""Small real data to draw: a law with a slightly wrong μ in the model's place, and a training of seconds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray

from keplearn.data.dataset import load_dataset
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.splits import split_segments
from keplearn.data.units import units_for
from keplearn.evaluation.rollout import evaluate_law
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.training.curriculum import Phase
from keplearn.training.events import Rows
from keplearn.training.fit import fit
from keplearn.training.settings import FitSettings


def with_wrong_mu(dataset: OrbitDataset, factor: float) -> xarray.Dataset:
    """Evaluate the two-body law with μ wrong by a factor."""
    wrong = replace(dataset, name="wrong μ", mu=factor * dataset.mu)
    return evaluate_law(wrong).assign_attrs(mu=dataset.mu)


@pytest.fixture(scope="session")
def planar() -> xarray.Dataset:
    """Ten planar orbits, 1 % wrong."""
    return with_wrong_mu(load_dataset("complex_TBP_planar_10_test"), 1.01)


@pytest.fixture(scope="session")
def spatial() -> xarray.Dataset:
    """Three orbits in space, 0.1 % wrong."""
    return with_wrong_mu(load_dataset("complex_TBP_3_test"), 1.001)


@pytest.fixture
def diverged(planar: xarray.Dataset) -> xarray.Dataset:
    """Ten orbits, of which number 2 diverges after sample 200, infinite first and then not a number."""
    broken = planar.copy(deep=True)
    for name in ("predicted_position", "predicted_velocity", "predicted_acceleration", "mean"):
        broken[name][2, 200] = np.inf
        broken[name][2, 201:] = np.nan
    broken["diverged"][2] = True
    return broken


@pytest.fixture(scope="session")
def metrics() -> pd.DataFrame:
    """A training of two phases, 40 and 25 steps, validated every 10."""
    dataset = load_dataset("complex_TBP_planar_2_train")
    units = units_for(dataset)
    first = Phase((0.0, 1.0), 1e-2, 40, 2, batch_size=16)
    phases = [first, replace(first, learning_rate=1e-3, steps=25)]
    splits = [split_segments(dataset, units, p.window, p.segment_length, 0.5, "orbits") for p in phases]
    model = new_model(Architecture("sph_4D_rinv", "mlp_simple_hybrid", 4, 1, "tanh"), 0, units=units)
    weights = {"mse_weight": 1.0}
    settings = FitSettings(loss="percent_error_plus_nmse", loss_weights=weights, validate_every=10)
    done = fit(model, phases, splits, settings)
    return pd.DataFrame([row for part in done if isinstance(part, Rows) for row in part.rows])
