"""What sets failed runs apart from those that finished, and how many runs have each value."""

from keplearn.config import runs_from_dict
from keplearn.groups.difference import apart, count_by_value


def _configs(**parameters):
    data = {"dataset_name": "complex_TBP_planar_2_train"}
    return runs_from_dict({"wandb": {"group": "g"}, "data": data, "parameters": parameters}, [])


def test_a_failed_run_is_told_by_the_values_that_no_finished_run_has():
    thin, wide = _configs(width=[4, 64], seed=0)
    assert apart({"x": wide}, {"a": thin}) == {"x": "width=64"}
    assert apart({"x": wide}, {}) == {"x": "none finished"}


def test_where_it_has_no_value_of_its_own_the_nearest_finished_run_is_named():
    runs = {(run.parameters.width, run.parameters.depth, run.parameters.seed): run
            for run in _configs(width=[4, 64], depth=[1, 2], seed=[0, 1])}  # fmt: skip
    finished = {"far": runs[4, 1, 0], "near": runs[64, 1, 1], "other": runs[4, 2, 1]}
    assert apart({"x": runs[64, 2, 1]}, finished) == {"x": "near depth=2 for 1"}


def test_runs_are_counted_by_each_value_that_varies():
    counted = count_by_value(
        _configs(width=[4, 64], seed=[0, 1]), ["finished", "failed", "running", "finished"]
    )
    assert counted[:2] == [
        {"key": "parameters.width", "value": "4", "runs": 2, "finished": 1, "failed": 1},
        {"key": "parameters.width", "value": "64", "runs": 2, "finished": 1, "failed": 0},
    ]
    assert [row["key"] for row in counted] == ["parameters.width"] * 2 + ["parameters.seed"] * 2
    assert count_by_value([], []) == []
