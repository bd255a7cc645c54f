"""What machine this is."""

import platform
from pathlib import Path


def processor(*facts: str) -> str:
    """Return facts of the first processor, lines of ``/proc/cpuinfo`` by how they begin, e.g. ``model name``."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    first = lines[: lines.index("")] if "" in lines else lines
    return "; ".join(line.partition(":")[2].strip() for line in first if line.startswith(facts))
