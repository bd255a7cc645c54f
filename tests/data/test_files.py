"""A saved dataset comes back bit by bit; every other file is refused with its name and what is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset, save_dataset
from keplearn.data.files import is_dataset_file
from keplearn.data.importing import import_dataset


@pytest.fixture
def saved(tmp_path):
    return save_dataset(replace(load_dataset("complex_TBP_3_test"), name="mine"), tmp_path / "mine.nc")


@pytest.fixture
def rewrite(saved):
    """Change the file through xarray, as a user of other tools could."""

    def change(edit):
        with xarray.open_dataset(saved, engine="h5netcdf", decode_times=False) as content:
            changed = edit(content.load())
        changed.to_netcdf(saved, engine="h5netcdf", format="NETCDF4")
        return str(saved)

    return change


@pytest.mark.parametrize("name", ["complex_TBP_planar_3_train", "circular_TBP_2"])
def test_what_was_saved_comes_back(tmp_path, name):
    dataset = load_dataset(name)
    found = load_dataset(str(save_dataset(dataset, tmp_path / f"{name}.nc")))
    for key in ("times", "states", "elements", "accelerations"):
        np.testing.assert_array_equal(getattr(found, key), getattr(dataset, key))
    for key in ("name", "problem", "planar", "mu", "acceleration_source", "orbit_names", "provenance"):
        assert getattr(found, key) == getattr(dataset, key)
    assert found.content_hash == dataset.content_hash


def test_the_file_names_its_dimensions_and_units(saved):
    with xarray.open_dataset(saved, engine="h5netcdf", decode_times=False) as content:
        assert content["position"].dims == ("orbit", "sample", "component")
        assert content["velocity"].attrs["units"] == "km/s"
        assert list(content["component"].values) == ["x", "y", "z"]


def test_nothing_is_left_beside_the_file(saved):
    assert [path.name for path in saved.parent.iterdir()] == ["mine.nc"]


def test_a_failed_write_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(KeplearnError, match="cannot be written: disk full"):
        save_dataset(load_dataset("simple_TBP_2"), saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["mine.nc"]


@pytest.mark.parametrize("kept", [0, 10, 1000, 20_000])
def test_a_truncated_file_is_refused(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(KeplearnError, match=r"mine\.nc: not a readable netCDF-4 file"):
        load_dataset(str(saved))
    assert not is_dataset_file(saved)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(KeplearnError, match="no such file"):
        load_dataset(str(tmp_path / "none.nc"))


def test_text_that_calls_itself_netcdf_is_refused(saved):
    saved.write_text("orbit,t,x\n" * 100)
    with pytest.raises(KeplearnError, match="not a readable netCDF-4 file"):
        load_dataset(str(saved))


def test_foreign_netcdf_is_sent_to_import(tmp_path):
    path = tmp_path / "foreign.nc"
    xarray.Dataset({"x": ("t", np.arange(3.0))}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(KeplearnError, match=r"no dataset of keplearn\. Import it first"):
        load_dataset(str(path))


@pytest.mark.parametrize("attribute", ["format", "units"])
def test_attributes_that_are_arrays_are_no_text(tmp_path, attribute):
    path = tmp_path / "arrays.nc"
    variable = xarray.Variable("t", np.arange(3.0), {attribute: np.array([1.0, 2.0])})
    content = xarray.Dataset({"x": variable}, attrs={attribute: np.array([1, 2])})
    content.to_netcdf(path, engine="h5netcdf")
    assert not is_dataset_file(path)
    for read in (load_dataset, import_dataset):
        with pytest.raises(KeplearnError, match=r"arrays\.nc"):
            read(str(path))


def with_units(content, name, units):
    content[name].attrs["units"] = units
    return content


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: with_units(c, "position", "m"), "position has units 'm', not 'km'"),
        (lambda c: c.assign(position=c["position"].copy(data=c["position"] + 1e-6)), "not match its hash"),
        (lambda c: c.assign_attrs(mu=4e5), "not match its hash"),
        (lambda c: with_units(c, "position", np.array([1.0, 2.0])), "position has units None, not 'km'"),
        (lambda c: c.assign_attrs(mu="much"), "attribute mu is much, not a number"),
        (lambda c: c.assign_attrs(problem=3), "attribute problem is 3, not text"),
        (lambda c: c.assign_attrs(acceleration_source="guess"), "guess, not one of law, differences"),
        (lambda c: c.drop_vars("velocity"), "it lacks velocity"),
        (lambda c: c.drop_vars("orbit"), "it lacks orbit"),
        (lambda c: with_units(c, "time", "min"), "time has units 'min', not 's'"),
        (lambda c: c.transpose("sample", ...), "dimensions"),
        (lambda c: c.isel(component=slice(2)), "2 components"),
        (lambda c: c.assign(time=c["time"].where(c["time"] > 0)), "NaN among its times|has units None"),
    ],
)
def test_an_inconsistent_file_is_refused_with_what_is_wrong(rewrite, edit, message):
    path = rewrite(edit)
    with pytest.raises(KeplearnError, match=message) as refusal:
        load_dataset(path)
    assert str(refusal.value).startswith(path)


def test_a_file_named_as_another_dataset_is_refused(saved):
    path = saved.rename(saved.with_name("complex_TBP_3_test.nc"))
    with pytest.raises(KeplearnError, match="named as the dataset complex_TBP_3_test, but it holds 'mine'"):
        load_dataset(str(path))


def test_a_grammar_name_inside_must_be_that_dataset(tmp_path):
    impostor = replace(load_dataset("complex_TBP_3_test"), name="complex_TBP_3_train")
    path = save_dataset(impostor, tmp_path / "some.nc")
    with pytest.raises(
        KeplearnError, match="calls itself complex_TBP_3_train, a name that means other orbits"
    ):
        load_dataset(str(path))
