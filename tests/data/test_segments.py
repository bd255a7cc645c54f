"""Windows, cutting and splitting (numbers of samples, of segments, of orbits)."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import OrbitDataset, load_dataset
from keplearn.data.segments import CUTS, cut
from keplearn.data.splits import NoSegments, count_training, split_segments, validate_on, validation_samples
from keplearn.data.units import units_for

WHOLE = (0.0, 1.0)


@pytest.fixture(scope="module")
def orbits() -> OrbitDataset:
    return load_dataset("complex_TBP_planar_5_train")


def shortened(dataset: OrbitDataset, samples: list[int]) -> OrbitDataset:
    """The same orbits, each with so many samples and NaN from there on."""
    beyond = np.arange(dataset.times.shape[1]) >= np.array(samples)[:, None]
    return replace(
        dataset,
        name="orbits of different length",
        times=np.where(beyond, np.nan, dataset.times),
        states=np.where(beyond[..., None], np.nan, dataset.states),
        accelerations=np.where(beyond[..., None], np.nan, dataset.accelerations),
    )


def split(
    dataset: OrbitDataset,
    fraction: float = 1.0,
    order: str = "orbits",
    length: int = 18,
    window=WHOLE,
    how=cut,
):
    return split_segments(dataset, units_for(dataset), window, length, fraction, order, how)


def test_an_orbit_of_360_samples_has_20_segments_of_18(orbits):
    segments = split(orbits.first(1)).train
    assert len(segments) == 20
    assert segments.states.shape == (18, 6, 20)
    assert segments.uniform


def test_segments_follow_one_another_without_overlap_and_start_at_time_0(orbits):
    units = units_for(orbits)
    segments = cut(orbits, units, WHOLE, 18, range(2))
    states = units.to_canonical_states(orbits.states[:2]).reshape(40, 18, 6)
    np.testing.assert_array_equal(np.moveaxis(segments.states, -1, 0), states)
    np.testing.assert_array_equal(segments.times[0], 0.0)
    spacing = units.to_canonical_times(orbits.times[:2, 1])
    np.testing.assert_allclose(segments.times[1], np.repeat(spacing, 20), rtol=1e-12)


def test_a_remainder_is_dropped(orbits):
    assert len(split(orbits.first(1), length=100).train) == 3
    assert len(split(orbits.first(1), length=360).train) == 1
    assert len(split(orbits.first(1), length=18, window=(0.0, 0.1)).train) == 2
    assert len(split(orbits.first(1), length=18, window=(0.9, 0.99)).train) == 1


def test_windows_are_rounded_with_halves_up(orbits):
    """Of 90 samples, [0.35, 0.45] is 31.5 → 32 to 40.5 → 41, though 0.35 · 90 is a hair below."""
    short = shortened(orbits, [90, 360, 360, 360, 360])
    segments = cut(short, units_for(short), (0.35, 0.45), 9, range(1))
    assert len(segments) == 1
    np.testing.assert_array_equal(
        segments.states[0, :, 0], units_for(short).to_canonical_states(orbits.states[0, 32])
    )
    assert len(cut(short, units_for(short), (0.35, 0.45), 10, range(1))) == 0


def test_a_phase_without_segments_says_which_numbers_are_why(orbits):
    with pytest.raises(KeplearnError) as error:
        split(orbits, length=200, window=(0.0, 0.25))
    assert "segment length 200 > 90 usable samples in the window [0.0, 0.25] of 360" in str(error.value)


def test_the_numbers_are_those_of_the_training_orbits(orbits):
    uneven = shortened(orbits, [40, 40, 360, 360, 360])
    with pytest.raises(KeplearnError, match=r"segment length 50 > 40 usable samples in the window .* of 40"):
        split(uneven, fraction=0.4, length=50)


def test_padding_never_enters_a_segment(orbits):
    segments = split(shortened(orbits, [360, 17, 18, 35, 100])).train
    assert len(segments) == 20 + 0 + 1 + 1 + 5
    assert np.isfinite(segments.states).all() and np.isfinite(segments.times).all()


@pytest.mark.parametrize(("fraction", "train"), [(0.8, 4), (0.5, 3), (0.7, 4), (0.1, 1), (0.01, 1)])
def test_split_by_orbits_takes_the_first_with_halves_up(orbits, fraction, train):
    parts = split(orbits, fraction)
    assert parts.num_train_orbits == train and parts.own_validation
    assert (len(parts.train), len(parts.validation)) == (20 * train, 20 * (5 - train))
    np.testing.assert_array_equal(parts.train.states, split(orbits).train.states[..., : 20 * train])


@pytest.mark.parametrize(("fraction", "train"), [(0.8, 80), (0.95, 95), (0.005, 1)])
def test_split_by_segments_takes_that_share_of_them(orbits, fraction, train):
    parts = split(orbits, fraction, "segments")
    assert parts.own_validation and parts.num_train_orbits == 5
    assert (len(parts.train), len(parts.validation)) == (train, 100 - train)
    both = np.concatenate([parts.train.states, parts.validation.states], axis=-1)
    every = split(orbits).train.states
    np.testing.assert_array_equal(np.sort(both[0, 0]), np.sort(every[0, 0]))  # each segment in one part
    np.testing.assert_array_equal(parts.train.states, split(orbits, fraction, "segments").train.states)


@pytest.mark.parametrize("order", ["orbits", "segments"])
def test_one_orbit_or_all_of_them_validate_on_the_training_set(orbits, order):
    for dataset, fraction in ((orbits.first(1), 0.5), (orbits, 1.0)):
        parts = split(dataset, fraction, order)
        assert not parts.own_validation
        assert parts.validation is parts.train
        assert len(parts.train) == 20 * len(dataset)
    assert split(orbits, 0.95).own_validation is False  # round(0.95 · 5) leaves no orbit


def test_another_dataset_validates_by_segments_cut_as_the_training_ones_in_their_units(orbits):
    other, units = load_dataset("complex_TBP_planar_2_val"), units_for(orbits)
    parts = validate_on(split(orbits, window=(0.0, 0.5)), other, units, (0.0, 0.5), 18)
    assert parts.own_validation and (len(parts.train), len(parts.validation)) == (50, 20)
    expected = cut(other, units, (0.0, 0.5), 18, range(2))
    np.testing.assert_array_equal(parts.validation.states, expected.states)
    with pytest.raises(NoSegments, match="complex_TBP_planar_2_val has no validation segment of 200 samples"):
        validate_on(parts, other, units, (0.0, 0.5), 200)


@pytest.mark.parametrize(
    ("fraction", "order", "orbit_numbers"), [(0.6, "orbits", (3, 4)), (1.0, "segments", range(5))]
)
def test_the_field_is_measured_at_all_samples_of_the_validation_orbits(
    orbits, fraction, order, orbit_numbers
):
    uneven = shortened(orbits, [360, 360, 360, 100, 360])
    units, parts = units_for(uneven), split(uneven, fraction, order, window=(0.0, 0.5))
    samples = validation_samples(uneven, units, parts, order)
    counts = [int(uneven.n_samples[k]) for k in orbit_numbers]
    assert len(samples) == sum(counts)
    states = np.concatenate([uneven.states[k, :n] for k, n in zip(orbit_numbers, counts, strict=True)])
    np.testing.assert_array_equal(samples.states, units.to_canonical_states(states).T)
    law = -samples.states[:3] / np.linalg.norm(samples.states[:3], axis=0) ** 3
    np.testing.assert_allclose(samples.accelerations, law, rtol=1e-12)


def test_where_segments_were_dealt_it_is_measured_at_those_of_validation(orbits):
    parts = split(orbits, 0.8, "segments")
    samples = validation_samples(orbits, units_for(orbits), parts, "segments")
    assert len(samples) == 20 * 18
    assert set(samples.states[0]) == set(parts.validation.states[:, 0].ravel())


def test_uniform_tells_equal_spacing(orbits):
    segments = split(orbits, length=18).train
    stretched = replace(segments, times=segments.times**1.01)
    assert segments.uniform and not stretched.uniform


@given(
    samples=st.lists(st.integers(20, 360), min_size=4, max_size=4),
    first=st.integers(1, 5),
    edges=st.tuples(st.integers(0, 19), st.integers(1, 20)).filter(lambda e: e[0] < e[1]),
    length=st.integers(2, 40),
    fraction=st.floats(0.05, 1.0),
    order=st.sampled_from(["orbits", "segments"]),
    how=st.sampled_from(list(CUTS)),
)
def test_training_segments_are_counted_without_cutting(
    orbits, samples, first, edges, length, fraction, order, how
):
    dataset = shortened(orbits, [360, *samples]).first(first)
    window = (edges[0] / 20, edges[1] / 20)
    count = count_training(dataset.n_samples.tolist(), window, length, fraction, order, CUTS[how])
    try:
        made = len(split(dataset, fraction, order, length, window, CUTS[how]).train)
    except NoSegments:
        made = 0
    assert count == made
