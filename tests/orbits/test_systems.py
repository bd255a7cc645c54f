"""Every dynamical system obeys its own invariants, in NumPy and in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.orbits.systems import SYSTEMS, TwoBody

STATE = np.array([[7000.0, -2000.0, 500.0, 1.0, 7.0, -0.5], [20000.0, 1.0, -9000.0, 0.5, 3.0, 2.0]])


@pytest.fixture(params=SYSTEMS)
def system(request):
    return SYSTEMS[request.param](398600.4418)


def along_the_flow(system, quantity):
    """Rate of change of a quantity along the motion, from its exact derivative."""
    with jax.enable_x64(True):
        states = jnp.asarray(STATE)
        flow = jnp.concatenate([states[..., 3:], system.acceleration(states[..., :3])], axis=-1)
        value, rate = jax.jvp(quantity, (states,), (flow,))
        return np.asarray(value), np.asarray(rate)


def test_energy_is_conserved(system):
    value, rate = along_the_flow(system, system.energy)
    np.testing.assert_allclose(rate / value, 0.0, atol=1e-17)


def test_angular_momentum_is_conserved(system):
    value, rate = along_the_flow(system, system.angular_momentum)
    np.testing.assert_allclose(rate / np.linalg.norm(value, axis=-1, keepdims=True), 0.0, atol=1e-17)


def test_the_acceleration_turns_with_the_orbit(system):
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    positions = STATE[:, :3]
    turned = system.acceleration(positions @ rotation.T)
    np.testing.assert_allclose(turned, system.acceleration(positions) @ rotation.T, rtol=1e-13)


def test_numpy_and_jax_agree(system):
    with jax.enable_x64(True):
        found = jax.jit(system.acceleration)(jnp.asarray(STATE[:, :3]))
        np.testing.assert_allclose(np.asarray(found), system.acceleration(STATE[:, :3]), rtol=1e-15)


def test_float32_stays_float32(system):
    assert system.acceleration(jnp.ones((2, 3), jnp.float32)).dtype == jnp.float32


def test_two_body_attraction_falls_with_the_square_of_the_distance():
    a = TwoBody(1.0).acceleration(np.array([[1.0, 0, 0], [2.0, 0, 0]]))
    np.testing.assert_allclose(a, [[-1.0, 0, 0], [-0.25, 0, 0]], rtol=1e-15)


def test_distance_from_the_law_is_relative_to_the_acceleration():
    system = TwoBody(1.0)
    position = np.array([[1.0, 0, 0]])
    distance = np.asarray(system.distance_percent(position, np.array([[-2.0, 0, 0]])))
    assert distance[0] == pytest.approx(50.0)


@pytest.mark.parametrize("mu", [0.0, -1.0, np.nan])
def test_mu_must_be_positive(mu):
    with pytest.raises(KeplearnError, match="mu must be positive"):
        TwoBody(mu)
