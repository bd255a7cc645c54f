"""The cores that a measurement runs on."""

import os


def last_core() -> int:
    """Return the core that single-core measurements run on."""
    return sorted(os.sched_getaffinity(0))[-1]


def on_cores(*cores: int) -> list[str]:
    """Return the words before a command that keep it on cores; Linux alone has them."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores))]
