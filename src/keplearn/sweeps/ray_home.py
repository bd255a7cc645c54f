"""The directory of a Ray that a sweep starts for itself, outside the runs since the paths of sockets must be short.

It is the user's alone, and says which sweep it belongs to, so that the next one can prove that a killed one left it,
and end what of Ray still lives in it. Nothing else is touched.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from keplearn.core.processes import open_files, own_processes

PLACE, PREFIX = Path("/tmp"), "keplearn-ray-"
MARK, TOKEN, SESSION = "keplearn.json", "auth_token", "r"
LINK = "ray"
# Seconds that processes which are killed may take to be gone.
PATIENCE = 5.0


def make_home(scratch: Path) -> Path:
    """Make the directory, with a token that the cluster asks for, and a link to it from the scratch directory."""
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))  # no other user may look into it
    (home / MARK).write_text(json.dumps(_mark(scratch)), encoding="utf-8")
    (home / TOKEN).touch(mode=0o600)
    (home / TOKEN).write_text(secrets.token_hex(32), encoding="utf-8")
    (scratch / LINK).symlink_to(home)
    return home


def remove_home(scratch: Path) -> None:
    """End the Ray that a scratch directory names, and remove its home; a link to anything else is not followed."""
    link = scratch / LINK
    if scratch.is_symlink() or not link.is_symlink():
        return
    home = link.readlink()
    if _is_ours(home, scratch):
        _end_processes(home)
        shutil.rmtree(home, ignore_errors=True)
    with suppress(OSError):
        link.unlink()


def _mark(scratch: Path) -> dict[str, Any]:
    return {"scratch": str(scratch), "host": socket.gethostname()}


def _is_ours(home: Path, scratch: Path) -> bool:
    """Say whether a directory is the one that a sweep with this scratch directory made, on this machine."""
    if home.parent != PLACE or not home.name.startswith(PREFIX):
        return False
    try:
        status = home.lstat()
        mark = json.loads((home / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    private = status.st_uid == os.getuid() and not status.st_mode & 0o077
    return stat.S_ISDIR(status.st_mode) and private and mark == _mark(scratch)


def _end_processes(home: Path) -> None:
    """Kill what of Ray runs in a home: its agents outlive a driver that was killed by minutes."""
    until = time.monotonic() + PATIENCE
    while (found := list(processes_in(home))) and time.monotonic() < until:
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def processes_in(home: Path) -> Iterator[int]:
    """Yield this user's processes that are Ray's, and have the home in their command or files of it open."""
    inside = f"{home}/"
    for process, command in own_processes():
        is_ray = command.startswith("ray::") or "/ray/" in command
        if is_ray and (inside in command or any(file.startswith(inside) for file in open_files(process))):
            yield process
