"""The run's directory as a sink: what of each event is kept, and when a checkpoint is taken."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import Any

from keplearn.core.errors import NotWritten
from keplearn.runs.events import Ended, Event, Message, PhaseEnded, Prepared, Rows, Scored
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter

# A kill costs at most the seconds since the last checkpoint.
CHECKPOINT_SECONDS = 5.0


def kept_phase(phases: Sequence[Mapping[str, Any]], best_by: str) -> int:
    """Return the phase whose best model is the run's, of the phases' summaries.

    The last by loss, since losses of other segments do not compare; by field the one of least error, for that is
    measured at the same states in all phases.
    """
    errors = {phase["phase"]: phase.get("best_field") for phase in phases} if best_by == "field" else {}
    known = {number: error for number, error in errors.items() if error is not None and isfinite(error)}
    return min(known, key=lambda number: known[number]) if known else phases[-1]["phase"]


class Directory:
    """Keeps the events of a run that its writer has started; checkpoints every so many seconds and phase."""

    def __init__(self, writer: RunWriter, every: float = CHECKPOINT_SECONDS):
        self._writer, self._every = writer, every
        self._saved = time.monotonic()
        self._unsaved: Rows | None = None
        self._facts: Mapping[str, Any] = {}

    def __call__(self, event: Event) -> None:
        """Keep an event.

        Raises
        ------
        NotWritten
            If it cannot be written.
        """
        writer = self._writer
        match event:
            case Prepared(facts):
                self._facts = facts
                writer.write(summary=facts)
            case Message(text, True):
                writer.log(f"warning: {text}")
            case Rows():
                writer.rows(event.rows)  # first: an interrupt's checkpoint must not be ahead of the metrics
                self._unsaved = event
                ends = event.step == writer.config.parameters.steps_strategy[event.phase]
                if ends or time.monotonic() - self._saved > self._every:
                    self._checkpoint()
            case PhaseEnded():
                self._keep(event)
            case Scored(name, content_hash, scores):
                known = {key: writer.record.get(key) or {} for key in ("scores", "scored_on")}
                writer.write(
                    scores=known["scores"] | {name: scores},
                    scored_on=known["scored_on"] | {name: content_hash},
                )
            case Ended():
                self._end(event)

    def _checkpoint(self) -> None:
        if self._unsaved is not None:
            self._writer.checkpoint(self._unsaved.checkpoint())
            self._saved, self._unsaved = time.monotonic(), None

    def _keep(self, event: PhaseEnded) -> None:
        """Save a phase's models, and its summary."""
        for which, model in (("best", event.best), ("final", event.final)):
            self._writer.model(f"phase-{event.phase}-{which}", model)
        parameters, phases = self._writer.config.parameters, [*self._writer.record["phases"], event.summary]
        if event.phase == len(parameters.steps_strategy) - 1:
            kept = kept_phase(phases, parameters.best_by)
            best = event.best if kept == event.phase else Run(self._writer.path).model(f"phase:{kept}")
            self._writer.model("model", best)
        self._writer.write(phases=phases)

    def _end(self, event: Ended) -> None:
        if event.state == "finished":
            summary = {**self._facts, **(event.summary or {})}
            self._writer.end("finished", summary=summary, scores=self._writer.record.get("scores", {}))
            return
        with suppress(NotWritten):
            if event.state == "interrupted":
                self._checkpoint()
        with suppress(NotWritten):
            self._writer.log(f"{event.state}: {event.detail or event.reason}")
        self._writer.end(event.state, kind=event.kind, reason=event.reason)
