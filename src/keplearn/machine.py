"""What machine this is: its processor, the cores and memory that this process may really use, where it keeps things."""

import os
import platform
import time
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def processor(*facts: str) -> str:
    """Return facts of the first processor, lines of ``/proc/cpuinfo`` by how they begin, e.g. ``model name``."""
    lines = _read("/proc/cpuinfo").splitlines()
    if not lines:
        return f"{platform.machine()} {platform.processor()}"
    first = lines[: lines.index("")] if "" in lines else lines
    return "; ".join(line.partition(":")[2].strip() for line in first if line.startswith(facts))


def cores() -> list[int]:
    """Return the cores on which this process may run."""
    return sorted(os.sched_getaffinity(0))


def core_count() -> int:
    """Return how many cores this process may keep busy: those it may run on, or fewer by its control groups."""
    return max(1, min(len(cores()), round(_quota())))


def idlest(among: list[int], count: int, seconds: float = 0.3) -> list[int]:
    """Return the cores that were least busy for a moment, by ``/proc/stat``: others may compute here too."""
    before = _busy()
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

    A group's page cache is not counted: it gives way.
    """
    free = [int(number) * 1024 for number in _numbers("/proc/meminfo", "MemAvailable:")] or [1 << 40]
    for version, limit, used in (
        ("", "memory.max", "anon"),
        ("memory", "memory.limit_in_bytes", "total_rss"),
    ):
        for group in _own_groups(version):
            if (most := _read(group / limit)).isdigit():
                free.append(max(0, int(most) - sum(_numbers(group / "memory.stat", used))))
    return min(free)


def resident_memory(pid: int) -> int:
    """Return the bytes of memory that a process has resident; 0 once it is gone."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def cache_directory() -> Path | None:
    """Return the directory of kept programs; None where the disk is off."""
    given = os.environ.get("KEPLEARN_CACHE_DIR")
    if given is not None:
        return Path(given) if given else None
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "keplearn" / "programs"


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
