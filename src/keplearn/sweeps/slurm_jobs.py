"""Jobs that were submitted to SLURM: where each lies, which of its tasks are in the queue, and its end."""

import json
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from keplearn.core.errors import KeplearnError
from keplearn.core.files import write_text
from keplearn.groups.study import Study
from keplearn.sweeps.scratch import remove_directory, remove_empty

HOME = ".slurm"
MARK = "job.json"
# A task as squeue is asked to show it.
_TASK = re.compile(r"(\d+) ([A-Z_]+)\s*")


@dataclass(frozen=True)
class Submission:
    """A job array of a study's: where it lies, its job, and the runs of each task.

    The job is known by a name that no other has until sbatch has told its id: whoever submits it may be killed before.
    """

    path: Path
    name: str
    chunks: list[list[str]]
    job: str | None = None
    cluster: str | None = None

    @classmethod
    def read(cls, path: Path) -> "Submission":
        """Read a submission's directory; OSError or ValueError where it is none."""
        record = json.loads((path / MARK).read_text(encoding="utf-8"))
        try:
            chunks = json.loads((path / "runs.json").read_text(encoding="utf-8"))
        except FileNotFoundError:  # it did not come to be submitted
            chunks = []
        return cls(path, record.get("name", path.name), chunks, record["job"], record.get("cluster"))

    def write(self) -> "Submission":
        """Write what the job is known by."""
        record = {"name": self.name, "job": self.job, "cluster": self.cluster}
        write_text(self.path / MARK, json.dumps(record) + "\n")
        return self

    @property
    def label(self) -> str:
        """What the job is called for people."""
        return self.job or self.name

    def tasks(self) -> dict[int, str]:
        """Return the states of the tasks that are still in SLURM's queue: PENDING, RUNNING, …"""
        found = self._ask("squeue", "--noheader", "--array", *self._which("--jobs"), "--format", "%K %T")
        lines = map(_TASK.fullmatch, found.splitlines())
        return {int(line[1]): line[2] for line in lines if line}

    def runs_in_queue(self) -> set[str]:
        """Return the runs whose tasks are still in SLURM's queue."""
        return {run for task in self.tasks() for run in self.chunks[task]}

    def cancel(self) -> None:
        """Take it out of the queue; runs under way write checkpoints."""
        self._ask("scancel", *self._which())

    def _which(self, *flag: str) -> list[str]:
        return [*flag, self.job] if self.job else ["--name", self.name]

    def _ask(self, command: str, *words: str) -> str:
        cluster = ["--clusters", self.cluster] if self.cluster else []
        return ask_slurm([command, *cluster, *words], missing="Invalid job id")


def submissions(study: Study) -> list[Submission]:
    """Return the submissions of which tasks are still in SLURM's queue."""
    return [submission for submission in _all_submissions(study) if submission.tasks()]


def clear(study: Study) -> None:
    """Remove what is left of submissions of which nothing is in the queue; call it as the study's driver."""
    for submission in _all_submissions(study):
        if not submission.tasks():
            remove_submission(submission)


def _all_submissions(study: Study) -> list[Submission]:
    found = []
    for path in sorted((study.path / HOME).glob("*")):
        with suppress(OSError, ValueError):  # not a submission
            found.append(Submission.read(path))
    return found


def remove_submission(submission: Submission) -> None:
    """Remove a submission's directory."""
    remove_directory(submission.path, last=MARK)
    remove_empty(submission.path.parent)


def ask_slurm(command: list[str], missing: str | None = None) -> str:
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
