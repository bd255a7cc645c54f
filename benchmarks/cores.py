"""The cores that a measurement runs on."""

import json
import os
import subprocess
import sys
from typing import Any

from keplearn.core.machine import cores


def last_core() -> int:
    """Return the core that single-core measurements run on."""
    return cores()[-1]


def on_cores(*numbers: int) -> list[str]:
    """Return the words before a command that keep it on cores; Linux alone has them."""
    return ["taskset", "--cpu-list", ",".join(map(str, numbers))]


def alone(code: str, *words: str, programs: str = "") -> Any:
    """Return what code prints as JSON at last, in a process of its own on one core; it finds ``words``.

    ``programs``: where compiled programs are kept; by default nowhere.
    """
    done = subprocess.run(
        [*on_cores(last_core()), sys.executable, "-c", f"import json, sys; words = sys.argv[1:]; {code}", *words],
        capture_output=True, text=True, check=True, env=os.environ | {"KEPLEARN_CACHE_DIR": programs, "NPROC": "1"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])
