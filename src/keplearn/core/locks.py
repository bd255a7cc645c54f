"""Locks of directories: one process holds each, and anybody may ask whether it is held without disturbing anybody.

A lock goes with the process that holds it, however that ends. Its file may stay, or be removed by who holds it.
"""

import fcntl
import os
import time
from pathlib import Path

# Seconds between tries where others are only asking.
AGAIN = 0.01


def take(file: Path) -> int | None:
    """Take a lock: a descriptor, whose closing gives it back, or None where another process holds it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    while True:
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_ino == file.stat().st_ino:
                return lock
        except FileNotFoundError:
            pass  # who held it before has removed it while this one opened it
        except BlockingIOError:
            if not _is_shared(lock):
                os.close(lock)
                return None
            time.sleep(AGAIN)
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def is_held(file: Path) -> bool:
    """Say whether a process holds a lock, or that cannot be known; none does where there is no file."""
    try:
        with file.open("rb") as lock:
            return not _is_shared(lock.fileno())
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _is_shared(lock: int) -> bool:
    """Say whether nobody holds a lock, though others may ask as this one does; it is asked until it is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
