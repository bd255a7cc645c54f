"""Kepler's equation is solved to machine precision everywhere on bound orbits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keplearn.core.errors import KeplearnError
from keplearn.orbits.kepler import (
    eccentric_from_mean,
    eccentric_from_true,
    true_from_eccentric,
    wrap_angle,
)

EPS = np.finfo(float).eps
bound = st.one_of(st.floats(0, 1, exclude_max=True), st.floats(1e-16, 1e-3).map(lambda gap: 1.0 - gap))
half_turn = st.one_of(st.floats(0, np.pi), st.floats(1e-14, 1e-2))


def residual(eccentric: float, e: float, mean: float) -> Decimal:
    """E − e sin E − M in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        x = Decimal(eccentric)
        term, sine, k = x, x, 1
        while abs(term) > Decimal(10) ** -55:
            term *= -x * x / ((2 * k) * (2 * k + 1))
            sine += term
            k += 1
        return x - Decimal(e) * sine - Decimal(mean)


@given(mean=half_turn, e=bound)
def test_the_root_lies_within_a_few_units_in_the_last_place(mean, e):
    root = eccentric_from_mean(np.array([mean]), np.array([e]))[0]
    margin = 4 * EPS * root + np.finfo(float).tiny
    # M itself is rounded (π is no floating-point number): the residual may be its last digit.
    slack = Decimal(2 * EPS * mean)
    assert residual(max(root - margin, 0.0), e, mean) <= slack
    assert residual(root + margin, e, mean) >= -slack


@given(mean=st.floats(-1e4, 1e4), e=st.floats(0, 0.999))
def test_whole_revolutions_are_kept(mean, e):
    root = eccentric_from_mean(np.array([mean]), np.array([e]))
    assert root[0] - e * np.sin(root[0]) == pytest.approx(mean, rel=1e-12, abs=1e-12)


def test_a_circle_has_equal_anomalies():
    mean = np.linspace(-3, 3, 101)
    np.testing.assert_allclose(eccentric_from_mean(mean, np.zeros(101)), mean, rtol=1e-15)


def test_one_root_does_not_depend_on_which_others_are_solved_with_it():
    mean, e = np.linspace(0.01, 3, 50), np.linspace(0.999, 0.0, 50)
    alone = np.array([eccentric_from_mean(mean[k : k + 1], e[k : k + 1])[0] for k in range(50)])
    np.testing.assert_array_equal(eccentric_from_mean(mean, e), alone)


@given(nu=st.floats(-np.pi, np.pi), e=st.floats(0, 0.99))
def test_true_and_eccentric_anomaly_are_inverse(nu, e):
    back = true_from_eccentric(eccentric_from_true(np.array([nu]), np.array([e])), np.array([e]))[0]
    assert back == pytest.approx(nu, abs=1e-14)


@pytest.mark.parametrize("e", [-0.1, 1.0, 1.5, np.nan])
def test_unbound_orbits_have_no_eccentric_anomaly(e):
    with pytest.raises(KeplearnError, match="bound orbits only"):
        eccentric_from_mean(np.array([1.0]), np.array([e]))


def test_the_mean_anomaly_must_be_finite():
    with pytest.raises(KeplearnError, match="finite"):
        eccentric_from_mean(np.array([np.inf]), np.array([0.1]))


def test_wrapped_angles_never_reach_a_whole_turn():
    wrapped = wrap_angle(np.array([-1e-17, 0.0, 2 * np.pi, -1.0, np.nan]))
    assert (wrapped[:4] < 2 * np.pi).all()
    assert (wrapped[:4] >= 0).all()
    assert np.isnan(wrapped[4])
