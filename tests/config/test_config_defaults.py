"""Defaults that depend on the data, what contradicts the data, and the bounds of values."""

from dataclasses import replace
from pathlib import Path

import pytest
from config_helpers import DATA, PLANAR_TESTS, refusal, runs_of

from keplearn.cli.app import app
from keplearn.config import run_config, runs_from_dict
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.files import save_dataset

PLANAR = "complex_TBP_planar_10_train"
SPATIAL = "complex_TBP_10_train"


def test_planar_runs_are_tested_on_planar_data_and_others_on_3d():
    assert run_config(PLANAR).test == PLANAR_TESTS
    assert run_config(SPATIAL).test == ("complex_TBP_1_test", "complex_TBP_10_test", "complex_TBP_100_test")
    assert run_config(PLANAR, test=["simple_TBP_planar_5_test"]).test == ("simple_TBP_planar_5_test",)


def test_the_planar_constraint_follows_the_data():
    assert run_config(PLANAR).parameters.planar_constraint is True
    assert run_config(SPATIAL).parameters.planar_constraint is False
    assert run_config(PLANAR, planar_constraint=False).parameters.planar_constraint is False


def test_a_planar_constraint_on_3d_data_is_refused():
    with pytest.raises(KeplearnError, match="not planar"):
        run_config(SPATIAL, planar_constraint=True)


def test_2bp_means_the_two_body_problem(tmp_path):
    (run,) = runs_of(tmp_path, "data: {dataset_name: complex_TBP_planar_1_train, problem: '2BP'}")
    assert run.problem == "TBP"
    (plain,) = runs_of(tmp_path, "data: {dataset_name: complex_TBP_planar_1_train}")
    assert run.run_id == plain.run_id


def test_a_problem_that_contradicts_the_name_is_refused(tmp_path):
    assert "problem: CR3BP contradicts" in refusal(
        tmp_path, "data: {dataset_name: complex_TBP_1_train, problem: CR3BP}"
    )


def test_a_missing_dataset_name_is_said(tmp_path):
    message = refusal(tmp_path, "parameters: {seed: 1}")
    assert "dataset_name: missing" in message
    assert "--set data.dataset_name=" in message


def test_a_wrong_dataset_name_gets_the_nearest(tmp_path):
    message = refusal(tmp_path, "data:\n  dataset_name: complx_TBP_planar_10_train")
    assert message.startswith("study.yaml:2: dataset_name")
    assert "Did you mean 'complex_TBP_planar_10_train'?" in message


def test_the_group_is_by_default_the_files_stem(tmp_path):
    assert runs_of(tmp_path, DATA)[0].group == "study"
    assert runs_of(tmp_path, DATA + "wandb:\n")[0].group == "study"
    assert runs_of(tmp_path, DATA + "wandb: {group: 2024-05-01}")[0].group == "2024-05-01"


def test_more_trajectories_than_orbits_are_refused():
    with pytest.raises(KeplearnError, match="num_trajs: 11 is more than the 10 orbits"):
        run_config(PLANAR, num_trajs=11)
    assert run_config(PLANAR, num_trajs=10).parameters.num_trajs == 10


LENGTH = "segment_length_strategy: 361 samples are more than the 360 that an orbit of"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters:\n  segment_length_strategy: [[10, 361]]", f"study.yaml:3: {LENGTH} {PLANAR} has"),
        ("data: {test: [complex_TBP_planar_999999999_test]}", "has 999999999 orbits; at most 100000 (3 GB)"),
        ("data: {from_run: ../../x}", "study.yaml:1: from_run: must name a finished run as group/id"),
        ("data: {from_run: ../x}", "study.yaml:1: from_run: must be able to name a directory"),
    ],
    ids=["segments", "test", "from_run", "group"],
)
def test_what_no_run_could_do_is_found_before_any_training(tmp_path, monkeypatch, text, message):
    """``config show``, ``train`` and ``sweep`` alike."""
    monkeypatch.chdir(tmp_path)
    head = f"data: {{dataset_name: {PLANAR}"
    text = text.replace("data: {", head + ", ") if "data:" in text else f"{head}}}\n{text}"
    Path("study.yaml").write_text(text)
    for command in (["config", "show"], ["train"], ["sweep"]):
        with pytest.raises(KeplearnError) as refused:
            app([*command, "study.yaml"], result_action="return_value")
        assert message in str(refused.value)
    assert [path.name for path in Path().iterdir()] == ["study.yaml"]


def test_a_validation_dataset_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = load_dataset("complex_TBP_planar_2_val")
    first = {key: getattr(own, key)[:, :20] for key in ("times", "states", "accelerations")}
    save_dataset(replace(own, name="short", **first), tmp_path / "short.nc")
    save_dataset(replace(own, name="lunar", mu=4902.8), tmp_path / "lunar.nc")
    message = refusal(tmp_path, f"data:\n  dataset_name: {PLANAR}\n  validation: complx_TBP_planar_10_val")
    assert (
        message.startswith("study.yaml:3: validation")
        and "Did you mean 'complex_TBP_planar_10_val'?" in message
    )
    for name, problem in {
        "complex_TBP_2_val": "complex_TBP_2_val is not planar, but the model is",
        "short.nc": "its orbits have 20 samples, but segments have up to 21",
        "lunar.nc": "lunar.nc has mu = 4902.8 km³/s², .*a model knows the pull of one body",
    }.items():
        with pytest.raises(KeplearnError, match=f"^validation: .*{problem}"):
            run_config(PLANAR, validation=name, segment_length_strategy=21)
    assert run_config(SPATIAL, validation=PLANAR).validation == PLANAR
    with pytest.raises(
        KeplearnError, match=r"validation: its orbits have 20 samples, but segments have up to 30"
    ):
        runs_of(tmp_path, DATA, "validation=short.nc", "score_segments=30")


def test_segments_may_be_as_long_as_the_longest_orbit(tmp_path):
    whole = load_dataset("simple_TBP_planar_5_train")
    assert run_config(whole.name, segment_length_strategy=360)
    first = {key: getattr(whole, key)[:, :20] for key in ("times", "states", "accelerations")}
    save_dataset(replace(whole, name="short", **first), tmp_path / "short.nc")
    with pytest.raises(KeplearnError, match="21 samples are more than the 20 that an orbit of"):
        run_config(str(tmp_path / "short.nc"), segment_length_strategy=21)


def test_bfgs_needs_double_precision():
    with pytest.raises(KeplearnError, match="dtype: float64"):
        run_config(PLANAR, optimizer="bfgs")
    assert run_config(PLANAR, optimizer="bfgs", dtype="float64").parameters.optimizer == ("bfgs",)


def test_a_potential_takes_no_velocity():
    with pytest.raises(KeplearnError, match="uses velocity"):
        run_config(PLANAR, output_layer="potential")
    assert run_config(PLANAR, output_layer="potential", feature_layer="sph_4D_logr")


def test_a_head_in_a_local_frame_goes_with_any_features():
    assert run_config(PLANAR, output_layer="mlp_rtn", feature_layer="log_radius")
    assert run_config(PLANAR, output_layer="mlp_rtn", feature_layer="cartesian")


def test_null_means_the_default_where_the_default_depends_on_the_data(tmp_path):
    text = "data: {dataset_name: simple_TBP_planar_5, problem: , test: }\nparameters: {planar_constraint: }"
    (run,) = runs_of(tmp_path, text)
    assert (run.problem, run.test, run.parameters.planar_constraint) == ("TBP", PLANAR_TESTS, True)


@pytest.mark.parametrize("word", [None, "none", "None"])
def test_no_final_activation_may_be_spelled_in_words(word):
    assert run_config(PLANAR, final_activation=word).parameters.final_activation is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("length_strategy", [0.5, 0.5]),
        ("length_strategy", [0.0, 1.1]),
        ("length_strategy", [0.1, 0.2, 0.3]),
        ("length_strategy", 1.0),
        ("segment_length_strategy", 1),
        ("steps_strategy", 0),
        ("lr_strategy", 0),
        ("lr_strategy", float("nan")),
        ("width", 0),
        ("width", True),
        ("width", 10**400),
        ("depth", 2.5),
        ("train_val_split", 0),
        ("train_val_split", 1.01),
        ("batch_size", 0),
        ("num_trajs", -2),
        ("planar_constraint", 1),
        ("rtol", float("inf")),
        ("seed", -1),
        ("seed", None),
        ("length_unit", "parsec"),
        ("length_unit", -3.0),
        ("l2", -0.1),
        ("stride", 0),
        ("stride", [[3, 0]]),
        ("batch_size", [[]]),
        ("schedule", "linear"),
        ("width", {"a": 1}),
        ("width", [[8, 16]]),
    ],
)
def test_values_out_of_bounds_are_refused_by_key(key, value):
    with pytest.raises(KeplearnError, match=f"(^| ){key}: "):
        run_config(PLANAR, **{key: value})


def test_lengths_may_be_given_in_km():
    assert run_config(PLANAR, length_unit=7000).parameters.length_unit == 7000.0


def test_a_file_of_a_dataset_serves_as_a_name(tmp_path):
    pytest.importorskip("h5py")
    path = tmp_path / "orbits.nc"
    save_dataset(load_dataset("simple_TBP_planar_5_train"), path)
    run = run_config(str(path))
    assert (run.problem, run.parameters.planar_constraint, run.test) == ("TBP", True, PLANAR_TESTS)
    with pytest.raises(KeplearnError, match="num_trajs"):
        run_config(str(path), num_trajs=6)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(KeplearnError, match=r"missing\.nc"):
        run_config(str(tmp_path / "missing.nc"))


def test_a_file_of_unknown_law_has_no_default_tests(monkeypatch):
    known = load_dataset("simple_TBP_5_train")
    unknown = replace(known, name="imported", problem="unknown", acceleration_source="differences")
    monkeypatch.setattr("keplearn.data.dataset.load_dataset", lambda path: unknown)
    run = run_config("unknown-law.nc")
    assert (run.problem, run.parameters.planar_constraint, run.test) == ("unknown", False, ())
    assert runs_from_dict(run.to_dict())[0].run_id == run.run_id
    with pytest.raises(KeplearnError, match="TBP contradicts the dataset"):
        runs_from_dict({"data": {"dataset_name": "unknown-law.nc", "problem": "2BP"}})
