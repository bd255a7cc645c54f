"""What is a gap in time: smooth and dense sampling is never cut, and nothing crosses a gap."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from keplearn.data.arcs import Arc, arcs, cut_at_gaps
from keplearn.data.dataset import load_dataset, save_dataset
from keplearn.data.importing import import_dataset, without_gaps
from keplearn.data.splits import count_training, split_segments
from keplearn.data.units import units_for
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.elements import one_revolution


def orbit(e: float, mean_anomalies, a: float = 20_000.0):
    """Times and states of an orbit at mean anomalies from its perigee, rad; they need not end with a revolution."""
    elements = np.array([[a, e, 0.5, 1.0, 2.0, 0.0]])
    times, states = one_revolution(elements, MU_EARTH, 20_000)
    fine = np.linspace(0.0, 2 * np.pi, 20_000, endpoint=False)
    phases = np.asarray(mean_anomalies)
    at = np.searchsorted(fine, phases % (2 * np.pi), side="right") - 1
    period = times[0, 1] * 20_000
    return times[0][at] + period * np.floor(phases / (2 * np.pi)), states[0][at]


def whole(times, states) -> bool:
    return arcs(times, states, MU_EARTH) == [slice(0, len(times))]


@pytest.mark.parametrize("name", ["complex_TBP_planar_100_train", "complex_TBP_100_test", "circular_TBP_10"])
def test_named_datasets_have_no_gap(name):
    dataset = load_dataset(name)
    assert all(whole(t, y) for t, y in zip(dataset.times, dataset.states, strict=True))


# Coarser in true anomaly, the step beyond a very eccentric orbit's apoapsis takes a third of the period.
@given(
    orbit_of=st.one_of(
        st.tuples(st.floats(0.0, 0.9), st.integers(20, 400)),
        st.tuples(st.floats(0.9, 0.97), st.integers(40, 400)),
    )
)
@settings(max_examples=30, deadline=None)
def test_equal_steps_of_mean_eccentric_or_true_anomaly_have_no_gap(orbit_of):
    e, samples = orbit_of
    angles = np.linspace(0.0, 2 * np.pi, samples, endpoint=False)
    eccentric = 2 * np.arctan(np.sqrt((1 - e) / (1 + e)) * np.tan(angles / 2)) % (2 * np.pi)
    for anomaly in (angles, angles - e * np.sin(angles), eccentric - e * np.sin(eccentric)):
        times, states = orbit(e, anomaly)
        keep = np.concatenate([[True], np.diff(times) > 0])
        assert whole(times[keep], states[keep])


@pytest.mark.parametrize("method", ["RK45", "DOP853", "LSODA"])
@pytest.mark.parametrize("rtol", [1e-4, 1e-9])
@pytest.mark.parametrize("e", [0.01, 0.7, 0.95])
def test_the_steps_of_an_integrator_have_no_gap(method, rtol, e):
    _, states = orbit(e, [0.0])
    period = 2 * np.pi * np.sqrt(20_000.0**3 / MU_EARTH)
    solved = solve_ivp(
        lambda t, y: [*y[3:], *(-MU_EARTH * y[:3] / np.linalg.norm(y[:3]) ** 3)],
        (0, 1.5 * period),
        states[0],
        method=method,
        rtol=rtol,
        atol=1e-9,
    )
    assert whole(solved.t, solved.y.T)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_samples_drawn_at_random_or_lost_from_dense_data_are_no_gap(seed):
    draws = np.random.default_rng(seed)
    irregular = np.sort(draws.uniform(0, 2 * np.pi, 360))
    lost = np.linspace(0, 2 * np.pi, 360, endpoint=False)[draws.uniform(size=360) > 0.3]
    for phases in (irregular, lost):
        times, states = orbit(0.1, phases)
        keep = np.concatenate([[True], np.diff(times) > 0])
        assert whole(times[keep], states[keep])


@given(
    e=st.floats(0.0, 0.8),
    step=st.floats(0.005, 0.3),
    pieces=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    away=st.floats(1.0, 50.0),
)
@settings(max_examples=50, deadline=None)
def test_revolutions_without_a_sample_are_gaps(e, step, pieces, away):
    """Also around lone samples, as long as most of the spacings around are those of the sampling."""
    pieces = [12, *pieces, 12]
    starts = np.cumsum([0.0, *(step * n + 2 * np.pi * away for n in pieces[:-1])])
    phases = np.concatenate([start + step * np.arange(n) for start, n in zip(starts, pieces, strict=True)])
    times, states = orbit(e, phases)
    keep = np.concatenate([[True], np.diff(times) > 0])
    found = arcs(times[keep], states[keep], MU_EARTH)
    assert found[0].start == 0 and found[-1].stop == keep.sum()
    assert all(a.stop == b.start for a, b in pairwise(found))
    longest = max(np.diff(times[keep][part]).max(initial=0.0) for part in found)
    lone = (
        sum(n < 4 for n in pieces) > 1
    )  # several short pieces in a row are the sampling, as far as can be told
    assert lone or longest < 2 * np.pi * np.sqrt(20_000.0**3 / MU_EARTH)


def test_arcs_too_short_to_differentiate_are_left_out_and_counted():
    phases = np.concatenate([np.arange(20) * 0.05, 30 + np.arange(3) * 0.05, 60 + np.arange(20) * 0.05])
    cut = cut_at_gaps([Arc("A", *orbit(0.1, phases))], MU_EARTH)
    assert [arc.name for arc in cut.arcs] == ["A/1", "A/3"]
    assert cut.left_out == ["arc A/2 of 3 samples"]
    assert cut.provenance()["left_out"] == "1: arc A/2 of 3 samples"
    assert all(arc.times[0] == 0 for arc in cut.arcs)


@pytest.fixture
def gappy(tmp_path):
    """An imported orbit of three revolutions' time with a revolution missing in the middle, and its times."""
    phases = np.concatenate([np.arange(100) * 0.05, 4 * np.pi + np.arange(60) * 0.05])
    times, states = orbit(0.2, phases)
    np.savez(tmp_path / "gappy.npz", t=times, states=states)
    return import_dataset(tmp_path / "gappy.npz"), times, states


@given(length=st.integers(2, 70), window=st.sampled_from([(0.0, 1.0), (0.0, 0.5), (0.3, 0.9)]))
@settings(max_examples=20, deadline=None)
def test_no_segment_crosses_a_gap(length, window):
    phases = np.concatenate([np.arange(100) * 0.05, 4 * np.pi + np.arange(60) * 0.05])
    times, states = orbit(0.2, phases)
    raw = replace(
        load_dataset("complex_TBP_1_test"),
        name="gappy",
        problem="unknown",
        times=times[None],
        states=states[None],
        accelerations=states[None, :, :3],
        acceleration_source="differences",
    )
    dataset = without_gaps(raw)
    assert dataset.n_samples.tolist() == [100, 60]
    count = count_training(dataset.n_samples.tolist(), window, length, 1.0, "orbits")
    if count:
        segments = split_segments(dataset, units_for(dataset), window, length, 1.0, "orbits").train
        assert len(segments) == count
        spacing = np.diff(segments.times, axis=0) * units_for(dataset).time_s
        assert spacing.max() < 2 * spacing.min()


def test_no_difference_reaches_across_a_gap(gappy):
    dataset, _, _ = gappy
    law = (
        -MU_EARTH
        * dataset.states[..., :3]
        / np.linalg.norm(dataset.states[..., :3], axis=-1, keepdims=True) ** 3
    )
    error = np.linalg.norm(dataset.accelerations - law, axis=-1) / np.linalg.norm(law, axis=-1)
    assert np.nanmax(error) < 0.01


def test_a_file_with_a_gap_inside_an_orbit_is_cut_when_it_is_loaded(gappy, tmp_path):
    """As imports wrote it before they cut: its accelerations are differenced anew."""
    dataset, times, states = gappy
    old = replace(
        dataset,
        times=times[None],
        states=states[None],
        elements=dataset.elements[:1],
        accelerations=np.zeros((1, 160, 3)) + 1e-3,
        orbit_names=("0",),
        provenance={},
    )
    loaded = load_dataset(str(save_dataset(old, tmp_path / "old.nc")))
    assert loaded.content_hash == dataset.content_hash
    assert loaded.provenance["gaps"] == dataset.provenance["gaps"]
    again = load_dataset(str(save_dataset(loaded, tmp_path / "new.nc")))
    assert again.content_hash == loaded.content_hash
