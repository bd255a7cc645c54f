"""The events of a run, from its start to its end, and who is told of them.

Training and scoring make events; the run's directory, the console and trackers are sinks: functions that are called
with each event, in its order. `train_run(config, sinks=[...])` tells sinks of one's own; one that `sink` enters is
told of every run that its process trains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keplearn.config import RunConfig
from keplearn.core.tables import Table, concerns_all
from keplearn.training.events import PhaseEnded, Rows


@dataclass(frozen=True)
class Started:
    """A run starts in its directory, from the first step or from the step of a phase that a checkpoint has reached."""

    config: RunConfig
    path: Path
    phase: int
    step: int


@dataclass(frozen=True)
class Prepared:
    """Its data are there, with facts of them by name; what follows is compiled and trained."""

    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """A line for its user; a ``warning`` is also kept with the run."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Scored:
    """Its model was scored on a test dataset, with orbits of this content hash: the metrics by key."""

    dataset: str
    dataset_hash: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Ended:
    """It has ended: ``finished``, ``failed`` with kind and reason, or ``interrupted`` with reason.

    ``summary`` is what is recorded of a finished run's training; ``detail`` says more than the reason, such as
    where an error that nobody expected arose.
    """

    state: str
    kind: str | None = None
    reason: str | None = None
    detail: str | None = None
    summary: Mapping[str, Any] | None = None


Event = Started | Prepared | Rows | PhaseEnded | Message | Scored | Ended
Sink = Callable[[Event], object]

SINKS: Table[Callable[[RunConfig], Sink | None]] = Table("sink")
"""What makes a sink for a run, or None where it wants none, by name."""


def sink(make: Callable[[RunConfig], Sink | None]) -> Callable[[RunConfig], Sink | None]:
    """Enter a function that makes a sink for the run of a config; with None the run goes without.

    Such a sink can neither harm nor stop a training: if it fails, a warning says so, and it is told no more.
    """
    SINKS.enter(make, make)
    concerns_all(make)
    return make


class Telling:
    """Tells the sinks of a run: its directory first, whose failure is the run's, and then the others."""

    def __init__(self, directory: Sink, sinks: Sequence[Sink] = ()):
        self._directory = directory
        self._others: dict[object, Sink] = dict(enumerate(sinks))

    def __call__(self, event: Event) -> None:
        """Tell all of an event; those that `sink` has entered join as the run starts."""
        if isinstance(event, Started):
            for name, make in SINKS.items():
                self._join(name, make, event.config)
        try:
            self._directory(event)
        finally:
            failures: dict[object, Exception] = {}
            for name, told in self._others.items():
                try:
                    told(event)
                except Exception as error:
                    failures[name] = error
            for name in failures:  # all of them, before the warnings are told
                del self._others[name]
            for name, error in failures.items():
                self._failed(name, error)

    def _join(self, name: str, make: Callable[[RunConfig], Sink | None], config: RunConfig) -> None:
        try:
            made = make(config)
        except Exception as error:
            self._failed(name, error)
        else:
            self._others |= {name: made} if made is not None else {}

    def _failed(self, name: object, error: Exception) -> None:
        self(Message(f"sink {name} fails, and is told no more: {type(error).__name__}: {error}", True))
