"""A run's directory: written whole or not at all, by one writer; read by everybody, one run or a group.

``runs/<group>/<run_id>/`` holds ``run.json`` (config, state, reason, summary, scores), ``metrics.jsonl``
while it trains and ``metrics.parquet`` after, ``model.eqx`` (best of the last phase), ``phase-P-best.eqx``,
``phase-P-final.eqx``, ``checkpoint.npz`` while there is something to resume, ``log.txt``, ``evaluations/``.
All but the log carry checksums. What is damaged is named and left where it is; where the run is trained again, all
that was there goes to ``damaged``.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn.config import RunConfig
from keplearn.config.fields import plain_name
from keplearn.core import locks
from keplearn.core.errors import Damaged, KeplearnError, NotWritten, nearest
from keplearn.core.files import (
    append_text,
    not_written,
    read_sealed,
    remove_temporaries,
    set_aside,
    write_bytes,
)
from keplearn.core.fingerprint import scorer
from keplearn.core.seal import close, close_json, close_line, close_parquet
from keplearn.runs.records import FORMAT, STATES, Record, current_scores, read_record, read_rows

# Reading records must not wait for JAX: lists of runs and the watch over a sweep need them alone.
if TYPE_CHECKING:
    import pandas as pd

    from keplearn.models.neural_ode import NeuralODE
    from keplearn.training.fit import Checkpoint

# What tells that a run was here once.
_OF_A_RUN = ("model.eqx", "metrics.parquet", "metrics.jsonl", "checkpoint.npz", "evaluations")
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
    def config(self) -> RunConfig:
        """The config that it was trained with."""
        return self.kept.config

    @property
    def scored_on(self) -> list[str]:
        """The datasets that it was scored on, those whose scores hold no more included."""
        return list(self.kept.entries.get("scores", {}))

    @property
    def _must(self) -> bool:
        return self.kept.entries["format"] >= FORMAT

    def model(self, which: str = "best") -> "NeuralODE":
        """Load a model: ``best`` (of the last phase), ``final``, or ``phase:P`` (best of phase P, from 0).

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


class RunWriter:
    """The one writer of a run's directory, from its first line to its end; use it as a context manager."""

    def __init__(self, runs: Path, config: RunConfig):
        self.path = runs / directory_name(config.group, "group") / directory_name(config.run_id, "run id")
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
        self, facts: Mapping[str, Any], resume: bool, say: Callable[[str], object] = lambda text: None
    ) -> "Checkpoint | None":
        """Write the run as running, and with ``resume`` return the checkpoint to go on from, if any.

        Where something is damaged that it would go on from, or a record that it would write over, ``say`` is told,
        all that was there goes to a directory ``damaged``, and it starts from nothing.
        """
        previous, checkpoint = self._found(resume, say)
        phases = previous.get("phases", [])
        self.record = self._head() | {
            "format": previous.get("format", FORMAT),
            "started": previous.get("started", _now()),
            "resumed": previous.get("resumed", 0) + (checkpoint is not None),
            "phases": [phase for phase in phases if checkpoint and phase["phase"] < checkpoint.phase],
            **facts,
        }
        if checkpoint is None:
            self._remove("checkpoint.npz")
        # Before anything else goes: a finished run whose model is gone would be skipped for ever.
        self.write()
        if checkpoint is None:
            self._clear()
        remove_temporaries(self.path)  # of a process that was killed while it wrote
        self._truncate_metrics(checkpoint)
        return checkpoint

    def _found(
        self, resume: bool, say: Callable[[str], object]
    ) -> "tuple[dict[str, Any], Checkpoint | None]":
        """Return the record and the checkpoint to go on from; what is damaged is set aside first."""
        try:
            if not (self.path / "run.json").exists():
                if left := [name for name in _OF_A_RUN if (self.path / name).exists()]:
                    raise Damaged(f"{self.path}: it has {left[0]}, but no run.json.")
                return {}, None
            record = read_record(self.path).entries
            must = record["format"] >= FORMAT
            checkpoint = self._read_checkpoint(must) if resume else None
            if checkpoint is not None:
                self._check_rows(checkpoint, must)
            return (record, checkpoint) if checkpoint else ({}, None)
        except Damaged as error:
            aside = self._set_aside()
            text = f"{error} It is trained from the start; all that was there is in {aside}."
            self.log(text)
            say(f"warning: {text}")
            return {}, None

    def _set_aside(self) -> Path:
        """Move all files of the run but its lock and log to a directory of their own."""
        aside = next(p for k in count() if not (p := self.path / f"damaged{k or ''}").exists())
        try:
            aside.mkdir()
            for entry in self.path.iterdir():
                if not entry.name.startswith(("lock", "log.txt", "damaged")):
                    entry.rename(aside / entry.name)
        except OSError as error:
            raise not_written(aside, error) from error
        return aside

    def _check_rows(self, checkpoint: "Checkpoint", must: bool) -> None:
        """Refuse to go on where metrics of steps before the checkpoint are missing."""
        file = self.path / "metrics.jsonl"
        steps = self.config.parameters.steps_strategy
        wanted = {(phase, k) for phase in range(checkpoint.phase) for k in range(1, steps[phase] + 1)}
        wanted |= {(checkpoint.phase, k) for k in range(1, checkpoint.step + 1)}
        missing = wanted - {(row.get("phase"), row.get("step")) for row in read_rows(file, must)}
        if missing:
            raise Damaged(f"{file}: damaged: {len(missing)} steps before the checkpoint are missing.")

    def _remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def _clear(self) -> None:
        """Remove what an earlier training of this run left, its scores included; the log is kept."""
        kept = self.path / "evaluations"
        for file in (*self.path.glob("*"), *(() if kept.is_symlink() else kept.glob("*"))):
            if (
                file.is_file()
                and file.name not in ("lock", "log.txt", "run.json")
                and ".damaged" not in file.name
            ):
                file.unlink()

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

    def model(self, name: str, model: "NeuralODE") -> None:
        """Save a model as ``name``.eqx."""
        from keplearn.models.files import save_model

        self._check_directory()
        save_model(model, self.path / f"{name}.eqx", within=self.path)

    def checkpoint(self, checkpoint: "Checkpoint") -> None:
        """Save a checkpoint in the place of the one before."""
        self._check_directory()
        where = {"phase": np.array(checkpoint.phase), "step": np.array(checkpoint.step)}
        content = BytesIO()
        np.savez(content, allow_pickle=False, **where, **checkpoint.arrays)
        write_bytes(self.path / "checkpoint.npz", close(content.getvalue()), within=self.path)
        self.write()

    def _read_checkpoint(self, must: bool) -> "Checkpoint | None":
        file = self.path / "checkpoint.npz"
        if not file.exists():
            return None
        from keplearn.training.fit import Checkpoint

        content = read_sealed(file, must).content
        try:
            with np.load(BytesIO(content), allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
            return Checkpoint(int(arrays.pop("phase")), int(arrays.pop("step")), arrays)
        except Exception as error:  # zip, npy and key errors alike mean a damaged file
            raise Damaged(f"{file}: damaged: {error}.") from error

    def take_up(self) -> None:
        """Go on with the record that is there, to change it: `start` begins a new one."""
        self.record = read_record(self.path).entries

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
        done = {"finished": ("metrics.jsonl", "checkpoint.npz"), "failed": ("checkpoint.npz",)}
        for name in done.get(state, ()):
            (self.path / name).unlink(missing_ok=True)

    def fail(self, kind: str, reason: str, said: str, **facts: Any) -> None:
        """Record the failure of a run whose process is dead, and the last it said; its checkpoint stays."""
        try:
            before = read_record(self.path).entries
        except Damaged:
            before = {}
            set_aside(self.path / "run.json")
        except KeplearnError:
            before = {}
        remove_temporaries(self.path)
        self.record = self._head() | {"started": _now()} | before
        self.log("\n".join(filter(None, (f"failed: {reason}", said))))
        self.write(state="failed", kind=kind, reason=reason, finished=_now(), **facts)

    def _head(self) -> dict[str, Any]:
        """What a record says of the run and of its writer."""
        return {
            "format": FORMAT,
            "run_id": self.config.run_id,
            "group": self.config.group,
            "state": "running",
            "kind": None,
            "reason": None,
            "config": self.config.to_dict(),
            "phases": [],
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }


def find_runs(
    runs: str | Path,
    group: str | None = None,
    state: str | None = None,
    on_damaged: Callable[[KeplearnError], object] | None = None,
) -> list[Run]:
    """Return the runs of a directory, by group and state, the oldest first.

    ``on_damaged`` is told of each run whose record cannot be read, which is then left out; by default it raises.

    Raises
    ------
    KeplearnError
        If the group is no plain name, or there is none, or a run's record is damaged or cannot be read.
    """
    runs = Path(runs)
    if state is not None and state not in STATES:
        raise KeplearnError(f"no state {state!r}: {', '.join(STATES)}.{nearest(state, STATES)}")
    if group is not None:
        check_group(runs, group)
    found = []
    for run in _runs(_directories(runs) if group is None else [runs / group], on_damaged):
        try:
            if state in (None, run.state):
                found.append(run)
        except KeplearnError as error:
            if on_damaged is None:
                raise
            on_damaged(error)
    return sorted(found, key=lambda run: (run.group, run.record["started"], run.run_id))


def check_group(runs: str | Path, group: str) -> None:
    """Refuse a group that is no plain name, or not there.

    Raises
    ------
    KeplearnError
        Naming the group that is nearest.
    """
    runs = Path(runs)
    if not os.path.isdir(runs / directory_name(group, "group")):  # noqa: PTH112
        owners = [name for name in group_names(runs) if _has_record(runs / name / group)]
        hint = f" It is a run of {owners[0]}." if owners else nearest(group, group_names(runs))
        raise KeplearnError(f"no group {group!r} in {runs}.{hint}")


def group_names(runs: str | Path) -> list[str]:
    """Return the names of all groups."""
    return [path.name for path in _directories(Path(runs))]


def open_run(runs: str | Path, reference: str) -> Run:
    """Open a run by its id, a unique beginning of it, or ``group/id``.

    Raises
    ------
    KeplearnError
        If there is none, or several, or the reference is not made of plain names.
    """
    runs = Path(runs)
    group, _, run_id = reference.rpartition("/")
    directory_name(run_id, "run id")
    if group:
        directory_name(group, "group")
    unreadable: list[KeplearnError] = []
    groups = [runs / group] if group else _directories(runs)
    every = [run.path for run in _runs(groups, unreadable.append)]
    matches = [path for path in every if path.name == run_id] or [
        p for p in every if p.name.startswith(run_id)
    ]
    if len(matches) == 1:
        return Run(matches[0])
    if matches:
        names = ", ".join(f"{path.parent.name}/{path.name}" for path in matches[:5])
        raise KeplearnError(f"run {reference!r} is ambiguous in {runs}: {names}")
    also = f" {unreadable[0]}" if unreadable else ""
    if not group and run_id in group_names(runs):
        hint = f" It is a group: give one of its runs (keplearn runs --group {run_id})."
    else:
        hint = nearest(run_id, [path.name for path in every])
    raise KeplearnError(f"no run {reference!r} in {runs}.{hint}{also}")


def _runs(groups: Sequence[Path], on_unreadable: Callable[[KeplearnError], object] | None) -> Iterator[Run]:
    """Return all that has a record, readable or not, of groups; ``on_unreadable`` is told of groups that are not."""
    for group in groups:
        try:
            yield from (Run(path) for path in _directories(group) if _has_record(path))
        except KeplearnError as error:
            if on_unreadable is None:
                raise
            on_unreadable(error)


def _has_record(path: Path) -> bool:
    try:
        (path / "run.json").lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass  # it may have one: whoever reads it is told why it cannot be read
    return True


def _directories(path: Path) -> list[Path]:
    """Return the directories below a path but hidden ones, none where it does not exist."""
    try:
        with os.scandir(path) as entries:
            # A link that leads nowhere, or in a circle, is no directory and no error.
            found = [x.path for x in entries if not x.name.startswith(".") and os.path.isdir(x)]  # noqa: PTH112
        return sorted(map(Path, found))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise KeplearnError(f"{path}: cannot be read: {error.strerror}.") from error


def _plain(value: Any) -> Any:
    """Return a record as JSON can hold it: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
