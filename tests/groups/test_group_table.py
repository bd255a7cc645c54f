"""The table of a group's runs."""

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.groups.table import group_table
from keplearn.runs.find import find_runs


def test_parameters_states_and_scores_of_all_runs(small_study):
    runs = find_runs(small_study, "small")
    table = group_table(runs)
    assert len(table) == 33
    assert table.attrs["dataset"] == "complex_TBP_planar_1_test"
    assert set(table.attrs["varying"]) == {
        "dataset_name", "seed", "segment_length_strategy", "feature_layer", "output_layer",
    }  # fmt: skip
    assert sorted(table["segment_length_strategy"].unique()) == [4, 10, 300]
    assert (table["length_strategy"] == "[[0.0, 0.5], [0.0, 1.0]]").all()
    for run, row in zip(runs, table.to_dict("records"), strict=True):
        assert row["run_id"] == run.run_id
        if row["state"] == "finished":
            assert row["mean"] == run.record["scores"]["complex_TBP_planar_1_test"]["mean"]
            # Of two phases of 30 steps; validated every 10.
            step = int(row["convergence_steps"]) - 30
            losses = run.metrics().query("phase == 1").set_index("step")["val_loss"].dropna()
            assert losses.loc[step] <= 1.1 * losses.min() < min([*losses.loc[: step - 1], np.inf])
    failed = table[table["state"] == "failed"]
    assert failed["kind"].tolist() == ["no_segments"]
    assert failed["mean"].isna().all()
    other = group_table(runs, "complex_TBP_planar_10_test")
    assert (other["mean"] != table["mean"]).any()
    with pytest.raises(KeplearnError, match="Did you mean 'complex_TBP_planar_10_test'"):
        group_table(runs, "complex_TBP_planr_10_test")
    with pytest.raises(KeplearnError, match="no run"):
        group_table([])
