"""The cores that a measurement runs on."""

from keplearn.core.machine import cores


def last_core() -> int:
    """Return the core that single-core measurements run on."""
    return cores()[-1]


def on_cores(*numbers: int) -> list[str]:
    """Return the words before a command that keep it on cores; Linux alone has them."""
    return ["taskset", "--cpu-list", ",".join(map(str, numbers))]
