"""Many runs trained together, for a GPU: those that share programs go as one, and so do their evaluations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from keplearn.config import RunConfig
from keplearn.core.errors import KeplearnError
from keplearn.core.lanes import Ask, in_turns
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.propagation import models_at_once
from keplearn.evaluation.store import keep_evaluations
from keplearn.experiment.course import take_course
from keplearn.models.kinds import Model
from keplearn.runs.directory import CHECKPOINT_SECONDS
from keplearn.runs.events import Sink
from keplearn.runs.store import Run
from keplearn.training.calls import Call
from keplearn.training.stack import Stack


class _Scoring(NamedTuple):
    """What a trained run is about to do: score its model on its test datasets; results kept by then are used."""

    run: Path
    model: Model
    config: RunConfig


def train_stack(
    configs: Sequence[RunConfig],
    runs: str | Path = "runs",
    *,
    again: bool = False,
    sinks: Callable[[RunConfig], Sequence[Sink]] = lambda config: (),
    at_once: int | None = None,
) -> Iterator[Run | KeplearnError]:
    """Train many runs together, each as `keplearn.experiment.course.train_run` does alone.

    Parameters
    ----------
    configs, runs, again
        As for `train_run`.
    sinks
        Makes the sinks of a run.
    at_once
        Rows of a stack at most; by default as many as fit the device's memory.

    Yields
    ------
    run
        Each run as it ends, or why its directory could not be written.
    """
    # Each run writes its own checkpoints: of many, each is taken more seldom.
    every = CHECKPOINT_SECONDS * max(1.0, len(configs) / 100)

    def train(config: RunConfig, ask: Ask) -> Run | KeplearnError:
        evaluate = lambda run, model, config: ask(_Scoring(run, model, config))  # noqa: E731
        try:
            return take_course(
                config, Path(runs), again, sinks(config), execute=ask, evaluate=evaluate, every=every
            )
        except KeplearnError as error:
            return error

    stack = Stack(at_once)

    def make(waiting: dict[int, Any]) -> Mapping[int, Any]:
        """Make calls first: the more runs are trained, the more are scored together."""
        calls = {number: request for number, request in waiting.items() if isinstance(request, Call)}
        return stack(calls) if calls else _evaluate(waiting)

    for _, run in in_turns([partial(train, config) for config in configs], make):
        yield run


def _evaluate(waiting: Mapping[int, _Scoring]) -> dict[int, None]:
    """Make what some of the runs are about to need; what cannot be made, each run meets itself."""
    some = list(waiting)[: models_at_once()]
    scorings = [waiting[number] for number in some]
    for name, segments in dict.fromkeys(
        (name, x.config.score_segments) for x in scorings for name in x.config.test
    ):
        having = [
            (x.run, x.model)
            for x in scorings
            if name in x.config.test and x.config.score_segments == segments
        ]
        with suppress(Exception):
            keep_evaluations(having, load_dataset(name), segments=segments)
    return dict.fromkeys(some)
