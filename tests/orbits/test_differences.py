"""The acceleration by differences is of sixth order, on uniform and other times, up to the ends."""

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.orbits.constants import EARTH_RADIUS, GEO_RADIUS, MU_EARTH
from keplearn.orbits.differences import (
    acceleration_by_differences,
    derivative,
    observed_acceleration,
    osculating_acceleration,
    surest_accelerations,
)
from keplearn.orbits.elements import kepler_states, one_revolution
from keplearn.systems.two_body import TwoBody

ORBIT = np.array([[10000.0, 0.1, 0.5, 1.0, 2.0, 3.0]])


def errors_percent(elements, mean_anomalies):
    """Error of the acceleration by differences at samples of a Kepler orbit, %."""
    times = mean_anomalies * np.sqrt(elements[:, :1] ** 3 / MU_EARTH)
    states = kepler_states(elements, mean_anomalies, MU_EARTH)
    found = acceleration_by_differences(times, states)
    truth = TwoBody(MU_EARTH).accelerations(times, states)
    return 100 * np.linalg.norm(found - truth, axis=-1)[0] / np.linalg.norm(truth, axis=-1)[0]


@pytest.mark.parametrize(
    "where", [slice(3, -3), slice(0, 3), slice(-3, None)], ids=["inside", "start", "end"]
)
@pytest.mark.parametrize("uniform", [True, False], ids=["uniform", "uneven"])
def test_halving_the_steps_divides_the_error_by_sixty_four(where, uniform):
    def worst(n: int) -> float:
        share = np.linspace(0, 1, n)
        anomalies = 1.5 * (share if uniform else share + 0.1 * np.sin(2 * np.pi * share))
        return errors_percent(ORBIT, anomalies[None])[where].max()

    order = np.log2(worst(61) / worst(121))
    assert 5.5 < order < 6.5


def test_polynomials_of_degree_six_are_exact():
    times = np.sort(np.random.default_rng(0).uniform(-1, 1, 12))
    values = np.stack([times**6, times**3, np.ones(12)], axis=-1)
    slopes = np.stack([6 * times**5, 3 * times**2, np.zeros(12)], axis=-1)
    np.testing.assert_allclose(derivative(times, values), slopes, atol=1e-10)
    assert (derivative(times, values)[:, 2] == 0).all()


def test_one_degree_samples_of_a_low_circle_lose_almost_nothing():
    circle = np.array([[EARTH_RADIUS + 400, 0.0, 0, np.nan, np.nan, 0.0]])
    inside = errors_percent(circle, np.radians(np.arange(360.0))[None])[3:-3]
    assert inside.mean() == pytest.approx(2e-11, rel=0.3)


def test_one_degree_samples_lose_most_on_the_most_eccentric_high_orbit():
    orbit = np.array([[GEO_RADIUS, 0.84, 0, np.nan, np.nan, np.pi]])
    inside = errors_percent(orbit, np.radians(np.arange(360.0))[None])[3:-3]
    assert inside.mean() == pytest.approx(4.2e-3, rel=0.05)
    assert np.median(inside) < 1e-8  # all of it lies at the periapsis


def test_padding_stays_padding():
    times, states = one_revolution(np.repeat(ORBIT, 2, axis=0), MU_EARTH)
    times[1, 100:], states[1, 100:] = np.nan, np.nan
    found = acceleration_by_differences(times, states)
    assert np.isfinite(found[0]).all()
    np.testing.assert_array_equal(np.isfinite(found[1, :, 0]), np.arange(360) < 100)


def test_six_samples_are_too_few():
    with pytest.raises(KeplearnError, match="at least 7"):
        derivative(np.arange(6.0), np.zeros((6, 3)))


def test_positions_and_velocities_together_are_exact_to_twice_the_degree():
    times = np.sort(np.random.default_rng(0).uniform(-1, 1, 9))
    powers = np.array([17, 8, 1])
    states = np.concatenate([times[:, None] ** powers, powers * times[:, None] ** (powers - 1)], axis=1)
    found = osculating_acceleration(times, states, stencil=9)
    np.testing.assert_allclose(found, powers * (powers - 1) * times[:, None] ** (powers - 2.0), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "most"), [("complex_TBP_planar_10_train", 1e-10), ("complex_TBP_planar_10@2_train", 1e-8)]
)
def test_clean_samples_a_degree_apart_say_the_acceleration_to_a_hundred_millionth_percent(name, most):
    """Draw 2 has orbits of e = 0.81, whose perigee takes 20 degrees of true anomaly a sample."""
    dataset = load_dataset(name)
    found = surest_accelerations(dataset.times, dataset.states)
    errors = np.linalg.norm(found - dataset.accelerations, axis=-1)
    percent = 100 * errors / np.linalg.norm(dataset.accelerations, axis=-1)
    assert percent.mean() < most


def test_with_noise_the_surest_are_the_narrow_ones_of_velocities():
    seen = load_dataset("complex_TBP_planar_noise1e-3_2_train").as_observed
    times, states = seen.times[0], seen.states[0]
    np.testing.assert_array_equal(observed_acceleration(times, states), derivative(times, states[:, 3:]))
