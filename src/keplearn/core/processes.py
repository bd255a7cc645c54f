"""Other processes: what they take, what they are, and one that must not outlive its parent.

Linux tells in ``/proc``; elsewhere (macOS) POSIX's ``ps`` does.
"""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
# Seconds between looks at the parent where the system does not tell of its end.
LOOK_EVERY = 0.5


def resident_memory(pid: int) -> int:
    """Return the bytes of memory that a process has resident; 0 once it is gone."""
    if _has_proc():
        try:
            return int((_PROC / f"{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):  # gone, or just now
            return 0
    return sum(int(kilobytes) * 1024 for kilobytes in _ps("-o", "rss=", "-p", str(pid)))


def own_processes() -> Iterator[tuple[int, str]]:
    """Yield number and command of this user's processes."""
    if not _has_proc():
        for line in _ps("-x", "-ww", "-o", "pid=,uid=,command="):
            pid, owner, command = line.split(maxsplit=2)
            if int(owner) == os.getuid():
                yield int(pid), command
        return
    for entry in _PROC.iterdir():
        with suppress(OSError):  # it has just ended
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield int(entry.name), command


def open_files(pid: int) -> Iterator[str]:
    """Yield the files that a process has open; none where only Linux's ``/proc`` would tell."""
    with suppress(OSError):
        for number in (_PROC / f"{pid}/fd").iterdir():
            with suppress(OSError):
                yield str(number.readlink())


def die_with(parent: int) -> None:
    """Have this process killed as soon as its parent is gone, however that ends; at once if it is gone already."""
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    except AttributeError:  # Linux alone has it
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it went before this was asked for
        os.kill(os.getpid(), signal.SIGKILL)


def step_back(niceness: int) -> None:
    """Leave the cores to others, as far as a niceness says, also where Linux shares them by session (autogroups)."""
    os.nice(niceness)
    with suppress(OSError):
        (_PROC / "self/autogroup").write_text(str(niceness))


def keep_children_back() -> None:
    """Have the processes that this one has started leave the cores to others as it does, though in other sessions.

    Of niceness they have as much as it has; but where Linux shares cores by session, a new one begins with none.
    """
    for entry in _PROC.glob("[0-9]*"):
        with suppress(OSError, IndexError):  # it has just ended
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()):
                (entry / "autogroup").write_text(str(os.nice(0)))


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGKILL)


def _has_proc() -> bool:
    try:
        return bool((_PROC / "self/statm").read_bytes())
    except OSError:
        return False


def _ps(*words: str) -> list[str]:
    """Return what ``ps`` says, a line a process."""
    done = subprocess.run(["ps", *words], capture_output=True, text=True, errors="replace")
    return [line for line in done.stdout.splitlines() if line.strip()]
