"""Runs trained together: each directory is that of a run trained alone."""

import json
from pathlib import Path

import pytest
from sinks import texts

from keplearn.cli.train import train_all
from keplearn.config import runs_from_dict
from keplearn.data.dataset import load_dataset
from keplearn.experiment.course import train_run
from keplearn.experiment.together import train_stack
from keplearn.groups.scoring import score_runs
from keplearn.runs.events import Rows
from keplearn.runs.store import Run

CONFIG = {
    "wandb": {"group": "stack"},
    "data": {
        "dataset_name": "complex_TBP_planar_2_train",
        "test": ["complex_TBP_planar_1_test"],
        "score_segments": 18,
    },
    "parameters": {
        "steps_strategy": [[20, 10]],
        "segment_length_strategy": 10,
        "length_strategy": [[[0.0, 1.0]], [[0.0, 0.02]]],
        "seed": [0, 1],
        "feature_layer": "sph_4D_logr",
        "activation": "tanh",
        "width": 6,
        "depth": 1,
        "dtype": "float64",
    },
}


@pytest.fixture(scope="module")
def configs():
    """Two runs that train, and two whose window is too short for a segment."""
    return runs_from_dict(CONFIG, [])


def test_each_run_ends_as_it_does_alone(configs, tmp_path, capsys):
    together = {run.run_id: run for run in train_all(configs, tmp_path / "together", together=True)}
    assert len(together) == 4
    for config in configs:
        alone, stacked = train_run(config, tmp_path / "alone"), together[config.run_id]
        assert stacked.state == alone.state
        assert stacked.record["kind"] == alone.record["kind"]
        files = [sorted(p.name for p in run.path.rglob("*")) for run in (alone, stacked)]
        assert files[0] == files[1]
        if alone.state == "finished":
            for dataset, scores in alone.record["scores"].items():
                assert scores["segments"] == stacked.record["scores"][dataset]["segments"] == 18
                segments, orbits = (
                    dict(
                        score_runs(
                            [alone],
                            {dataset: load_dataset(dataset)},
                            lambda run: run.config.test,
                            segments=over,
                        )
                    )
                    for over in (18, None)
                )
                assert scores["mean"] == segments[alone][dataset].summary["mean"]
                assert scores["mean"] != orbits[alone][dataset].summary["mean"]
                assert stacked.record["scores"][dataset]["field"] == pytest.approx(scores["field"], rel=1e-5)
            assert list(stacked.metrics()["step"]) == list(alone.metrics()["step"])
    assert [run.state for run in together.values()].count("failed") == 2
    assert "no_segments" in json.dumps([run.record["kind"] for run in together.values()])
    again = [run for run in train_stack(configs, tmp_path / "together") if isinstance(run, Run)]
    assert sorted(run.state for run in again) == ["failed", "failed", "finished", "finished"]


def test_an_interrupt_leaves_all_runs_with_a_checkpoint(configs, tmp_path):
    """Interrupted after some steps, each run goes on alone from there."""
    steps = []

    def interrupt(event):
        if isinstance(event, Rows):
            steps.append(event)
        if len(steps) == 6:
            raise KeyboardInterrupt

    trained = [config for config in configs if config.parameters.length_strategy[0] == (0.0, 1.0)]
    with pytest.raises(KeyboardInterrupt):
        list(train_stack(trained, tmp_path, sinks=lambda config: [interrupt]))
    said = []
    for config in trained:
        path: Path = tmp_path / config.group / config.run_id
        assert json.loads((path / "run.json").read_text())["state"] == "interrupted"
        assert (path / "checkpoint.npz").exists()
        assert train_run(config, tmp_path, sinks=[texts(said)]).state == "finished"
    assert sum("goes on from step" in text for text in said) == 2
