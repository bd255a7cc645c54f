"""In canonical units μ is 1 and the law keeps its form."""

from dataclasses import replace

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import Units, units_for
from keplearn.orbits.constants import EARTH_RADIUS, MU_EARTH
from keplearn.systems.two_body import TwoBody


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("complex_TBP_5_train")


def test_positions_lie_within_one_in_units_of_the_largest_radius(dataset):
    states = units_for(dataset, "max_radius").to_canonical_states(dataset.states)
    assert np.linalg.norm(states[..., :3], axis=-1).max() == pytest.approx(1.0, rel=1e-15)


def test_padding_does_not_count(dataset):
    states, times, accelerations = dataset.states.copy(), dataset.times.copy(), dataset.accelerations.copy()
    for array in (states, times, accelerations):
        array[0, 5:] = np.nan
    padded = replace(dataset, name="padded", states=states, times=times, accelerations=accelerations)
    assert np.isfinite(units_for(padded).length_km)


@pytest.mark.parametrize("length_unit", ["max_radius", "earth_radius", 10000, 1.5])
def test_mu_is_one(dataset, length_unit):
    units = units_for(dataset, length_unit)
    states = units.to_canonical_states(dataset.states)
    found = units.to_canonical_accelerations(dataset.accelerations)
    np.testing.assert_allclose(
        found, TwoBody(1.0).accelerations(np.zeros(states.shape[:-1]), states), rtol=1e-12
    )
    assert units.length_km**3 / units.time_s**2 == pytest.approx(MU_EARTH, rel=1e-14)


def test_the_way_back_is_the_inverse(dataset):
    units = units_for(dataset)
    np.testing.assert_allclose(
        units.from_canonical_states(units.to_canonical_states(dataset.states)), dataset.states, rtol=1e-15
    )
    np.testing.assert_allclose(
        units.from_canonical_times(units.to_canonical_times(dataset.times)), dataset.times, rtol=1e-15
    )
    np.testing.assert_allclose(
        units.from_canonical_accelerations(units.to_canonical_accelerations(dataset.accelerations)),
        dataset.accelerations,
        rtol=1e-15,
    )


def test_the_earth_radius_is_a_length(dataset):
    assert units_for(dataset, "earth_radius").length_km == EARTH_RADIUS


@pytest.mark.parametrize("length_unit", ["max_radus", "km", 0, -1.0, float("nan"), float("inf"), True])
def test_other_length_units_are_refused(dataset, length_unit):
    with pytest.raises(KeplearnError, match="length_unit is"):
        units_for(dataset, length_unit)


@pytest.mark.parametrize("values", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_units_are_positive(values):
    with pytest.raises(KeplearnError, match="must be a positive number"):
        Units(*values)
