"""The engine ``slurm``: chunks of runs as the tasks of a job array.

A submission lies in ``runs/GROUP/.slurm/NAME``: the script, which runs each task trains, and what the tasks print.
It goes when its last task has ended. Each task is the work unit of all engines (`keplearn.sweeps.pool`), as
``python -m keplearn.sweeps.slurm RUNS GROUP NAME LIMITS WORKER…``; nothing is fetched, so that nodes need no internet.
"""

import json
import os
import re
import secrets
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from keplearn.config.loading import read_file
from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.files import write_text
from keplearn.core.machine import cores
from keplearn.core.plugins import ALLOWED
from keplearn.core.signals import heeding
from keplearn.groups.study import Study
from keplearn.sweeps.limits import Limits
from keplearn.sweeps.pool import WORKER, train_runs
from keplearn.sweeps.slurm_jobs import HOME, Submission, ask_slurm, clear, remove_submission

# What sbatch says of the job it has made, with and without --parsable.
_JOB = re.compile(r"(?:Submitted batch job )?(?P<job>\d+)(?:(?:;| on cluster )(?P<cluster>[\w.-]+))?")
_CLUSTER = re.compile(r"(?:--clusters?|-M)[= ]?([\w.,-]+)")
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
        known = {key.name: key for key in fields(cls)}
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


def submit(
    study: Study, run_ids: Sequence[str], machine: Machine, limits: Limits, worker: Sequence[str] = WORKER
) -> Submission:
    """Write and submit a job array that trains these runs, by workers that a command starts.

    Raises
    ------
    KeplearnError
        If sbatch is not there, or refuses the job, with its words; or if nobody knows what has become of it.
    """
    clear(study)
    name = f"keplearn-{re.sub(r'[^A-Za-z0-9.-]', '_', study.group)}-{secrets.token_hex(4)}"
    chunks = study.chunks(run_ids, max(machine.runs_per_task, -(-len(run_ids) // MOST_TASKS)))
    asked_for = _CLUSTER.search(" ".join(machine.options))
    submission = Submission(study.path / HOME / name, name, chunks, cluster=asked_for and asked_for[1])
    submission.write()  # first: from here on it is looked for, whatever happens
    write_text(submission.path / "runs.json", json.dumps(chunks) + "\n")
    write_text(submission.path / "job.sh", _script(study, submission, machine, limits, worker))
    try:
        answer = ask_slurm(["sbatch", "--parsable", str(submission.path / "job.sh")])
    except KeplearnError:
        # The controller may have taken it although sbatch has given up waiting for its answer.
        if shutil.which("squeue") is None or not submission.tasks():
            remove_submission(submission)
            raise
        return submission
    told = [found for line in answer.splitlines() if (found := _JOB.fullmatch(line.strip()))]
    if told:  # what stands before is a site's greeting
        job, cluster = told[-1]["job"], told[-1]["cluster"]
        return replace(submission, job=job, cluster=cluster or submission.cluster).write()
    if submission.tasks():
        return submission
    raise KeplearnError(
        f"sbatch has not said which job it made: {answer.strip()!r}. Nothing of the name {name} is in the queue; "
        "once that is sure, the same command submits the runs again."
    )


def _script(
    study: Study, submission: Submission, machine: Machine, limits: Limits, worker: Sequence[str]
) -> str:
    at_once = f"%{machine.tasks_at_once}" if machine.tasks_at_once else ""
    options = {
        "array": f"0-{len(submission.chunks) - 1}{at_once}",
        "output": str(submission.path / "%a.log"),
        "partition": machine.partition,
        "account": machine.account,
        "time": machine.time,
        "cpus-per-task": machine.cpus,
        "mem": machine.memory,
        "signal": f"B:TERM@{NOTICE}",
    }
    lines = [f'#SBATCH --{name}="{value}"' for name, value in options.items() if value is not None]
    lines += [f"#SBATCH {option}" for option in machine.options]
    lines.append(f"#SBATCH --job-name={submission.name}")  # the last one counts
    words = [
        machine.python,
        "-m",
        "keplearn.sweeps.slurm",
        str(study.runs),
        study.group,
        submission.path.name,
    ]
    command = shlex.join([*words, json.dumps(asdict(limits)), *worker[1:]])
    if named := os.environ.get(ALLOWED):  # the plugins that may run; not every site hands the environment on
        lines.append(f"export {ALLOWED}={shlex.quote(named)}")
    # exec: the notice that time is up goes to the script's own process.
    return "\n".join(["#!/bin/bash", *lines, machine.preamble.strip(), f"exec {command}", ""])


def main(arguments: list[str]) -> None:
    """Train the runs of this task of a job array: ``RUNS GROUP NAME LIMITS WORKER…``."""
    runs, group, name = Path(arguments[0]), arguments[1], arguments[2]
    limits, worker = Limits(**json.loads(arguments[3])), [sys.executable, *(arguments[4:] or WORKER[1:])]
    task, path = int(os.environ["SLURM_ARRAY_TASK_ID"]), runs / group / HOME / name
    try:
        submission = Submission.read(path)
    except (OSError, ValueError):
        sys.exit(f"{path}: there is no such submission (any more): nothing to train")
    chunks = submission.chunks
    study = Study.read(runs, group)
    cpus = int(os.environ.get("SLURM_CPUS_PER_TASK", "1"))
    # Where SLURM does not bind tasks to cores, all of a node's tasks see all of them.
    places = cores() if len(cores()) <= cpus else [-1] * cpus
    try:
        with heeding():
            scratch = path / f"task-{task}"
            outcome = train_runs(
                study, chunks[task], cores=places, scratch=scratch, limits=limits, worker=worker
            )
    except KeyboardInterrupt:  # no success: what depends on this job (afterok) must not begin
        print("told to end: runs under way have checkpoints", flush=True)
        sys.exit(os.EX_TEMPFAIL)
    print(outcome, flush=True)
    shutil.rmtree(path / f"task-{task}", ignore_errors=True)
    if outcome.stopped or outcome.left:
        sys.exit(f"{outcome.stopped or 'not trained'}: {outcome.left}")
    write_text(path / f"{task}.done", "")
    if len(list(path.glob("*.done"))) == len(chunks):
        remove_submission(submission)


if __name__ == "__main__":
    main(sys.argv[1:])
