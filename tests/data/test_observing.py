"""What is observed of orbits: noise, gaps and times as a name says them, of true orbits that stay as they are."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import OrbitDataset, load_dataset, save_dataset
from keplearn.data.description import describe
from keplearn.data.names import parse_name
from keplearn.data.observe import observe
from keplearn.data.observing import scales
from keplearn.orbits.elements import elements_from_states
from keplearn.orbits.kepler import period
from keplearn.systems.two_body import TwoBody

PLAIN = "complex_TBP_planar_10_train"
UNLIKELY = 1e-4  # the numbers are the same on every machine: a test that passes passes always


@pytest.fixture(scope="module")
def plain() -> OrbitDataset:
    return load_dataset(PLAIN)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Errors of the observed states over their standard deviation: (orbit, sample, x y vx vy)."""
    noisy = load_dataset("complex_TBP_planar_noise1e-4_100_train")
    return errors(noisy)[..., [0, 1, 3, 4]] / 1e-4


def errors(dataset: OrbitDataset) -> np.ndarray:
    return (dataset.observed_states - dataset.states) / scales(dataset.states)


def assert_same_truth(one: OrbitDataset, other: OrbitDataset) -> None:
    for key in ("times", "states", "accelerations", "elements"):
        np.testing.assert_array_equal(getattr(one, key), getattr(other, key))


@pytest.mark.parametrize("words", ["noise1e-4", "missing30", "missing30_noise1e-2"])
def test_the_truth_is_that_of_the_name_without_noise_and_gaps(plain, words):
    observed = load_dataset(f"complex_TBP_planar_{words}_10_train")
    assert_same_truth(observed, plain)
    assert observed.content_hash != plain.content_hash
    assert np.isnan(observed.observed_states).any() == ("missing" in words)


def test_what_is_all_observed_as_it_is_has_nothing_beside_the_truth(plain):
    assert plain.observations is None and plain.as_observed is plain and plain.is_observed.all()
    assert replace(plain, observations=plain.states).content_hash == plain.content_hash
    assert not [key for key in plain.to_xarray() if str(key).startswith("observed")]


def test_the_noise_has_the_variance_that_the_name_says(noise):
    for component in np.moveaxis(noise, -1, 0):
        least, most = stats.chi2.ppf([UNLIKELY, 1 - UNLIKELY], component.size)
        assert least < np.square(component).sum() < most


def test_the_noise_is_normal_of_mean_zero(noise):
    assert np.abs(noise.mean(axis=(0, 1))).max() < 4 / np.sqrt(noise[..., 0].size)
    for component in np.moveaxis(noise, -1, 0):
        assert stats.kstest(component.ravel(), "norm").pvalue > UNLIKELY


def test_the_noise_is_white_and_of_each_orbit_and_component_its_own(noise):
    for lag in (1, 2, 3, 10, 180):
        products = noise[:, lag:] * noise[:, :-lag]
        assert abs(products.mean()) < 4 / np.sqrt(products.size)
    between_orbits = (noise[1:] * noise[:-1]).mean()
    assert abs(between_orbits) < 4 / np.sqrt(noise.size)
    correlation = np.corrcoef(noise.reshape(-1, 4).T) - np.eye(4)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(noise[..., 0].size)


def test_other_splits_draws_and_orbits_have_other_noise(noise):
    for other in ("_10@1_train", "_10_test", "_10"):
        found = errors(load_dataset(f"complex_TBP_planar_noise1e-4{other}"))[..., [0, 1, 3, 4]] / 1e-4
        assert abs((found * noise[:10]).mean()) < 4 / np.sqrt(found.size)


def test_the_noise_of_an_orbit_depends_neither_on_how_many_there_are_nor_on_its_size():
    few, more = (load_dataset(f"complex_TBP_missing30_noise1e-4_{n}") for n in (3, 12))
    np.testing.assert_array_equal(more.observed_states[:3], few.observed_states)
    assert more.first(3).content_hash == few.content_hash and more.first(3).name == few.name
    larger = load_dataset("complex_TBP_noise1e-2_3")
    seen = few.is_observed
    np.testing.assert_allclose(errors(larger)[seen], 100 * errors(few)[seen], rtol=1e-6, atol=1e-9)


def test_planar_orbits_are_observed_in_their_plane_and_others_in_space():
    assert (load_dataset("simple_TBP_planar_noise1e-3_3").observed_states[..., [2, 5]] == 0).all()
    assert (errors(load_dataset("simple_TBP_noise1e-3_3"))[..., [2, 5]] != 0).all()


def test_the_share_that_the_name_says_is_missing_and_never_the_first_sample():
    some, more = (~load_dataset(f"complex_TBP_planar_missing{p}_100_train").is_observed for p in (10, 30))
    assert (some.sum(axis=1) == 36).all() and (more.sum(axis=1) == 108).all()
    assert not more[:, 0].any()
    assert (more[some]).all()
    # Anywhere along the orbit: 100 orbits, 108 of the 359 samples after the first.
    counts = more[:, 1:].sum(axis=0)
    variance = 100 * 108 / 359 * (1 - 108 / 359)
    least, most = stats.chi2.ppf([UNLIKELY, 1 - UNLIKELY], 358)
    assert least < np.square(counts - 100 * 108 / 359).sum() / variance < most


def test_irregular_samples_are_uniform_in_mean_anomaly_and_obey_the_law():
    made = load_dataset("complex_TBP_planar_irregular_10_train")
    parts = made.times / period(made.elements[:, :1], made.mu)
    assert (made.times[:, 0] == 0).all() and (np.diff(made.times) > 0).all()
    assert stats.kstest(parts[:, 1:].ravel(), "uniform").pvalue > UNLIKELY
    # As independent numbers are: the gaps between them are exponential, of mean 1/360.
    assert stats.kstest(360 * np.diff(parts).ravel(), "expon").pvalue > UNLIKELY
    start = np.repeat(made.states[:, :1], 360, axis=1)
    np.testing.assert_allclose(made.states, TwoBody(made.mu).flow(start, made.times), rtol=1e-9, atol=1e-6)


def test_several_revolutions_go_on_from_the_first():
    one, three = load_dataset("complex_TBP_2"), load_dataset("complex_TBP_revs3_2")
    np.testing.assert_array_equal(three.states[:, :360], one.states)
    np.testing.assert_array_equal(three.elements, one.elements)
    np.testing.assert_allclose(three.states[:, 720:], one.states, rtol=1e-9, atol=1e-6)
    whole = 3 * period(one.elements[:, 0], one.mu)
    np.testing.assert_allclose(three.times[:, -1] * 1080 / 1079, whole, rtol=1e-13)


@pytest.mark.parametrize("words", ["noise1e-3", "missing30", "irregular", "irregular_missing30_noise1e-3"])
def test_the_first_revolution_of_several_is_observed_as_one_is(words):
    one = load_dataset(f"simple_TBP_planar_{words}_2")
    three = load_dataset(f"simple_TBP_planar_{words}_revs3_2")
    np.testing.assert_array_equal(three.observed_states[:, :360], one.observed_states)
    np.testing.assert_array_equal(three.times[:, :360], one.times)
    assert (three.is_observed.sum(axis=1) == 3 * one.is_observed.sum(axis=1)).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_terms_of_a_sum_are_observed_as_each_says(n):
    terms = ["simple_TBP_planar_missing30_2", "orbit(a=20000,e=0.4)_noise1e-3_revs2", "circular_TBP_1"]
    made = load_dataset("+".join(terms))
    assert made.n_samples.tolist() == [360, 360, 720, 360]
    assert made.is_observed.sum(axis=1).tolist() == [252, 252, 720, 360]
    alone = np.concatenate([load_dataset(term).observed_states[:, :360] for term in terms])
    np.testing.assert_array_equal(made.observed_states[:, :360], alone)
    first = made.first(n)
    assert first.content_hash == load_dataset(first.name).content_hash


def test_training_sees_the_observed_samples_alone_and_differences_of_them():
    made = load_dataset("complex_TBP_planar_missing30_noise1e-5_3_train")
    seen, truth, kept = made.as_observed, made.observed_truth, made.is_observed
    assert seen.n_samples.tolist() == truth.n_samples.tolist() == [252] * 3
    np.testing.assert_array_equal(seen.states.reshape(-1, 6), made.observed_states[kept])
    np.testing.assert_array_equal(truth.states.reshape(-1, 6), made.states[kept])
    for one in (seen, truth):
        np.testing.assert_array_equal(one.times.ravel(), made.times[kept])
    assert (seen.acceleration_source, truth.acceleration_source) == ("differences", "law")
    gap = np.linalg.norm(seen.accelerations - truth.accelerations, axis=-1)
    error = gap / np.linalg.norm(truth.accelerations, axis=-1)
    assert 1e-4 < np.median(error) < 1e-2  # the noise of 1e-5 over steps of some 0.02 rad


def test_times_count_from_the_first_observed_sample_where_that_is_a_later_one(plain):
    later = np.where(np.arange(360)[:, None] < 5, np.nan, plain.states)
    seen = replace(plain, name="begins later", observations=later).as_observed
    np.testing.assert_array_equal(seen.times, plain.times[:, 5:] - plain.times[:, 5:6])
    np.testing.assert_array_equal(seen.elements, elements_from_states(plain.states[:, 5], plain.mu))
    assert seen.acceleration_source == "law"


def test_too_few_noisy_samples_to_be_differenced_are_refused():
    assert load_dataset("simple_TBP_planar_missing99_1").as_observed.n_samples.tolist() == [4]
    with pytest.raises(
        KeplearnError, match="4 observed samples, some of them with an error; training needs 7"
    ):
        load_dataset("simple_TBP_planar_missing99_noise1e-4_1")


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ((1, 7, 0), np.nan, "orbit 1: of a state only some components are observed"),
        ((1, 7, 0), np.inf, "infinite"),
        ((1, slice(1, None)), np.nan, "orbit 1: 1 observed samples"),
        ((1, 7, 2), 1.0, "some observed z or vz is not 0"),
    ],
)
def test_observations_that_cannot_be_are_refused(plain, where, value, message):
    observations = plain.states.copy()
    observations[where] = value
    with pytest.raises(KeplearnError, match=message):
        replace(plain, name="broken", observations=observations)


def test_a_file_keeps_truth_and_observations(tmp_path):
    made = load_dataset("complex_TBP_irregular_missing30_noise1e-4_revs2_3_train")
    found = load_dataset(str(save_dataset(made, tmp_path / f"{made.name}.nc")))
    assert_same_truth(found, made)
    np.testing.assert_array_equal(found.observed_states, made.observed_states)
    assert found.content_hash == made.content_hash


def test_a_file_of_other_observations_than_its_name_means_is_refused(tmp_path, plain):
    noisy = replace(load_dataset("complex_TBP_planar_noise1e-4_10_train"), name=PLAIN)
    with pytest.raises(KeplearnError, match="a name that means other orbits"):
        load_dataset(str(save_dataset(noisy, tmp_path / f"{PLAIN}.nc")))


def test_a_file_that_lacks_a_part_of_the_observations_is_refused(tmp_path):
    path = tmp_path / "mine.nc"
    made = replace(load_dataset("complex_TBP_missing30_2"), name="mine")
    content = made.to_xarray().drop_vars("observed_velocity")
    content.attrs["format"] = "keplearn orbit dataset 1"
    content.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(KeplearnError, match=r"lacks observed_velocity"):
        load_dataset(str(path))


def test_the_description_measures_what_the_name_says(plain):
    assert describe(plain)["observed"] is None
    said = describe(load_dataset("complex_TBP_planar_missing30_noise1e-3_10_train"))["observed"]
    assert (said["samples_per_orbit"], said["missing"]) == ([252, 252], 1080)
    assert said["position_error_percent"] == pytest.approx(0.1, rel=0.03)
    assert said["velocity_error_percent"] == pytest.approx(0.1, rel=0.03)


def test_a_dataset_of_many_revolutions_counts_them():
    with pytest.raises(KeplearnError, match="has 1000 orbits of 900 revolutions; at most 100000 revolutions"):
        load_dataset("complex_TBP_planar_revs900_1000")
    assert parse_name("complex_TBP_missing30_revs2_4").samples == 504


def test_a_dataset_from_a_file_is_observed_with_noise_in_km_and_km_s(plain):
    mine = replace(plain, name="mine")
    made = observe(mine, "mine, observed", position_noise=0.5, velocity_noise=2e-4, missing=25.0, seed=3)
    assert_same_truth(made, mine)
    assert made.is_observed.sum(axis=1).tolist() == [270] * 10 and made.is_observed[:, 0].all()
    gaps = (made.observed_states - made.states)[made.is_observed][:, [0, 1, 3, 4]] / [0.5, 0.5, 2e-4, 2e-4]
    for component in gaps.T:
        assert stats.kstest(component, "norm").pvalue > UNLIKELY
    again = observe(
        mine.first(4), "mine, observed", position_noise=0.5, velocity_noise=2e-4, missing=25.0, seed=3
    )
    np.testing.assert_array_equal(again.observed_states, made.observed_states[:4])
    other = observe(mine, "mine, observed", position_noise=0.5, velocity_noise=2e-4, missing=25.0, seed=4)
    assert (other.is_observed != made.is_observed).any()
    assert made.provenance["observed"] == "noise 0.5 km, noise 0.0002 km/s, 25 % missing, seed 3"


def test_relative_and_absolute_noise_add_their_variances(plain):
    made = observe(plain, "mine", noise=1e-3, position_noise=30.0)
    size = np.hypot(1e-3 * np.linalg.norm(plain.states[..., :3], axis=-1), 30.0)
    squares = np.square((made.observed_states - plain.states)[..., :2] / size[..., None])
    least, most = stats.chi2.ppf([UNLIKELY, 1 - UNLIKELY], squares.size)
    assert least < squares.sum() < most


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "Neither noise nor missing samples"),
        ({"noise": -1.0}, "must be a number from 0 on, not -1"),
        ({"position_noise": np.inf}, "must be a number from 0 on, not inf"),
        ({"missing": 100.0}, "from 0 to below 100 %, not 100"),
        ({"missing": 99.9}, "orbit 0: 0 observed samples|orbit 0: 1 observed samples"),
        ({"noise": 1e-3, "name": PLAIN}, "needs another"),
    ],
)
def test_what_cannot_be_observed_is_refused(plain, how, message):
    with pytest.raises(KeplearnError, match=message):
        observe(plain, **{"name": "mine"} | how)


def test_what_is_observed_already_is_not_observed_again():
    with pytest.raises(KeplearnError, match="observed with noise or gaps already"):
        observe(load_dataset("simple_TBP_planar_noise1e-3_2"), "mine", missing=30.0)
