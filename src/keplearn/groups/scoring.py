"""The one loop that scores runs on datasets: in blocks, so that many are evaluated together and few are in memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.propagation import models_at_once
from keplearn.evaluation.ranking import measured_over
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


def say_skipped(say: Callable[[str], object]) -> Skipped:
    """Return what says in a line that a run is left out, and why."""
    return lambda run, error: say(f"skipped: {error}")


def segments_of(runs: Sequence[Run], asked: int | None) -> int | None:
    """Return over how many samples runs are measured: those asked for, 0 the whole orbit, or as they were scored.

    Raises
    ------
    KeplearnError
        If nothing is asked for and the runs were scored differently, or a single sample is asked for.
    """
    if asked is not None:
        if asked < 0 or asked == 1:
            raise KeplearnError(
                f"segments of {asked}: a propagation needs at least 2 samples; 0 is the whole orbit."
            )
        return asked or None
    own = Counter(run.config.score_segments for run in runs)
    if len(own) > 1:
        words = ", ".join(
            f"{count} over {measured_over(over) or 'whole orbits'}" for over, count in own.items()
        )
        some = next(over for over in own if over)
        raise KeplearnError(
            f"these runs were not scored alike ({words}): --segments {some} measures all of them over segments, "
            "--segments 0 over whole orbits."
        )
    return next(iter(own), None)


def summaries(
    runs: Sequence[Run],
    datasets: Sequence[str],
    segments: int | None,
    *,
    skipped: Skipped | None = None,
    track: Track = iter,
) -> dict[Path, dict[str, Mapping[str, Any]]]:
    """Return the scores of runs by path and dataset: those recorded, of other finished runs kept or made now."""
    found: dict[Path, dict[str, Mapping[str, Any]]] = {}
    for run in runs:
        recorded = run.record.get("scores") or {}
        known = {name: recorded[name] for name in datasets if recorded.get(name)}
        found[run.path] = {
            name: scores for name, scores in known.items() if scores.get("segments") == segments
        }
    left = [run for run in runs if run.state == "finished" and len(found[run.path]) < len(set(datasets))]
    data = {name: load_dataset(name) for name in datasets if any(name not in found[run.path] for run in left)}
    for run, scored in score_runs(
        left,
        data,
        lambda run: data.keys() - found[run.path].keys(),
        segments=segments,
        skipped=skipped,
        track=track,
    ):
        found[run.path] |= {name: scores.summary for name, scores in scored.items()}
    return found


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
    runs: Sequence[Run],
    dataset: OrbitDataset,
    *,
    which: str = "best",
    segments: int | None = None,
    skipped: Skipped | None = None,
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
        pairs = [(run.path, model) for run, model in having]
        made = keep_evaluations(pairs, dataset, which=which, segments=segments)
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
