"""``keplearn sweep``: train all runs of a config by workers that may die."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from keplearn.cli.mirroring import AS_THE_CONFIG, Mirroring, say_what_is_not_sent
from keplearn.cli.sweep_view import SweepProgress, last_line, print_plan, print_result
from keplearn.cli.sweep_watch import AsJson, Flag, Runs, status, stop
from keplearn.core.device import Device
from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    from keplearn.groups.standing import Standing
    from keplearn.groups.study import Study
    from keplearn.sweeps.limits import Outcome

app = App(name="sweep")
app.command(status)
app.command(stop)


@app.default
def sweep(  # noqa: D417 (mirroring: keplearn.cli.mirroring)
    file: Path,
    *,
    overrides: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    engine: Literal["local", "ray", "slurm"] = "local",
    workers: int | None = None,
    runs: Runs = Path("runs"),
    retry_failed: Flag = False,
    retries: int = 0,
    time_limit: str | None = None,
    memory: str | None = None,
    min_free: str = "500M",
    address: str | None = None,
    machine: Path | None = None,
    device: Device = "cpu",
    detach: Flag = False,
    dry_run: Flag = False,
    json_: AsJson = False,
    mirroring: Mirroring = AS_THE_CONFIG,
) -> None:
    """Train all runs of a config, each on a core of its own; whatever happens to one, the others go on.

    Finished runs are left as they are, interrupted ones go on from their checkpoints. Ctrl-C, a kill, a lost
    machine: the same command trains what is missing.

    Parameters
    ----------
    file
        A config file (YAML); its group names the sweep.
    overrides
        key=value: replaces an entry of the config; may be repeated.
    engine
        local: this machine; ray: a Ray cluster, or Ray here; slurm: a job array.
    workers
        Runs at a time; by default one for each core that is really available.
    runs
        The directory of all runs.
    retry_failed
        Train failed runs again.
    retries
        How often a run is tried again after an accident that is not its config's: killed, crashed.
    time_limit
        What a run may take, e.g. 90s, 30m, 2h; by default there is no limit.
    memory
        Resident memory that a worker may take, e.g. 2G; by default its share of what is free here now, and on
        other machines (ray with an address, slurm) no limit.
    min_free
        Free disk below which no run is started, e.g. 500M.
    address
        ray: the cluster's address (auto: the one that this machine is part of); by default Ray is started here.
    machine
        slurm: a YAML file with partition, account, time, cpus, memory, modules; see docs/clusters.md.
    device
        On what workers train: cpu, each on its core; gpu, which they share; or auto: a GPU where there is one.
    detach
        Go on in the background, also when this terminal is closed.
    dry_run
        Show what would be trained, and stop.
    json_
        Print the result as JSON.
    """
    from keplearn.cli.amounts import SIZES, TIMES, amount
    from keplearn.cli.detach import DETACHED, detach_sweep
    from keplearn.cli.output import plain_warnings
    from keplearn.config import load_config
    from keplearn.groups.standing import Standing
    from keplearn.groups.study import Study

    seconds = None if time_limit is None else amount("--time-limit", time_limit, TIMES, some=True)
    bytes_free = int(amount("--min-free", min_free, SIZES))
    bytes_used = None if memory is None else int(amount("--memory", memory, SIZES, some=True))
    if workers is not None and workers < 1:
        raise KeplearnError(f"--workers {workers}: at least one is needed.")
    if retries < 0:
        raise KeplearnError(f"--retries {retries}: none, or some.")
    with plain_warnings():
        configs = load_config(file, [*(overrides or ()), *mirroring.overrides()])
    study = Study.of(configs, runs)
    standing = Standing(study).read()
    pending = standing.having("missing", "interrupted", *(("failed",) if retry_failed else ()))
    pending += (outdated := standing.outdated())
    pending += (undrawn := _undrawn(study, standing, outdated))
    if dry_run:
        print_plan(study, standing, pending, json_)
        return
    if detach and DETACHED not in os.environ:
        detach_sweep(study)
        return

    from keplearn.sweeps.driver import driving
    from keplearn.sweeps.limits import Limits

    limits = Limits(seconds, bytes_used, bytes_free, retries, device)
    _refuse_strangers(study)
    if engine == "slurm":
        _submit(study, pending, limits, machine)
        return
    for run_id in standing.damaged():
        print(f"warning: {standing.records[run_id]['reason']} It is trained again.", file=sys.stderr)
    skipped = standing.counts["finished"] - len(outdated) - len(undrawn)
    started = time.time()
    try:
        with driving(study, engine=engine) as scratch, SweepProgress(study, standing, started) as progress:
            queued = _queued(study)
            wanted = [run for run in pending if run not in queued]
            outcome = _train(engine, study, wanted, scratch, limits, workers, address, progress.look)
            outcome.left |= {run: f"it is in SLURM's job {queued[run]}" for run in pending if run in queued}
    except KeyboardInterrupt:
        standing.read()
        print(last_line(study, standing, skipped, started), file=sys.stderr)
        raise
    standing.read()
    print_result(study, standing, outcome, skipped, started, json_)
    say_what_is_not_sent(study.group, [study.path / run_id for run_id in study.configs])


def _train(
    engine: str,
    study: "Study",
    run_ids: list[str],
    scratch: Path,
    limits: Any,
    workers: int | None,
    address: str | None,
    on_look: Callable[[], None],
) -> "Outcome":
    """Train runs by an engine."""
    from dataclasses import replace

    from keplearn.sweeps.local import memory_per_worker, sweep_here, worker_count

    here = engine == "local" or address is None
    if here and limits.memory is None:  # other machines have other memories
        limits = replace(limits, memory=memory_per_worker(worker_count(workers, run_ids)))
    if engine == "ray":
        from keplearn.sweeps.on_ray import sweep_on_ray

        return sweep_on_ray(study, run_ids, scratch, limits, workers, address, _worker(study), on_look)
    return sweep_here(study, run_ids, scratch, limits, workers, _worker(study), on_look)


def _worker(study: "Study") -> tuple[str, ...]:
    """Return the command that starts a worker: one that also draws, where figures are named."""
    from keplearn.cli.run_figures import named
    from keplearn.cli.sweep_worker import WORKER as DRAWING
    from keplearn.sweeps.pool import WORKER

    return DRAWING if any(map(named, study.configs.values())) else WORKER


def _undrawn(study: "Study", standing: "Standing", outdated: list[str]) -> list[str]:
    """Return the finished runs that lack figures that their configs name: a worker draws these alone."""
    from keplearn.cli.run_figures import missing, named

    finished = [run_id for run_id in standing.having("finished") if run_id not in outdated]
    return [run_id for run_id in finished if missing(study.path / run_id, named(study.configs[run_id]))]


def _queued(study: "Study") -> dict[str, str]:
    """Return the runs that are in SLURM's queue, and their jobs."""
    from keplearn.sweeps import slurm_jobs

    return {run: found.label for found in slurm_jobs.submissions(study) for run in found.runs_in_queue()}


def _refuse_strangers(study: "Study") -> None:
    """Refuse to forget runs that jobs in SLURM's queue are still to train."""
    queued = _queued(study)
    if strangers := queued.keys() - study.configs.keys():
        run = min(strangers)
        raise KeplearnError(
            f"job {queued[run]} will train runs that are not in this config, such as {run}: end it first "
            f"(keplearn sweep stop {study.group}), or give the config another group."
        )


def _submit(study: "Study", run_ids: list[str], limits: Any, machine_file: Path | None) -> None:
    """Submit the runs that are in no job yet."""
    from keplearn.sweeps import slurm
    from keplearn.sweeps.driver import driving

    machine = slurm.Machine.read(machine_file)
    with driving(study, engine="slurm"):
        queued = _queued(study)
        wanted = [run for run in run_ids if run not in queued]
        if not wanted:
            print(
                f"{study.group}: nothing to submit: {len(queued)} runs are in the queue, the others are done."
            )
            return
        submission = slurm.submit(study, wanted, machine, limits, _worker(study))
    print(f"submitted job {submission.label}: {len(wanted)} runs in {len(submission.chunks)} tasks")
    print(f"how far it is: keplearn sweep status {study.group}; to end it: keplearn sweep stop {study.group}")
