"""Velocities are compared with the derivative of the positions as vectors, and the likely cause is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.importing import import_dataset
from keplearn.data.velocities import RATES, fixed_frame, velocity_fault
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.elements import one_revolution

EARTH = np.array([0.0, 0.0, RATES["Earth"]])


def orbit(a=7000.0, e=0.01, i=0.9, samples=90):
    times, states = one_revolution(np.array([[a, e, i, 1.0, 1.0, 2.0]]), MU_EARTH, samples)
    return times[0], states[0]


def with_velocities(states, velocities):
    return np.concatenate([states[:, :3], velocities], axis=1)


def in_turning_frame(times, states):
    """Position and velocity as an Earth-fixed observer states them."""
    cosine, sine = np.cos(EARTH[2] * times), np.sin(EARTH[2] * times)
    zero, one = np.zeros_like(times), np.ones_like(times)
    turn = np.moveaxis(np.array([[cosine, sine, zero], [-sine, cosine, zero], [zero, zero, one]]), -1, 0)
    r, v = states[:, :3], states[:, 3:] - np.cross(EARTH, states[:, :3])
    return np.concatenate([np.einsum("nij,nj->ni", turn, x) for x in (r, v)], axis=1)


@given(a=st.floats(6700, 50_000), e=st.floats(0, 0.8), i=st.floats(0.01, 3.1), samples=st.integers(30, 360))
@settings(max_examples=50, deadline=None)
def test_true_velocities_are_never_refused(a, e, i, samples):
    assert not velocity_fault(*orbit(a, e, i, samples))[1]


@given(scale=st.floats(1e-8, 1e-4), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_noisy_positions_do_not_make_true_velocities_wrong(scale, seed):
    times, states = orbit(samples=200)
    noise = np.random.default_rng(seed).normal(size=(200, 3)) * scale * 7000
    assert not velocity_fault(times, states + np.concatenate([noise, np.zeros((200, 3))], axis=1))[1]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda r, v: -v, "they point backwards"),
        (lambda r, v: v[:, [0, 2, 1]], r"as \(vx, vz, vy\) they fit"),
        (lambda r, v: v[:, [2, 0, 1]], r"as \(vy, vz, vx\) they fit"),
        (lambda r, v: v * [1, -1, 1], r"as \(vx, -vy, vz\) they fit"),
        (lambda r, v: 0 * v, "they are all 0"),
        (lambda r, v: 1.1 * v, r"multiplied by 0\.9091"),
        (lambda r, v: -1.3 * v, r"backwards .* and they are to be multiplied by 0\.7692"),
        (
            lambda r, v: v - np.cross(EARTH, r),
            r"the velocities .* turns about z at 7\.292e-05 rad/s \(the Earth's rate\), the positions are not",
        ),
        (lambda r, v: v + np.cross(EARTH, r), "the positions are in a frame that turns about z"),
        (lambda r, v: v + np.cross([1e-4, 0, 0], r), r"a frame that turns at 0\.0001 rad/s"),
    ],
)
def test_the_cause_of_wrong_velocities_is_named(change, cause):
    times, states = orbit()
    fault, refused = velocity_fault(times, with_velocities(states, change(states[:, :3], states[:, 3:])))
    assert refused
    with pytest.raises(AssertionError, match=cause):
        raise AssertionError(fault)


def test_velocities_of_another_orbit_are_refused_without_a_cause():
    times, states = orbit()
    other = np.roll(states[:, 3:], 25, axis=0) * np.linspace(0.8, 1.2, 90)[:, None]
    fault, refused = velocity_fault(times, with_velocities(states, other))
    assert refused
    assert fault.endswith(
        "% from the derivative of its positions, or its samples are too far apart to differentiate"
    )


def test_earth_fixed_states_are_told_at_import(tmp_path):
    """Their velocities are the derivative of their positions; only the law shows the frame."""
    times, states = orbit(samples=360)
    path = tmp_path / "fixed.npz"
    np.savez(path, t=times, states=in_turning_frame(times, states))
    found = import_dataset(path)
    assert "its states look fixed to the Earth" in found.provenance["doubts"]
    assert found.elements[0, 0] < 6950  # and not the 7000 km of the orbit
    np.savez(path, t=times, states=states)
    assert "doubts" not in import_dataset(path).provenance


@pytest.mark.parametrize("name", ["complex_TBP_20_test", "circular_TBP_20"])
def test_inertial_states_do_not_look_fixed(name):
    dataset = load_dataset(name)
    assert not fixed_frame(dataset.states, dataset.accelerations, MU_EARTH)
    assert not fixed_frame(dataset.states, dataset.accelerations, MU_EARTH / 2)  # a wrong mu is another fault


def test_positions_in_m_beside_km_per_s_are_read_and_told(tmp_path):
    times, states = orbit()
    np.savez(tmp_path / "m.npz", t=times, position=1000 * states[:, :3], velocity=states[:, 3:])
    found = import_dataset(tmp_path / "m.npz")
    assert found.provenance["file_units"].startswith("m, s, km/s (its positions change 1000 times as fast")
    np.testing.assert_allclose(found.states[0], states, rtol=1e-12)
    with pytest.raises(
        KeplearnError, match=r"1000 times .* Give --length-unit m --time-unit s --velocity-unit km/s"
    ):
        import_dataset(tmp_path / "m.npz", length_unit="km")
