"""``keplearn train``: killed and interrupted in processes of its own, and resumed; skipped, failed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from effort import LITTLE_EFFORT, enough
from fuzz import keplearn
from processes import heeding_ctrl_c, with_files_up_to

from keplearn.config import load_config, run_config
from keplearn.experiment.course import train_run
from keplearn.models.files import load_model
from keplearn.models.latent_ode import NOISE_FITTED, LatentODE
from keplearn.runs.store import Run

CONFIG = """
wandb: {group: kill}
figures: []
data: {dataset_name: complex_TBP_planar_2_train, test: [complex_TBP_planar_1_test]}
parameters:
  steps_strategy: [[600, 1200]]
  segment_length_strategy: 10
  optimizer: [[adam, bfgs]]
  integrator: grid
  loss_fcn: relative_squared_error
  feature_layer: sph_4D_logr
  activation: tanh
  width: 8
  depth: 1
  dtype: float64
  validate_every: 20
"""

LATENT = """
wandb: {group: kill}
data: {dataset_name: complex_TBP_planar_2_train, test: []}
parameters:
  model: latent_ode
  refine_training: 1
  refine: 1
  hidden_size: 3
  likelihood: relative
  steps_strategy: 500
  segment_length_strategy: 10
  length_strategy: [0.0, 0.25]
  optimizer: bfgs
  feature_layer: sph_4D_logr
  activation: tanh
  width: 4
  depth: 1
  dtype: float64
  validate_every: 20
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from keplearn.cli import main; main()", *map(str, arguments)]


def by_a_process(*arguments: object, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=300, check=False, **kwargs
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "kill.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory) -> Run:
    runs = tmp_path_factory.mktemp("undisturbed")
    done = by_a_process("train", config, "--runs", runs, "--json")
    assert done.returncode == 0, done.stderr
    return Run(Path(json.loads(done.stdout)["path"]))


def stopped_in_the_middle(
    config: Path, runs: Path, how: signal.Signals, at_least: int, environment: Mapping[str, str] = os.environ
) -> Run:
    """Start a training and stop it with a signal once it has written so many steps."""
    process = subprocess.Popen(
        heeding_ctrl_c(*command("train", config, "--runs", runs)),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        files = list(runs.glob("kill/*/metrics.jsonl"))
        if files and files[0].read_bytes().count(b"\n") >= at_least:
            break
        time.sleep(0.01)
    assert process.poll() is None, "the training ended before it could be stopped"
    process.send_signal(how)
    process.wait(timeout=60)
    (path,) = runs.glob("kill/*")
    return Run(path)


def assert_same_result(run: Run, other: Run) -> None:
    one, two = run.model(), other.model()
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in [path.name for path in other.path.glob("phase-*-final.eqx")]:
        for a, b in zip(*(jax.tree.leaves(load_model(r.path / name)) for r in (run, other)), strict=True):
            np.testing.assert_array_equal(a, b)
    pd.testing.assert_frame_equal(run.metrics(), other.metrics())
    assert run.record.get("scores") == other.record.get("scores")


@pytest.mark.parametrize("at_least", [200, 800], ids=["in the first phase", "in the second phase"])
def test_a_run_killed_by_sigkill_goes_on_to_the_same_numbers(config, undisturbed, tmp_path, at_least):
    run = stopped_in_the_middle(config, tmp_path, signal.SIGKILL, at_least)
    assert run.state == "interrupted"
    code, written, said = keplearn("train", "--resume", run.run_id, "--runs", tmp_path, "--json")
    assert code == 0, said
    assert json.loads(written)["state"] == "finished"
    assert_same_result(Run(run.path), undisturbed)


@enough
def test_a_latent_ode_killed_while_its_noise_is_put_in_place_goes_on_to_the_same_numbers(tmp_path):
    """In a phase of BFGS whose beginnings are fitted."""
    path = tmp_path / "latent.yaml"
    path.write_text(LATENT)
    (config,) = load_config(path)
    little = os.environ | LITTLE_EFFORT
    run = stopped_in_the_middle(path, tmp_path / "killed", signal.SIGKILL, 40, little)
    assert run.state == "interrupted" and (run.path / "checkpoint.npz").exists()
    finished = train_run(config, tmp_path / "killed")
    assert (finished.path, finished.state, finished.record["resumed"]) == (run.path, "finished", 1)
    undisturbed = train_run(config, tmp_path / "undisturbed")
    assert_same_result(finished, undisturbed)
    model = undisturbed.model("final")
    assert isinstance(model, LatentODE) and float(model.noise) != pytest.approx(NOISE_FITTED)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_checkpoint_of_the_last_step(config, undisturbed, tmp_path, how):
    run = stopped_in_the_middle(config, tmp_path, how, 200)
    assert run.state == "interrupted"
    with np.load(run.path / "checkpoint.npz") as checkpoint:
        assert int(checkpoint["step"]) == run.metrics()["step"].iloc[-1]
    # The same command again finishes what it began.
    code, _, said = keplearn("train", config, "--runs", tmp_path, "--json")
    assert code == 0, said
    assert "goes on from step" in said
    assert_same_result(Run(run.path), undisturbed)


def test_a_run_whose_files_no_longer_fit_can_go_on(config, undisturbed, tmp_path):
    """The kernel refuses writes beyond 130 kB a file as it would on a full disk: the metrics need more."""
    limited = with_files_up_to(130_000, *command("train", config, "--runs", tmp_path))
    full = subprocess.run(limited, capture_output=True, text=True, timeout=300, check=False)
    assert full.returncode == 2
    assert "Traceback" not in full.stderr
    assert "metrics.jsonl: cannot be written: File too large" in full.stderr
    (path,) = tmp_path.glob("kill/*")
    assert Run(path).state == "interrupted"
    code, _, said = keplearn("train", config, "--runs", tmp_path, "--json")
    assert code == 0, said
    assert "goes on from step" in said
    assert_same_result(Run(path), undisturbed)


def test_a_finished_run_is_skipped(config, undisturbed):
    before = (undisturbed.path / "run.json").read_bytes()
    code, _, said = keplearn("train", config, "--runs", undisturbed.path.parents[1], "--json")
    assert code == 0
    assert "is finished: skipped" in said
    assert (undisturbed.path / "run.json").read_bytes() == before


def test_what_is_recorded_with_a_run(undisturbed):
    record, summary = undisturbed.record, undisturbed.record["summary"]
    assert (summary["num_total_orbits"], summary["num_train_orbits"]) == (2, 2)
    assert summary["segment_ratio"] == pytest.approx(10 / 360)
    assert summary["validation_on"] == "training"
    assert set(summary["seconds"]) == {"import", "compile", "train", "evaluate", "total"}
    assert all(seconds > 0 for seconds in summary["seconds"].values())
    assert summary["steps_per_second"] > 0
    assert {"jax", "diffrax", "keplearn"} <= set(record["versions"])
    assert record["machine"]["device"] == "cpu"
    metrics = undisturbed.metrics()
    assert {"loss", "relative_squared_error", "grad_norm", "lr", "lost", "val_loss"} <= set(metrics)
    assert list(metrics.loc[metrics["val_loss"].notna(), "step"][:3]) == [20, 40, 60]
    phase = record["phases"][0]
    assert phase["grid_error"] <= phase["grid_error_max"] < 1e-3 and phase["warnings"] == []
    assert "complex_TBP_planar_1_test" in record["scores"]
    assert list((undisturbed.path / "evaluations").glob("*.nc"))


def test_a_grid_that_fails_at_one_perigee_of_a_hundred_orbits_is_warned_of(tmp_path):
    """The 99th percentile is far below grid_rtol; some steps through the perigee of e = 0.8 are not."""
    small: dict[str, Any] = {"width": 4, "depth": 1, "steps_strategy": 1, "segment_length_strategy": 18}
    run = train_run(run_config("complex_TBP_planar_100_train", test=[], **small), tmp_path)
    (phase,) = run.record["phases"]
    assert phase["grid_error"] < 1e-4 and phase["grid_error_max"] > 0.05
    (warning,) = phase["warnings"]
    assert f"{phase['grid_error_max']:.1e} at most, above grid_rtol 1.0e-03: a smaller stride" in warning


def test_a_failed_run_names_its_reason_and_the_next_one_runs(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(
        "data: {dataset_name: complex_TBP_planar_1_train, test: []}\n"
        "parameters: {length_strategy: [[0.0, 0.25]], segment_length_strategy: [200, 4],"
        " steps_strategy: 5, width: 4, depth: 1}\n"
    )
    code, written, _ = keplearn("train", path, "--runs", tmp_path / "runs", "--json")
    assert code == 1
    failed, finished = map(json.loads, written.splitlines())
    assert (failed["state"], failed["kind"], finished["state"]) == ("failed", "no_segments", "finished")
    assert "segment length 200 > 90 usable samples in the window [0.0, 0.25] of 360" in failed["reason"]
    _, listed, _ = keplearn("runs", "--runs", tmp_path / "runs", "--state", "failed", "--format", "json")
    assert [row["run_id"] for row in json.loads(listed)] == [failed["run_id"]]
    _, shown, _ = keplearn("runs", "show", failed["run_id"], "--runs", tmp_path / "runs")
    assert "segment length 200 > 90" in shown


def test_a_run_goes_on_from_anothers_model_as_a_new_run(undisturbed, tmp_path):
    runs = undisturbed.path.parents[1]
    code, written, said = keplearn(
        "train", "--from", undisturbed.run_id, "--set", "steps_strategy=5", "--set", "optimizer=adam",
        "--set", "lr_strategy=1e-9", "--set", "rtol=1e-4", "--runs", runs, "--json",
    )  # fmt: skip
    assert code == 0, said
    # What its config fills in is not given; what the command adds is.
    assert [line for line in said.splitlines() if line.startswith("warning: ")] == [
        "warning: given without effect: rtol (integrator is not adaptive)"
    ]
    line = json.loads(written)
    assert line["run_id"] != undisturbed.run_id
    # A rate of 1e-9 hardly moves it: it starts from the trained model, not from a fresh one.
    first = Run(Path(line["path"])).metrics()["loss"].iloc[0]
    assert first == pytest.approx(undisturbed.record["phases"][-1]["best_loss"], rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "give a config FILE, or --resume RUN, or --from RUN"),
        (["train", "no.yaml"], "no.yaml"),
        (["train", "--resume", "../x"], "not a plain name"),
        (["train", "--resume", "abc"], "no run 'abc'"),
        (["runs", "--group", "a/b"], "not a plain name"),
        (["runs", "show", "zzz"], "no run 'zzz'"),
        (["train", "x.yaml", "--device", "gpu"], "x.yaml"),
    ],
)
def test_bad_input_ends_in_one_message_and_exit_code_2(arguments, message, tmp_path):
    done = by_a_process(*arguments, cwd=tmp_path, env=os.environ)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
