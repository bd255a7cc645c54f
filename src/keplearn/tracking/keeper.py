"""The process that has a training's runs mirrored: it is told on stdin which start and end, and outlives the training.

Runs are mirrored by processes of their own (`keplearn.tracking.mirror`): one that is followed while it is trained has
one to itself, those that have ended share one, a few at a time. Offline, nobody looks before the end. Where the
training dies, or ends, stdin ends too; what its runs' directories hold by then is mirrored, the scratch directories are
removed, and what could not be sent is said on stdout, in one line of JSON from run to reason.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from keplearn.core.errors import NotWritten
from keplearn.core.processes import step_back
from keplearn.tracking import room
from keplearn.tracking.target import Target

# Processes at a time, for runs that are followed and for those that have ended: each takes some 200 MB.
FOLLOWERS, ENDED = 4, 1
# Runs that a process takes, if there are as many, and at most: the packages that it imports cost as much as ten.
SOME, BATCH = 5, 50
LOOK_EVERY = 0.2
# Seconds from the end of a run, or of the mirror before it, within which its mirror must be done.
LIMIT = 600.0
# So that training loses 4 % at most of a core that it shares with its mirror.
POLITENESS = 15

_numbers = count()


class _Process:
    """A process that mirrors some runs one after another, and what it has said of them."""

    def __init__(self, runs: Sequence[Path], target: Target):
        self.runs, self.results = list(runs), dict[Path, str | None]()
        self._deadline = float("inf")
        self._unread = b""
        self._scratch = room.make_scratch(runs[0], next(_numbers))
        with (runs[0] / room.ROOM / room.LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "keplearn.tracking.mirror",
                    json.dumps(target),
                    str(os.getpid()),
                    *runs,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | room.environment(self._scratch),
            )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)

    def limit(self) -> None:
        """Give it so many seconds from now for the next of its runs."""
        self._deadline = time.monotonic() + LIMIT

    def kill(self) -> None:
        """End it at once, and clean up after it."""
        self._process.kill()
        self._process.wait()
        self._close()

    def has_ended(self) -> bool:
        """Read what it says, and clean up after it once it is done."""
        if time.monotonic() > self._deadline:
            self._process.kill()
        ended = self._process.poll() is not None
        with suppress(BlockingIOError):
            while chunk := os.read(self._pipe, 65536):
                *lines, self._unread = (self._unread + chunk).split(b"\n")
                for line in lines:
                    said = json.loads(line)
                    self.results[Path(said["run"])] = said["why"]
                    self.limit()
        if ended:
            self._close()
        return ended

    def _close(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()
        said = self.runs[0] / room.ROOM / room.LOG
        for run in self.runs:
            room.remove(run / room.ROOM / self._scratch.name)
            lost = f"its mirror ended with exit code {self._process.returncode}; {said} says more."
            why = self.results.setdefault(run, lost)
            with suppress(OSError, NotWritten):  # a full disk: it is said on stdout too
                room.note(run, why)


class Mirrors:
    """Mirrors of runs; ``results`` says why a run could not be mirrored, None where it was.

    As a context manager it ends them where it is left early.
    """

    def __init__(self, ended: int = ENDED):
        self._ended = ended
        self._waiting: dict[Path, tuple[Target, bool]] = {}
        self._processes: list[tuple[bool, _Process]] = []
        self.results: dict[Path, str | None] = {}

    def __enter__(self) -> "Mirrors":
        return self

    def __exit__(self, *exc: object) -> None:
        """End those that are still at work."""
        for _, process in self._processes:
            process.kill()

    def add(self, run: Path, target: Target, follow: bool = False) -> None:
        """Have a run mirrored as soon as there is room; ``follow`` it to its end where it is being trained."""
        self._waiting[run] = target, follow

    def expect_end(self, run: Path) -> None:
        """Give the mirror of a run that was followed a limit, since the run has ended."""
        if run in self._waiting:
            self._waiting[run] = self._waiting[run][0], False
        for followed, process in self._processes:
            if followed and run in process.runs:
                process.limit()

    def expect_ends(self) -> None:
        """Give all that is left a limit, since nothing more comes."""
        for run in [*self._waiting, *(run for _, process in self._processes for run in process.runs)]:
            self.expect_end(run)

    def look(self) -> bool:
        """Start what there is room for, note what has ended; say whether any is left."""
        for entry in list(self._processes):
            ended = entry[1].has_ended()
            self.results |= entry[1].results
            if ended:
                self._processes.remove(entry)
        while runs := self._next():
            target, follow = self._waiting[runs[0]]
            for run in runs:
                del self._waiting[run]
                self.results.pop(run, None)
            self._start(runs, target, follow)
        return bool(self._processes or self._waiting)

    def _next(self) -> list[Path]:
        """Return the runs that a process can be started for now: one to follow, or some that have ended."""
        busy = {run for _, process in self._processes for run in process.runs}
        free = [
            run for run in self._waiting if run not in busy
        ]  # one trained anew waits for its first mirror
        followed = [run for run in free if self._waiting[run][1]]
        if followed and sum(follow for follow, _ in self._processes) < FOLLOWERS:
            return followed[:1]
        free_for_ended = self._ended - sum(not follow for follow, _ in self._processes)
        ended = [run for run in free if not self._waiting[run][1]]
        same = [run for run in ended if self._waiting[run] == self._waiting[ended[0]]]
        share = -(-len(same) // max(free_for_ended, 1))
        return same[: min(BATCH, max(SOME, share))] if free_for_ended > 0 else []

    def _start(self, runs: Sequence[Path], target: Target, follow: bool) -> None:
        try:
            process = _Process(runs, target)
        except OSError as error:
            why = f"{error.filename or runs[0]}: {error.strerror}."
            self.results |= dict.fromkeys(runs, why)
            return
        if not follow:
            process.limit()
        self._processes.append((follow, process))


def main() -> None:
    """Mirror the runs that stdin tells of until it is closed, and all that is left then."""
    step_back(POLITENESS)  # the training comes first
    mirrors, offline = Mirrors(), dict[Path, Target]()
    events = selectors.DefaultSelector()
    events.register(sys.stdin, selectors.EVENT_READ)
    unread, more = b"", True
    while more:
        if events.select(LOOK_EVERY if mirrors.look() else None):
            chunk = os.read(sys.stdin.fileno(), 65536)
            more = bool(chunk)
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                _heed(json.loads(line), mirrors, offline)
    for run, target in offline.items():
        mirrors.add(run, target)
    mirrors.expect_ends()
    while mirrors.look():
        time.sleep(LOOK_EVERY)
    failed = {str(run): why for run, why in mirrors.results.items() if why is not None}
    with suppress(OSError):  # nobody may be there to read it
        print(json.dumps(failed), flush=True)


def _heed(said: dict[str, Any], mirrors: Mirrors, offline: dict[Path, Target]) -> None:
    """Take up a line of the training: a run starts, and is to be mirrored there; or it has ended."""
    run = Path(said["run"])
    if "target" in said:
        target = Target(*said["target"])
        if target.mode == "offline":
            offline[run] = target
        else:
            mirrors.add(run, target, follow=True)
    elif run in offline:
        mirrors.add(run, offline.pop(run))
    else:
        mirrors.expect_end(run)


if __name__ == "__main__":
    main()
