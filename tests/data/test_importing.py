"""Foreign trajectories become datasets, or are refused with file, line and value.

Longer than most files: a way in which a file is wrong after the other.
"""

import csv
import zipfile

import numpy as np
import pytest
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import OrbitDataset, load_dataset, save_dataset
from keplearn.data.description import notes
from keplearn.data.importing import import_dataset
from keplearn.data.observe import observe
from keplearn.orbits.constants import EARTH_RADIUS

HEADER = ["orbit", "t", "x", "y", "z", "vx", "vy", "vz"]


@pytest.fixture(scope="module")
def truth() -> OrbitDataset:
    return load_dataset("complex_TBP_3_val")


@pytest.fixture
def rows(truth):
    """The rows of a CSV file of the true orbits, 40 samples each."""
    return [
        [f"sat{k}", *(repr(float(v)) for v in (truth.times[k, s], *truth.states[k, s]))]
        for k in range(len(truth))
        for s in range(0, 360, 9)
    ]


@pytest.fixture
def write(tmp_path):
    def write_rows(rows, header=HEADER):
        path = tmp_path / "orbits.csv"
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *rows])
        return path

    return write_rows


def test_csv_keeps_states_and_names(write, rows, truth):
    found = import_dataset(write(rows))
    np.testing.assert_array_equal(found.states, truth.states[:, ::9])
    assert found.orbit_names == ("sat0", "sat1", "sat2")
    assert (found.problem, found.acceleration_source, found.name) == ("unknown", "differences", "orbits")
    assert not found.planar


def test_elements_are_osculating_at_the_first_sample(write, rows, truth):
    np.testing.assert_allclose(import_dataset(write(rows)).elements, truth.elements, rtol=1e-10)


def test_dense_samples_give_the_acceleration_of_the_law(tmp_path, truth):
    path = tmp_path / "dense.npz"
    np.savez(path, t=truth.times, states=truth.states)
    found = import_dataset(path)
    np.testing.assert_allclose(
        found.accelerations[:, 3:-3], truth.accelerations[:, 3:-3], rtol=1e-4, atol=1e-9
    )


def test_orbits_of_different_lengths_are_padded(write, rows):
    found = import_dataset(write(rows[:40] + rows[40:60]))
    assert found.n_samples.tolist() == [40, 20]
    assert np.isnan(found.states[1, 20:]).all()


def test_interleaved_rows_other_columns_and_blank_lines_do_not_matter(write, rows, truth):
    mixed = [[*row, "note"] for row in rows[:40]]
    shuffled = [row for pair in zip(mixed, [[*r, ""] for r in rows[40:80]], strict=True) for row in pair]
    found = import_dataset(write([*shuffled, []], [*HEADER, "remark"]))
    np.testing.assert_array_equal(found.states, truth.states[:2, ::9])


@pytest.mark.parametrize(
    ("length_unit", "length", "time_unit", "time"),
    [("m", 1e-3, "s", 1.0), ("earth_radius", EARTH_RADIUS, "h", 3600.0), ("km", 1.0, "min", 60.0)],
)
def test_units_are_converted(tmp_path, truth, length_unit, length, time_unit, time):
    path = tmp_path / "scaled.npz"
    position, velocity = truth.states[..., :3] / length, truth.states[..., 3:] * (time / length)
    np.savez(path, times=truth.times / time, position=position, velocity=velocity)
    found = import_dataset(path, length_unit=length_unit, time_unit=time_unit)
    np.testing.assert_allclose(found.states, truth.states, rtol=1e-14)
    np.testing.assert_allclose(found.times, truth.times, rtol=1e-14)


def test_times_are_counted_from_the_first_sample(tmp_path, truth):
    path = tmp_path / "late.npz"
    np.savez(path, t=truth.times + 1e6, states=truth.states)
    np.testing.assert_allclose(import_dataset(path).times, truth.times, atol=1e-8)


def test_one_orbit_may_come_in_flat_arrays(tmp_path, truth):
    path = tmp_path / "flat.npz"
    columns = dict(zip(HEADER[2:], truth.states[0].T, strict=True))
    np.savez(path, t=truth.times[0], **columns)
    assert import_dataset(path).states.shape == (1, 360, 6)


def test_netcdf_of_others_and_of_ours(tmp_path, truth):
    foreign = tmp_path / "foreign.nc"
    variables = {key: (("orbit", "time"), truth.states[..., k]) for k, key in enumerate(HEADER[2:])}
    xarray.Dataset({"t": (("orbit", "time"), truth.times), **variables}).to_netcdf(foreign, engine="h5netcdf")
    np.testing.assert_array_equal(import_dataset(foreign).states, truth.states)
    ours = import_dataset(save_dataset(truth, tmp_path / "ours.nc"))
    np.testing.assert_array_equal(ours.states, truth.states)
    assert ours.name == "ours"
    assert ours.orbit_names == truth.orbit_names


def test_a_dataset_that_is_imported_without_what_is_observed_says_so(tmp_path, truth):
    path = save_dataset(observe(truth, "ours", noise=1e-6), tmp_path / "ours.nc")
    found = import_dataset(path)
    np.testing.assert_array_equal(found.states, truth.states)
    assert notes(found) == ["left out, observed_position, observed_velocity: true states are imported"]
    observed = import_dataset(path, columns="position=observed_position,velocity=observed_velocity")
    np.testing.assert_array_equal(observed.states, load_dataset(str(path)).observed_states)
    assert "left_out" not in observed.provenance


def test_units_that_the_file_states_cannot_be_overruled(tmp_path, truth):
    path = save_dataset(truth, tmp_path / "ours.nc")
    with pytest.raises(
        KeplearnError, match=r"length unit is 'km', but 'm' was given\. Give --length-unit km"
    ):
        import_dataset(path, length_unit="m")
    with pytest.raises(KeplearnError, match="time unit is 's', but 'h' was given"):
        import_dataset(path, time_unit="h")


def test_an_imported_dataset_survives_the_file(tmp_path, write, rows):
    found = import_dataset(write(rows[:60]), name="from a telescope")
    back = load_dataset(str(save_dataset(found, tmp_path / "imported.nc")))
    assert back.content_hash == found.content_hash
    assert back.provenance == found.provenance


def test_velocities_in_other_units_than_positions_are_noticed(tmp_path, truth):
    path = tmp_path / "mixed.npz"
    np.savez(path, t=truth.times / 60, states=truth.states)
    with pytest.raises(KeplearnError, match="its positions change 60 times as fast as its velocities say"):
        import_dataset(path, time_unit="min")


def cell(row, column, value):
    def edit(rows):
        rows[row][HEADER.index(column)] = value
        return rows

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (cell(3, "vy", "fast"), r"orbits\.csv, line 5, column vy: 'fast' is not a finite number"),
        (cell(3, "x", "nan"), "line 5, column x: 'nan' is not a finite number"),
        (cell(3, "x", "1_000"), "line 5, column x: '1_000' is not a finite number"),
        (cell(3, "t", ""), "line 5, column t: '' is not"),
        (cell(3, "t", "0.0"), r"line 5 \(orbit sat0\): the time goes back: 0 after"),
        (lambda rows: [*rows[:3], *rows[2:]], r"line 5 \(orbit sat0\): the time repeats"),
        (lambda rows: rows[:6], "orbit sat0 has 6 samples; .* at least 7"),
        (lambda rows: [*rows[:5], rows[5][:-1], *rows[6:]], "line 7: 7 cells, but the header has 8"),
        (lambda rows: [], "there is no orbit in it"),
    ],
)
def test_bad_csv_is_refused_with_line_and_value(write, rows, edit, message):
    with pytest.raises(KeplearnError, match=message):
        import_dataset(write(edit(rows)))


def test_one_orbit_needs_no_column_of_orbits(write, rows, truth):
    alone = [row[1:] for row in rows[:40]]
    np.testing.assert_array_equal(import_dataset(write(alone, HEADER[1:])).states, truth.states[:1, ::9])
    with pytest.raises(KeplearnError, match=r"the time goes back.*--columns orbit=NAME"):
        import_dataset(write([[f"{k}", *row[1:]] for k, row in enumerate(rows)], ["number", *HEADER[1:]]))
    many = write(rows, ["number", *HEADER[1:]])
    assert import_dataset(many, columns="orbit=number").orbit_names == ("sat0", "sat1", "sat2")


@pytest.mark.parametrize("column", HEADER[1:])
def test_a_missing_column_is_named(write, rows, column):
    with pytest.raises(KeplearnError, match=f"missing or repeated: {column}"):
        import_dataset(write(rows, [c if c != column else "other" for c in HEADER]))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(9)}, "it lacks y, z, vx, vy, vz, t"),
        ({"t": np.arange(9.0), "states": np.zeros((9, 5))}, "shapes do not fit together"),
        ({"t": np.arange(8.0), "states": np.zeros((9, 6))}, "shapes do not fit together"),
        ({"t": np.arange(9.0), "states": np.full((9, 6), "a")}, "states holds <U1, not numbers"),
        ({"t": np.arange(9.0), "states": np.array([{}], dtype=object)}, "not a readable npz file of plain"),
        (
            {"t": np.arange(9.0), "states": np.full((9, 6), np.inf)},
            "orbit 0, sample 0: a value is not finite",
        ),
        (
            {"t": np.where(np.arange(9) > 7, np.nan, np.arange(9.0)), "states": np.ones((9, 6))},
            "without a time",
        ),
        ({"t": np.arange(9.0), "states": np.zeros((9, 6))}, "sample 0: the position is 0"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, arrays, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(KeplearnError, match=message):
        import_dataset(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length_unit": "kn"}, "unknown length unit 'kn'.*Did you mean 'km'"),
        ({"time_unit": "year"}, "unknown time unit 'year'"),
        ({"columns": "t"}, "'t' is not of the form role=column"),
        ({"columns": "w=t"}, "'w' is not one of orbit, t, x"),
        ({"columns": "t=t,t=x"}, "t is given twice"),
        ({"name": "\udcff"}, "no text that a file can hold"),
        ({"mu": -1.0}, "mu must be a positive number"),
        ({"name": "complex_TBP_planar_10_train"}, "imported data need another"),
    ],
)
def test_bad_options_are_refused(write, rows, options, message):
    with pytest.raises(KeplearnError, match=message):
        import_dataset(write(rows), **options)


def test_a_file_named_by_the_grammar_needs_another_name(tmp_path, write, rows):
    path = write(rows).rename(tmp_path / "complex_TBP_3.csv")
    with pytest.raises(KeplearnError, match="--name"):
        import_dataset(path)
    assert import_dataset(path, name="mine").name == "mine"


@pytest.mark.parametrize("ending", [".txt", ".nc", ".npz", ".csv"])
def test_other_and_missing_files_are_refused(tmp_path, ending):
    with pytest.raises(KeplearnError, match=r"cannot import|no such file"):
        import_dataset(tmp_path / f"none{ending}")


def test_nan_behind_the_last_state_is_padding(tmp_path, truth):
    states = truth.states.copy()
    states[1, 300:] = np.nan
    np.savez(tmp_path / "padded.npz", t=truth.times, states=states)
    found = import_dataset(tmp_path / "padded.npz")
    assert found.n_samples.tolist() == [360, 300, 360]
    states[1, 100] = np.nan
    np.savez(tmp_path / "holes.npz", t=truth.times, states=states)
    with pytest.raises(KeplearnError, match="orbit 1, sample 100: a value is not finite"):
        import_dataset(tmp_path / "holes.npz")


def test_arrays_of_other_names_and_dates_are_read(tmp_path, truth):
    moments = np.datetime64("2026-01-01T00:00:00", "ns") + (1e9 * truth.times[0]).astype("timedelta64[ns]")
    arrays = {"when": moments, "r": truth.states[0, :, :3], "rdot": truth.states[0, :, 3:]}
    np.savez(tmp_path / "named.npz", **arrays)
    with pytest.raises(KeplearnError, match=r"it lacks x, .* It has: r, rdot, when\..*--columns"):
        import_dataset(tmp_path / "named.npz")
    found = import_dataset(tmp_path / "named.npz", columns="t=when,position=r,velocity=rdot")
    np.testing.assert_allclose(found.times[0], truth.times[0], atol=1e-8)
    np.savez(tmp_path / "text.npz", t=moments.astype(str), states=truth.states[0])
    np.testing.assert_allclose(import_dataset(tmp_path / "text.npz").times[0], truth.times[0], atol=1e-8)


def with_header_only(path, **shapes):
    """An npz file of arrays that only claim their shapes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, shape in shapes.items():
            with archive.open(f"{name}.npy", "w") as member:
                header = {"descr": "<f8", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, header)
        archive.writestr("readme.txt", "no array")
    return path


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"t": (10**12, 360), "states": (10**12, 360, 6)}, r"would take 2.02e\+07 GB; at most 3 GB"),
        ({"t": (360,), "states": (7 * 10**5, 1000, 6)}, r"would take 33.6 GB; at most 3 GB"),
        ({"t": (360,), "states": (1, 360, 6)}, "not a readable npz file"),
        ({"t": (360,)}, "it lacks x, y, z"),
    ],
)
def test_the_headers_of_an_npz_file_are_looked_at_before_its_data(tmp_path, shapes, message):
    with pytest.raises(KeplearnError, match=message):
        import_dataset(with_header_only(tmp_path / "claims.npz", **shapes))


def test_a_netcdf_file_that_claims_more_than_there_is_memory_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "claims.nc", "w") as file:
        file.create_dataset("states", shape=(10**9, 360, 6), dtype="f8", chunks=(1, 360, 6))
        file.create_dataset("t", data=np.arange(360.0))
    with pytest.raises(KeplearnError, match=r"would take 1.73e\+04 GB of memory"):
        import_dataset(tmp_path / "claims.nc")


garbage = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(lambda text: text.encode(errors="replace")),
    st.lists(
        st.lists(
            st.sampled_from(["a", "1", "2.5", "-3", "1e400", '"', "", "nan", "x", "\x00"]),
            min_size=7,
            max_size=9,
        ),
        max_size=12,
    ).map(lambda rows: "\n".join([",".join(HEADER), *(",".join(row) for row in rows)]).encode()),
)


@given(content=garbage, ending=st.sampled_from([".csv", ".npz"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_garbage_ends_in_one_clear_error(tmp_path, content, ending):
    path = tmp_path / f"garbage{ending}"
    path.write_bytes(content)
    with pytest.raises(KeplearnError, match="garbage"):
        import_dataset(path)
