"""What machine this is: its processor, the cores and memory that this process may really use, where it keeps things.

Linux tells most of it in ``/proc`` and ``/sys``, and keeps a process on cores of its choice. Elsewhere (macOS) the
cores and memory are the whole machine's, and processes stay where the system puts them.
"""

import grp
import os
import platform
import pwd
import stat
import time
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
# The owner, in a container without rights, of what belongs to the system around it.
_UNMAPPED = 65534


def processor(*facts: str) -> str:
    """Return facts of the first processor, lines of ``/proc/cpuinfo`` by how they begin, e.g. ``model name``."""
    lines = _read("/proc/cpuinfo").splitlines()
    if not lines:
        return f"{platform.machine()} {platform.processor()}"
    first = lines[: lines.index("")] if "" in lines else lines
    return "; ".join(line.partition(":")[2].strip() for line in first if line.startswith(facts))


def cores() -> list[int]:
    """Return the cores on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def stay_on(core: int) -> None:
    """Keep this process on a core, where the system lets it choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def core_count() -> int:
    """Return how many cores this process may keep busy: those it may run on, or fewer by its control groups."""
    return max(1, min(len(cores()), round(_quota())))


def idlest(among: list[int], count: int, seconds: float = 0.3) -> list[int]:
    """Return the cores that were least busy for a moment, by ``/proc/stat``: others may compute here too."""
    before = _busy()
    if not before:
        return among[:count]
    time.sleep(seconds)
    after = _busy()
    ranked = sorted(among, key=lambda core: after.get(core, 0) - before.get(core, 0))
    return sorted(ranked[:count])


def _busy() -> dict[int, int]:
    """Return the ticks that each core has worked."""
    found = {}
    for line in _read("/proc/stat").splitlines():
        name, *ticks = line.split()
        if name[:3] == "cpu" and name[3:].isdigit():
            # user, nice, system, idle, iowait, irq, softirq, steal
            found[int(name[3:])] = sum(map(int, ticks[:3])) + sum(map(int, ticks[5:8]))
    return found


def _quota() -> float:
    """Return how many cores' time the control groups allow: cpu.max of version 2, the cfs quota of version 1."""
    quotas = [1e6]
    for group in _own_groups():
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit():
            quotas.append(int(quota) / int(period))
    for group in _own_groups("cpu"):
        quota, period = (_read(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return min(quotas)


def free_memory() -> int:
    """Return the bytes that processes may still take: of the machine, or of a control group where that is less.

    A group's page cache is not counted: it gives way. Where the system does not say what is free, all of it is.
    """
    known = [number * 1024 for number in _numbers("/proc/meminfo", "MemAvailable:")]
    free = known or [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for version, limit, used in (
        ("", "memory.max", "anon"),
        ("memory", "memory.limit_in_bytes", "total_rss"),
    ):
        for group in _own_groups(version):
            if (most := _read(group / limit)).isdigit():
                free.append(max(0, int(most) - sum(_numbers(group / "memory.stat", used))))
    return min(free)


def cache_directory() -> Path | None:
    """Return the directory of kept programs, made for the user alone; None where the disk is off or has no place."""
    given = os.environ.get("KEPLEARN_CACHE_DIR")
    if given == "":
        return None
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        directory = Path(given) if given else Path(base) / "keplearn" / "programs"
        for missing in reversed([path for path in (directory, *directory.parents) if not path.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a user without a home
        return None
    return directory


def others_may_change(place: Path | int) -> str:
    """Say how another user, root excepted, could change a directory's files, or an open file; empty if none could.

    For a directory, all directories above it count too: who can rename one of them can put another in its place.
    """
    if isinstance(place, int):
        return _foreign("it", os.fstat(place), {0, os.geteuid()})
    whole = place.absolute()
    for path in dict.fromkeys((whole, *whole.parents, whole.resolve(), *whole.resolve().parents)):
        owners = {0, os.geteuid()} if path == whole else {0, os.geteuid(), _UNMAPPED}
        if reason := _foreign(str(path), path.stat(), owners):
            return reason
    return ""


def _foreign(name: str, status: os.stat_result, owners: set[int]) -> str:
    """Say why a file or directory is not in the hands of these owners alone."""
    if status.st_uid not in owners:
        return f"{name} belongs to another user"
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:  # as /tmp: each user his own files
        return ""
    if status.st_mode & stat.S_IWOTH:
        return f"everyone can write {name}"
    if status.st_mode & stat.S_IWGRP and not _own_group(status.st_gid):
        return f"a group of users can write {name}"
    return ""


def _own_group(number: int) -> bool:
    """Say whether this is the group of the user alone, that many systems give each user, or of root."""
    try:
        user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(number)
    except KeyError:
        return number == 0
    return number == 0 or (group.gr_name == user and set(group.gr_mem) <= {user})


def _own_groups(controller: str = "") -> list[Path]:
    """Return the directories of this process's control group and of those around it.

    ``controller`` names one of version 1; without, they are those of version 2.
    """
    for line in _read("/proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            root = _GROUPS / controller
            own = root / path.lstrip("/")
            return [own, *(group for group in own.parents if group.is_relative_to(root))]
    return []


def _numbers(path: str | Path, name: str) -> list[int]:
    """Return the number behind a name at a line's beginning, if there is one."""
    words = (line.split() for line in _read(path).splitlines())
    return [int(word[1]) for word in words if len(word) > 1 and word[0] == name]


def _read(path: str | Path) -> str:
    """Return a small file's text, empty where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
