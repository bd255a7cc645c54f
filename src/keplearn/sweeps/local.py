"""The engine ``local``: workers on this machine, one a core."""

from collections.abc import Callable, Sequence
from pathlib import Path

from keplearn.errors import KeplearnError
from keplearn.machine import cores, free_memory, idlest
from keplearn.sweeps.pool import WORKER, Limits, Outcome, train_runs
from keplearn.sweeps.study import Study


def sweep_here(
    study: Study,
    run_ids: Sequence[str],
    scratch: Path,
    limits: Limits,
    workers: int | None = None,
    worker: Sequence[str] = WORKER,
    on_look: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train runs by workers on the cores that are really there (`keplearn.machine.cores`), or on fewer."""
    chosen = cores()
    count = min(workers or len(chosen), max(1, len(run_ids)))
    # More workers than cores share them; each would be told to keep to one that is another's.
    places = idlest(chosen, count) if count <= len(chosen) else [-1] * count
    return train_runs(
        study, run_ids, cores=places, scratch=scratch, limits=limits, worker=worker, on_look=on_look
    )


def memory_per_worker(workers: int | None) -> int:
    """Return the bytes that a worker may take by default: its share of what is free now."""
    share = free_memory() // (workers or len(cores()))
    if share < 500_000_000:
        raise KeplearnError(
            f"{share / 1e6:.0f} MB of memory are free for each of {workers or len(cores())} workers; one needs at "
            "least 500 MB: use fewer (--workers)."
        )
    return share
