"""The one process that drives a group's sweep: its lock, its scratch directory, and how to reach it.

All that is temporary lies in ``runs/GROUP/.sweep``: it goes when the sweep ends, or, after a crash, when the next
one starts.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from keplearn.core import locks
from keplearn.core.errors import KeplearnError
from keplearn.core.files import not_written, remove_temporaries
from keplearn.core.signals import held
from keplearn.groups.study import FILE, Study
from keplearn.sweeps.scratch import MARK, make_scratch, remove_scratch

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
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()} | facts
        make_scratch(scratch, about)
        try:
            remove_temporaries(study.path, lambda name: name == FILE)  # of a driver that was killed
            study.write()
            yield scratch
        finally:
            with held():
                remove_scratch(scratch)
    finally:
        with held():
            with suppress(OSError):  # the disk may be read-only by now
                file.unlink()
            os.close(lock)


def _take(file: Path, study: Study) -> int:
    """Take the lock of a group, or say who has it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = locks.take(file)
    except OSError as error:
        raise not_written(file, error) from error
    if lock is not None:
        return lock
    about = driver(study)
    who = f"process {about['pid']} on {about['host']}" if about else "it is just beginning or ending"
    raise KeplearnError(
        f"{study.path}: a sweep of this group is under way ({who}). See how far it is: keplearn sweep status "
        f"{study.group}. End it: keplearn sweep stop {study.group}."
    )


def driver(study: Study) -> dict[str, Any] | None:
    """Return what is known of the process that drives a study now; None where there is none.

    That there is one is told by its lock, which goes with it: its number may be another process's by now.
    """
    if not locks.is_held(study.path / LOCK):
        return None
    try:
        return json.loads((study.path / SCRATCH / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # it is just beginning, or ending


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
    while locks.is_held(study.path / LOCK):
        if time.monotonic() > until:
            raise KeplearnError(f"process {about['pid']} was told to end and did not in {patience:g} s.")
        time.sleep(0.1)
