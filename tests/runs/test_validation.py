"""Validation on data of its own: what is measured there, which model is kept, and that a run can go on."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest

from keplearn.config import RunConfig, runs_from_dict
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset, save_dataset
from keplearn.evaluation.field import accelerations
from keplearn.evaluation.vectors import percent_error
from keplearn.experiment.course import train_run
from keplearn.experiment.plan import prepare
from keplearn.runs.events import Message, Rows
from keplearn.runs.store import Run

OWN = "complex_TBP_planar_2_val"
# The second phase spoils the model.
KEYS: dict[str, Any] = {
    "group": "validated",
    "validation": OWN,
    "best_by": "field",
    "steps_strategy": [[12, 9]],
    "lr_strategy": [[1e-3, 3.0]],
    "length_strategy": [[[0.0, 0.5], [0.0, 1.0]]],
    "validate_every": 4,
    "width": 4,
    "depth": 1,
    "feature_layer": "sph_4D_rinv",
    "test": [OWN],
    "score_segments": 18,
}


def config_of(**changes: Any) -> RunConfig:
    """The config of these keys, some of them changed."""
    keys = KEYS | changes
    head = {"dataset_name": keys.pop("dataset_name", "complex_TBP_planar_2_train")}
    data = head | {key: keys.pop(key) for key in ("validation", "test", "score_segments")}
    (config,) = runs_from_dict({"wandb": {"group": keys.pop("group")}, "data": data, "parameters": keys})
    return config


CONFIG = config_of()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Run:
    return train_run(CONFIG, tmp_path_factory.mktemp("whole"))


def error_of_field(run: Run, which: str) -> float:
    """Mean over all states of the validation orbits, % of the true acceleration; in float64."""
    own = load_dataset(OWN)
    return float(percent_error(accelerations(run.model(which), own.states), own.accelerations).mean())


def test_all_training_orbits_train_and_the_other_dataset_validates(whole):
    phases = whole.record["phases"]
    # Of 360 samples, half of each orbit and all of it, in segments of 4.
    assert [(phase["segments"], phase["validation_segments"]) for phase in phases] == [(90, 90), (180, 180)]
    summary = whole.record["summary"]
    assert (summary["num_train_orbits"], summary["num_validation_orbits"]) == (2, 2)
    assert summary["validation_on"] == "validation"
    assert summary["validation_hash"] == load_dataset(OWN).content_hash


def test_the_error_of_the_field_is_measured_at_every_validation(whole):
    """It is the metric `field` on the validation orbits, whatever the window of the phase."""
    metrics = whole.metrics().set_index(["phase", "step"])
    measured = metrics["val_field"].dropna()
    assert list(measured.index) == list(metrics["val_loss"].dropna().index)
    assert [step for _, step in measured.index] == [4, 8, 12, 4, 8, 9]
    for phase in (0, 1):
        summary = whole.record["phases"][phase]
        assert summary["best_field"] == measured[phase].min() == measured[phase, summary["best_step"]]
        assert summary["best_loss"] == metrics["val_loss"][phase, summary["best_step"]]
        assert summary["best_field"] == pytest.approx(error_of_field(whole, f"phase:{phase}"), rel=1e-4)


def test_what_is_measured_as_it_validates_are_the_scores_on_that_dataset(whole):
    """The field's error, and that along paths of 18 samples, of the kept model; scores are in float64."""
    scores, summary = whole.record["scores"][OWN], whole.record["summary"]
    metrics = whole.metrics().set_index(["phase", "step"])
    kept = metrics.loc[summary["best_phase"], summary["best_step"]]
    assert metrics["val_path"].notna().sum() == metrics["val_loss"].notna().sum()
    assert scores["field"] == pytest.approx(kept["val_field"], rel=1e-4)
    assert scores["mean"] == pytest.approx(kept["val_path"], rel=1e-3)


def test_by_field_the_best_of_all_phases_is_kept_and_scored(whole):
    summary, phases = whole.record["summary"], whole.record["phases"]
    assert phases[0]["best_field"] < phases[1]["best_field"]
    kept = {key: summary[f"best_{key}"] for key in ("phase", "step", "loss", "field")}
    assert kept == {"phase": 0} | {key: phases[0][f"best_{key}"] for key in ("step", "loss", "field")}
    assert summary["convergence_steps"] == phases[0]["convergence_steps"]
    for one, other in zip(*(jax.tree.leaves(whole.model(x)) for x in ("best", "phase:0")), strict=True):
        np.testing.assert_array_equal(one, other)
    by_loss = config_of(best_by="loss")
    assert by_loss.run_id != CONFIG.run_id


def test_by_loss_the_best_of_the_last_phase_is_kept(tmp_path, whole):
    run = train_run(config_of(best_by="loss"), tmp_path)
    summary, last = run.record["summary"], run.record["phases"][-1]
    assert (summary["best_phase"], summary["best_loss"]) == (1, last["best_loss"])
    losses = run.metrics().query("phase == 1")["val_loss"].dropna()
    assert summary["best_loss"] == losses.min()
    # How a model is chosen changes nothing of the training.
    pd.testing.assert_frame_equal(run.metrics(), whole.metrics())


def test_a_run_that_was_stopped_keeps_the_same_model(whole, tmp_path):
    """Broken off after each chunk of steps: those of the second phase find the first one's model on disk."""
    reached: list[tuple[int, int]] = []

    def tell(event):
        if isinstance(event, Rows) and (event.phase, event.step) not in reached:
            reached.append((event.phase, event.step))
            raise KeyboardInterrupt

    run = None
    while run is None and len(reached) < 20:
        with suppress(KeyboardInterrupt):
            run = train_run(CONFIG, tmp_path, sinks=[tell])
    assert run is not None and {phase for phase, _ in reached} == {0, 1}
    pd.testing.assert_frame_equal(run.metrics(), whole.metrics())
    for one, other in zip(jax.tree.leaves(run.model()), jax.tree.leaves(whole.model()), strict=True):
        np.testing.assert_array_equal(one, other)
    assert run.record["scores"] == whole.record["scores"]
    timed = {"compile_seconds", "train_seconds", "steps_per_second"}
    for one, other in zip(run.record["phases"], whole.record["phases"], strict=True):
        assert {k: v for k, v in one.items() if k not in timed} == {
            k: v for k, v in other.items() if k not in timed
        }


def test_data_that_do_not_fit_the_model_are_refused_before_anything_is_compiled(tmp_path, monkeypatch):
    """A file is read again as a run starts: it may have changed since its config was checked."""
    monkeypatch.chdir(tmp_path)
    own = load_dataset(OWN)
    save_dataset(replace(own, name="own"), tmp_path / "own.nc")
    config = config_of(validation="own.nc")
    plan = prepare(config)
    assert plan.facts["validation_hash"] == own.content_hash
    save_dataset(replace(own, name="own", mu=1.5 * own.mu), tmp_path / "own.nc")
    with pytest.raises(KeplearnError, match=r"own has mu = 597900.7 km³/s² .* but the model has learned"):
        prepare(config)


def test_a_run_whose_validation_file_has_changed_is_trained_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = load_dataset(OWN)
    small: dict[str, Any] = {
        "score_segments": None,
        "validation": "own.nc",
        "steps_strategy": 4,
        "lr_strategy": 1e-3,
        "length_strategy": [[0.0, 1.0]],
    }
    save_dataset(replace(own, name="own"), tmp_path / "own.nc")
    config = config_of(**small, test=[])
    first = train_run(config, tmp_path / "runs").record["summary"]["validation_hash"]
    said: list[str] = []
    sinks = [lambda event: said.append(event.text) if isinstance(event, Message) else None]
    train_run(config, tmp_path / "runs", sinks=sinks)
    assert said == ["is finished: skipped (--again trains it again)"]
    save_dataset(replace(own.first(1), name="own"), tmp_path / "own.nc")
    again = train_run(config, tmp_path / "runs", sinks=sinks)
    assert len(said) == 1 and again.record["phases"][0]["validation_segments"] == 90
    assert first != again.record["summary"]["validation_hash"]
