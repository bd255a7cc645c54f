"""The engine ``slurm``: chunks of runs as the tasks of a job array.

A submission lies in ``runs/GROUP/.slurm/NUMBER``: the script, which runs each task trains, and what the tasks print.
It goes when its last task has ended. Each task is the work unit of all engines (`keplearn.sweeps.pool`), as
``python -m keplearn.sweeps.slurm RUNS GROUP NUMBER LIMITS``; nothing is fetched, so that nodes need no internet.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from keplearn.config.loading import read_file
from keplearn.errors import KeplearnError, nearest
from keplearn.files import write_text
from keplearn.machine import cores
from keplearn.sweeps.pool import Limits, train_runs
from keplearn.sweeps.study import Study

HOME = ".slurm"
# A worker takes some seconds to start: a task of some runs is worth it, one of all could not be shared out.
RUNS_PER_TASK = 8
# SLURM's own bound is 1001 unless an administrator has raised it.
MOST_TASKS = 1000
# Seconds before a job's time is up at which its runs write checkpoints.
NOTICE = 90


@dataclass(frozen=True)
class Machine:
    """What a cluster must be told, apart from the experiment: a small YAML file of its own."""

    partition: str | None = None
    account: str | None = None
    time: str | None = None
    cpus: int = 1
    memory: str | None = None
    runs_per_task: int = RUNS_PER_TASK
    tasks_at_once: int | None = None
    python: str = sys.executable
    preamble: str = ""
    options: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: Path | None) -> "Machine":
        """Read a machine file; without one, all is left to the cluster's defaults.

        Raises
        ------
        KeplearnError
            Naming the line, if a key is unknown or a value is of another kind.
        """
        if file is None:
            return cls()
        document = read_file(file)
        entries = document.tables if document.tables is not None else {}
        known = {field.name: field for field in fields(cls)}
        if not isinstance(entries, dict):
            raise KeplearnError(f"{file}: a machine file is a table with some of {', '.join(known)}.")
        values: dict[str, Any] = {}
        for key, value in entries.items():
            place = document.place((key,))
            if key not in known:
                raise KeplearnError(
                    f"{place}: unknown key {key!r}.{nearest(key, known)} Known: {', '.join(known)}."
                )
            number = key in ("cpus", "runs_per_task", "tasks_at_once")
            if number and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise KeplearnError(f"{place}: {key} is {value!r}; a number of 1 or more is needed.")
            if key == "options":
                if not isinstance(value, list) or not all(isinstance(option, str) for option in value):
                    raise KeplearnError(
                        f"{place}: options is a list of sbatch's options, e.g. ['--constraint=a']"
                    )
                value = tuple(value)
            elif not number and not isinstance(value, str):
                raise KeplearnError(f"{place}: {key} is {value!r}; give it as text, e.g. {key}: '{value}'.")
            values[key] = value
        return cls(**values)


@dataclass(frozen=True)
class Submission:
    """A job array of a study's: where it lies, its job's id, and the runs of each task."""

    path: Path
    job: str
    chunks: list[list[str]]

    def tasks(self) -> dict[int, str]:
        """Return the states of the tasks that are still in SLURM's queue: PENDING, RUNNING, …"""
        command = ["squeue", "--noheader", "--array", "--jobs", self.job, "--format", "%K %T"]
        found = _ask(command, missing="Invalid job id")
        lines = (line.split() for line in found.splitlines())
        return {int(words[0]): words[1] for words in lines if len(words) == 2 and words[0].isdigit()}

    def runs_in_queue(self) -> set[str]:
        """Return the runs whose tasks are still in SLURM's queue."""
        return {run for task in self.tasks() for run in self.chunks[task]}


def submit(study: Study, run_ids: Sequence[str], machine: Machine, limits: Limits) -> Submission:
    """Write and submit a job array that trains these runs.

    Raises
    ------
    KeplearnError
        If sbatch is not there, or refuses the job, with its words.
    """
    clear(study)
    home = study.path / HOME
    number = max((int(p.name) for p in home.glob("*") if p.name.isdigit()), default=0) + 1
    path = home / str(number)
    chunks = study.chunks(run_ids, max(machine.runs_per_task, -(-len(run_ids) // MOST_TASKS)))
    write_text(path / "runs.json", json.dumps(chunks) + "\n")
    write_text(path / "job.sh", _script(study, number, len(chunks), machine, limits))
    try:
        answer = _ask(["sbatch", "--parsable", str(path / "job.sh")])
    except KeplearnError:
        shutil.rmtree(path, ignore_errors=True)
        _remove_empty(home)
        raise
    submission = Submission(path, answer.strip().partition(";")[0], chunks)
    write_text(path / "job.json", json.dumps({"job": submission.job}) + "\n")
    return submission


def submissions(study: Study) -> list[Submission]:
    """Return the submissions of which tasks are still in SLURM's queue."""
    return [submission for submission in _all_submissions(study) if submission.tasks()]


def clear(study: Study) -> None:
    """Remove what is left of submissions of which nothing is in the queue; call it as the study's driver."""
    for submission in _all_submissions(study):
        if not submission.tasks():
            shutil.rmtree(submission.path, ignore_errors=True)
    _remove_empty(study.path / HOME)


def _all_submissions(study: Study) -> list[Submission]:
    found = []
    for path in sorted((study.path / HOME).glob("*")):
        try:
            job, chunks = (
                json.loads((path / f"{name}.json").read_text(encoding="utf-8")) for name in ("job", "runs")
            )
            found.append(Submission(path, job["job"], chunks))
        except (OSError, ValueError):
            continue  # being written
    return found


def _remove_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()


def cancel(submission: Submission) -> None:
    """Take a submission out of the queue; runs under way write checkpoints."""
    _ask(["scancel", submission.job], missing="Invalid job id")


def _script(study: Study, number: int, tasks: int, machine: Machine, limits: Limits) -> str:
    at_once = f"%{machine.tasks_at_once}" if machine.tasks_at_once else ""
    log = study.path / HOME / str(number) / "%a.log"
    options = {
        "job-name": f"keplearn-{study.group}".replace(" ", "_"),
        "array": f"0-{tasks - 1}{at_once}",
        "output": str(log),
        "partition": machine.partition,
        "account": machine.account,
        "time": machine.time,
        "cpus-per-task": machine.cpus,
        "mem": machine.memory,
        "signal": f"B:TERM@{NOTICE}",
    }
    lines = [f'#SBATCH --{name}="{value}"' for name, value in options.items() if value is not None]
    lines += [f"#SBATCH {option}" for option in machine.options]
    words = [machine.python, "-m", "keplearn.sweeps.slurm", str(study.runs), study.group, str(number)]
    command = shlex.join([*words, json.dumps(asdict(limits))])
    # exec: the notice that time is up goes to the script's own process.
    return "\n".join(["#!/bin/bash", *lines, machine.preamble.strip(), f"exec {command}", ""])


def _ask(command: list[str], missing: str | None = None) -> str:
    """Run one of SLURM's commands and return what it prints; ``missing`` is what it says of a job that is gone."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        raise KeplearnError(f"{command[0]} is not there: is this a machine of a SLURM cluster?") from None
    except subprocess.TimeoutExpired:
        raise KeplearnError(f"{command[0]} did not answer within a minute.") from None
    if done.returncode == 0:
        return done.stdout
    if missing is not None and missing in done.stderr:
        return ""
    raise KeplearnError(f"{command[0]}: {done.stderr.strip() or f'ended with {done.returncode}'}")


def main(arguments: list[str]) -> None:
    """Train the runs of this task of a job array: ``RUNS GROUP NUMBER LIMITS``."""
    runs, group, number = Path(arguments[0]), arguments[1], arguments[2]
    limits = Limits(**json.loads(arguments[3]))
    signal.signal(signal.SIGTERM, _interrupt)
    task, path = int(os.environ["SLURM_ARRAY_TASK_ID"]), runs / group / HOME / number
    chunks = json.loads((path / "runs.json").read_text(encoding="utf-8"))
    study = Study.read(runs, group)
    cpus = int(os.environ.get("SLURM_CPUS_PER_TASK", "1"))
    # Where SLURM does not bind tasks to cores, all of a node's tasks see all of them.
    places = cores() if len(cores()) <= cpus else [-1] * cpus
    try:
        outcome = train_runs(study, chunks[task], cores=places, scratch=path / f"task-{task}", limits=limits)
    except KeyboardInterrupt:
        print("told to end: runs under way have checkpoints")
        return
    print(outcome, flush=True)
    shutil.rmtree(path / f"task-{task}", ignore_errors=True)
    if outcome.stopped or outcome.left:
        sys.exit(f"{outcome.stopped or 'not trained'}: {outcome.left}")
    write_text(path / f"{task}.done", "")
    if len(list(path.glob("*.done"))) == len(chunks):
        shutil.rmtree(path, ignore_errors=True)
        _remove_empty(path.parent)


def _interrupt(signum: int, frame: object) -> None:
    """End in order; a second word to end must not break that off."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main(sys.argv[1:])
