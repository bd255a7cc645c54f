"""Integrals from sample to sample: exact for polynomials of degree five, of sixth order, at any times, to the ends."""

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.orbits.quadrature import AFTER, BEFORE, POINTS, step_weights


def integrals(times, values):
    """The integral of sampled values over each step."""
    around = np.pad(values, (BEFORE, AFTER))
    return np.sum(
        step_weights(times)
        * np.lib.stride_tricks.sliding_window_view(around, BEFORE + AFTER + 1)[: len(times) - 1],
        axis=1,
    )


@pytest.mark.parametrize("n", [POINTS, POINTS + 1, 20])
def test_polynomials_are_integrated_exactly_at_any_times(n):
    times = np.sort(np.random.default_rng(n).uniform(2, 5, n))
    for degree in range(POINTS):
        exact = np.diff(times ** (degree + 1)) / (degree + 1)
        np.testing.assert_allclose(integrals(times, times**degree), exact, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("where", [0.5, 0.0, 1.0], ids=["inside", "start", "end"])
def test_halving_the_steps_divides_the_error_of_a_step_by_two_to_the_order_and_once_more(where):
    def error(n: int) -> float:
        share = np.linspace(0, 1, n)
        times = 2 * (share + 0.05 * np.sin(2 * np.pi * share))
        off = np.abs(integrals(times, np.exp(3 * times)) - np.diff(np.exp(3 * times) / 3))
        return off[round(where * (n - 2))]

    assert POINTS + 0.5 < np.log2(error(65) / error(129)) < POINTS + 1.5


def test_too_few_samples_are_refused():
    with pytest.raises(KeplearnError, match="needs at least"):
        step_weights(np.arange(POINTS - 1.0))
