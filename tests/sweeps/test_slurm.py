"""Job arrays on a real SLURM cluster of one machine."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from cluster import Cluster, obstacle
from forty_runs import TABLES, wait_for
from fuzz import keplearn
from ruamel.yaml import YAML

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset, save_dataset
from keplearn.groups.standing import Standing
from keplearn.groups.study import Study
from keplearn.sweeps.limits import Limits
from keplearn.sweeps.slurm import Machine, submit
from keplearn.sweeps.slurm_jobs import submissions

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
    if reason := obstacle():
        pytest.skip(reason)
    with Cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture
def here(environment, monkeypatch):
    """The same for this process, in which keplearn's commands are called."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def twelve(tmp_path):
    """A config of 12 runs that differ by dataset, one of them a file, and a machine file."""
    save_dataset(load_dataset("complex_TBP_planar_2_train"), tmp_path / "mine.nc")
    draws = [f"complex_TBP_planar_2@{k}_train" for k in range(1, 12)]  # of one shape: they share programs
    names = [*draws, str(tmp_path / "mine.nc")]
    parameters = TABLES["parameters"] | {"seed": 0}
    tables = TABLES | {"data": TABLES["data"] | {"dataset_name": names}, "parameters": parameters}
    YAML().dump(tables, tmp_path / "twelve.yaml")
    (tmp_path / "machine.yaml").write_text(MACHINE)
    return tmp_path


@pytest.mark.system
@pytest.mark.usefixtures("here")
def test_an_array_of_twelve_runs_with_one_failing_is_resumed(twelve):
    runs, file = twelve / "runs", twelve / "mine.nc"

    def ask(*words):
        return subprocess.run(words, capture_output=True, text=True, timeout=300)

    def status():
        return json.loads(keplearn("sweep", "status", "forty", "--json", "--runs", runs)[1])

    def wait():
        wait_for(lambda: not ask("squeue", "--noheader").stdout, seconds=300.0)
        facts = status()
        assert facts["driver"] is None
        return facts

    def release(submitted):
        job = re.search(r"submitted job (\d+): (.*)", submitted)
        assert job, submitted
        assert ask("scontrol", "release", job[1]).returncode == 0
        return job[2]

    machine = ("--engine", "slurm", "--machine", twelve / "machine.yaml", "--runs", runs)

    def sweep(*words):
        return keplearn("sweep", twelve / "twelve.yaml", *machine, *words)[1]

    # Submitted, and before its task begins one dataset gets damaged.
    first = sweep()
    assert "nothing to submit: 12 runs are in the queue" in sweep()
    # Even where whoever submitted was killed before the job's id was written.
    (record,) = runs.glob("forty/.slurm/*/job.json")
    assert "-m keplearn.sweeps.worker\n" in (record.parent / "job.sh").read_text()
    told = json.loads(record.read_text())
    record.write_text(json.dumps(told | {"job": None}))
    assert "nothing to submit: 12 runs are in the queue" in sweep()
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

    # The file is fixed: only the failed run is trained again.
    file.write_bytes(whole)
    before = Standing(study).read().records
    assert "nothing to submit" in sweep()
    assert release(sweep("--retry-failed")) == "1 runs in 1 tasks"
    assert wait()["states"] == {"finished": 12}
    after = Standing(study).read().records
    assert [run for run in before if before[run] != after[run]] == [failure["run_id"]]


@pytest.mark.system
@pytest.mark.usefixtures("here")
def test_a_job_is_cancelled_with_its_checkpoints_kept(twelve):
    """Told to end, tasks under way leave checkpoints; those that wait never start."""
    runs = twelve / "runs"
    machine = twelve / "long.yaml"
    machine.write_text("partition: short\nruns_per_task: 1\ntasks_at_once: 1\n")
    long = ("--set", "parameters.steps_strategy=[[1000000]]", "--engine", "slurm", "--machine", str(machine))

    assert keplearn("sweep", twelve / "twelve.yaml", *long, "--runs", runs)[0] == 0
    until = time.monotonic() + 120
    while not any(path.stat().st_size for path in runs.glob("forty/*/metrics.jsonl")):
        assert time.monotonic() < until
        time.sleep(0.5)
    other = ("--engine", "slurm", "--set", "parameters.seed=1", "--runs", runs)
    code, _, err = keplearn("sweep", twelve / "twelve.yaml", *other)
    assert code == 2
    assert "not in this config" in err
    assert "under way: slurm" in keplearn("sweep", "status", "forty", "--runs", runs)[1]
    assert "1 interrupted, 11 not started" in keplearn("sweep", "stop", "forty", "--runs", runs)[1]
    assert len(list(runs.glob("forty/*/checkpoint.npz"))) == 1
    assert not (runs / "forty" / ".slurm").exists()


@pytest.mark.system
@pytest.mark.usefixtures("here")
def test_a_task_that_is_out_of_time_is_no_success(twelve):
    """It gets SIGTERM some time before; its run keeps a checkpoint, and a job that depends on its success is void."""
    runs = twelve / "runs"
    (twelve / "short.yaml").write_text("partition: short\n")
    words = (
        "--set",
        "parameters.steps_strategy=[[1000000]]",
        "--set",
        "data.dataset_name=complex_TBP_planar_2_train",
    )
    engine = ("--engine", "slurm", "--machine", str(twelve / "short.yaml"), "--runs", str(runs))

    def ask(*command):
        return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout

    _, out, err = keplearn("sweep", twelve / "twelve.yaml", *words, *engine)
    job = re.search(r"submitted job (\d+)", out)
    assert job, err
    depends = (f"--dependency=afterok:{job[1]}", "--kill-on-invalid-dep=yes", "--output=/dev/null")
    next_job = ask("sbatch", "--parsable", *depends, "--wrap=true").strip()
    wait_for(lambda: any(p.stat().st_size for p in runs.glob("forty/*/metrics.jsonl")), seconds=300.0)
    ask("scancel", "--batch", "--signal=TERM", job[1])
    wait_for(lambda: "JobState=FAILED" in ask("scontrol", "show", "job", job[1]))
    assert len(list(runs.glob("forty/*/checkpoint.npz"))) == 1
    wait_for(lambda: "JobState=CANCELLED" in ask("scontrol", "show", "job", next_job))


def test_a_greeting_is_not_taken_for_a_job(file, tmp_path, monkeypatch):
    """Of an sbatch that greets first, the job is known by what it says last; its runs are submitted once."""
    site = Path(__file__).parents[1] / "cases" / "slurm_banner"
    monkeypatch.setenv("PATH", f"{site}:{os.environ['PATH']}")
    runs = tmp_path / "runs"

    def submit():
        few = ("--set", "parameters.seed=[5,6,7]")
        code, out, err = keplearn("sweep", file, *few, "--engine", "slurm", "--runs", runs)
        assert code == 0, err
        return out

    assert "submitted job 4711: 3 runs" in submit()
    (record,) = runs.glob("forty/.slurm/*/job.json")
    before = record.read_text()
    assert json.loads(before)["job"] == "4711"
    assert "nothing to submit" in submit()
    assert record.read_text() == before


@pytest.mark.parametrize(
    ("said", "job", "cluster"),
    [
        ("4711", "4711", None),
        ("4711;north\n", "4711", "north"),
        ("Welcome, 17 users\n2;b\n4711;north\nhave fun\n", "4711", "north"),
        ("hello\nSubmitted batch job 4711 on cluster north\n", "4711", "north"),
    ],
)
def test_a_job_is_asked_of_its_own_cluster(study, tmp_path, monkeypatch, said, job, cluster):
    """Whatever a site's commands say around it; squeue and scancel are told of the cluster."""
    for name, body in {
        "sbatch": f"printf '%s' '{said}'",
        "squeue": f"echo \"$@\" >> {tmp_path}/asked; echo 'CLUSTER: north'; echo '0 RUNNING'",
        "scancel": f'echo "$@" >> {tmp_path}/asked',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    wanted = list(study.configs)[:2]
    submission = submit(study, wanted, Machine(), Limits())
    assert (submission.job, submission.cluster) == (job, cluster)
    (found,) = submissions(study)
    assert found == submission
    assert found.runs_in_queue() == set(wanted)
    found.cancel()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert all(("--clusters north" in line) == (cluster is not None) for line in asked)
    assert all(job in line for line in asked)


def test_what_sbatch_does_not_say_is_found_by_the_jobs_name(study, tmp_path, monkeypatch):
    """An sbatch that gives up waiting may have submitted; one that says nothing and has not is told."""
    squeue = tmp_path / "squeue"
    (tmp_path / "sbatch").write_text(
        "#!/bin/sh\necho 'Socket timed out on send/recv operation' >&2\nexit 1\n"
    )
    squeue.write_text('#!/bin/sh\ncase "$*" in *"--name keplearn-forty-"*) echo "0 PENDING";; esac\n')
    for file in tmp_path.glob("s*"):
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    wanted = list(study.configs)[:2]
    assert submit(study, wanted, Machine(), Limits()).job is None
    (found,) = submissions(study)
    assert found.runs_in_queue() == set(wanted)
    squeue.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(KeplearnError, match="Socket timed out"):
        submit(study, wanted, Machine(), Limits())
    assert not (study.path / ".slurm").exists()
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(KeplearnError, match="has not said which job it made: 'hello'"):
        submit(study, wanted, Machine(), Limits())


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
