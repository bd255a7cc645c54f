"""The one loop that scores runs on datasets: in blocks, so that many are evaluated together and few are in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keplearn.core.errors import KeplearnError
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.propagation import models_at_once
from keplearn.evaluation.scores import Scores, keep_scores, model_for
from keplearn.evaluation.store import keep_evaluations
from keplearn.runs.store import Run

if TYPE_CHECKING:
    import xarray

BLOCK = 8
"""Runs between two steps of a progress bar, or more where the device takes more at once."""

Track = Callable[[Sequence[Any]], Iterable[Any]]
"""Goes through blocks of runs and shows how far it is."""

Skipped = Callable[[Run, KeplearnError], object]
"""Is told of a run that cannot be scored."""


def score_runs(
    runs: Sequence[Run],
    datasets: Mapping[str, OrbitDataset],
    wanted: Callable[[Run], Iterable[str]],
    *,
    which: str = "best",
    segments: int | None = None,
    skipped: Skipped | None = None,
    track: Track = iter,
) -> Iterator[tuple[Run, dict[str, Scores]]]:
    """Yield each run with its scores by dataset; what is not kept yet is evaluated, and kept.

    Parameters
    ----------
    runs
        The runs.
    datasets
        By the name that runs know them by.
    wanted
        On which of the datasets a run is scored; names that are none of theirs do not count.
    which
        ``best``, ``final`` or ``phase:P``.
    segments
        Samples from one restart to the next; None for whole orbits.
    skipped
        Is told, once a message, of each run that lacks the model; it has no scores then. By default that is an
        error.
    track
        Goes through the blocks of runs.

    Raises
    ------
    KeplearnError
        If a run has no such model, or it is damaged, and ``skipped`` is not given.
    """
    tell = _once(skipped)
    for block in track(_blocks(runs, max(models_at_once(), BLOCK))):
        names = [set(wanted(run)) for run in block]
        found: list[dict[str, Scores]] = [{} for _ in block]
        for name, dataset in datasets.items():
            having = [i for i, asked in enumerate(names) if name in asked]
            kept = keep_scores(
                [block[i] for i in having], dataset, which=which, segments=segments, skipped=tell
            )
            for i, scores in zip(having, kept, strict=True):
                if scores is not None:
                    found[i][name] = scores
        yield from zip(block, found, strict=True)


def evaluate_runs(
    runs: Sequence[Run], dataset: OrbitDataset, *, which: str = "best", skipped: Skipped | None = None
) -> "Iterator[tuple[Run, xarray.Dataset]]":
    """Yield each run with its evaluation on a dataset, where the scores do not tell enough; without those skipped.

    Parameters and errors are those of `score_runs`.
    """
    tell = _once(skipped)
    for block in _blocks(runs, models_at_once()):
        having = []
        for run in block:
            try:
                having.append((run, model_for(run, dataset, which)))
            except KeplearnError as error:
                if tell is None:
                    raise
                tell(run, error)
        made = keep_evaluations([(run.path, model) for run, model in having], dataset, which=which)
        yield from zip((run for run, _ in having), made, strict=True)


def _blocks(runs: Sequence[Run], size: int) -> list[Sequence[Run]]:
    return [runs[k : k + size] for k in range(0, len(runs), size)]


def _once(skipped: Skipped | None) -> Skipped | None:
    """Tell of each message but once: a run without a model lacks it on every dataset."""
    if skipped is None:
        return None
    told: set[str] = set()

    def tell(run: Run, error: KeplearnError) -> None:
        if str(error) not in told:
            told.add(str(error))
            skipped(run, error)

    return tell
