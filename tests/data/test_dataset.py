"""Datasets hold true orbits, keep their contract, and refuse to be anything else."""

from dataclasses import replace

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import OrbitDataset, load_dataset, make_dataset
from keplearn.data.names import DatasetName, Draw, check_made, parse_name
from keplearn.data.orbit_dataset import check
from keplearn.systems.two_body import TwoBody

PLANAR = "complex_TBP_planar_10_train"
FAMILIES = ["complex_TBP_20_test", "simple_TBP_planar_20", "circular_TBP_20_val"]


@pytest.fixture(scope="module")
def dataset() -> OrbitDataset:
    return load_dataset(PLANAR)


def padded(dataset, n):
    """The same dataset with its first orbit cut to n samples."""
    arrays = {key: getattr(dataset, key).copy() for key in ("times", "states", "accelerations")}
    for array in arrays.values():
        array[0, n:] = np.nan
    return replace(dataset, name="padded", **arrays)


@pytest.mark.parametrize("name", FAMILIES)
def test_energy_and_angular_momentum_are_conserved(name):
    made = load_dataset(name)
    system = TwoBody(made.mu)
    energy = system.values("energy", made.states)
    momentum = system.values("angular momentum", made.states)
    np.testing.assert_allclose(energy, np.broadcast_to(energy[:, :1], energy.shape), rtol=1e-12)
    gap = np.linalg.norm(momentum - momentum[:, :1], axis=-1) / np.linalg.norm(momentum, axis=-1)
    assert gap.max() < 1e-12


def test_accelerations_are_those_of_the_law(dataset):
    assert dataset.acceleration_source == "law"
    position = dataset.states[..., :3]
    radius = np.linalg.norm(position, axis=-1, keepdims=True)
    np.testing.assert_allclose(
        dataset.accelerations, -dataset.mu * position / radius**3, rtol=1e-14, atol=1e-20
    )


def test_draw_0_is_the_same_dataset_under_its_one_name(dataset):
    zeroth = load_dataset("complex_TBP_planar_10@0_train")
    assert zeroth.name == PLANAR
    assert zeroth.content_hash == dataset.content_hash


def test_another_draw_has_other_orbits_and_its_first_ones_keep_its_name(dataset):
    other = load_dataset("complex_TBP_planar_10@1_train")
    assert not np.isin(other.elements[:, 0], dataset.elements[:, 0]).any()
    assert other.first(4).name == "complex_TBP_planar_4@1_train"
    assert other.first(4).content_hash == load_dataset("complex_TBP_planar_4@1_train").content_hash


def test_a_chosen_orbit_is_keplers_and_has_its_elements():
    made = load_dataset("orbit(a=20000,e=0.4,nu0=20deg)")
    np.testing.assert_allclose(made.elements[0, [0, 1, 5]], [20000.0, 0.4, np.radians(20)], rtol=1e-15)
    r0 = 20000.0 * (1 - 0.4**2) / (1 + 0.4 * np.cos(np.radians(20)))  # the conic's equation
    np.testing.assert_allclose(np.linalg.norm(made.states[0, 0, :3]), r0, rtol=1e-13)
    assert made.planar
    assert not load_dataset("orbit(a=20000,e=0.4,i=60deg)").planar


@pytest.mark.parametrize("n", [1, 10, 12, 15])
def test_a_sum_holds_its_terms_orbits_in_order_and_its_first_ones_are_the_dataset_of_their_name(dataset, n):
    terms = [PLANAR, "circular_TBP_4", "orbit(a=9000,e=0.1)"]
    made = load_dataset("+".join(terms))
    np.testing.assert_array_equal(made.states, np.concatenate([load_dataset(t).states for t in terms]))
    first = made.first(n)
    assert first.content_hash == load_dataset(first.name).content_hash
    assert (first.name == PLANAR) == (n == 10)


def test_an_orbit_that_meets_the_earth_is_refused_before_it_is_made():
    with pytest.raises(KeplearnError, match=r"crosses the Earth.*e is at most 0\.6811"):
        check_made(parse_name("circular_TBP_2+orbit(a=20000,e=0.9)"))


def test_an_orbit_is_360_samples_from_time_zero(dataset):
    assert dataset.states.shape == (10, 360, 6)
    assert (dataset.n_samples == 360).all()
    assert (dataset.times[:, 0] == 0).all()


def test_planar_orbits_lie_in_the_plane_and_start_at_their_anomaly_from_x(dataset):
    assert (dataset.states[..., [2, 5]] == 0).all()
    angle = np.arctan2(dataset.states[:, 0, 1], dataset.states[:, 0, 0]) % (2 * np.pi)
    np.testing.assert_allclose(angle, dataset.elements[:, 5], rtol=1e-12)


def test_a_rotated_dataset_is_the_plain_one_turned():
    plain, turned = load_dataset("complex_TBP_planar_3"), load_dataset("complex_TBP_planar_rotated_3")
    cosine, sine = np.cos(turned.elements[:, 4]), np.sin(turned.elements[:, 4])
    x, y = plain.states[..., 0], plain.states[..., 1]
    np.testing.assert_allclose(turned.states[..., 0], cosine[:, None] * x - sine[:, None] * y, atol=1e-7)


def test_fewer_orbits_are_the_first_of_more():
    few, more = load_dataset("complex_TBP_10_train"), load_dataset("complex_TBP_25_train")
    assert more.first(10).name == few.name
    assert more.first(10).content_hash == few.content_hash


def test_the_first_orbits_of_a_padded_dataset_are_cut_to_their_own_length(dataset):
    first = padded(dataset, 100).first(1)
    assert first.states.shape == (1, 100, 6)
    assert first.name == "padded, first 1"


@pytest.mark.parametrize("n", [0, 11, -1])
def test_more_orbits_than_there_are_cannot_be_taken(dataset, n):
    with pytest.raises(KeplearnError, match="has 10 orbits"):
        dataset.first(n)


def test_padding_is_not_counted(dataset):
    assert padded(dataset, 100).n_samples.tolist() == [100] + [360] * 9


def test_the_hash_follows_the_content_and_not_the_name(dataset):
    assert replace(dataset, name="other").content_hash == dataset.content_hash
    assert replace(dataset, mu=dataset.mu * 2).content_hash != dataset.content_hash
    assert padded(dataset, 100).content_hash != dataset.content_hash


def test_arrays_cannot_be_changed(dataset):
    with pytest.raises(ValueError, match="read-only"):
        dataset.states[0, 0, 0] = 1.0


def changed(dataset, key, where, value):
    array = getattr(dataset, key).copy()
    array[where] = value
    return {key: array}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: {"mu": 0.0}, "mu must be a positive number"),
        (lambda d: {"name": " "}, "needs a name"),
        (lambda d: {"orbit_names": ("a",)}, "1 orbit names for 10 orbits"),
        (lambda d: changed(d, "times", (2, 5), np.nan), "orbit 2: NaN among its times"),
        (lambda d: changed(d, "states", (3, 5, 1), np.nan), "orbit 3: states are NaN on other samples"),
        (lambda d: changed(d, "accelerations", (3, 5, 1), np.nan), "orbit 3: accelerations are NaN"),
        (lambda d: changed(d, "states", (3, 5, 1), np.inf), "infinite"),
        (lambda d: changed(d, "times", (4, 5), 0.0), "orbit 4: its times do not increase"),
        (lambda d: {"times": d.times + 1.0}, "times must start at 0"),
        (lambda d: changed(d, "states", (1, 7, 2), 1e-9), "it says planar"),
        (lambda d: changed(d, "states", (1, 7, slice(0, 3)), 0.0), "orbit 1 has a sample at the centre"),
    ],
)
def test_a_broken_dataset_is_refused_with_what_is_wrong(dataset, change, message):
    with pytest.raises(KeplearnError, match=message):
        replace(dataset, **change(dataset))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("times", "states have shape .* but 10 orbits of 359 samples need"),
        ("states", "states have shape .* but 10 orbits of 360 samples need"),
        ("elements", "elements have shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(dataset, key, message):
    broken = replace(dataset, name="broken")
    # Past the constructor, where the tests' run-time types would speak first.
    object.__setattr__(broken, key, getattr(dataset, key)[:, :-1])
    with pytest.raises(KeplearnError, match=message):
        check(broken)


def test_a_dataset_beyond_memory_is_refused():
    with pytest.raises(KeplearnError, match="at most 100000"):
        make_dataset(DatasetName((Draw("complex", "TBP", True, (), 999_999_999),)))


def test_a_file_of_another_kind_is_sent_to_import(tmp_path):
    path = tmp_path / "orbits.csv"
    path.write_text("orbit,t\n")
    with pytest.raises(KeplearnError, match="Import it first: keplearn data import"):
        load_dataset(str(path))
