"""A single orbit is the one that its elements say, written as text or as the mean of a dataset."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.elements_text import parse_orbit
from keplearn.data.single import mean_orbit, single_orbit
from keplearn.orbits.constants import EARTH_RADIUS, MU_EARTH
from keplearn.orbits.elements import elements_from_states


def test_a_planar_orbit_has_its_elements_and_its_period():
    made = single_orbit(MU_EARTH, 20000.0, 0.4, argp=0.5, nu0=1.0)
    assert made.planar and made.states.shape == (1, 360, 6)
    np.testing.assert_allclose(
        elements_from_states(made.states[0, 0], MU_EARTH)[[0, 1, 4, 5]], [20000.0, 0.4, 0.5, 1.0]
    )
    period = 2 * np.pi * np.sqrt(20000.0**3 / MU_EARTH)
    assert made.times[0, -1] == pytest.approx(period * 359 / 360)
    assert made.name == "a = 20000 km, e = 0.4, argp = 28.65°, nu0 = 57.3°"
    assert made.orbit_names == ("of given elements",)


def test_an_orbit_in_space_has_all_six_elements():
    made = single_orbit(MU_EARTH, 20000.0, 0.4, 0.3, 1.0, 2.0, 3.0, samples=90, planar=False)
    assert made.states.shape == (1, 90, 6)
    wanted = [20000.0, 0.4, 0.3, 1.0, 2.0, 3.0]
    np.testing.assert_allclose(elements_from_states(made.states[0, 0], MU_EARTH), wanted)
    np.testing.assert_allclose(made.elements[0], wanted)


@pytest.mark.parametrize("i", [0.0, np.pi])
def test_without_a_node_the_elements_follow_the_conventions(i):
    made = single_orbit(MU_EARTH, 20000.0, 0.4, i, 1.0, 2.0, 3.0, planar=False)
    found = elements_from_states(made.states[0, 0], MU_EARTH)
    np.testing.assert_allclose(made.elements[0], found, atol=1e-12)
    # The node turns the orbit all the same.
    angle = np.arctan2(made.states[0, 0, 1], made.states[0, 0, 0]) % (2 * np.pi)
    assert angle == pytest.approx((1.0 + 5.0 if i == 0.0 else 1.0 - 5.0) % (2 * np.pi))


def test_a_circle_counts_its_anomaly_from_the_node():
    made = single_orbit(MU_EARTH, 20000.0, 0.0, 0.3, 1.0, 0.5, 0.25, planar=False)
    np.testing.assert_allclose(made.elements[0], [20000.0, 0.0, 0.3, 1.0, np.nan, 0.75])


@pytest.mark.parametrize("name", ["complex_TBP_planar_10_train", "complex_TBP_10_train"])
def test_the_mean_orbit_has_the_mean_elements(name):
    dataset = load_dataset(name)
    made = mean_orbit(dataset)
    np.testing.assert_allclose(made.elements[0, :3], dataset.elements[:, :3].mean(axis=0))
    assert made.planar == dataset.planar
    assert made.elements[0, 5] == 0.0
    assert np.linalg.norm(made.states[0, :, :3], axis=1).argmin() == 0
    assert len(made) == 1 and made.n_samples[0] == 360


def test_the_mean_of_orbits_that_miss_the_earth_misses_it():
    for split in ("train", "val", "test"):
        made = mean_orbit(load_dataset(f"complex_TBP_planar_3_{split}"))
        assert np.linalg.norm(made.states[..., :3], axis=-1).min() > EARTH_RADIUS


def test_an_orbit_is_read_from_text():
    assert parse_orbit("a=20000,e=0.4") == {"a": 20000.0, "e": 0.4}
    assert parse_orbit(" a = 2e4 , e=.4, nu0 = 20deg") == {"a": 2e4, "e": 0.4, "nu0": np.radians(20)}
    read = parse_orbit("a=20000,e=0.4,i=98deg,raan=1.5")
    assert read == {"a": 20000.0, "e": 0.4, "i": np.radians(98), "raan": 1.5, "planar": False}
    assert not single_orbit(MU_EARTH, **read).planar


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=20000,e", "'e' is not of the form key=value"),
        ("a=20000;e=0.4", "'20000;e=0.4' is not a number of km"),
        ("a=20000,e=0.4,nu=1", "'nu' is not one of a, e, i, raan, argp, nu0. Did you mean 'nu0'"),
        ("a=20000,e=0.4deg", "'0.4deg' is not a number"),
        ("a=20000,e=0.4,nu0=20 grad", "in rad or with deg"),
        ("a=20000,e=0.4,a=30000", "a stands there twice"),
        ("e=0.4", "lacks a"),
        ("", "'' is not of the form"),
        ("a=nan,e=0.4", "'nan' is not a number"),
        ("a=20000,e=1.2", "not in .0, 1.: not a bound orbit"),
        ("a=-20000,e=0.4", "not positive"),
        ("a=20000,e=0.4,i=200deg", "inclination"),
    ],
)
def test_what_is_wrong_with_a_text_is_said(text, message):
    with pytest.raises(KeplearnError, match=message):
        parse_orbit(text)


def test_what_is_no_planar_orbit_is_refused():
    with pytest.raises(KeplearnError, match="A planar orbit has no inclination"):
        single_orbit(MU_EARTH, 20000.0, 0.4, i=0.1)
    with pytest.raises(KeplearnError, match=r"crosses the Earth.*4,000 km.*e is at most 0.6811"):
        single_orbit(MU_EARTH, 20000.0, 0.8)
    with pytest.raises(KeplearnError, match="crosses the Moon"):
        single_orbit(4902.8, 1840.0, 0.1)
    with pytest.raises(KeplearnError, match="nu0 is nan"):
        single_orbit(MU_EARTH, 20000.0, 0.4, nu0=float("nan"))


@given(st.text(max_size=40) | st.text(alphabet="aeinu0rpgd=,.-+1234567 ", max_size=60))
def test_any_text_is_an_orbit_or_a_clear_error(text):
    try:
        elements = parse_orbit(text)
    except KeplearnError as error:
        assert str(error)
    else:
        assert elements["a"] > 0 and 0 <= elements["e"] < 1


@given(
    st.floats(1.01 * EARTH_RADIUS, 1e6),
    st.floats(0.0, 0.999),
    st.dictionaries(st.sampled_from(["raan", "argp", "nu0"]), st.floats(-400.0, 400.0)),
    st.floats(0.0, 180.0),
)
def test_what_is_written_is_read_back(a, share, angles, i):
    e = share * (1 - EARTH_RADIUS / a)
    text = ",".join([f"a={a!r}", f"e={e!r}", f"i={i!r}deg", *(f"{k}={v!r}deg" for k, v in angles.items())])
    read = parse_orbit(text)
    assert (read["a"], read["e"], read["i"]) == (a, e, float(np.radians(i)))
    made = single_orbit(MU_EARTH, **read, samples=8)
    np.testing.assert_allclose(elements_from_states(made.states[0, 0], MU_EARTH)[0], a, rtol=1e-9)
