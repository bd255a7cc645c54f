"""The engine ``local``: workers on this machine, one a core."""

from collections.abc import Callable, Sequence
from pathlib import Path

from keplearn.core.errors import KeplearnError
from keplearn.core.machine import core_count, cores, free_memory, idlest
from keplearn.groups.study import Study
from keplearn.sweeps.limits import Limits, Outcome
from keplearn.sweeps.pool import WORKER, train_runs

# A worker with a program or two takes 600 to 800 MB.
LEAST_MEMORY = 800_000_000


def sweep_here(
    study: Study,
    run_ids: Sequence[str],
    scratch: Path,
    limits: Limits,
    workers: int | None = None,
    worker: Sequence[str] = WORKER,
    on_look: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train runs by workers on the cores that are really there (`keplearn.core.machine`), or on fewer."""
    count = worker_count(workers, run_ids)
    # More workers than cores share them; each would be told to keep to one that is another's.
    places = idlest(cores(), count) if count <= len(cores()) else [-1] * count
    return train_runs(
        study, run_ids, cores=places, scratch=scratch, limits=limits, worker=worker, on_look=on_look
    )


def worker_count(workers: int | None, run_ids: Sequence[str]) -> int:
    """Return how many workers train these runs: as many as asked for, or as there are cores to be kept busy."""
    return min(workers or core_count(), max(1, len(run_ids)))


def memory_per_worker(count: int) -> int:
    """Return the bytes that each of so many workers may take by default: its share of what is free now."""
    share = free_memory() // count
    if share < LEAST_MEMORY:
        raise KeplearnError(
            f"{share / 1e6:.0f} MB of memory are free for each of {count} workers; one needs at least "
            f"{LEAST_MEMORY / 1e6:.0f} MB: use fewer (--workers)."
        )
    return share
