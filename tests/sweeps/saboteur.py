"""A worker whose runs of some seeds meet with accidents that no config can cause: for tests of what survives.

That of seed 5 finishes, and its worker dies of what comes after.
"""

import ctypes
import os
import signal
import sys
import time

import keplearn.experiment.course as experiment
from keplearn.sweeps import worker


def _raise() -> None:
    raise RuntimeError("an exception that nobody foresaw")


def _take_memory() -> None:
    taken = []
    while sum(map(len, taken)) < 8_000_000_000:
        taken.append(os.urandom(1) * 50_000_000)
        time.sleep(0.01)


ACCIDENTS = {
    0: _raise,
    1: lambda: ctypes.string_at(0),
    2: lambda: os.kill(os.getpid(), signal.SIGKILL),
    3: _take_memory,
    4: lambda: time.sleep(1000),
}


def main() -> None:
    """Start a worker with the accidents in it."""
    prepare = experiment.prepare

    def prepare_or_not(config, *rest):
        ACCIDENTS.get(config.parameters.seed, lambda: None)()
        return prepare(config, *rest)

    experiment.prepare = prepare_or_not
    worker.main(sys.argv[1:], after=lambda run, config: config.parameters.seed == 5 and ACCIDENTS[2]())


if __name__ == "__main__":
    main()
