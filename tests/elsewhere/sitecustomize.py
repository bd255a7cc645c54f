"""Python as on a system that is not Linux: no affinity, no ``/proc`` and ``/sys``, no ``prctl``, no ``malloc_trim``.

For processes that are started with this directory in PYTHONPATH, and all that they start.
"""

import os
import sys

del os.sched_getaffinity, os.sched_setaffinity


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith(("/proc", "/sys")):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])
    if event == "ctypes.dlsym" and arguments[1] in ("prctl", "malloc_trim"):
        raise AttributeError(arguments[1])


sys.addaudithook(_refuse)
