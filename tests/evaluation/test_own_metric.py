"""A metric of one's own, in a module outside the package: one record and one function, and it is everywhere."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from keplearn.config import run_config
from keplearn.data.dataset import load_dataset
from keplearn.evaluation import table
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.ranking import best, order
from keplearn.evaluation.rollout import evaluate_law
from keplearn.evaluation.scores import Scores
from keplearn.figures import errors
from keplearn.figures.parts.labels import metric_label
from keplearn.report.content import study_content
from keplearn.report.orbits import TestData
from keplearn.runs.find import find_runs
from keplearn.runs.writer import RunWriter

DATASET = load_dataset("simple_TBP_planar_2_test")


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """An evaluation where the metric that CONTRIBUTING shows is known, out of a file of its own."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = (part for part in text.split("```python\n") if part.startswith("from keplearn import metric"))
    file = tmp_path_factory.mktemp("own") / "my_metrics.py"
    file.write_text(block.partition("```")[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("my_metrics", file)
    assert spec is not None and spec.loader is not None
    before = dict(METRICS)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield evaluate_law(DATASET)
    METRICS.clear()
    METRICS.update(before)


def test_it_is_in_the_evaluation_and_in_every_table(evaluation):
    speed, true = (
        np.linalg.norm(evaluation[name].values, axis=-1) for name in ("predicted_velocity", "velocity")
    )
    np.testing.assert_allclose(evaluation["speed_error"], 100 * np.abs(speed - true) / true)
    assert evaluation["speed_error"].attrs == {"units": "%", "long_name": "error of the speed"}
    summed = table.summary(evaluation)
    assert summed["speed%"] == pytest.approx(float(evaluation["speed_error"].mean()))
    assert table.orbit_table(evaluation)["speed%"].mean() == pytest.approx(summed["speed%"])
    scores = table.score_table([({"run_id": "a"}, DATASET.name, summed)])
    assert "speed%" in table.short(scores)
    assert f"speed% {DATASET.name}" in table.wide(scores)
    assert "skewness" not in table.short(scores)
    assert f"skewness {DATASET.name}" in table.wide(scores, all_metrics=True)
    assert '"speed%": ' in table.render(scores, "json")


def test_it_names_the_axes_of_figures(evaluation):
    figure = errors({"law": evaluation}, quantity="speed%")
    assert figure.axes[0].get_ylabel() == "error of the speed (%)"
    assert metric_label("speed%") == "mean error of the speed (%)"


def test_the_page_knows_it(evaluation, tmp_path):
    with RunWriter(tmp_path, run_config("complex_TBP_planar_1_train", group="study")) as writer:
        writer.start({}, resume=False)
        writer.end("failed", kind="input", reason="none")
    orbits = table.orbit_table(evaluation)
    scores = Scores(
        DATASET.name, table.summary(evaluation), {key: orbits[key].to_numpy(float) for key in METRICS}, {}
    )
    runs = find_runs(tmp_path)
    content = study_content(
        runs, [TestData(DATASET.name, DATASET, [], [])], {runs[0].run_id: {DATASET.name: scores}}
    )
    (column,) = (one for one in content.head["columns"] if one["key"] == f"speed%@{DATASET.name}")
    about = "Difference of the predicted and the true speed, % of the true one"
    assert (column["unit"], column["about"], column["shown"]) == ("%", about, "wide")
    assert column["better"] == "smaller"


def test_the_greater_is_the_better_where_its_record_says_so(monkeypatch):
    better = METRICS["mean"].__class__("reach", "orbits until lost", smaller_is_better=False, of="reach")
    monkeypatch.setitem(METRICS, "reach", better)
    scored = {
        "near": {"reach": 1.0, "lost": 0},
        "far": {"reach": 9.0, "lost": 0},
        "gone": {"reach": 10.0, "lost": 3},
    }
    assert sorted(scored, key=lambda name: order(scored[name], "reach")) == ["far", "near", "gone"]
    assert best(scored.items(), "reach") == "far"
