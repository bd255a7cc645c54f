"""The sink that has runs mirrored: it says in which directory one starts and ends, and nothing else.

A plugin of keplearn's own (``pyproject.toml``), since trainings know of no mirror. Another process does the rest
(`keplearn.tracking.keeper`); it goes on and ends by itself, whatever becomes of this one.
"""

import atexit
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from keplearn.config import RunConfig
from keplearn.runs.events import Ended, Event, Sink, Started, sink
from keplearn.tracking.target import SERVICE, Target, require_wandb, target_of

# Seconds for which a process that has trained waits for the mirror of its last run: then the mirror goes on alone.
WAIT = 20.0
WAIT_INTERRUPTED = 2.0


@sink
def weights_and_biases(config: RunConfig) -> Sink | None:
    """Have a run mirrored whose config names a project."""
    target = target_of(config)
    if target is None:
        return None
    require_wandb()
    path: Path | None = None

    def tell(event: Event) -> None:
        nonlocal path
        if isinstance(event, Started):
            path = event.path.absolute()
            _keeper(os.getpid()).starts(path, target)
        elif isinstance(event, Ended) and path is not None:
            _keeper(os.getpid()).ends(path, event.state == "interrupted")

    return tell


class _Keeper:
    """The process that has this one's runs mirrored, through a pipe that it is never waited for at."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "keplearn.tracking.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a signal to end is for the training alone
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        self._wait = WAIT

    def starts(self, run: Path, target: Target) -> None:
        self._say({"run": str(run), "target": target})

    def ends(self, run: Path, interrupted: bool) -> None:
        self._wait = WAIT_INTERRUPTED if interrupted else WAIT
        self._say({"run": str(run), "ended": True})

    def _say(self, words: object) -> None:
        os.write(self._pipe, (json.dumps(words) + "\n").encode())

    def close(self) -> None:
        """Say that no more comes, wait a little, and say on stderr what was not sent."""
        stdin, self._process.stdin = self._process.stdin, None
        assert stdin is not None
        with suppress(OSError):
            stdin.close()
        try:
            said, _ = self._process.communicate(timeout=self._wait)
        except subprocess.TimeoutExpired:
            self._process.stdout = None
            warn(f"the mirror to {SERVICE} goes on in the background as process {self._process.pid}.")
            return
        with suppress(ValueError):
            for run, why in json.loads(said or b"{}").items():
                name = "/".join(Path(run).parts[-2:])
                warn(f"{name} is not on {SERVICE}: {why} To send it: keplearn wandb push {name}")


def warn(text: str) -> None:
    """Say something that went wrong on stderr, in a line of its own."""
    with suppress(OSError, ValueError):
        print(f"warning: {text}", file=sys.stderr, flush=True)


_keepers: dict[int, _Keeper] = {}


def _keeper(process: int) -> _Keeper:
    """Return the keeper of this process, started when it is first needed; a fork has none of its parent's."""
    if process not in _keepers:
        _keepers[process] = keeper = _Keeper()
        atexit.register(keeper.close)
    return _keepers[process]
