"""What the runs of a sweep may take, on which device, what must stay free, and what became of them."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from keplearn.core.device import Device

# Kinds of failure that are not the config's doing: the same run may well succeed the next time.
ACCIDENTS = ("killed", "segmentation_fault", "exited")


@dataclass(frozen=True)
class Limits:
    """What a run may take, and what must stay free: seconds, bytes of resident memory, bytes of disk.

    ``retries`` is how often a run is tried again after an accident (`ACCIDENTS`), ``device`` on what it is trained.
    """

    seconds: float | None = None
    memory: int | None = None
    free_disk: int = 500_000_000
    retries: int = 0
    device: Device = "cpu"

    def full_disk(self, group: Path) -> str | None:
        """Say why no run can be started in a group's directory: too little of its disk is free."""
        try:
            free = shutil.disk_usage(group).free
        except OSError as error:
            return f"{group}: {error.strerror}"
        if free >= self.free_disk:
            return None
        return (
            f"{group.parent}: only {free / 1e6:.0f} MB of the disk are free, and no run is started below "
            f"{self.free_disk / 1e6:.0f} MB. Free some and run the command again: it goes on from what "
            "is there. (--min-free sets the bound.)"
        )

    def verdict(self, seconds: float, used: int) -> tuple[str, str] | None:
        """Return kind and reason where a run has taken too much time, or its worker too much memory."""
        if self.memory is not None and used > self.memory:
            return (
                "memory",
                f"took {used / 1e6:.0f} MB of memory; the limit for a worker is {self.memory / 1e6:.0f} MB "
                "(--memory)",
            )
        if self.seconds is not None and seconds > self.seconds:
            return "time_limit", f"took more than {self.seconds:g} s (--time-limit)"
        return None


@dataclass
class Outcome:
    """What became of the runs that were given: how many ended, and why the others were not trained."""

    ended: int = 0
    left: dict[str, str] = field(default_factory=dict)
    stopped: str | None = None
