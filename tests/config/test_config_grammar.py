"""The list grammar: the outermost list is the list of values, and the runs are the product of all lists."""

import pytest
from config_helpers import DATA, PLANAR_TESTS, refusal, runs_of, values

from keplearn.config import ConfigWarning, RunConfig, run_config, runs_from_dict
from keplearn.core.errors import KeplearnError

NAME = "complex_TBP_planar_10_train"


def one(key, value):
    """Return the values that an entry gives."""
    return values(runs_from_dict({"data": {"dataset_name": NAME}, "parameters": {key: value}}), key)


def test_a_missing_parameters_table_means_all_defaults(tmp_path):
    (run,) = runs_of(tmp_path, DATA)
    assert run.parameters.width == 64
    assert run.parameters.length_strategy == ((0.0, 1.0),)
    assert run.parameters.final_activation is None


def test_a_bare_number_is_one_value_of_one_phase():
    assert one("segment_length_strategy", 18) == [(18,)]


def test_one_tuples_in_a_list_are_values_of_one_phase():
    assert one("segment_length_strategy", [[4], [10], [18]]) == [(4,), (10,), (18,)]


def test_a_flat_list_is_a_list_of_values_also_for_what_has_phases():
    assert one("lr_strategy", [0.001, 0.0001]) == [(0.001,), (0.0001,)]


def test_an_inner_list_goes_over_the_phases(tmp_path):
    (run,) = runs_of(tmp_path, DATA + "parameters: {optimizer: [[adam, bfgs]], dtype: float64}")
    assert run.parameters.optimizer == ("adam", "bfgs")


def test_windows_of_one_and_of_two_phases_are_two_values():
    assert one("length_strategy", [[[0.0, 0.1], [0.0, 1.0]], [0.0, 1.0]]) == [
        ((0.0, 0.1), (0.0, 1.0)),
        ((0.0, 1.0),),
    ]


@pytest.mark.parametrize("window", [[0.0, 1.0], [[0.0, 1.0]], [[[0.0, 1.0]]], [0, 1]])
def test_a_bare_window_is_one_window(window):
    assert one("length_strategy", window) == [((0.0, 1.0),)]


def test_a_list_of_windows_is_a_list_of_values():
    assert one("length_strategy", [[0.0, 0.5], [0.0, 1.0]]) == [((0.0, 0.5),), ((0.0, 1.0),)]


def test_strategies_of_one_entry_are_broadcast_over_the_phases():
    parameters = run_config(NAME, lr_strategy=[[1e-3, 1e-4]]).parameters
    assert parameters.steps_strategy == (1000, 1000)
    assert parameters.length_strategy == ((0.0, 1.0), (0.0, 1.0))
    assert parameters.optimizer == ("adam", "adam")


def test_strategies_of_different_lengths_are_refused_with_all_four(tmp_path):
    message = refusal(
        tmp_path,
        DATA + "parameters:\n  length_strategy: [[[0, .1], [0, 1]]]\n  lr_strategy: [[.1, .01, .001]]",
    )
    assert message.startswith("study.yaml:3: ")
    for part in ("length_strategy has 2", "lr_strategy has 3", "steps_strategy has 1"):
        assert part in message
    assert "segment_length_strategy has 1 [4]" in message


def test_the_last_list_of_the_file_varies_fastest(tmp_path):
    runs = runs_of(tmp_path, DATA + "parameters: {width: [8, 16], seed: [0, 1, 2]}")
    assert values(runs, "width") == [8, 8, 8, 16, 16, 16]
    assert values(runs, "seed") == [0, 1, 2, 0, 1, 2]


def test_datasets_are_an_axis_and_tests_are_not(tmp_path):
    text = "data: {dataset_name: [complex_TBP_planar_1_train, simple_TBP_planar_5_train], test: [{}, {}]}"
    runs = runs_of(
        tmp_path, text.replace("{}", "complex_TBP_planar_1_test", 1).replace("{}", "complex_TBP_4_test")
    )
    assert [run.dataset_name for run in runs] == ["complex_TBP_planar_1_train", "simple_TBP_planar_5_train"]
    assert {run.test for run in runs} == {("complex_TBP_planar_1_test", "complex_TBP_4_test")}


def test_groups_may_vary_too(tmp_path):
    runs = runs_of(tmp_path, DATA + "wandb: {group: [a, b]}")
    assert [run.group for run in runs] == ["a", "b"]


def test_variants_multiply_with_the_axes(tmp_path):
    variants = "variants: [{width: 8, depth: 1}, {parameters: {width: [16, 32]}}, {}]\n"
    runs = runs_of(tmp_path, DATA + variants + "parameters: {width: 4, seed: [0, 1]}")
    assert values(runs, "width") == [8, 8, 16, 16, 32, 32, 4, 4]
    assert values(runs, "depth") == [1, 1, 2, 2, 2, 2, 2, 2]
    assert values(runs, "seed") == [0, 1, 0, 1, 0, 1, 0, 1]


def test_a_value_of_the_file_wins_over_the_default_single_or_listed():
    assert one("activation", "tanh") == one("activation", ["tanh"]) == ["tanh"]
    assert one("final_activation", [None, "tanh"]) == [None, "tanh"]


def test_an_override_wins_over_the_file_and_over_variants(tmp_path):
    text = (
        DATA + "parameters: {seed: 0, width: [8, 16]}\nvariants: [{seed: 1, depth: 1}, {seed: 2, depth: 3}]"
    )
    runs = runs_of(tmp_path, text, "seed=7", "parameters.width=4", "wandb.group=other")
    assert values(runs, "seed") == [7, 7]
    assert values(runs, "width") == [4, 4]
    assert {run.group for run in runs} == {"other"}


def test_overrides_give_the_dataset_and_lists(tmp_path):
    runs = runs_of(tmp_path, "", "data.dataset_name=complex_TBP_planar_10_train", "lr_strategy=[1e-2, 1e-3]")
    assert values(runs, "lr_strategy") == [(0.01,), (0.001,)]


def test_equal_runs_are_dropped_with_a_warning(tmp_path):
    with pytest.warns(ConfigWarning, match="1 of 3 runs"):
        runs = runs_of(tmp_path, DATA + "parameters: {seed: [1, 2, 1.0]}")
    assert values(runs, "seed") == [1, 2]


def test_dicts_and_arrays_serve_as_well_as_files(tmp_path):
    numpy = pytest.importorskip("numpy")
    tables = {"data": {"dataset_name": NAME}, "parameters": {"seed": numpy.arange(3), "depth": (1, 2)}}
    assert len(runs_from_dict(tables)) == 6


def test_run_config_makes_one_run_or_says_why_not():
    assert run_config(NAME, seed=3).parameters.seed == 3
    assert run_config(NAME).test == PLANAR_TESTS
    with pytest.raises(KeplearnError, match="2 runs, not one"):
        run_config(NAME, lr_strategy=[1e-3, 1e-4])
    with pytest.raises(KeplearnError, match="Did you mean 'seed'"):
        run_config(NAME, sead=3)


def test_six_thousand_runs_in_seconds():
    axes = {
        "seed": list(range(100)),
        "width": [8, 16, 32, 64, 128, 256],
        "lr_strategy": [1e-2, 3e-3, 1e-3, 3e-4, 1e-4],
    }
    runs = runs_from_dict({"data": {"dataset_name": NAME}, "parameters": {**axes, "depth": [1, 2]}})
    assert len({run.run_id for run in runs}) == 6000


def test_a_product_beyond_reason_is_refused_at_once(tmp_path):
    listed = str(list(range(1000)))
    text = DATA + f"parameters: {{seed: {listed}, validate_every: {listed.replace('[0,', '[')}}}"
    assert "999000 runs" in refusal(tmp_path, text)


def test_figures_stand_beside_the_tables_and_make_no_run_another(tmp_path):
    (plain,) = runs_of(tmp_path, DATA)
    for text, figures in (
        ("[loss, orbit]", ("loss", "orbit")),
        ("[]", ()),
        ("loss", ("loss",)),
        ("null", None),
    ):
        (run,) = runs_of(tmp_path, f"{DATA}figures: {text}\n")
        assert run.figures == figures
        assert run.run_id == plain.run_id
        assert RunConfig.from_dict(run.to_dict()) == run
        assert runs_of(tmp_path, DATA, f"figures={text}") == [run]
    assert "study.yaml:2: figures: 'los' does not exist. Did you mean 'loss'?" in refusal(
        tmp_path, f"{DATA}figures: [los]\n"
    )
    assert "'box' does not exist" in refusal(tmp_path, DATA, "figures=[box]")  # it is of a group
    assert "figures belongs beside the tables" in refusal(
        tmp_path, "data: {dataset_name: complex_TBP_planar_10_train, figures: [loss]}"
    )


def test_a_record_may_name_a_figure_that_is_no_more():
    record = run_config("complex_TBP_planar_10_train").to_dict() | {"figures": ["daguerreotype"]}
    assert RunConfig.from_dict(record).figures == ("daguerreotype",)
