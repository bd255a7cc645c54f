"""The work unit of every engine: train these run ids, by worker processes of which any may die at any moment.

Each worker trains one run after another. One that dies ends the run that it was training, in state ``failed`` with
its kind and reason, and a new one takes its place; so it is with one that takes too much memory or time. Runs that
share compiled programs go to the same worker. This process only watches: it never computes, and needs no JAX.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from keplearn.core.errors import KeplearnError
from keplearn.core.files import remove_temporaries
from keplearn.core.machine import resident_memory
from keplearn.core.signals import busy, held
from keplearn.groups.study import Study
from keplearn.runs.writer import RunWriter

# Kinds of failure that are not the config's doing: the same run may well succeed the next time.
ACCIDENTS = ("killed", "segmentation_fault", "exited")
# Seconds between looks at memory, time and disk.
LOOK_EVERY = 0.2
# Seconds that an interrupted worker has to write its checkpoint; killed, it loses those since the one before.
PATIENCE = 10.0
LOG_LINES = 20
# Seconds that a worker may take to start, and workers in a row that may die before they have trained anything.
START = 300.0
FAILED_STARTS = 3
# Of its limit of memory: a worker that has more is replaced before it begins with other programs.
FULL = 0.6
WORKER = (sys.executable, "-m", "keplearn.sweeps.worker")


@dataclass(frozen=True)
class Limits:
    """What a run may take, and what must stay free: seconds, bytes of resident memory, bytes of disk.

    ``retries`` is how often a run is tried again after an accident (`ACCIDENTS`).
    """

    seconds: float | None = None
    memory: int | None = None
    free_disk: int = 500_000_000
    retries: int = 0


@dataclass
class Outcome:
    """What became of the runs that were given: how many ended, and why the others were not trained."""

    ended: int = 0
    left: dict[str, str] = field(default_factory=dict)
    stopped: str | None = None


@dataclass
class _Worker:
    """A worker process, its pipe, its log, and the run it is at."""

    core: int
    process: subprocess.Popen[bytes]
    reports: int
    log: Path
    run: str | None = None
    ready: bool = False
    trained: int = 0
    retired: bool = False
    group: list[str] = field(default_factory=list)
    since: float = 0.0
    log_from: int = 0
    verdict: tuple[str, str] | None = None
    unread: bytes = b""


def train_runs(
    study: Study,
    run_ids: Iterable[str],
    *,
    cores: Sequence[int],
    scratch: Path,
    limits: Limits = Limits(),
    worker: Sequence[str] = WORKER,
    on_look: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train runs, each by a worker of its own core; whatever happens to one run, the others are trained.

    Parameters
    ----------
    study
        The study, written to its ``sweep.json``.
    run_ids
        The runs to train.
    cores
        One worker for each; -1 for a worker that stays on no core of its own.
    scratch
        A directory for logs and temporary files, made here.
    limits
        What ends a run, and what ends the sweep.
    worker
        The command that starts a worker.
    on_look
        Called a few times a second.

    Raises
    ------
    KeyboardInterrupt
        After all workers have written their checkpoints, or were killed.
    """
    pool = _Pool(study, run_ids, scratch, limits, worker)
    try:
        return pool.train(cores, on_look)
    finally:
        pool.end()


class _Pool:
    def __init__(
        self, study: Study, run_ids: Iterable[str], scratch: Path, limits: Limits, worker: Sequence[str]
    ):
        self.study, self.scratch, self.limits, self.worker = study, scratch, limits, worker
        self.waiting = study.by_program(run_ids)
        self.tries: Counter[str] = Counter()
        self.fresh: set[str] = set()
        self.failed_starts = 0
        self.workers: list[_Worker] = []
        self.selector = selectors.DefaultSelector()
        self.outcome = Outcome()

    def train(self, cores: Sequence[int], on_look: Callable[[], None]) -> Outcome:
        (self.scratch / "tmp").mkdir(parents=True, exist_ok=True)
        free = list(cores)
        while True:
            busy = [w for w in self.workers if w.run is not None]
            if not busy and (not any(self.waiting) or self.outcome.stopped):
                self.outcome.left |= {
                    run: self.outcome.stopped or "" for group in self.waiting for run in group
                }
                return self.outcome
            for worker in self.workers:
                if worker.ready and worker.run is None and worker.verdict is None and not worker.retired:
                    self._give(worker)
            starting = sum(not w.ready for w in self.workers)
            if not self.outcome.stopped:
                for _ in range(min(len(free), sum(map(len, self.waiting)) - starting)):
                    try:
                        with held():  # a worker that is not in the list would not be ended
                            self._start(free.pop(0))
                    except OSError as error:
                        self.outcome.stopped = f"no worker can be started in {self.scratch}: {error}"
            for key, _ in self.selector.select(LOOK_EVERY):
                self._hear(key.data)
            free += self._watch()
            on_look()

    def _start(self, core: int) -> None:
        """Start a worker; it says when it is ready."""
        read, write = os.pipe()
        log = self.scratch / f"worker-{core}-{len(list(self.scratch.glob('worker-*')))}.log"
        command = [
            *self.worker,
            str(self.study.runs),
            self.study.group,
            str(write),
            str(os.getpid()),
            str(core),
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[write],
                env=os.environ | self._environment(),
                start_new_session=True,  # Ctrl-C is for this process, which ends its workers in order
            )
        os.close(write)
        worker = _Worker(core, process, read, log, since=time.monotonic())
        self.workers.append(worker)
        self.selector.register(read, selectors.EVENT_READ, worker)

    def _environment(self) -> dict[str, str]:
        one = dict.fromkeys(("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # A worker has one core and trains on it, whatever JAX is told to use elsewhere.
        fixed = {"JAX_PLATFORMS": "cpu", "TMPDIR": str(self.scratch / "tmp"), "PYTHONUNBUFFERED": "1"}
        return one | {"EQX_ON_ERROR": os.environ.get("EQX_ON_ERROR", "off")} | fixed

    def _give(self, worker: _Worker) -> None:
        """Give a worker its next run: of its own group while there is one, else of the largest that nobody has."""
        if not any(self.waiting):
            return
        self._look_at_disk()
        if self.outcome.stopped:
            return
        if not worker.group:
            self._choose_group(worker)
            if not worker.group:
                return
        run = worker.group.pop(0)
        stdin = worker.process.stdin
        assert stdin is not None
        try:
            stdin.write(f"{run}\n".encode())
        except BrokenPipeError:  # it died just now
            worker.group.insert(0, run)
            return
        worker.run, worker.since, worker.log_from = run, time.monotonic(), worker.log.stat().st_size
        self.tries[run] += 1

    def _choose_group(self, worker: _Worker) -> None:
        """Choose runs that nobody is at, the most first; a worker that has grown large is replaced instead."""
        limit = self.limits.memory
        large = limit is not None and resident_memory(worker.process.pid) > FULL * limit
        open_to_it = [g for g in self.waiting if g and (not worker.trained or g[0] not in self.fresh)]
        if worker.trained and (large or not open_to_it):
            worker.retired = True
            assert worker.process.stdin is not None
            worker.process.stdin.close()  # it ends, and a new one takes its place
            return
        taken = [id(w.group) for w in self.workers]
        worker.group = max(open_to_it, key=lambda g: (id(g) not in taken, len(g)), default=[])

    def _look_at_disk(self) -> None:
        try:
            free = shutil.disk_usage(self.study.path).free
        except OSError as error:
            self.outcome.stopped = f"{self.study.path}: {error.strerror}"
            return
        if free < self.limits.free_disk:
            self.outcome.stopped = (
                f"{self.study.runs}: only {free / 1e6:.0f} MB of the disk are free, and no run is started below "
                f"{self.limits.free_disk / 1e6:.0f} MB. Free some and run the command again: it goes on from what "
                "is there. (--min-free sets the bound.)"
            )

    def _hear(self, worker: _Worker) -> None:
        """Take in what a worker says."""
        chunk = os.read(worker.reports, 65536)
        if not chunk:
            self.selector.unregister(worker.reports)
            return
        *lines, worker.unread = (worker.unread + chunk).split(b"\n")
        for event in map(json.loads, lines):
            if event["event"] == "ready":
                worker.ready = True
                continue
            worker.run, self.failed_starts = None, 0
            worker.trained += 1
            if event["event"] == "ended":
                self.outcome.ended += 1
            else:
                self.outcome.left[event["run"]] = event["why"]
                if event["full"]:
                    self.outcome.stopped = event["why"]

    def _watch(self) -> list[int]:
        """End runs that take too much; bury workers that died, and return their cores."""
        free = []
        for worker in list(self.workers):
            if worker.process.poll() is not None:
                self._hear_rest(worker)
                self._bury(worker)
                free.append(worker.core)
            elif worker.run is not None and worker.verdict is None:
                self._judge(worker)
            elif not worker.ready and time.monotonic() - worker.since > START:
                worker.process.kill()
        return free

    def _hear_rest(self, worker: _Worker) -> None:
        while worker.reports in self.selector.get_map():
            self._hear(worker)

    def _judge(self, worker: _Worker) -> None:
        limits, used = self.limits, resident_memory(worker.process.pid)
        if limits.memory is not None and used > limits.memory:
            worker.verdict = (
                "memory",
                f"took {used / 1e6:.0f} MB of memory; the limit for a worker is {limits.memory / 1e6:.0f} MB "
                "(--memory)",
            )
        elif limits.seconds is not None and time.monotonic() - worker.since > limits.seconds:
            worker.verdict = ("time_limit", f"took more than {limits.seconds:g} s (--time-limit)")
        if worker.verdict is not None:
            worker.process.kill()

    def _bury(self, worker: _Worker) -> None:
        """Record how a worker died as the failure of its run, or try that once more."""
        self.workers.remove(worker)
        self._close(worker)
        run, code = worker.run, worker.process.returncode
        if run is None:
            self.failed_starts += not worker.trained
            if self.failed_starts >= FAILED_STARTS:
                said = _tail(worker.log, 0)[-500:]
                self.outcome.stopped = f"workers do not start (exit code {code} for the last): {said}"
            return
        kind, reason = worker.verdict or _cause_of_death(code)
        if kind == "memory" and worker.trained and run not in self.fresh:
            self.fresh.add(
                run
            )  # the runs before it may have left it little: once more, in a worker of its own
            self.waiting.append([run])
            return
        if kind in ACCIDENTS and self.tries[run] <= self.limits.retries:
            self.waiting.append([run])
            return
        said = _tail(worker.log, worker.log_from)
        try:
            with RunWriter(self.study.runs, self.study.configs[run]) as writer:
                writer.fail(kind, reason, said, exit_code=code, tries=self.tries[run])
            self.outcome.ended += 1
        except KeplearnError as error:
            self.outcome.left[run] = str(error)

    def _close(self, worker: _Worker) -> None:
        os.close(worker.reports)
        if worker.process.stdin is not None:
            with suppress(OSError):
                worker.process.stdin.close()

    def end(self) -> None:
        """Let no worker outlive this: those at a run are interrupted, and killed if they do not heed it."""
        with held(), busy("the checkpoints of the runs under way"):
            self._end()

    def _end(self) -> None:
        for worker in self.workers:
            if worker.run is None or worker.verdict is not None:
                worker.process.kill()
            else:
                worker.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        for worker in self.workers:
            try:
                worker.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
                if worker.run is not None:
                    remove_temporaries(self.study.path / worker.run)
            if worker.reports in self.selector.get_map():
                self.selector.unregister(worker.reports)
            self._close(worker)
        self.selector.close()


def _cause_of_death(code: int) -> tuple[str, str]:
    """Return kind and reason of a worker's end by its exit code."""
    if code == 130:
        return "killed", "the worker was told to end (SIGTERM)"
    if code >= 0:
        return "exited", f"the worker ended with exit code {code} in the middle of the run"
    names = {int(s): s.name for s in signal.Signals}
    name = names.get(-code, f"signal {-code}")
    if name == "SIGSEGV":
        return "segmentation_fault", "the worker died of a segmentation fault (SIGSEGV)"
    if name == "SIGKILL":
        return "killed", "the worker was killed (SIGKILL): by somebody, or by the system where memory ran out"
    return "killed", f"the worker was killed by {name}"


def _tail(log: Path, start: int) -> str:
    """Return the last lines of a worker's log, from a place on."""
    with log.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(start, size - 8000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-LOG_LINES:])
