"""Bringing runs of a project of Weights & Biases into run directories, where all commands work on them.

Runs that keplearn has sent are as they were: config, rows, record, model. Of runs that other programs have sent it
takes what it knows: config keys by their names, in tables or without, rows, facts, a model that is keplearn's.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from keplearn.core import locks
from keplearn.core.errors import KeplearnError
from keplearn.core.files import write_text
from keplearn.models.files import load_model
from keplearn.runs.store import Run, directory_name
from keplearn.runs.writer import RunWriter
from keplearn.tracking import room
from keplearn.tracking.target import SERVICE, require_wandb
from keplearn.tracking.told import config_of, entries_of, rows_of

PULLED = "pulled.json"
"""Beside a pulled run: where it came from, and what marks the state in which it was."""


class Pulled(NamedTuple):
    """What became of the runs that were asked for: directories, runs that had not changed, why others are left out."""

    runs: list[Run]
    same: list[str]
    left: dict[str, str]


def pull(
    runs: Path,
    project: str,
    *,
    entity: str | None = None,
    group: str | None = None,
    ids: Sequence[str] = (),
    dataset: bool = False,
    say: Callable[[str], object] = lambda text: None,
) -> Pulled:
    """Bring runs of a project into the directory of all runs; those that have not changed since are not asked for.

    A run that was trained here is left as it is.

    Parameters
    ----------
    runs
        The directory of all runs.
    project, entity
        The project, and its user or team; by default the account's.
    group, ids
        Of a group only, or these.
    dataset
        Bring the files of training datasets too, into ``RUN/wandb``.
    say
        Is told what was not understood of a run.

    Raises
    ------
    KeplearnError
        If W&B's package is not installed, or the project cannot be read.
    """
    require_wandb()
    source = {"entity": entity, "project": project}
    wanted = [entity, project, group, list(ids), dataset, _known(runs, entity, project)]
    found = Pulled([], [], {})
    with _landing(runs) as place:
        for said in _fetched(wanted, place):
            if "ended" in said:
                raise KeplearnError(f"{SERVICE}: {said['ended']}")
            run_id: str = said["run"]
            if "same" in said:
                found.same.append(run_id)
            elif "why" in said:
                found.left[run_id] = said["why"]
            else:
                try:
                    found.runs.append(_adopt(runs, place / run_id, {**source, "mark": said["mark"]}, say))
                except KeplearnError as error:
                    found.left[run_id] = str(error)
                shutil.rmtree(place / run_id, ignore_errors=True)
    return found


@contextmanager
def _landing(runs: Path) -> Iterator[Path]:
    """Make a directory for what is fetched, beside the groups, and remove it, and those that killed pulls have left."""
    runs.mkdir(parents=True, exist_ok=True)
    for left in runs.glob(".wandb-*"):
        if not locks.is_held(left / "lock"):
            room.remove(left)
    place = Path(tempfile.mkdtemp(prefix=".wandb-", dir=runs))
    lock = locks.take(place / "lock")
    try:
        yield place
    finally:
        room.remove(place)
        if lock is not None:
            os.close(lock)


def _known(runs: Path, entity: str | None, project: str) -> dict[str, Any]:
    """Return the marks of the runs of a project that are here, by id."""
    marks = {}
    for file in runs.glob(f"*/*/{room.ROOM}/{PULLED}"):
        with suppress(ValueError, OSError, KeyError, TypeError):
            kept = json.loads(file.read_text())
            if (kept["entity"], kept["project"]) == (entity, project):
                marks[file.parents[1].name] = kept["mark"]
    return marks


def _fetched(wanted: Sequence[Any], place: Path) -> Iterator[dict[str, Any]]:
    """Yield what the process that asks the server says, run by run; its files lie in ``place`` by then."""
    (scratch := place / "scratch").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "keplearn.tracking.fetch", json.dumps(wanted), str(os.getpid())],
        cwd=place,
        env=os.environ | room.environment(scratch.absolute()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            yield json.loads(line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if process.returncode > 0:
        raise KeplearnError(f"{SERVICE}: the process that asks it ended with exit code {process.returncode}.")


def _adopt(runs: Path, place: Path, mark: Mapping[str, Any], say: Callable[[str], object]) -> Run:
    """Write a run's directory of what was fetched.

    Raises
    ------
    KeplearnError
        If it was trained here, or its config cannot be read.
    """
    told = json.loads((place / "run.json").read_text())
    rows = rows_of(json.loads((place / "rows.json").read_text()))
    config = config_of(told, say)
    path = runs / config.group / directory_name(told["id"], "run id")
    if (path / "run.json").exists() and not (path / room.ROOM / PULLED).exists():
        raise KeplearnError(f"it is here already, in {path}.")
    model = told["model"] and place / told["model"]
    if model:
        try:
            load_model(model)
        except KeplearnError as error:
            say(f"{told['id']}: its model is not keplearn's: {error}")
            model = None
    entries = entries_of(told, rows, model is not None)
    with RunWriter(runs, config, told["id"]) as writer:
        write_text(path / room.ROOM / PULLED, json.dumps({**mark, "mark": None}) + "\n")  # until it is whole
        writer.receive(entries, rows, model)
        if told.get("dataset"):
            file = place / told["dataset"]
            shutil.move(file, path / room.ROOM / file.name)
        write_text(path / room.ROOM / PULLED, json.dumps(mark) + "\n")
    return Run(path)
