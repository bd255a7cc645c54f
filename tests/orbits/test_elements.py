"""Elements and states are two descriptions of one orbit; Kepler orbits conserve what they must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.elements import elements_from_states, kepler_states, one_revolution, states_from_elements
from keplearn.systems.two_body import TwoBody

angle = st.floats(0, 2 * np.pi, exclude_max=True)
inclinations = st.one_of(
    st.floats(0, np.pi), st.sampled_from([0.0, np.pi, np.pi / 2, 1e-9, 1e-14, np.pi - 1e-9])
)
eccentricities = st.one_of(st.floats(0, 0.99), st.sampled_from([0.0, 1e-15, 1e-13, 1e-8, 0.99]))


def relative_gap(found, wanted) -> float:
    """Largest relative gap of position and velocity, each by its norm."""
    parts = (slice(0, 3), slice(3, 6))
    return max(
        float(
            np.max(
                np.linalg.norm((found - wanted)[..., p], axis=-1) / np.linalg.norm(wanted[..., p], axis=-1)
            )
        )
        for p in parts
    )


@given(a=st.floats(6400, 1e6), e=eccentricities, i=inclinations, node=angle, argument=angle, nu=angle)
def test_a_state_survives_the_way_through_its_elements(a, e, i, node, argument, nu):
    states = states_from_elements(np.array([[a, e, i, node, argument, nu]]), MU_EARTH)
    back = states_from_elements(elements_from_states(states, MU_EARTH), MU_EARTH)
    assert relative_gap(back, states) < 1e-12


@given(
    a=st.floats(6400, 1e6),
    e=st.floats(0.01, 0.99),
    i=st.floats(0.01, np.pi - 0.01),
    node=angle,
    argument=angle,
    nu=angle,
)
def test_well_conditioned_elements_come_back(a, e, i, node, argument, nu):
    elements = np.array([a, e, i, node, argument, nu])
    back = elements_from_states(states_from_elements(elements, MU_EARTH), MU_EARTH)
    np.testing.assert_allclose(back[:3], elements[:3], rtol=1e-11)
    turned = (back[3:] - elements[3:] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(turned, 0.0, atol=1e-11)


def test_a_textbook_state_has_the_textbook_elements():
    # Vallado, 4th ed., example 2-5.
    state = np.array([6524.834, 6862.875, 6448.296, 4.901327, 5.533756, -1.976341])
    a, e, i, node, argument, nu = elements_from_states(state, 398600.4418)
    assert a == pytest.approx(36127.343, rel=1e-6)
    assert e == pytest.approx(0.832853, abs=1e-6)
    found = np.degrees([i, node, argument, nu])
    np.testing.assert_allclose(found, [87.870, 227.898, 53.38, 92.335], atol=0.006)


@pytest.mark.parametrize("inclination", [0.0, np.pi])
def test_equatorial_orbits_have_no_node_and_a_periapsis_counted_from_x(inclination):
    elements = np.array([10000.0, 0.2, inclination, np.nan, 1.0, 2.0])
    state = states_from_elements(elements, MU_EARTH)
    back = elements_from_states(state, MU_EARTH)
    assert np.isnan(back[3])
    np.testing.assert_allclose(back[[0, 1, 2, 4, 5]], elements[[0, 1, 2, 4, 5]], rtol=1e-12)
    direction = 1.0 if inclination == 0.0 else -1.0
    assert np.arctan2(state[1], state[0]) == pytest.approx(direction * 3.0)


def test_circular_orbits_have_no_periapsis_and_an_anomaly_counted_from_the_node():
    elements = np.array([10000.0, 0.0, 0.5, 1.0, np.nan, 2.0])
    back = elements_from_states(states_from_elements(elements, MU_EARTH), MU_EARTH)
    assert np.isnan(back[4])
    assert back[1] == 0.0
    np.testing.assert_allclose(back[[0, 2, 3, 5]], elements[[0, 2, 3, 5]], rtol=1e-12)


def test_circular_equatorial_orbits_are_counted_from_x():
    elements = np.array([10000.0, 0.0, 0.0, np.nan, np.nan, 2.0])
    back = elements_from_states(states_from_elements(elements, MU_EARTH), MU_EARTH)
    np.testing.assert_array_equal(np.isnan(back), [False, False, False, True, True, False])
    assert back[5] == pytest.approx(2.0)


def test_falling_straight_down_has_a_size_and_no_plane():
    elements = elements_from_states(np.array([7000.0, 0, 0, -1.0, 0, 0]), MU_EARTH)
    assert elements[1] == pytest.approx(1.0)
    assert np.isfinite(elements[0])
    assert np.isnan(elements[3:]).all()


def test_hyperbolic_states_survive_too():
    states = states_from_elements(np.array([-20000.0, 1.5, 1.0, 2.0, 3.0, 0.5]), MU_EARTH)
    assert (
        relative_gap(states_from_elements(elements_from_states(states, MU_EARTH), MU_EARTH), states) < 1e-12
    )


def test_a_revolution_conserves_energy_and_angular_momentum():
    system = TwoBody(MU_EARTH)
    elements = np.array(
        [[7000.0, 0.05, 1, 2, 3, 4], [42164.0, 0.84, 2, 1, 0, 3], [1e5, 0.98, 3.0, 1, 5, 1.0]]
    )
    _, states = one_revolution(elements, MU_EARTH)
    energy, momentum = system.values("energy", states), system.values("angular momentum", states)
    np.testing.assert_allclose(energy, np.repeat(-MU_EARTH / (2 * elements[:, :1]), 360, axis=1), rtol=1e-12)
    gap = np.linalg.norm(momentum - momentum[:, :1], axis=-1) / np.linalg.norm(momentum, axis=-1)
    assert gap.max() < 1e-12


def test_a_revolution_starts_at_its_elements_and_has_uniform_times():
    elements = np.array([[20000.0, 0.6, 1.0, 2.0, 3.0, 5.0]])
    times, states = one_revolution(elements, MU_EARTH)
    assert relative_gap(states[:, 0], states_from_elements(elements, MU_EARTH)) < 1e-13
    assert times[0, 0] == 0.0
    period = 2 * np.pi * np.sqrt(20000.0**3 / MU_EARTH)
    np.testing.assert_allclose(np.diff(times[0]), period / 360, rtol=1e-12)


def test_the_sampled_velocity_is_the_derivative_of_the_position():
    elements = np.array([[20000.0, 0.6, 1.0, 2.0, 3.0, 5.0]])
    step = 1e-5
    steps = np.array([[1.0 - step, 1.0, 1.0 + step]])
    states = kepler_states(elements, steps, MU_EARTH)
    seconds = step * np.sqrt(20000.0**3 / MU_EARTH)
    slope = (states[0, 2, :3] - states[0, 0, :3]) / (2 * seconds)
    np.testing.assert_allclose(slope, states[0, 1, 3:], rtol=1e-7)
