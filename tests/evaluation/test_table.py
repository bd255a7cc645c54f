"""Tables of scores, and evaluations as files."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.evaluation import store, table
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.rollout import evaluate_law

DATASET = load_dataset("simple_TBP_planar_2_test")


@pytest.fixture(scope="module")
def evaluation():
    return evaluate_law(DATASET)


def score(run: str, dataset: str, mean: float, diverged: int = 0, **more: object) -> dict[str, object]:
    return {
        "run_id": run,
        "width": "64",
        "dataset": dataset,
        "median": 0.5 * mean,
        "mean": mean,
        "field": 0.1,
        "diverged": diverged,
        **more,
    }


def test_a_summary_has_the_keys_of_the_specification(evaluation):
    assert list(table.summary(evaluation)) == list(METRICS)


def test_the_orbits_means_average_to_the_dataset_s(evaluation):
    orbits = table.orbit_table(evaluation)
    assert list(orbits["orbit"]) == ["0", "1"]
    assert orbits["eccentricity"].tolist() == DATASET.elements[:, 1].tolist()
    for key in ("mean", "field", "position%"):
        assert orbits[key].mean() == pytest.approx(table.summary(evaluation)[key])


def test_runs_go_down_and_datasets_across():
    rows = [score("a", "near", 1.0), score("a", "far", 2.0, diverged=3), score("b", "near", 4.0)]
    wide = table.wide(pd.DataFrame(rows), ["width"])
    assert list(wide.columns) == [
        "run_id", "width", "median near", "mean near", "field near", "median far", "mean far", "field far",
        "diverged far",
    ]  # fmt: skip
    assert wide["mean near"].tolist() == [1.0, 4.0]
    assert wide["diverged far"][0] == 3
    assert np.isnan(wide["mean far"][1])


def test_floors_stand_beside_the_datasets_that_have_them():
    rows = [score("a", "law", 1.0), score("a", "satellites", 2.0, floor_mean=0.2, floor_field=0.1)]
    wide = table.wide(pd.DataFrame(rows))
    assert wide["floor_mean satellites"][0] == 0.2
    assert "floor_mean law" not in wide


def test_json_rows_have_null_where_there_is_no_number(evaluation):
    scores = table.score_table([({"run_id": "a"}, DATASET.name, table.summary(evaluation))])
    (row,) = json.loads(table.render(scores, "json"))
    assert set(row) == {"run_id", "dataset", *METRICS}
    assert row["dataset"] == "simple_TBP_planar_2_test"
    assert row["flips"] is None
    assert row["mean"] == table.summary(evaluation)["mean"]


def test_markdown_and_csv(evaluation):
    scores = table.short(table.score_table([({"run_id": "a|b"}, DATASET.name, table.summary(evaluation))]))
    lines = table.render(scores, "markdown").splitlines()
    assert lines[0] == "| run_id | dataset | median | mean | field | theta-deg | radial% | position% |"
    assert r"a\|b" in lines[2]
    header, row = table.render(scores, "csv").splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["run_id"] == "a|b"


def test_an_evaluation_comes_back_from_its_file(evaluation, tmp_path):
    path = tmp_path / "deep" / "law.nc"
    store.save_evaluation(evaluation, path)
    back = store.load_evaluation(path, DATASET)
    assert back.attrs == evaluation.attrs
    xarray.testing.assert_allclose(back, evaluation, rtol=1e-7)
    for name in back:
        assert back[name].dims == evaluation[name].dims
        assert back[name].attrs == evaluation[name].attrs
    with pytest.raises(KeplearnError, match="not an evaluation on the orbits"):
        store.load_evaluation(path, DATASET.first(1))
    assert [p.name for p in path.parent.iterdir()] == ["law.nc"]
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(KeplearnError, match=r"law\.nc"):
        store.load_evaluation(path, DATASET)


def test_names_of_files_are_plain():
    assert store.evaluation_file(DATASET) == "simple_TBP_planar_2_test.nc"
    called = replace(DATASET, name="a/../b")
    name = store.evaluation_file(called, "phase:0", 18)
    assert name == f"a_.._b.{called.content_hash[:8]}.phase_0.segments18.nc"


def test_datasets_that_are_called_the_same_have_files_of_their_own():
    one, other = (replace(x, name="same") for x in (DATASET, DATASET.only(0)))
    assert store.evaluation_file(one) != store.evaluation_file(other)
