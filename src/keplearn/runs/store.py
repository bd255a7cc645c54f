"""A run's directory as it stands: read by everybody, one run or a group (`keplearn.runs.writer` writes it).

``runs/<group>/<run_id>/`` holds ``run.json`` (config, state, reason, summary, scores), ``metrics.jsonl``
while it trains and ``metrics.parquet`` after, ``model.eqx`` (best of the last phase, or by field error of all),
``phase-P-best.eqx``, ``phase-P-final.eqx``, ``checkpoint.npz`` while there is something to resume, ``log.txt``,
``evaluations/``, and ``label.json`` where a user has named it.
All but the log carry checksums. What is damaged is named and left where it is; where the run is trained again, all
that was there goes to ``damaged``.
"""

import socket
import time
import warnings
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keplearn.config import RunConfig
from keplearn.config.value_types import plain_name
from keplearn.core import locks
from keplearn.core.errors import Damaged, KeplearnError, KeptWarning, nearest
from keplearn.core.files import read_sealed
from keplearn.runs.labels import read_label
from keplearn.runs.records import FORMAT, Record, current_scores, read_record, read_rows

# Reading records must not wait for JAX: lists of runs and the watch over a sweep need them alone.
if TYPE_CHECKING:
    import pandas as pd

    from keplearn.models.kinds import Model

# A run of another machine whose heartbeat is older than this is taken for dead (seconds).
STALE = 120.0


def directory_name(text: str, what: str) -> str:
    """Return a run id or group name, or refuse one that could lead out of the runs directory."""
    try:
        return plain_name(text)
    except ValueError as error:
        raise KeplearnError(f"{what} {text!r} is not a plain name: it {error}.") from None


class Run:
    """A run as it stands on disk."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def kept(self) -> Record:
        """``run.json`` as it was written.

        Raises
        ------
        Damaged
            If it is not as it was written, or no run's record.
        KeplearnError
            If there is none, or it cannot be read.
        """
        return read_record(self.path)

    @cached_property
    def record(self) -> dict[str, Any]:
        """The content of ``run.json`` as it is true now.

        A run whose writer is dead is interrupted, and so is one that finished and whose model is gone; scores that
        this code would not give (`keplearn.core.fingerprint`) are left out.
        """
        record = dict(self.kept.entries)
        if record["state"] == "running" and not self._alive(record):
            record["state"] = "interrupted"
            record["reason"] = record["reason"] or "its process ended without a word (killed?)"
        if record["state"] == "finished" and not (self.path / "model.eqx").is_file():
            record |= {"state": "interrupted", "reason": "it had finished, but its model.eqx is gone"}
        if "scores" in record:
            record["scores"] = current_scores(record)
        return record

    def _alive(self, record: Mapping[str, Any]) -> bool:
        if record.get("host") != socket.gethostname():
            return time.time() - record.get("heartbeat_seconds", 0.0) < STALE
        return locks.is_held(self.path / "lock")

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.record["run_id"]

    @property
    def group(self) -> str:
        """The group it belongs to."""
        return self.path.parent.name

    @property
    def state(self) -> str:
        """running, finished, failed or interrupted."""
        return self.record["state"]

    @cached_property
    def label(self) -> str | None:
        """What its user calls it; None where it has no label, or one that cannot be read, which is warned of."""
        try:
            return read_label(self.path)
        except KeplearnError as error:
            warnings.warn(f"{error} The run goes without its label.", KeptWarning, stacklevel=2)
            return None

    @property
    def name(self) -> str:
        """Its label, or the first digits of its id: what figures call it."""
        return self.label or self.run_id[:8]

    @cached_property
    def config(self) -> RunConfig:
        """The config that it was trained with."""
        return self.kept.config

    @property
    def scored_on(self) -> list[str]:
        """The datasets that it was scored on, those whose scores hold no more included."""
        return list(self.kept.entries.get("scores", {}))

    @property
    def kept_step(self) -> tuple[int, int] | None:
        """Phase and step of the model that it keeps, once it has finished."""
        summary, phases = self.record.get("summary") or {}, self.record.get("phases") or []
        if self.state != "finished" or not phases:
            return None
        known = {phase["phase"]: phase["best_step"] for phase in phases if "best_step" in phase}
        phase = int(summary.get("best_phase", phases[-1]["phase"]))
        return (phase, int(known[phase])) if phase in known else None

    @property
    def _must(self) -> bool:
        return self.kept.entries["format"] >= FORMAT

    def model(self, which: str = "best") -> "Model":
        """Load a model: ``best`` (the one kept), ``final``, or ``phase:P`` (best of phase P, from 0).

        Raises
        ------
        Damaged
            If its file is not as it was written.
        KeplearnError
            If there is no such model (yet), or it is damaged.
        """
        from keplearn.models.files import load_model

        return load_model(self.model_file(which), self._must)

    def model_file(self, which: str = "best") -> Path:
        """Return the file of a model, `model` says which.

        Raises
        ------
        KeplearnError
            If there is no such model (yet).
        """
        last = len(self.config.parameters.steps_strategy) - 1
        files = {"best": "model.eqx", "final": f"phase-{last}-final.eqx"}
        files |= {f"phase:{p}": f"phase-{p}-best.eqx" for p in range(last + 1)}
        if which not in files:
            raise KeplearnError(
                f"no model {which!r} in a run of {last + 1} phases, only {', '.join(files)}."
                f"{nearest(which, files)}"
            )
        file = self.path / files[which]
        if not file.exists():
            raise KeplearnError(f"run {self.run_id} ({self.state}) has no model {which!r} yet.")
        return file

    def metrics(self) -> "pd.DataFrame":
        """One row a step: phase, step, lr, loss, its parts, grad_norm, lost; val_* where it was validated.

        Raises
        ------
        Damaged
            If they are not as they were written.
        """
        import pandas as pd

        finished = self.path / "metrics.parquet"
        if not finished.exists():
            return pd.DataFrame(read_rows(self.path / "metrics.jsonl", self._must))
        content = read_sealed(finished, self._must).content
        try:
            return pd.read_parquet(BytesIO(content))
        except Exception as error:  # Arrow raises many kinds on damaged files
            raise Damaged(f"{finished}: damaged: {error}") from error
