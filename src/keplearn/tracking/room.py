"""What the mirror writes in a run's directory: all of it in ``wandb``, all but an offline run's file for a while.

W&B's package writes into the home, into ``~/.cache``, ``~/.local`` and the temporary directory unless told otherwise.
It is told to write into a scratch directory, which is removed whatever becomes of the mirror, by the next mirror of the
run if by nobody else.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from keplearn.core import locks
from keplearn.core.errors import KeplearnError
from keplearn.core.files import append_text

ROOM = "wandb"
LOG = "log.txt"
_LOCK = "lock"
_SCRATCH = "scratch"
_NOTE = "not sent: "


def environment(scratch: Path) -> dict[str, str]:
    """Return the environment that sends to a scratch directory all that a process with W&B's package writes."""
    places = ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_ARTIFACT_DIR", "TMPDIR")
    # Reports of errors to W&B's makers are nobody's concern here; another process's service is not this one's.
    return dict.fromkeys(places, str(scratch)) | {"WANDB_ERROR_REPORTING": "false", "WANDB_SERVICE": ""}


def make_scratch(run: Path, number: int) -> Path:
    """Make a scratch directory of this process in a run's directory, which is never made itself.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    (run / ROOM).mkdir(exist_ok=True)
    scratch = run / ROOM / f"{_SCRATCH}-{os.getpid()}-{number}"
    scratch.mkdir()
    return scratch


def remove(directory: Path) -> None:
    """Remove a scratch directory; what cannot be removed is left to who comes next."""
    if not directory.parent.is_symlink() and not directory.is_symlink():
        shutil.rmtree(directory, ignore_errors=True)


def enter(run: Path, scratch: str) -> Path:
    """Take the right to mirror a run, until this process ends, and return its scratch directory of a name.

    Raises
    ------
    KeplearnError
        If another process has it.
    OSError
        If it cannot be written.
    """
    (run / ROOM).mkdir(exist_ok=True)
    if locks.take(run / ROOM / _LOCK) is None:
        raise KeplearnError("another process is mirroring it just now.")
    for left in (run / ROOM).glob(f"{_SCRATCH}-*"):
        if left.name != scratch:
            remove(left)
    (own := run / ROOM / scratch).mkdir(exist_ok=True)
    return own


def note(run: Path, why: str | None) -> None:
    """Note in a run's log why it could not be mirrored; without a reason there is no log any more."""
    log = run / ROOM / LOG
    if why is None:
        log.unlink(missing_ok=True)
    else:
        log.parent.mkdir(exist_ok=True)
        append_text(log, f"{_NOTE}{why}\n")


def unsent(runs: Iterable[Path]) -> list[Path]:
    """Return the runs of which a mirror has noted that they could not be sent, and that none is sending now."""
    return [run for run in runs if _is_noted(run / ROOM / LOG) and not is_being_sent(run)]


def _is_noted(log: Path) -> bool:
    """Say whether a log has a note; the errors of the process that is at work stand in it too."""
    try:
        return any(line.startswith(_NOTE) for line in log.read_text(errors="replace").splitlines())
    except OSError:
        return False


def is_being_sent(run: Path) -> bool:
    """Say whether a process mirrors a run now."""
    return locks.is_held(run / ROOM / _LOCK)


def keep_offline(run: Path, scratch: Path) -> Path:
    """Move what an offline run has written out of the scratch directory, in the place of one before; return it."""
    (written,) = (scratch / "wandb").glob("offline-run-*")
    before = list(offline_runs(run))
    for name in ("logs", "tmp"):
        shutil.rmtree(written / name, ignore_errors=True)
    kept = written.rename(run / ROOM / written.name)
    for old in before:
        shutil.rmtree(old, ignore_errors=True)
    return kept


def offline_runs(run: Path) -> Iterator[Path]:
    """Yield what offline runs have left in a run's directory: one at most."""
    return (run / ROOM).glob("offline-run-*")
