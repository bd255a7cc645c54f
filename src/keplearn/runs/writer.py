"""The one writer of a run's directory, from its first line to its end: every file whole or not at all.

`keplearn.runs.store` says what there is in it. Longer than most files: nothing else may write there.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn.config import RunConfig
from keplearn.core import locks
from keplearn.core.errors import Damaged, KeplearnError, NotWritten
from keplearn.core.files import (
    append_text,
    not_written,
    set_aside,
    write_bytes,
)
from keplearn.core.fingerprint import scorer
from keplearn.core.plugins import keep
from keplearn.core.seal import close_json, close_line, close_parquet
from keplearn.runs.checkpoints import CHECKPOINT, check_rows, read_checkpoint, write_checkpoint
from keplearn.runs.contents import remove_beginnings, results
from keplearn.runs.labels import LABEL
from keplearn.runs.records import FORMAT, read_record, read_rows
from keplearn.runs.store import directory_name

# Reading records must not wait for JAX: lists of runs and the watch over a sweep need them alone.
if TYPE_CHECKING:
    from keplearn.models.kinds import Model
    from keplearn.training.events import Checkpoint


class RunWriter:
    """The one writer of a run's directory, from its first line to its end; use it as a context manager."""

    def __init__(self, runs: Path, config: RunConfig, run_id: str | None = None):
        """Prepare to write the run of a config; one that others have trained may have an id of its own."""
        name = directory_name(run_id or config.run_id, "run id")
        self.path = runs / directory_name(config.group, "group") / name
        self.config = config
        self.record: dict[str, Any] = {}

    def __enter__(self) -> "RunWriter":
        """Take the directory's lock.

        Raises
        ------
        KeplearnError
            If another process is writing it, or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = locks.take(self.path / "lock")
        except OSError as error:
            raise not_written(self.path, error) from error
        if lock is None:
            raise KeplearnError(f"{self.path}: another process is training this run.")
        self._lock = lock
        return self

    def __exit__(self, *exc: object) -> None:
        """Let the directory go; the lock file stays, since removing it could let two writers in."""
        os.close(self._lock)

    def start(
        self, facts: Mapping[str, Any], resume: bool, warn: Callable[[str], object] | None = None
    ) -> "Checkpoint | None":
        """Write the run as running, and with ``resume`` return the checkpoint to go on from, if any.

        Where something is damaged that it would go on from, or a record that it would write over, ``warn`` is told
        (by default the log), all that was there goes to a directory ``damaged``, and it starts from nothing.
        """
        keep(self.config.values(), self.path.parent)
        previous, checkpoint = self._found(resume, warn or self.log)
        phases = previous.get("phases", [])
        self.record = self._head() | {
            "format": previous.get("format", FORMAT),
            "started": previous.get("started", _now()),
            "resumed": previous.get("resumed", 0) + (checkpoint is not None),
            "phases": [phase for phase in phases if checkpoint and phase["phase"] < checkpoint.phase],
            **facts,
        }
        if checkpoint is None:
            (self.path / CHECKPOINT).unlink(missing_ok=True)
        # Before anything else goes: a finished run whose model is gone would be skipped for ever.
        self.write()
        if checkpoint is None:
            for file in results(self.path):
                file.unlink(missing_ok=True)
        remove_beginnings(self.path)
        self._truncate_metrics(checkpoint)
        return checkpoint

    def _found(
        self, resume: bool, warn: Callable[[str], object]
    ) -> "tuple[dict[str, Any], Checkpoint | None]":
        """Return the record and the checkpoint to go on from; what is damaged is set aside first."""
        try:
            if not (self.path / "run.json").exists():
                if left := results(self.path):
                    raise Damaged(f"{self.path}: it has {left[0].name}, but no run.json.")
                return {}, None
            record = read_record(self.path).entries
            must = record["format"] >= FORMAT
            checkpoint = read_checkpoint(self.path, must) if resume else None
            if checkpoint is not None:
                # A phase may have ended before its last step.
                ended = [phase["steps"] for phase in record.get("phases", ())[: checkpoint.phase]]
                steps = (*ended, *self.config.parameters.steps_strategy[len(ended) :])
                check_rows(self.path, checkpoint, steps, must)
            return (record, checkpoint) if checkpoint else ({}, None)
        except Damaged as error:
            aside = self._set_aside()
            warn(f"{error} It is trained from the start; all that was there is in {aside}.")
            return {}, None

    def _set_aside(self) -> Path:
        """Move all files of the run but its lock, log and label to a directory of their own."""
        aside = next(p for k in count() if not (p := self.path / f"damaged{k or ''}").exists())
        try:
            aside.mkdir()
            for entry in self.path.iterdir():
                if not entry.name.startswith(("lock", "log.txt", "damaged", LABEL)):
                    entry.rename(aside / entry.name)
        except OSError as error:
            raise not_written(aside, error) from error
        return aside

    def _truncate_metrics(self, checkpoint: "Checkpoint | None") -> None:
        """Drop the rows that were written after the checkpoint: they will come again."""
        file, rows = self.path / "metrics.jsonl", []
        if checkpoint is not None:
            reached = (checkpoint.phase, checkpoint.step)
            rows = [row for row in read_rows(file, must=False) if (row["phase"], row["step"]) <= reached]
        write_bytes(file, "".join(map(close_line, rows)).encode(), within=self.path)

    def write(self, **changes: Any) -> None:
        """Change entries of ``run.json`` and write it with a fresh heartbeat.

        Raises
        ------
        NotWritten
            If it cannot be written, or the directory is no longer the one that was locked.
        """
        self._check_directory()
        self.record |= changes
        if "scores" in changes:
            p = self.config.parameters
            self.record["scorer"] = scorer(p.feature_layer, p.output_layer)
        self.record |= {"heartbeat": _now(), "heartbeat_seconds": round(time.time(), 1)}
        write_bytes(self.path / "run.json", close_json(_plain(self.record)), within=self.path)

    def _check_directory(self) -> None:
        """Refuse to write into a directory that was removed, or made anew by another training since."""
        try:
            same = (self.path / "lock").stat().st_ino == os.fstat(self._lock).st_ino
        except FileNotFoundError:
            same = False
        if not same:
            raise NotWritten(f"{self.path}: the directory was removed while its run was trained.")

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Append metrics, a line a step."""
        self._check_directory()
        append_text(self.path / "metrics.jsonl", "".join(map(close_line, rows)))

    def log(self, text: str) -> None:
        """Append a line to ``log.txt``."""
        self._check_directory()
        append_text(self.path / "log.txt", f"{_now()} {text}\n")

    def model(self, name: str, model: "Model") -> None:
        """Save a model as ``name``.eqx."""
        from keplearn.models.files import save_model

        self._check_directory()
        save_model(model, self.path / f"{name}.eqx", within=self.path)

    def checkpoint(self, checkpoint: "Checkpoint") -> None:
        """Save a checkpoint in the place of the one before."""
        self._check_directory()
        write_checkpoint(self.path, checkpoint)
        self.write()

    def take_up(self) -> None:
        """Go on with the record that is there, but for its scores, to score the run anew: `start` begins a new one."""
        record = read_record(self.path).entries
        self.record = {key: value for key, value in record.items() if key not in ("scores", "scored_on")}

    def end(self, state: str, **changes: Any) -> None:
        """Write the run's last state; a finished one's metrics become a table, its checkpoint goes.

        Raises
        ------
        NotWritten
            If something cannot be written; a run is not finished without its model.
        """
        if state == "finished":
            import pandas as pd

            self._check_directory()
            if not (self.path / "model.eqx").is_file():
                raise NotWritten(f"{self.path / 'model.eqx'}: it was removed while its run was trained.")
            table = BytesIO()
            pd.DataFrame(read_rows(self.path / "metrics.jsonl", must=False)).to_parquet(table)
            write_bytes(self.path / "metrics.parquet", close_parquet(table.getvalue()), within=self.path)
        self.write(state=state, finished=_now(), **changes)
        # A failed run has nothing to go on from: what made it fail lies in its state.
        done = {"finished": ("metrics.jsonl", CHECKPOINT), "failed": (CHECKPOINT,)}
        for name in done.get(state, ()):
            (self.path / name).unlink(missing_ok=True)

    def receive(self, entries: Mapping[str, Any], rows: list[dict[str, Any]], model: Path | None) -> None:
        """Write a run that was trained elsewhere, in the place of what is there: its record, rows, and model's file."""
        for file in results(self.path):
            file.unlink(missing_ok=True)
        self.record = self._head() | {"started": _now()} | dict(entries) | {"state": "running"}
        self.write()
        write_bytes(self.path / "metrics.jsonl", "".join(map(close_line, rows)).encode(), within=self.path)
        if model is not None:
            write_bytes(self.path / "model.eqx", model.read_bytes(), within=self.path)
        self.end(entries["state"])
        self.write(finished=entries.get("finished", self.record["finished"]))

    def fail(self, kind: str, reason: str, said: str, **facts: Any) -> None:
        """Record the failure of a run whose process is dead, and the last it said; its checkpoint stays."""
        try:
            before = read_record(self.path).entries
        except Damaged:
            before = {}
            set_aside(self.path / "run.json")
        except KeplearnError:
            before = {}
        remove_beginnings(self.path)
        self.record = self._head() | {"started": _now()} | before
        self.log("\n".join(filter(None, (f"failed: {reason}", said))))
        self.write(state="failed", kind=kind, reason=reason, finished=_now(), **facts)

    def _head(self) -> dict[str, Any]:
        """What a record says of the run and of its writer."""
        return {
            "format": FORMAT,
            "run_id": self.path.name,
            "group": self.config.group,
            "state": "running",
            "kind": None,
            "reason": None,
            "config": self.config.to_dict(),
            "phases": [],
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }


def _plain(value: Any) -> Any:
    """Return a record as JSON can hold it: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
