"""Find runs in the directory of all: by group, state, id, or a unique beginning of one."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from keplearn.core.errors import KeplearnError, nearest
from keplearn.runs.records import STATES
from keplearn.runs.store import Run, directory_name


def find_runs(
    runs: str | Path,
    group: str | None = None,
    state: str | None = None,
    on_damaged: Callable[[KeplearnError], object] | None = None,
) -> list[Run]:
    """Return the runs of a directory, by group and state, the oldest first.

    ``on_damaged`` is told of each run whose record cannot be read, which is then left out; by default it raises.

    Raises
    ------
    KeplearnError
        If the group is no plain name, or there is none, or a run's record is damaged or cannot be read.
    """
    runs = Path(runs)
    if state is not None and state not in STATES:
        raise KeplearnError(f"no state {state!r}: {', '.join(STATES)}.{nearest(state, STATES)}")
    if group is not None:
        check_group(runs, group)
    found = []
    for run in _runs(_directories(runs) if group is None else [runs / group], on_damaged):
        try:
            if state in (None, run.state):
                found.append(run)
        except KeplearnError as error:
            if on_damaged is None:
                raise
            on_damaged(error)
    return sorted(found, key=lambda run: (run.group, run.record["started"], run.run_id))


def check_group(runs: str | Path, group: str) -> None:
    """Refuse a group that is no plain name, or not there.

    Raises
    ------
    KeplearnError
        Naming the group that is nearest.
    """
    runs = Path(runs)
    if not os.path.isdir(runs / directory_name(group, "group")):  # noqa: PTH112
        owners = [name for name in group_names(runs) if _has_record(runs / name / group)]
        hint = f" It is a run of {owners[0]}." if owners else nearest(group, group_names(runs))
        raise KeplearnError(f"no group {group!r} in {runs}.{hint}")


def group_names(runs: str | Path) -> list[str]:
    """Return the names of all groups."""
    return [path.name for path in _directories(Path(runs))]


def open_run(runs: str | Path, reference: str) -> Run:
    """Open a run by its id, a unique beginning of it, or ``group/id``; a group of one run by the group's name.

    Raises
    ------
    KeplearnError
        If there is none, or several, or the reference is not made of plain names.
    """
    runs = Path(runs)
    group, _, run_id = reference.rpartition("/")
    directory_name(run_id, "run id")
    if group:
        directory_name(group, "group")
    unreadable: list[KeplearnError] = []
    groups = [runs / group] if group else _directories(runs)
    every = [run.path for run in _runs(groups, unreadable.append)]
    matches = [path for path in every if path.name == run_id] or [
        p for p in every if p.name.startswith(run_id)
    ]
    if len(matches) == 1:
        return Run(matches[0])
    if matches:
        names = ", ".join(f"{path.parent.name}/{path.name}" for path in matches[:5])
        raise KeplearnError(f"run {reference!r} is ambiguous in {runs}: {names}")
    also = f" {unreadable[0]}" if unreadable else ""
    if not group and run_id in group_names(runs):
        alone = [path for path in every if path.parent.name == run_id]
        if len(alone) == 1:
            return Run(alone[0])
        hint = f" It is a group: give one of its runs (keplearn runs --group {run_id})."
    else:
        hint = nearest(run_id, [path.name for path in every])
    raise KeplearnError(f"no run {reference!r} in {runs}.{hint}{also}")


def _runs(groups: Sequence[Path], on_unreadable: Callable[[KeplearnError], object] | None) -> Iterator[Run]:
    """Return all that has a record, readable or not, of groups; ``on_unreadable`` is told of groups that are not."""
    for group in groups:
        try:
            yield from (Run(path) for path in _directories(group) if _has_record(path))
        except KeplearnError as error:
            if on_unreadable is None:
                raise
            on_unreadable(error)


def _has_record(path: Path) -> bool:
    try:
        (path / "run.json").lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass  # it may have one: whoever reads it is told why it cannot be read
    return True


def _directories(path: Path) -> list[Path]:
    """Return the directories below a path but hidden ones, none where it does not exist."""
    try:
        with os.scandir(path) as entries:
            # A link that leads nowhere, or in a circle, is no directory and no error.
            found = [x.path for x in entries if not x.name.startswith(".") and os.path.isdir(x)]  # noqa: PTH112
        return sorted(map(Path, found))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise KeplearnError(f"{path}: cannot be read: {error.strerror}.") from error
