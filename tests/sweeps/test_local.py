"""A sweep on this machine outlives what happens to its runs, its workers and its driver.

Longer than most files: its sweeps are compared with the same runs, trained alone.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import jax
import pytest
from forty_runs import (
    CLI,
    SABOTEUR,
    assert_forty_ended,
    assert_same_scores,
    failures,
    processes_of,
    wait_for,
)
from fuzz import keplearn
from processes import heeding_ctrl_c

from keplearn.cli.sweep import sweep
from keplearn.config import load_config
from keplearn.core.errors import KeplearnError
from keplearn.groups.standing import Standing
from keplearn.groups.study import Study
from keplearn.models.latent_ode import LatentODE
from keplearn.runs.store import Run
from keplearn.sweeps.driver import driver, driving, stop
from keplearn.sweeps.limits import Limits
from keplearn.sweeps.local import sweep_here

LIMITS = Limits(seconds=40.0, memory=1_500_000_000)


def test_seven_of_forty_runs_fail_and_harm_no_other(study, alone):
    with driving(study) as scratch:
        outcome = sweep_here(study, list(study.configs), scratch, LIMITS, worker=SABOTEUR)
    assert (outcome.ended, outcome.left, outcome.stopped) == (40, {}, None)
    standing = Standing(study).read()
    assert_forty_ended(standing, alone)
    by_seed = {config.parameters.seed: run_id for run_id, config in study.configs.items()}
    assert standing.records[by_seed[1]]["exit_code"] == -signal.SIGSEGV
    assert "saboteur.py" in (study.path / by_seed[1] / "log.txt").read_text()  # where it crashed
    assert "RuntimeError" in (study.path / by_seed[0] / "log.txt").read_text()
    left = {path.name for path in study.path.iterdir()}
    assert left == {"sweep.json", *study.configs}


LATENTS = """
wandb: {group: latents}
plugins: [broken.py]
data: {dataset_name: complex_TBP_planar_2_train, test: []}
parameters:
  model: latent_ode
  hidden_size: 3
  width: 4
  depth: 1
  steps_strategy: 10
  segment_length_strategy: 10
  length_strategy: [0.0, 0.1]
  feature_layer: sph_4D_logr
variants: [{seed: [0, 2, 7, 8]}, {seed: 9, feature_layer: broken}]
"""
BROKEN = """
import keplearn


@keplearn.feature_layer("nothing", uses_velocity=False)
def broken(r, v, settings):
    raise ValueError("this layer is of no use")
"""


def test_latent_odes_that_fail_leave_those_that_finish(tmp_path, forget):
    """An exception, a worker that is killed, a layer that cannot be computed; and two whose models are there."""
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "latents.yaml").write_text(LATENTS)
    study = Study.of(load_config(tmp_path / "latents.yaml"), tmp_path / "runs")
    with driving(study) as scratch:
        sweep_here(study, list(study.configs), scratch, LIMITS, workers=1, worker=SABOTEUR)
    standing = Standing(study).read()
    assert standing.counts == {"finished": 2, "failed": 3}
    found = {seed: kind for seed, (kind, _) in failures(standing).items()}
    assert found == {0: "RuntimeError", 2: "killed", 9: "ValueError"}
    for run_id in standing.having("finished"):
        run = Run(study.path / run_id)
        assert isinstance(run.model(), LatentODE) and len(run.metrics()) == 10


def test_a_killed_driver_leaves_no_orphan_and_the_rerun_trains_what_is_missing(file, tmp_path, alone):
    """The driver trains as well where all its standard streams are closed."""
    runs = tmp_path / "runs"
    words = ["sweep", str(file), "--runs", str(runs), "--workers", "2"]
    process = subprocess.Popen(["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", *CLI, *words])
    wait_for(lambda: (runs / "forty" / "sweep.json").exists())
    study = Study.read(runs, "forty")
    wait_for(lambda: Standing(study).read().counts["finished"] >= 8)
    assert processes_of(runs)
    process.kill()
    process.wait()
    wait_for(lambda: not processes_of(runs), seconds=10.0)
    before = Standing(study).read()
    assert before.counts["finished"] < 33
    assert (study.path / ".sweep").is_dir()

    code, out, err = keplearn(*words)
    assert code == 0, err
    assert f"{33 - before.counts['finished']} finished, 0 failed, {before.counts['finished']} skipped" in out
    after = Standing(study).read()
    for run_id in before.having("finished"):
        assert after.records[run_id] == before.records[run_id]  # not touched
    for run_id, scores in alone.items():
        for test, values in scores.items():
            assert_same_scores(after.records[run_id]["scores"][test], values)
    assert {path.name for path in study.path.iterdir()} == {"sweep.json", *study.configs}


def test_a_device_that_is_not_there_is_one_message_before_any_run(file, tmp_path):
    if jax.default_backend() != "cpu":
        pytest.skip("there is a GPU here")
    code, _, err = keplearn("sweep", file, "--runs", tmp_path / "runs", "--device", "gpu", "--workers", "1")
    assert code == 2
    assert "--device gpu: JAX finds only the CPU here" in err
    assert err.count("error") == 1
    assert {path.name for path in (tmp_path / "runs" / "forty").iterdir()} == {"sweep.json"}


def test_a_sweep_is_stopped_and_goes_on_detached(file, tmp_path):
    """Stopped in the middle, runs under way keep checkpoints; detached, it ends without its terminal."""
    runs = tmp_path / "runs"
    long = ["--set", "parameters.steps_strategy=[[1000000]]", "--set", "parameters.seed=[5,6]"]
    words = ["sweep", str(file), "--runs", str(runs), *long]
    detached = subprocess.run([*CLI, *words, "--detach"], capture_output=True, text=True, timeout=60)
    assert detached.returncode == 0, detached.stderr
    wait_for(lambda: (runs / "forty" / "sweep.json").exists())
    study = Study.read(runs, "forty")
    wait_for(lambda: len(list(study.path.glob("*/metrics.jsonl"))) == 2)
    wait_for(lambda: all(p.stat().st_size for p in study.path.glob("*/metrics.jsonl")))

    for second in (words, [*words, "--detach"]):
        code, _, err = keplearn(*second)
        assert code == 2
        assert "a sweep of this group is under way" in err
    facts = json.loads(keplearn("sweep", "status", "forty", "--runs", runs, "--json")[1])
    assert facts["states"] == {"running": 2}
    assert facts["driver"]["pid"] not in (os.getpid(), None)

    code, out, err = keplearn("sweep", "stop", "forty", "--runs", runs)
    assert code == 0, err
    assert "2 interrupted" in out
    assert len(list(study.path.glob("*/checkpoint.npz"))) == 2
    assert not processes_of(runs)


def test_a_second_word_to_end_breaks_nothing_off(file, tmp_path):
    """The driver ends its worker, whose run keeps a checkpoint, and nothing half written or running is left."""
    runs = tmp_path / "runs"
    long = ["--set", "parameters.steps_strategy=[[1000000]]", "--set", "parameters.seed=5"]
    driver = subprocess.Popen(
        heeding_ctrl_c(*CLI, "sweep", file, "--runs", runs, *long), stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: any(p.stat().st_size for p in runs.glob("forty/*/metrics.jsonl")))
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        driver.send_signal(number)
        time.sleep(0.1)
    errors = driver.communicate(timeout=60)[1]
    assert driver.returncode == 130
    assert errors.count("interrupted") == 1
    assert "Traceback" not in errors
    assert not processes_of(runs)
    assert not list(runs.rglob("*.tmp"))
    assert not (runs / "forty" / ".sweep").exists()
    assert len(list(runs.glob("forty/*/checkpoint.npz"))) == 1


@pytest.mark.parametrize("limit", [{"time_limit": "0s"}, {"memory": "0G"}, {"memory": "0M"}])
def test_a_limit_of_nothing_is_refused(file, tmp_path, limit):
    with pytest.raises(KeplearnError, match=r"--(time-limit 0s|memory 0[GM]): no run"):
        sweep(file, runs=tmp_path / "runs", **limit)
    assert not (tmp_path / "runs").exists()


def test_a_worker_that_is_killed_once_is_replaced_and_its_run_tried_again(study, tmp_path):
    """With --retries, a run whose worker somebody killed goes on; the config is not to blame."""
    victims = list(study.configs)[5:7]
    killed = []

    def kill_one():
        found = [w for w in processes_of(study.runs) if (study.path / victims[0] / "run.json").exists()]
        if found and not killed and Standing(study).read().states[victims[0]] == "running":
            killed.append(found[0])
            os.kill(found[0], signal.SIGKILL)

    with driving(study) as scratch:
        outcome = sweep_here(study, victims, scratch, Limits(retries=1), workers=1, on_look=kill_one)
    assert outcome.ended == 2
    assert Standing(study).read().counts["finished"] == 2


def test_a_worker_that_dies_as_it_starts_is_replaced(study):
    killed = []

    def kill_the_first():
        if not killed and (found := processes_of(study.runs)):
            killed.append(found[0])
            os.kill(found[0], signal.SIGKILL)

    with driving(study) as scratch:
        outcome = sweep_here(
            study, list(study.configs)[5:7], scratch, Limits(), workers=1, on_look=kill_the_first
        )
    assert killed
    assert (outcome.ended, outcome.stopped) == (2, None)
    assert Standing(study).read().counts["finished"] == 2


def test_workers_that_never_start_end_the_sweep_with_what_they_said(study):
    with driving(study) as scratch:
        command = [sys.executable, "-c", "raise SystemExit('no such library')"]
        outcome = sweep_here(study, list(study.configs)[5:7], scratch, Limits(), workers=1, worker=command)
    assert outcome.stopped is not None
    assert "no such library" in outcome.stopped
    assert len(outcome.left) == 2


def test_a_driver_that_is_dead_is_not_taken_for_another_process(study):
    """Its number may be that of a stranger by now."""
    study.write()
    (study.path / ".sweep").mkdir()
    with subprocess.Popen(["sleep", "100"]) as stranger:
        about = {"pid": stranger.pid, "host": socket.gethostname(), "since": 0.0}
        (study.path / ".sweep" / "driver.json").write_text(json.dumps(about))
        (study.path / ".lock").write_text("")
        assert driver(study) is None
        with pytest.raises(KeplearnError, match="no sweep of forty is under way"):
            stop(study)
        assert stranger.poll() is None
        stranger.kill()
    with driving(study):
        found = driver(study)
        assert found is not None
        assert found["pid"] == os.getpid()


def test_no_run_is_started_on_a_full_disk(study):
    with driving(study) as scratch:
        outcome = sweep_here(study, list(study.configs), scratch, Limits(free_disk=10**18), workers=1)
    assert outcome.ended == 0
    assert len(outcome.left) == 40
    assert outcome.stopped is not None
    assert "--min-free" in outcome.stopped


def test_a_directory_that_cannot_be_written_is_named(file):
    command = [*CLI, "sweep", str(file), "--runs", "/proc/keplearn"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert "/proc/keplearn" in refused.stderr
    assert "cannot be written" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_failed_and_in_what_it_differs_is_told(forty, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")  # there is none here: workers train on the CPU all the same
    study = Study.of([forty[1], forty[5], forty[6], forty[39]], tmp_path)
    with driving(study) as scratch:
        sweep_here(study, list(study.configs), scratch, Limits(), worker=SABOTEUR)
    crashed, good, other, empty = study.configs

    def runs(*words):
        code, out, err = keplearn("runs", *words, "--runs", tmp_path)
        assert code == 0, err
        return out

    failed = json.loads(runs("--group", "forty", "--state", "failed", "--format", "json"))
    told = {row["run_id"]: (row["kind"], row["differs"]) for row in failed}
    assert told[crashed] == ("segmentation_fault", "seed=1")
    assert told[empty] == ("no_segments", "segment_length_strategy=1000, seed=101")
    assert "segment_length_strategy=1000" in runs("--group", "forty", "--state", "failed")
    counted = json.loads(runs("varying", "--group", "forty", "--format", "json"))
    lengths = [row for row in counted if row["key"] == "parameters.segment_length_strategy"]
    assert [(row["value"], row["runs"], row["failed"]) for row in lengths] == [("10", 3, 1), ("1000", 1, 1)]
    assert "seed" in runs("varying", "--group", "forty")
    differences = json.loads(runs("diff", good, other, empty, "--format", "json"))["differences"]
    assert differences == {
        "parameters.segment_length_strategy": [[10], [10], [1000]],
        "parameters.seed": [5, 6, 101],
    }
    assert "seed" in runs("diff", good, other)
    log = runs("logs", crashed)
    assert "SIGSEGV" in log
    assert "saboteur.py" in log
    assert len(runs("logs", crashed, "--lines", "2").splitlines()) == 2

    # A damaged record is named, and hides nothing else.
    (study.path / good / "run.json").write_text("{")
    _, listed, said = keplearn("runs", "--group", "forty", "--format", "json", "--runs", tmp_path)
    assert {row["run_id"] for row in json.loads(listed)} == {crashed, other, empty}
    assert f"{good}/run.json: damaged" in said
    assert Standing(study).read().states[good] == "interrupted"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of half a megabyte; skipped where nothing may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(place)], check=False
    ).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.system
def test_a_full_disk_and_a_read_only_one_lose_nothing(file, small_disk, alone):
    def remount(option):
        subprocess.run(["mount", "-o", f"remount,{option}", str(small_disk)], check=True)

    def sweep(*words):
        return keplearn("sweep", file, "--runs", small_disk / "runs", "--workers", 2, *words)

    code, _, err = sweep()
    assert code == 2
    assert "no run is started below 500 MB" in err

    code, out, err = sweep("--min-free", "0M")
    assert code == 2, out
    assert "No space left on device" in err
    assert "Traceback" not in err
    study = Study.read(small_disk / "runs", "forty")
    counts = Standing(study).read().counts
    assert 0 < counts["finished"] < 33
    assert counts["failed"] == 0
    assert not list(small_disk.rglob("*.tmp"))

    remount("ro")
    code, _, err = sweep()
    assert code == 2
    assert "Read-only file system" in err
    assert "Traceback" not in err

    remount("rw,size=200m")
    code, _, err = sweep("--min-free", "0M")
    assert code == 0, err
    after = Standing(study).read()
    for run_id, scores in alone.items():
        for test, values in scores.items():
            assert_same_scores(after.records[run_id]["scores"][test], values)
