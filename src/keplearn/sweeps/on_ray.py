"""The engine ``ray``: chunks of runs as Ray tasks, on this machine or a cluster.

Each task is the work unit of all engines (`keplearn.sweeps.pool`) with one worker, so that what happens to a run
never reaches Ray. What passes through Ray are ids; all results lie in the runs' directories, which all machines
must see under the same path.
"""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import floor
from pathlib import Path
from typing import Any

from keplearn.core.errors import KeplearnError
from keplearn.core.machine import core_count
from keplearn.core.plugins import ALLOWED
from keplearn.core.signals import busy, held
from keplearn.groups.standing import Standing
from keplearn.groups.study import Study
from keplearn.runs.writer import RunWriter
from keplearn.sweeps.limits import Limits, Outcome
from keplearn.sweeps.pool import WORKER, train_runs
from keplearn.sweeps.ray_session import ray_session

# A task starts a worker, which takes some seconds: enough runs for that not to matter, few enough to share out.
MOST_RUNS = 50
TASKS_PER_WORKER = 4
# Tasks in a row that Ray may lose before the sweep ends.
MOST_LOST = 5
# Seconds that interrupted tasks have to write checkpoints.
PATIENCE = 20.0


def sweep_on_ray(
    study: Study,
    run_ids: Sequence[str],
    scratch: Path,
    limits: Limits,
    workers: int | None = None,
    address: str | None = None,
    worker: Sequence[str] = WORKER,
    on_look: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train runs as Ray tasks, one core each.

    Parameters
    ----------
    study, run_ids, scratch, limits, worker, on_look
        As for `keplearn.sweeps.pool.train_runs`.
    workers
        Tasks at a time; by default as many as the cluster has cores.
    address
        The cluster's; ``auto`` for the one that this machine is part of. None starts Ray here, for this sweep.

    Raises
    ------
    KeplearnError
        If Ray is not installed, there is no cluster at the address, or no GPU in it that is asked for.
    """
    with ray_session(scratch, workers or core_count(), address) as ray:
        at_once = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        # Nothing is tried again behind our back: by default a task that memory ran out for is, for ever.
        gpus = _share_of_gpus(ray, limits.device, at_once)
        task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(_train_chunk)

        def submit(chunk: list[str]) -> Any:
            named = os.environ.get(ALLOWED, "")
            return task.remote(str(study.runs), study.group, chunk, str(scratch), limits, list(worker), named)

        outcome, tries, lost = Outcome(), Counter[str](), 0
        size = max(1, min(MOST_RUNS, -(-len(run_ids) // (TASKS_PER_WORKER * at_once))))
        waiting, under_way = study.chunks(run_ids, size), {}
        try:
            while under_way or (waiting and not outcome.stopped):
                while waiting and len(under_way) < at_once and not outcome.stopped:
                    chunk = waiting.pop(0)
                    under_way[submit(chunk)] = _touched(study, chunk)
                done, _ = ray.wait(list(under_way), timeout=0.5)
                for ended in done:
                    before = under_way.pop(ended)
                    try:
                        _add(outcome, ray.get(ended))
                        lost = 0
                    except ray.exceptions.RayTaskError as error:
                        # What Python raised there it would raise again.
                        outcome.stopped = f"a Ray task failed: {str(error).strip().splitlines()[-1]}"
                        waiting.append(list(before))
                    except Exception as error:  # Ray's own worker, its machine, or the cluster's memory
                        cause = f"{type(error).__name__}: {(str(error).strip() or '-').splitlines()[0]}"
                        again = _after_a_loss(study, before, cause, tries, limits, outcome)
                        waiting += [again] if again else []
                        lost += 1
                        if lost >= MOST_LOST:
                            outcome.stopped = f"Ray loses one task after another ({cause})"
                on_look()
        except BaseException:
            with held(), busy("the checkpoints of the runs under way"):
                for ref in under_way:
                    with suppress(Exception):
                        ray.cancel(ref)  # a KeyboardInterrupt there
                with suppress(Exception):
                    ray.wait(list(under_way), num_returns=len(under_way), timeout=PATIENCE)
            raise
        outcome.left |= {run: outcome.stopped or "" for chunk in waiting for run in chunk}
        return outcome


def _share_of_gpus(ray: Any, device: str, at_once: int) -> float:
    """Return what of a GPU a task is to have: without a share Ray shows it none."""
    gpus = 0 if device == "cpu" else int(ray.cluster_resources().get("GPU", 0))
    if device == "gpu" and not gpus:
        raise KeplearnError("--device gpu: Ray knows of no GPU in this cluster.")
    return min(1.0, floor(1000 * gpus / at_once) / 1000)


def _train_chunk(
    runs: str, group: str, run_ids: list[str], scratch: str, limits: Limits, worker: list[str], named: str
) -> Outcome:
    """Train some runs on whatever machine this is; ``named`` are the plugins that the user has named."""
    os.environ[ALLOWED] = named
    with tempfile.TemporaryDirectory(dir=scratch, prefix="ray-") as own:
        command = [sys.executable, *worker[1:]]  # Python may lie elsewhere on this machine
        study = Study.read(Path(runs), group)
        return train_runs(study, run_ids, cores=[-1], scratch=Path(own), limits=limits, worker=command)


def _add(outcome: Outcome, part: Outcome) -> None:
    outcome.ended += part.ended
    outcome.left |= part.left
    outcome.stopped = outcome.stopped or part.stopped


def _touched(study: Study, chunk: list[str]) -> dict[str, int]:
    """Return when each run's record was written last; 0 where there is none."""
    found = {}
    for run in chunk:
        try:
            found[run] = (study.path / run / "run.json").stat().st_mtime_ns
        except OSError:
            found[run] = 0
    return found


def _after_a_loss(
    study: Study, before: dict[str, int], cause: str, tries: Counter[str], limits: Limits, outcome: Outcome
) -> list[str]:
    """Record the run that a lost task was at as failed, and return those that it had not come to yet.

    ``before``: when the records of the task's runs had been written last, as it was submitted.
    """
    now = _touched(study, list(before))
    at = [run for run in before if now[run] != before[run]]
    again = [run for run in before if run not in at]
    standing = Standing(replace(study, configs={run: study.configs[run] for run in at})).read()
    outcome.ended += len(standing.having("finished", "failed"))
    for run in standing.having("interrupted", "running"):
        tries[run] += 1
        if tries[run] <= limits.retries:
            again.append(run)
            continue
        try:
            with RunWriter(study.runs, study.configs[run]) as writer:
                writer.fail("killed", f"its Ray task was lost ({cause})", "", tries=tries[run])
            outcome.ended += 1
        except KeplearnError as error:
            outcome.left[run] = str(error)
    return again
