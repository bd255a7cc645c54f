"""The work unit of every engine: train these run ids, by worker processes of which any may die at any moment.

Each worker trains one run after another. One that dies ends the run that it was training, in state ``failed`` with
its kind and reason, and a new one takes its place; so it is with one that takes too much memory or time. Runs that
share compiled programs go to the same worker. This process only watches: it never computes, and needs no JAX.
"""

import selectors
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from keplearn.core.errors import KeplearnError
from keplearn.core.processes import resident_memory
from keplearn.core.signals import busy, held
from keplearn.groups.study import Study
from keplearn.runs.contents import remove_beginnings
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter
from keplearn.sweeps.limits import ACCIDENTS, Limits, Outcome
from keplearn.sweeps.worker_process import Worker, cause_of_death

# Seconds between looks at memory, time and disk.
LOOK_EVERY = 0.2
# Seconds that an interrupted worker has to write its checkpoint; killed, it loses those since the one before.
PATIENCE = 20.0
# Seconds that a worker may take to start, and workers in a row that may die before they have trained anything.
START = 300.0
FAILED_STARTS = 3
# Of its limit of memory: a worker that has more is replaced before it begins with other programs.
FULL = 0.6
WORKER = (sys.executable, "-m", "keplearn.sweeps.worker")


def train_runs(
    study: Study,
    run_ids: Iterable[str],
    *,
    cores: Sequence[int],
    scratch: Path,
    limits: Limits | None = None,
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
        What ends a run, and what ends the sweep; by default little does.
    worker
        The command that starts a worker.
    on_look
        Called a few times a second.

    Raises
    ------
    KeyboardInterrupt
        After all workers have written their checkpoints, or were killed.
    """
    pool = _Pool(study, run_ids, scratch, limits or Limits(), worker)
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
        self.workers: list[Worker] = []
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
        device = self.limits.device
        command = [*self.worker, str(self.study.runs), self.study.group, device]
        worker = Worker.start(command, core, self.scratch, on_cpu=device == "cpu")
        self.workers.append(worker)
        self.selector.register(worker.reports, selectors.EVENT_READ, worker)

    def _give(self, worker: Worker) -> None:
        """Give a worker its next run: of its own group while there is one, else of the largest that nobody has."""
        if not any(self.waiting):
            return
        self.outcome.stopped = self.limits.full_disk(self.study.path)
        if self.outcome.stopped:
            return
        if not worker.group:
            self._choose_group(worker)
            if not worker.group:
                return
        if worker.give(worker.group[0]):
            self.tries[worker.group.pop(0)] += 1

    def _choose_group(self, worker: Worker) -> None:
        """Choose runs that nobody is at, the most first; a worker that has grown large is replaced instead."""
        limit = self.limits.memory
        large = limit is not None and resident_memory(worker.process.pid) > FULL * limit
        open_to_it = [g for g in self.waiting if g and (not worker.trained or g[0] not in self.fresh)]
        if worker.trained and (large or not open_to_it):
            worker.retire()  # it ends, and a new one takes its place
            return
        taken = [id(w.group) for w in self.workers]
        worker.group = max(open_to_it, key=lambda g: (id(g) not in taken, len(g)), default=[])

    def _hear(self, worker: Worker) -> None:
        """Take in what a worker says."""
        events = worker.read()
        if events is None:
            self.selector.unregister(worker.reports)
            return
        for event in events:
            if event["event"] == "ready":
                worker.ready = True
                continue
            if event["event"] == "refused":
                self.outcome.stopped = event["why"]
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
                seconds = time.monotonic() - worker.since
                worker.verdict = self.limits.verdict(seconds, resident_memory(worker.process.pid))
                if worker.verdict is not None:
                    worker.process.kill()
            elif not worker.ready and time.monotonic() - worker.since > START:
                worker.process.kill()
        return free

    def _hear_rest(self, worker: Worker) -> None:
        while worker.reports in self.selector.get_map():
            self._hear(worker)

    def _bury(self, worker: Worker) -> None:
        """Record how a worker died as the failure of its run, or try that once more."""
        self.workers.remove(worker)
        worker.close()
        run, code = worker.run, worker.process.returncode
        if run is None:
            self.failed_starts += not worker.trained
            if self.failed_starts >= FAILED_STARTS:
                said = worker.said(0)[-500:]
                self.outcome.stopped = f"workers do not start (exit code {code} for the last): {said}"
            return
        if self._has_finished(run):  # what it did after the training harms no run
            self.outcome.ended += 1
            return
        kind, reason = worker.verdict or cause_of_death(code)
        if kind == "memory" and worker.trained and run not in self.fresh:
            self.fresh.add(
                run
            )  # the runs before it may have left it little: once more, in a worker of its own
            self.waiting.append([run])
            return
        if kind in ACCIDENTS and self.tries[run] <= self.limits.retries:
            self.waiting.append([run])
            return
        said = worker.said(worker.log_from)
        try:
            with RunWriter(self.study.runs, self.study.configs[run]) as writer:
                writer.fail(kind, reason, said, exit_code=code, tries=self.tries[run])
            self.outcome.ended += 1
        except KeplearnError as error:
            self.outcome.left[run] = str(error)

    def _has_finished(self, run: str) -> bool:
        try:
            return Run(self.study.path / run).state == "finished"
        except KeplearnError:
            return False

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
                    remove_beginnings(self.study.path / worker.run)
            if worker.reports in self.selector.get_map():
                self.selector.unregister(worker.reports)
            worker.close()
        self.selector.close()
