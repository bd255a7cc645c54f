"""Run ids: the same config is always the same run; and records give their config back."""

import json

import pytest
from config_helpers import DATA, runs_of

from keplearn.config import RunConfig, run_config, runs_from_dict
from keplearn.config.schema import DERIVED, PHASED, TABLES, Parameters
from keplearn.errors import KeplearnError

NAME = "complex_TBP_planar_10_train"


def test_an_id_never_changes():
    # If this fails, the ids of all finished runs have changed. A parameter that was added must stay out of
    # the hash while it has its default.
    assert run_config(NAME).run_id == "633e5a194cd25bce"


def test_defaults_written_out_make_no_difference(tmp_path):
    text = (
        DATA
        + "wandb: {group: study}\nparameters: {width: 64, lr_strategy: 1e-3, planar_constraint: true, l1: 0}"
    )
    assert runs_of(tmp_path, text)[0].run_id == runs_of(tmp_path, DATA)[0].run_id


@pytest.mark.parametrize("one", ["1", "1.0", "[1]", "[1.0]"])
def test_1_and_1_point_0_are_the_same(tmp_path, one):
    (run,) = runs_of(
        tmp_path, DATA + f"parameters: {{seed: {one}, train_val_split: {one}, length_unit: {one}}}"
    )
    assert run.run_id == run_config(NAME, group="study", seed=1, train_val_split=1.0, length_unit=1).run_id


def test_zero_has_no_sign():
    assert run_config(NAME, l1=-0.0).run_id == run_config(NAME).run_id


def test_where_a_run_is_mirrored_is_not_in_its_id(tmp_path):
    text = DATA + "wandb: {group: study, project: p, entity: e, mode: offline}"
    assert runs_of(tmp_path, text)[0].run_id == runs_of(tmp_path, DATA)[0].run_id


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"dtype": "float64"},
        {"lr_strategy": [[1e-3, 1e-3]]},
        {"group": "g"},
        {"test": [f"{NAME}"]},
    ],
)
def test_all_else_is(change):
    assert run_config(NAME, **change).run_id != run_config(NAME).run_id


def test_the_order_of_keys_is_not_in_the_id():
    a = runs_from_dict({"data": {"dataset_name": NAME}, "parameters": {"seed": 1, "width": 8}})
    b = runs_from_dict({"parameters": {"width": 8, "seed": 1}, "data": {"dataset_name": NAME}})
    assert a[0].run_id == b[0].run_id


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"lr_strategy": [[1e-3, 1e-4]], "length_strategy": [[[0, 0.5], [0, 1]]], "final_activation": "tanh"},
        {"length_unit": 7000.0, "stride": 3, "planar_constraint": False},
    ],
)
def test_a_record_gives_back_the_config_and_is_a_config_itself(parameters):
    run = run_config(NAME, **parameters)
    record = json.loads(json.dumps(run.to_dict()))
    assert RunConfig.from_dict(record) == run
    assert RunConfig.from_dict(record).run_id == run.run_id
    assert [r.run_id for r in runs_from_dict(record)] == [run.run_id]


def test_a_record_is_read_without_its_dataset():
    record = run_config(NAME).to_dict()
    record["data"]["dataset_name"] = "gone.nc"
    assert RunConfig.from_dict(record).dataset_name == "gone.nc"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.update(data=3),
        lambda r: r.update(more={}),
        lambda r: r["data"].pop("dataset_name"),
        lambda r: r["parameters"].update(width="a"),
        lambda r: r["parameters"].update(lr_strategy=[]),
        lambda r: r["parameters"].update(lr_strategy=3),
        lambda r: r["parameters"].update(sead=3),
    ],
)
def test_a_spoiled_record_is_refused(spoil):
    record = run_config(NAME).to_dict()
    spoil(record)
    with pytest.raises(KeplearnError, match="not a run's config"):
        RunConfig.from_dict(record)


def test_every_key_is_documented_and_in_one_table():
    fields = {**RunConfig.model_fields, **Parameters.model_fields}
    fields.pop("parameters")
    assert sorted(fields) == sorted(key for keys in TABLES.values() for key in keys)
    assert all(field.description for field in fields.values())
    assert {key for key, field in fields.items() if field.is_required()} == set(DERIVED)
    assert all(isinstance(Parameters.model_fields[key].default, tuple) for key in PHASED)
