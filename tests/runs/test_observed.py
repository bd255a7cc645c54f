"""A run on observed orbits: training sees what is observed, scores are against the truth."""

import jax
import numpy as np
import pytest
from test_validation import config_of

from keplearn.config import RunConfig
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import Units
from keplearn.experiment.course import train_run
from keplearn.experiment.plan import Plan, prepare
from keplearn.runs.store import Run
from keplearn.training.batches import on_device
from keplearn.training.grid_error import grid_error
from keplearn.training.settings import setup_of

TRAIN, OWN = "complex_TBP_planar_missing30_noise1e-3_2_train", "complex_TBP_planar_2_val"
NOISY = "complex_TBP_planar_missing30_noise1e-3_2_val"
CONFIG = config_of(dataset_name=TRAIN, validation=NOISY, test=[OWN, NOISY])


@pytest.fixture(scope="module")
def plan() -> Plan:
    return prepare(CONFIG)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return train_run(CONFIG, tmp_path_factory.mktemp("observed"))


def canonical(plan: Plan, states: np.ndarray, count: int) -> np.ndarray:
    """So many states as segments of four samples, (sample, 6, segment)."""
    assert isinstance(plan.model.units, Units)
    pieces = plan.model.units.to_canonical_states(states[:count]).reshape(-1, 4, 6)
    return np.moveaxis(pieces, 0, -1)


def test_segments_hold_the_observed_samples_one_after_another_and_beside_them_their_truth(plan):
    dataset, split = load_dataset(TRAIN), plan.splits[0]
    assert len(split.train) == len(split.truth) == 2 * (126 // 4)  # half of the 252 that are left
    for found, states in ((split.train, dataset.observed_states), (split.truth, dataset.states)):
        seen = states[0][dataset.is_observed[0]]
        np.testing.assert_array_equal(found.states[..., :31], canonical(plan, seen, 124))
    own = load_dataset(NOISY)
    seen = own.observed_states[0][own.is_observed[0]]
    np.testing.assert_array_equal(split.validation.states[..., :31], canonical(plan, seen, 124))


def test_units_and_what_the_field_is_compared_with_are_of_the_observed_states(plan):
    dataset, own, units = load_dataset(TRAIN), load_dataset(NOISY), plan.model.units
    radii = np.linalg.norm(dataset.observed_states[..., :3], axis=-1)
    assert units.length_km == np.nanmax(radii) != np.nanmax(np.linalg.norm(dataset.states[..., :3], axis=-1))
    samples = plan.splits[0].samples
    assert len(samples) == 2 * 252
    expected = units.to_canonical_accelerations(own.as_observed.accelerations).reshape(-1, 3).T
    np.testing.assert_array_equal(samples.accelerations, expected)


def test_a_run_on_noisy_orbits_trains_and_is_scored_against_the_truth(run):
    assert run.state == "finished"
    summary = run.record["summary"]
    assert summary["dataset_hash"] == load_dataset(TRAIN).content_hash
    assert summary["acceleration_source"] == "differences"
    truth, noisy = (run.record["scores"][name] for name in (OWN, NOISY))
    assert truth == noisy


def test_noise_does_not_enter_the_error_of_the_grid_whose_steps_follow_the_observed_times(plan, run):
    for k, (phase, split, found) in enumerate(
        zip(plan.phases, plan.splits, run.record["phases"], strict=True)
    ):
        assert not split.uniform and found["stride"] == 3
        steps = setup_of(phase, plan.model.architecture, plan.settings, split.uniform)
        law = plan.settings.law
        assert law is not None
        with jax.enable_x64(True):
            of = [grid_error(steps, law, on_device(x, steps, np.float64)) for x in (split.truth, split.train)]
        assert found["grid_error"] == of[0].percentile < 1e-4 < 1e-3 < of[1].percentile, k


def test_a_segment_may_be_as_long_as_what_is_observed():
    def of(length: int) -> RunConfig:
        return config_of(dataset_name=TRAIN, segment_length_strategy=[length])

    assert of(252)
    with pytest.raises(KeplearnError, match="253 samples are more than the 252 that an orbit of"):
        of(253)
