"""Runs are scored on datasets in blocks, in their order; one that cannot be is told of once."""

from pathlib import Path

import pytest
from gentle import gentle_model

from keplearn.config import run_config
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import units_for
from keplearn.evaluation.scores import keep_scores
from keplearn.evaluation.table import summary
from keplearn.groups.scoring import BLOCK, evaluate_runs, score_runs
from keplearn.models.neural_ode import Architecture
from keplearn.runs.find import find_runs
from keplearn.runs.writer import RunWriter

SHAPE = Architecture("log_radius", "mlp_rtn", 4, 1, "tanh", planar_constraint=True)
DATASETS = {name: load_dataset(name) for name in ("simple_TBP_planar_1_test", "simple_TBP_planar_2_test")}
FIRST, SECOND = DATASETS
COUNT = BLOCK + 1


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One block and one run more, untrained; the third has no model."""
    path: Path = tmp_path_factory.mktemp("runs")
    layers = {"feature_layer": "log_radius", "output_layer": "mlp_rtn", "activation": "tanh"}
    for seed in range(COUNT):
        config = run_config("simple_TBP_planar_1_train", group="g", width=4, seed=seed, **layers)
        with RunWriter(path, config) as writer:
            writer.start({}, resume=False)
            writer.model("model", gentle_model(SHAPE, seed, units=units_for(DATASETS[FIRST])))
            writer.end("finished")
    found = find_runs(path)
    found[2].model_file().unlink()
    return find_runs(path)


def test_every_run_comes_once_in_its_order_with_the_scores_that_are_wanted(runs):
    told, blocks = [], []

    def track(given):
        for block in given:
            blocks.append(len(block))
            yield block

    second = {run.run_id for run in runs[1:4]}
    found = score_runs(
        runs, DATASETS, lambda run: [SECOND, FIRST, "another"] if run.run_id in second else [FIRST],
        skipped=lambda run, error: told.append((run.run_id, str(error))), track=track,
    )  # fmt: skip
    rows = [(run.run_id, scores) for run, scores in found]
    assert [run_id for run_id, _ in rows] == [run.run_id for run in runs]
    assert [list(scores) for _, scores in rows[:5]] == [
        [FIRST],
        [FIRST, SECOND],
        [],
        [FIRST, SECOND],
        [FIRST],
    ]
    assert blocks == [BLOCK, COUNT - BLOCK]
    ((run_id, error),) = told
    assert run_id == runs[2].run_id and "has no model" in error
    alone = keep_scores([runs[1]], DATASETS[SECOND])[0]
    assert alone is not None and str(rows[1][1][SECOND].summary) == str(alone.summary)


def test_an_evaluation_holds_the_scores(runs):
    told = []
    found = dict(evaluate_runs(runs, DATASETS[FIRST], skipped=lambda run, error: told.append(run)))
    assert list(found) == runs[:2] + runs[3:] and told == [runs[2]]
    scores = keep_scores([runs[0]], DATASETS[FIRST])[0]
    assert scores is not None and str(summary(found[runs[0]])) == str(scores.summary)


def test_where_nobody_is_told_a_run_without_a_model_is_an_error(runs):
    with pytest.raises(KeplearnError, match="has no model"):
        list(score_runs(runs, DATASETS, lambda run: [FIRST]))
    with pytest.raises(KeplearnError, match="has no model"):
        list(evaluate_runs(runs, DATASETS[FIRST]))
