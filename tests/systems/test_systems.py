"""The contract of every dynamical system: what it states of itself holds, in NumPy and in JAX."""

import re
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.core.plugins import run_plugin
from keplearn.core.tables import remove
from keplearn.data.dataset import load_dataset
from keplearn.systems import SYSTEMS, System, system
from keplearn.systems.field import SystemField
from keplearn.systems.system import REFLECTION, ROTATION, ROTATION_ABOUT_Z, TIME_REVERSAL, can_turn
from keplearn.systems.two_body import TwoBody

MU = 398600.4418
STATES = np.array([[7000.0, -2000.0, 500.0, 1.0, 7.0, -0.5], [20000.0, 1.0, -9000.0, 0.5, 3.0, 2.0]])
TIMES = np.array([0.0, 1234.5])
PERIOD = 6000.0


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Iterator[type[System]]:
    """The system that CONTRIBUTING shows, made as a module of a user's own."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    (code,) = re.findall(r"```python\n(from dataclasses.*?@system.*?)```", text, re.DOTALL)
    file = tmp_path_factory.mktemp("own") / "my_system.py"
    file.write_text(code, encoding="utf-8")
    run_plugin(file)
    yield SYSTEMS[SYSTEMS.full_name("J2")]
    remove(SYSTEMS.full_name("J2").partition("@")[2])


@pytest.fixture(params=[*SYSTEMS, "J2"])
def law(request, written) -> System:
    return SYSTEMS[SYSTEMS.full_name(request.param)](MU)


def accelerations(law: System, states: np.ndarray, times: np.ndarray = TIMES) -> np.ndarray:
    return law.accelerations(times, states)


def turned(states: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([states[..., :3] @ matrix.T, states[..., 3:] @ matrix.T], axis=-1)


def test_it_says_what_it_is(law):
    assert law.formula and law.source and type(law).__doc__ and SYSTEMS[law.token](MU) == law


def test_invariants_are_conserved_along_the_motion(law):
    """Their exact rate of change along (v, a) changes nothing in a revolution."""
    with jax.enable_x64(True):
        r, v = jnp.asarray(STATES[:, :3].T), jnp.asarray(STATES[:, 3:].T)
        rate = (v, law.acceleration(jnp.asarray(TIMES), r, v))
        for invariant in law.invariants:
            value, change = jax.jvp(invariant.value, (r, v), rate)
            assert np.abs(change).max() * PERIOD < 1e-12 * np.abs(value).max(), invariant.name


def test_it_has_the_symmetries_that_it_states(law):
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    rotation *= np.linalg.det(rotation)
    c, s = np.cos(1.0), np.sin(1.0)
    about_z = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    plain = accelerations(law, STATES)
    for name, matrix in (
        (ROTATION, rotation),
        (ROTATION_ABOUT_Z, about_z),
        (REFLECTION, np.diag([1.0, 1.0, -1.0])),
    ):
        if name in law.symmetries:
            np.testing.assert_allclose(
                accelerations(law, turned(STATES, matrix)), plain @ matrix.T, rtol=1e-12
            )
    if TIME_REVERSAL in law.symmetries:
        backwards = STATES * np.repeat([1.0, -1.0], 3)
        np.testing.assert_allclose(accelerations(law, backwards, -TIMES), plain, rtol=1e-14)


def test_its_dependence_on_velocity_is_as_stated(law):
    faster = STATES * np.repeat([1.0, 1.1], 3)
    differs = np.abs(accelerations(law, faster) - accelerations(law, STATES)).max() > 0
    assert differs == law.uses_velocity


def test_gradients_agree_with_finite_differences(law):
    with jax.enable_x64(True):
        one = law.canonical(8000.0, MU)
        y = jnp.asarray(STATES[0] / np.repeat([8000.0, np.sqrt(MU / 8000.0)], 3))
        exact = jax.jacobian(lambda x: one.acceleration(0.0, x[:3], x[3:]))(y)
        for k in range(6):
            step = jnp.zeros(6).at[k].set(1e-6)
            ahead, back = (one.acceleration(0.0, x[:3], x[3:]) for x in (y + step, y - step))
            np.testing.assert_allclose(exact[:, k], (ahead - back) / 2e-6, atol=1e-8)


def test_canonical_units_change_no_motion(law):
    """An acceleration in km/s² is that of the canonical system times mu/length²."""
    length = 8000.0
    scale = np.repeat([length, np.sqrt(MU / length)], 3)
    canonical = law.canonical(length, MU).accelerations(TIMES / np.sqrt(length**3 / MU), STATES / scale)
    np.testing.assert_allclose(canonical * MU / length**2, accelerations(law, STATES), rtol=1e-13)


def test_its_own_motion_obeys_it(law):
    """The second derivative of the closed form, by central differences of its velocity, is the acceleration."""
    if law.flow(STATES, TIMES) is None:
        pytest.skip("no closed form is stated")
    h = 0.5
    ahead, back = (law.flow(STATES, np.full(2, x)) for x in (h, -h))
    rates, force = (ahead - back) / (2 * h), accelerations(law, STATES, 0 * TIMES)
    np.testing.assert_allclose(rates[:, :3], STATES[:, 3:], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(rates[:, 3:], force, rtol=1e-6, atol=1e-9)
    there = law.flow(STATES, TIMES)
    np.testing.assert_allclose(law.flow(there, -TIMES), STATES, rtol=1e-10, atol=1e-7)
    for invariant in law.invariants:
        before, after = (law.values(invariant.name, y) for y in (STATES, there))
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-12 * np.abs(before).max())


def test_numpy_jax_and_its_field_agree(law):
    with jax.enable_x64(True):
        r, v = jnp.asarray(STATES[:, :3].T), jnp.asarray(STATES[:, 3:].T)
        wanted = accelerations(law, STATES).T
        np.testing.assert_allclose(jax.jit(law.acceleration)(jnp.asarray(TIMES), r, v), wanted, rtol=1e-14)
        field = SystemField.of(law)
        np.testing.assert_allclose(field.acceleration(jnp.asarray(TIMES), r, v), wanted, rtol=1e-14)
        np.testing.assert_allclose(field(0.0, jnp.asarray(STATES[0]))[:3], STATES[0, 3:])


def test_float32_stays_float32(law):
    ones = jnp.ones((3, 2), jnp.float32)
    assert law.canonical(8000.0, MU).acceleration(jnp.float32(0), ones, ones).dtype == jnp.float32


def test_two_body_attraction_falls_with_the_square_of_the_distance():
    r = np.array([[1.0, 2.0], [0, 0], [0, 0]])
    np.testing.assert_allclose(
        TwoBody(1.0).acceleration(0.0, r, r), [[-1.0, -0.25], [0, 0], [0, 0]], rtol=1e-15
    )


def test_distance_from_the_law_is_relative_to_the_acceleration():
    states = np.array([[1.0, 0, 0, 0, 1, 0]])
    distance = TwoBody(1.0).distance_percent(np.zeros(1), states, np.array([[-2.0, 0, 0]]))
    assert distance[0] == pytest.approx(50.0)


@pytest.mark.parametrize("mu", [0.0, -1.0, np.nan])
def test_mu_must_be_positive(mu):
    with pytest.raises(KeplearnError, match="mu must be positive"):
        TwoBody(mu)


def test_an_invariant_that_it_does_not_have_is_named():
    with pytest.raises(KeplearnError, match="TwoBody has no invariant 'Jacobi'"):
        TwoBody(1.0).values("Jacobi", STATES)


def test_a_dataset_knows_its_law_and_what_it_is_compared_with():
    made = load_dataset("complex_TBP_planar_10_train")
    assert made.system == made.reference == TwoBody(made.mu)


def test_orbits_may_be_turned_as_their_law_allows():
    class AboutZ(TwoBody):
        symmetries = frozenset((ROTATION_ABOUT_Z,))

    assert can_turn(TwoBody, planar=False) and can_turn(AboutZ, planar=True)
    assert not can_turn(AboutZ, planar=False) and not can_turn(None, planar=True)


@pytest.mark.parametrize(
    ("token", "symmetries", "reason"),
    [
        ("TBP", (), "is keplearn's own"),
        ("C_R", (), "must be letters and digits"),
        ("XYZ", ("mirror",), "has symmetries"),
    ],
)
def test_a_system_that_cannot_be_entered_says_why(token, symmetries, reason):
    class Other(TwoBody):
        pass

    Other.symmetries = frozenset(symmetries)
    with pytest.raises(KeplearnError, match=reason):
        system(token)(Other)
    assert "XYZ" not in SYSTEMS
