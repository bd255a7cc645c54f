"""What noise leaves open: no fit of the gravitational parameter does better, and a least-squares fit does as well."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.noise_floor import noise_floor
from keplearn.orbits.elements import elements_from_states, kepler_states
from keplearn.orbits.kepler import period

ORBIT = "orbit(a=20000,e=0.4,nu0=1)"
NOISE = 1e-3


def test_least_squares_fits_of_noisy_orbits_err_by_the_floor():
    """The mean relative error of 40 fits of mu and of the beginning, within three of its standard errors."""
    orbit = load_dataset(ORBIT)
    plane, every = [0, 1, 3, 4], slice(None, None, 24)
    times, truth = orbit.times[:, every], orbit.states[0, every]
    observed = np.where(np.arange(orbit.states.shape[1])[:, None] % 24 == 0, orbit.states[0], np.nan)
    thin = replace(orbit, observations=observed[None])
    sizes = NOISE * np.repeat(np.linalg.norm(truth.reshape(-1, 2, 3), axis=-1), 3, axis=-1)[:, plane]
    begin = orbit.states[0, 0, plane]

    def states(x):
        state = np.zeros((1, 6))
        state[0, plane], mu = begin * (1 + x[:4]), orbit.mu * (1 + x[4])
        elements = elements_from_states(state, mu)
        return kepler_states(elements, 2 * np.pi * times / period(elements[:, :1], mu), mu)[0][:, plane]

    random = np.random.default_rng(0)
    errors = []
    for _ in range(40):
        seen = truth[:, plane] + sizes * random.standard_normal(sizes.shape)
        fitted = least_squares(
            lambda x, seen=seen: ((states(x) - seen) / sizes).ravel(), np.zeros(5), ftol=1e-6
        )
        errors.append(100 * abs(fitted.x[4]))
    assert np.mean(errors) == pytest.approx(
        noise_floor(thin, NOISE), rel=3 * (np.pi / 2 - 1) ** 0.5 / 40**0.5
    )


def test_the_floor_falls_with_the_root_of_the_number_of_orbits_and_grows_with_the_noise():
    one = load_dataset(ORBIT)
    four = replace(
        one,
        orbit_names=one.orbit_names * 4,
        **{
            key: getattr(one, key).repeat(4, axis=0)
            for key in ("times", "states", "elements", "accelerations")
        },
    )
    assert noise_floor(four, NOISE) == pytest.approx(noise_floor(one, NOISE) / 2)
    assert noise_floor(one, 10 * NOISE) == pytest.approx(10 * noise_floor(one, NOISE))


def test_an_orbit_in_space_is_known_no_better_than_in_its_plane():
    """Noise across the plane tells nothing of the strength; noise within it is the same."""
    orbit = load_dataset(ORBIT)
    assert noise_floor(replace(orbit, planar=False), NOISE) == pytest.approx(
        noise_floor(orbit, NOISE), rel=1e-6
    )


def test_orbits_of_an_unknown_law_have_no_known_floor():
    unknown = replace(load_dataset(ORBIT), acceleration_source="differences")
    with pytest.raises(KeplearnError, match="does not obey the law of two bodies"):
        noise_floor(unknown, NOISE)
