"""Facts that are recorded with every run: the machine, the versions, the commit, the time of its imports."""

import platform
import subprocess
import time
from functools import cache
from importlib.metadata import version
from typing import Any

import jax

import keplearn
from keplearn.core.machine import processor

# What importing keplearn and its libraries has cost this process.
IMPORT_SECONDS = round(time.perf_counter() - keplearn.STARTED, 3)

_PACKAGES = ("keplearn", "jax", "jaxlib", "equinox", "diffrax", "optax", "optimistix", "numpy")


@cache
def machine_facts() -> dict[str, Any]:
    """Return machine, package versions and git commit."""
    device = jax.devices()[0]
    return {
        "machine": {
            "platform": platform.platform(),
            "processor": processor("model name"),
            "python": platform.python_version(),
            "device": device.device_kind if device.platform != "cpu" else "cpu",
        },
        "versions": {name: version(name) for name in _PACKAGES},
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    """Return the commit of the working directory's repository, with ``+`` where it has changes, or None."""
    try:
        ask = lambda *words: subprocess.run(  # noqa: E731
            ["git", *words], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
        return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None
