"""Run ids: the same config is always the same run; and records give their config back."""

import json
from typing import Any

import pytest
from config_helpers import DATA, runs_of

from keplearn.config import RunConfig, run_config, runs_from_dict
from keplearn.config.schema import BESIDE, FACTS, PHASED, TABLES, Parameters
from keplearn.core.errors import KeplearnError
from keplearn.experiment.plan import make_phases

NAME = "complex_TBP_planar_10_train"


# Configs of every kind with the ids that they have had since version 0.1.0.
KEPT_IDS = {
    "633e5a194cd25bce": {"data": {"dataset_name": NAME}},
    "05a43d70c8339827": {"data": {"dataset_name": "complex_TBP_10_train"}},
    "bc24b1e824ab2b97": {
        "data": {"dataset_name": "simple_TBP_planar_5_train"},
        "parameters": {
            "length_strategy": [[[0.0, 0.5], [0.0, 1.0]]],
            "lr_strategy": [[1e-3, 1e-4]],
            "steps_strategy": [[2000, 10]],
            "segment_length_strategy": [[4, 18]],
        },
    },
    "c6e9e31974d74268": {
        "data": {"dataset_name": NAME, "test": []},
        "parameters": {
            "optimizer": [["adam", "bfgs"]],
            "schedule": [["cosine", "constant"]],
            "dtype": "float64",
            "feature_layer": "sph_4D_logr",
            "activation": "tanh",
            "width": 16,
        },
    },
    "7069f2f98c52d18a": {
        "data": {"dataset_name": "circular_TBP_planar_4"},
        "parameters": {"integrator": "adaptive", "rtol": 1e-5, "atol": 1e-7},
    },
    "4c240fc1f43d114a": {
        "data": {"dataset_name": NAME},
        "parameters": {
            "loss_fcn": "percent_error_plus_nmse",
            "mse_weight": 0.5,
            "l2": 1e-6,
            "energy_drift": 0.1,
        },
    },
    "71c44e067036951f": {"data": {"dataset_name": NAME, "from_run": "g/0123456789abcdef"}},
    "a646dd008f81e2cb": {
        "wandb": {"group": "heads"},
        "data": {"dataset_name": "complex_TBP_planar_fixnu0_4", "test": ["complex_TBP_planar_1_test"]},
        "parameters": {
            "width": 32,
            "depth": 3,
            "train_val_split": 1.0,
            "batch_size": -1,
            "num_trajs": 2,
            "activation": "gelu",
            "final_activation": "tanh",
            "output_layer": "mlp_4D_signed",
            "planar_constraint": False,
            "seed": 7,
            "stride": 3,
            "grid_rtol": 1e-4,
            "split_order": "segments",
            "length_unit": 6378.137,
            "augment": "rotation",
            "validate_every": 10,
        },
    },
}


@pytest.mark.filterwarnings("ignore::keplearn.config.ConfigWarning")
@pytest.mark.parametrize("run_id", KEPT_IDS)
def test_an_id_never_changes(run_id):
    # If this fails, the ids of all finished runs have changed. A parameter that was added must stay out of
    # the hash while it has its default.
    (run,) = runs_from_dict(KEPT_IDS[run_id])
    assert run.run_id == run_id


_OTHER: dict[str, Any] = {
    "best_by": "field",
    "weight_decay": 0.3,
    "patience": 3,
    "continuity": 3.0,
    "standardize": True,
    "objective": "weak",
    "skip": True,
    "init": "glorot",
    "model": "latent_ode",
    "latent_dynamics": "free",
    "latent_size": 3,
    "hidden_size": 3,
    "observe": "state",
    "observed_fraction": 0.3,
    "kl_weight": 0.3,
    "kl_annealing": 3,
    "likelihood_noise": 0.3,
    "refine": 3,
    "refine_training": 3,
    "fitted_to": "all",
    "bound_samples": 3,
    "likelihood": "relative",
    "decoder": "linear",
    "stations": "52 21, -31.8 116",
}


@pytest.mark.filterwarnings("ignore:given without effect")
@pytest.mark.parametrize(
    "key", [key for key in Parameters.model_fields if FACTS[key].since and key != "encoder"]
)
def test_a_key_that_came_later_is_in_the_id_only_where_it_has_a_value_of_its_own(key):
    default: dict[str, Any] = {key: Parameters.model_fields[key].default}
    other: dict[str, Any] = {key: _OTHER.get(key)}
    assert run_config(NAME, **default).run_id == run_config(NAME).run_id != run_config(NAME, **other).run_id


def test_one_that_varies_over_phases_is_in_the_id_only_where_it_has_another_value_in_one():
    phases: dict[str, Any] = {"steps_strategy": [[5, 6]]}
    same: dict[str, Any] = {"objective": [["trajectory", "trajectory"]]}
    other: dict[str, Any] = {"objective": [["trajectory", "weak"]]}
    before = run_config(NAME, **phases).run_id
    assert run_config(NAME, **phases, **same).run_id == before != run_config(NAME, **phases, **other).run_id


def test_what_need_not_vary_over_phases_is_one_value_where_it_does_not():
    """So that runs of a time when it could not have their ids and records."""
    plain = run_config(NAME, batch_size=64, stride=3, steps_strategy=[[5, 9]])
    for given in ({"batch_size": [[64]]}, {"batch_size": [[64, 64]], "stride": [[3, 3.0]]}):
        same = run_config(NAME, **{"batch_size": 64, "stride": 3, "steps_strategy": [[5, 9]], **given})
        assert same == plain and same.run_id == plain.run_id
    other = run_config(NAME, batch_size=[[64, -1]], stride=[[3, None]], steps_strategy=[[5, 9]])
    assert other.run_id != plain.run_id
    assert other.to_dict()["parameters"]["batch_size"] == [[64, -1]]
    assert plain.to_dict()["parameters"]["batch_size"] == 64
    phases = make_phases(other.parameters)
    assert [(phase.batch_size, phase.stride) for phase in phases] == [(64, 3), (-1, None)]
    # They say how many phases there are, as the strategies do.
    assert len(make_phases(run_config(NAME, batch_size=[[8, 8, 8]]).parameters)) == 3


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


def test_a_dataset_has_one_name_in_a_config(tmp_path):
    plain = run_config(NAME, test=["complex_TBP_planar_1_test"])
    zeroth = run_config("complex_TBP_planar_10@0_train", test=["complex_TBP_planar_1@0_test"])
    assert (zeroth.dataset_name, zeroth.test) == (plain.dataset_name, plain.test)
    assert zeroth.run_id == plain.run_id
    spaced = run_config("orbit( e=.4, a=2e4 ) + circular_TBP_planar_4", test=[])
    assert spaced.dataset_name == "orbit(a=20000,e=0.4)+circular_TBP_planar_4"
    assert spaced.run_id == run_config(spaced.dataset_name, test=[]).run_id
    draws = "data: {dataset_name: [complex_TBP_planar_10_train, complex_TBP_planar_10@1_train]}"
    assert len({run.run_id for run in runs_of(tmp_path, draws)}) == 2


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
        {"batch_size": [[8, 16]], "stride": [[None, 2]]},
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
    assert sorted(fields) == sorted([*BESIDE, *(key for keys in TABLES.values() for key in keys)])
    assert all(field.description for field in fields.values())
    required = {key for key, field in fields.items() if field.is_required()}
    assert required == {key for key, fact in FACTS.items() if fact.derived} | {"dataset_name"}
    defaults = {key: Parameters.model_fields[key].default for key in PHASED}
    assert all(isinstance(defaults[key], tuple) != FACTS[key].by_phase for key in PHASED)
