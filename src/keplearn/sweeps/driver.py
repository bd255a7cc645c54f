"""The one process that drives a group's sweep: its lock, its scratch directory, and how to reach it.

All that is temporary lies in ``runs/GROUP/.sweep``: it goes when the sweep ends, or, after a crash, when the next
one starts.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from keplearn.errors import KeplearnError
from keplearn.files import not_written, write_text
from keplearn.sweeps.study import Study

SCRATCH = ".sweep"
LOCK = ".lock"


@contextmanager
def driving(study: Study, **facts: Any) -> Iterator[Path]:
    """Be the driver of a study: yields its scratch directory, which is empty, and gone at the end.

    Raises
    ------
    KeplearnError
        If another process drives a sweep of this group, or nothing can be written there.
    """
    file = study.path / LOCK
    lock = _take(file, study)
    scratch = study.path / SCRATCH
    try:
        _clear(scratch)  # of a driver that was killed
        for left in study.path.glob(".*.tmp"):
            left.unlink()
        study.write()
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()} | facts
        write_text(scratch / "driver.json", json.dumps(about) + "\n")
        yield scratch
    finally:
        _clear(scratch)
        with suppress(OSError):  # the disk may be read-only by now
            file.unlink()
        os.close(lock)


def _clear(scratch: Path) -> None:
    """Remove a scratch directory, and what lies elsewhere and is linked from there."""
    for link in scratch.glob("*"):
        if link.is_symlink():
            shutil.rmtree(link.resolve(), ignore_errors=True)
    shutil.rmtree(scratch, ignore_errors=True)


def _take(file: Path, study: Study) -> int:
    """Take the lock of a group, or say who has it."""
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise not_written(file, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_ino == file.stat().st_ino:
                return lock
        except BlockingIOError:
            os.close(lock)
            about = driver(study) or {}
            raise KeplearnError(
                f"{study.path}: a sweep of this group is under way (process {about.get('pid', '?')} on "
                f"{about.get('host', '?')}). See how far it is: keplearn sweep status {study.group}. "
                f"End it: keplearn sweep stop {study.group}."
            ) from None
        except FileNotFoundError:
            pass
        os.close(lock)  # the driver before removed it while this one opened it


def driver(study: Study) -> dict[str, Any] | None:
    """Return what is known of the process that drives a study now; None where there is none.

    That there is one is told by its lock, which goes with it: its number may be another process's by now.
    """
    if not _is_locked(study):
        return None
    try:
        return json.loads((study.path / SCRATCH / "driver.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # it is just beginning, or ending


def _is_locked(study: Study) -> bool:
    try:
        with (study.path / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def stop(study: Study, patience: float = 60.0) -> None:
    """End a study's sweep: its workers write checkpoints, and the next sweep goes on from there.

    Raises
    ------
    KeplearnError
        If none is under way, it runs on another machine or is another user's, or it does not end.
    """
    about = driver(study)
    if about is None:
        raise KeplearnError(f"no sweep of {study.group} is under way.")
    if about["host"] != socket.gethostname():
        raise KeplearnError(f"the sweep of {study.group} runs on {about['host']}: stop it there.")
    try:
        os.kill(about["pid"], signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has just ended
    except PermissionError:
        raise KeplearnError(
            f"process {about['pid']}, which drives {study.group}, is another user's."
        ) from None
    until = time.monotonic() + patience
    while _is_locked(study):
        if time.monotonic() > until:
            raise KeplearnError(f"process {about['pid']} was told to end and did not in {patience:g} s.")
        time.sleep(0.1)
