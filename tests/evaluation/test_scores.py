"""Scores beside their evaluation are those of the evaluation, at any time and whatever happens to their file."""

import json

import numpy as np
import pytest
from gentle import gentle_model

from keplearn.config import run_config
from keplearn.core import seal
from keplearn.core.errors import KeplearnError, KeptWarning
from keplearn.data.dataset import load_dataset
from keplearn.data.units import units_for
from keplearn.evaluation import scores as kept
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.scores import keep_scores
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import orbit_table, summary
from keplearn.models.neural_ode import Architecture
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter

DATASET = load_dataset("simple_TBP_planar_2_test")
SHAPE = Architecture("log_radius", "mlp_rtn", 4, 1, "tanh", planar_constraint=True)


def write_model(path, seed: int) -> None:
    layers = {"feature_layer": "log_radius", "output_layer": "mlp_rtn", "activation": "tanh"}
    with RunWriter(
        path, run_config("complex_TBP_planar_1_train", group="study", width=4, **layers)
    ) as writer:
        writer.start({}, resume=False)
        writer.model("model", gentle_model(SHAPE, seed, units=units_for(DATASET)))
        writer.end("finished")


@pytest.fixture
def run(tmp_path):
    write_model(tmp_path, 0)
    (path,) = (tmp_path / "study").iterdir()
    return Run(path)


@pytest.fixture
def opened(monkeypatch):
    """The number of evaluations that were opened or made for scores."""
    count = [0]

    def counted(pairs, dataset, **options):
        count[0] += len(pairs)
        return [keep_evaluation(path, model, dataset, **options) for path, model in pairs]

    monkeypatch.setattr(kept, "keep_evaluations", counted)
    return count


def only(run: Run):
    (found,) = keep_scores([run], DATASET)
    assert found is not None
    return found


def scores_file(run: Run):
    return run.path / "evaluations" / f"{DATASET.name}.json"


def same(one, other) -> bool:
    arrays = [(one.orbits, other.orbits), (one.drawn, other.drawn)]
    return json.dumps(one.summary) == json.dumps(other.summary) and all(
        np.array_equal(a[key], b[key], equal_nan=True) for a, b in arrays for key in a
    )


def test_they_are_those_of_the_evaluation_and_open_it_once(run, opened):
    first, again = only(run), only(run)
    assert opened == [1]
    assert same(first, again)
    evaluation = keep_evaluation(run.path, run.model(), DATASET)
    assert again.summary["mean"] == summary(evaluation)["mean"]
    assert np.isnan(again.summary["flips"])
    table = orbit_table(evaluation)
    assert again.orbits["field"].tolist() == table["field"].tolist()
    assert again.orbits["lost"].tolist() == table["lost"].tolist()
    assert np.array_equal(again.drawn[1][:, :3], evaluation["predicted_position"][1], equal_nan=True)


def test_they_are_made_anew_where_anything_is_another(run, opened, monkeypatch, tmp_path):
    first = only(run)
    with monkeypatch.context() as patch:
        patch.setattr(kept, "scorer", lambda *layers: "another")
        only(run)
    only(run)
    assert opened == [3]
    write_model(tmp_path, 1)
    other = only(Run(run.path))
    assert opened == [4]
    assert other.summary["mean"] != first.summary["mean"]
    assert other.summary["mean"] == pytest.approx(summary(evaluate(run.model(), DATASET))["mean"], rel=1e-5)


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 10**5, b"no JSON", b"null", seal.close(b"{}")])
def test_a_foreign_or_empty_file_is_set_aside(run, opened, content):
    first = only(run)
    scores_file(run).write_bytes(content)
    with pytest.warns(KeptWarning, match=f"{DATASET.name}.json: damaged"):
        assert same(only(run), first)
    assert same(only(run), first)
    assert opened == [2]
    assert scores_file(run).with_name(f"{DATASET.name}.json.damaged").read_bytes() == content


def test_a_flipped_bit_is_named_and_never_a_wrong_number(run, opened):
    first = only(run)
    content = bytearray(scores_file(run).read_bytes())
    content[content.index(b"summary") + 30] ^= 1
    scores_file(run).write_bytes(content)
    with pytest.warns(KeptWarning, match=f"{DATASET.name}.json: damaged"):
        assert same(only(run), first)
    assert scores_file(run).with_name(f"{DATASET.name}.json.damaged").read_bytes() == content
    assert same(only(run), first)


def test_a_run_without_a_model_is_told_of(run):
    run.model_file().unlink()
    with pytest.raises(KeplearnError, match="has no model"):
        keep_scores([run], DATASET)
    told = []
    assert keep_scores([run], DATASET, skipped=lambda one, error: told.append((one.run_id, str(error)))) == [
        None
    ]
    assert told[0][0] == run.run_id
