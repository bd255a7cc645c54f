"""Sending runs to Weights & Biases that are there already: finished ones, and what others had begun to send."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from keplearn.core.errors import KeplearnError
from keplearn.runs.store import Run
from keplearn.tracking.keeper import LOOK_EVERY, Mirrors
from keplearn.tracking.target import Target, require_wandb

# Processes at a time: most of a process's time is the server's.
PROCESSES = 4


def push(
    runs: Sequence[Run],
    target: Target | None = None,
    *,
    entity: str | None = None,
    mode: str = "online",
    tell: Callable[[Path, str | None], object] = lambda run, why: None,
) -> dict[Path, str | None]:
    """Bring Weights & Biases up to what the directories of runs hold; what is there already is not sent again.

    Parameters
    ----------
    runs
        Runs that are not being trained.
    target
        Where to; by default each run's own project.
    entity, mode
        Of runs that go to their own project: the account, if another than theirs, and online or offline.
    tell
        Is told of each run as it is done, with why it could not be sent, None where it could.

    Returns
    -------
    results
        The same by the runs' directories.

    Raises
    ------
    KeplearnError
        If W&B's package is not installed, or a run names no project and none is given.
    """
    require_wandb()
    targets = {run.path.absolute(): target or _own(run, entity, mode) for run in runs}
    told: set[Path] = set()
    with Mirrors(ended=PROCESSES) as mirrors:
        for path, where in targets.items():
            mirrors.add(path, where)
        while mirrors.look():
            time.sleep(LOOK_EVERY)
            _tell_new(mirrors, told, tell)
        _tell_new(mirrors, told, tell)
    return mirrors.results


def _own(run: Run, entity: str | None, mode: str) -> Target:
    if run.config.project is None:
        raise KeplearnError(
            f"run {run.group}/{run.run_id} names no project of Weights & Biases: say which with --project."
        )
    return Target(run.config.project, entity or run.config.entity, mode)


def _tell_new(mirrors: Mirrors, told: set[Path], tell: Callable[[Path, str | None], object]) -> None:
    for path in mirrors.results.keys() - told:
        told.add(path)
        tell(path, mirrors.results[path])
