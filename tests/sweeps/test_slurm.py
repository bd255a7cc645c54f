"""Job arrays on a real SLURM cluster of one machine."""

import json
import re
import subprocess
import sys
import time

import pytest
from cluster import Cluster
from forty_runs import TABLES
from ruamel.yaml import YAML

from keplearn.data.dataset import load_dataset, save_dataset
from keplearn.errors import KeplearnError
from keplearn.sweeps.slurm import Machine
from keplearn.sweeps.study import Standing, Study

CLI = (sys.executable, "-m", "keplearn")
MACHINE = """\
partition: short
time: '00:20:00'
runs_per_task: 4
preamble: |
  test "$SLURM_ARRAY_TASK_ID" || exit 1
options: ['--hold']
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment in which SLURM's commands find the cluster."""
    with Cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture
def twelve(tmp_path):
    """A config of 12 runs that differ by dataset, one of them a file, and a machine file."""
    save_dataset(load_dataset("complex_TBP_planar_2_train"), tmp_path / "mine.nc")
    names = [f"complex_TBP_planar_{n}_train" for n in range(1, 12)] + [str(tmp_path / "mine.nc")]
    parameters = TABLES["parameters"] | {"seed": 0}
    tables = TABLES | {"data": TABLES["data"] | {"dataset_name": names}, "parameters": parameters}
    YAML().dump(tables, tmp_path / "twelve.yaml")
    (tmp_path / "machine.yaml").write_text(MACHINE)
    return tmp_path


def test_an_array_of_twelve_runs_with_one_failing_is_resumed(environment, twelve):
    runs, file = twelve / "runs", twelve / "mine.nc"

    def ask(*words):
        words = [str(word) for word in words]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)

    def status():
        return json.loads(ask(*CLI, "sweep", "status", "forty", "--json", "--runs", runs).stdout)

    def wait():
        until = time.monotonic() + 300
        while (facts := status())["driver"]:
            assert time.monotonic() < until, facts
            time.sleep(1)
        return facts

    def release(submitted):
        job = re.search(r"submitted job (\d+): (.*)", submitted.stdout)
        assert job, submitted.stderr
        assert ask("scontrol", "release", job[1]).returncode == 0
        return job[2]

    machine = ("--engine", "slurm", "--machine", twelve / "machine.yaml", "--runs", runs)
    sweep = (*CLI, "sweep", twelve / "twelve.yaml", *machine)

    # Submitted, and before its task begins one dataset gets damaged.
    first = ask(*sweep)
    assert "nothing to submit: 12 runs are in the queue" in ask(*sweep).stdout
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert status()["driver"]["tasks"] == "3 tasks pending"
    assert release(first) == "12 runs in 3 tasks"
    facts = wait()
    assert facts["states"] == {"finished": 11, "failed": 1}
    (failure,) = facts["failures"]
    assert "mine.nc" in failure["reason"]
    study = Study.read(runs, "forty")
    left = {path.name for path in study.path.iterdir()}
    assert left == {"sweep.json", *study.configs}

    # The file is mended: only the failed run is trained again.
    file.write_bytes(whole)
    before = Standing(study).read().records
    assert "nothing to submit" in ask(*sweep).stdout
    assert release(ask(*sweep, "--retry-failed")) == "1 runs in 1 tasks"
    assert wait()["states"] == {"finished": 12}
    after = Standing(study).read().records
    assert [run for run in before if before[run] != after[run]] == [failure["run_id"]]


def test_a_job_is_cancelled_with_its_checkpoints_kept(environment, twelve):
    """Told to end, tasks under way leave checkpoints; those that wait never start."""
    runs = twelve / "runs"
    machine = twelve / "long.yaml"
    machine.write_text("partition: short\nruns_per_task: 1\ntasks_at_once: 1\n")
    long = ("--set", "parameters.steps_strategy=[[1000000]]", "--engine", "slurm", "--machine", str(machine))

    def keplearn(*words):
        command = [*CLI, "sweep", *words, "--runs", str(runs)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)

    assert keplearn(str(twelve / "twelve.yaml"), *long).returncode == 0
    until = time.monotonic() + 120
    while not any(path.stat().st_size for path in runs.glob("forty/*/metrics.jsonl")):
        assert time.monotonic() < until
        time.sleep(0.5)
    other = keplearn(str(twelve / "twelve.yaml"), "--engine", "slurm", "--set", "parameters.seed=1")
    assert other.returncode == 2
    assert "not in this config" in other.stderr
    assert "under way: slurm" in keplearn("status", "forty").stdout
    stopped = keplearn("stop", "forty")
    assert "1 interrupted, 11 not started" in stopped.stdout
    assert len(list(runs.glob("forty/*/checkpoint.npz"))) == 1
    assert not (runs / "forty" / ".slurm").exists()


def test_a_machine_file_names_what_it_cannot_use(tmp_path):
    file = tmp_path / "machine.yaml"
    file.write_text("partition: short\ncpu: 4\n")
    with pytest.raises(KeplearnError, match=r"machine.yaml:2: unknown key 'cpu'. Did you mean 'cpus'"):
        Machine.read(file)
    file.write_text("time: 60\n")
    with pytest.raises(KeplearnError, match=r"machine.yaml:1: time is 60; give it as text"):
        Machine.read(file)
    file.write_text("cpus: 0\n")
    with pytest.raises(KeplearnError, match=r"cpus is 0"):
        Machine.read(file)
