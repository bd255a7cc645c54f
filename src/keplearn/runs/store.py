"""A run's directory: written whole or not at all, by one writer; read by everybody, one run or a group.

``runs/<group>/<run_id>/`` holds ``run.json`` (config, state, reason, summary, scores), ``metrics.jsonl``
while it trains and ``metrics.parquet`` after, ``model.eqx`` (best of the last phase), ``phase-P-best.eqx``,
``phase-P-final.eqx``, ``checkpoint.npz`` while there is something to resume, ``log.txt``, ``evaluations/``.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn import locks
from keplearn.config import RunConfig
from keplearn.config.fields import plain_name
from keplearn.errors import KeplearnError, nearest
from keplearn.files import append_text, not_written, remove_temporaries, replacing, write_text

# Reading records must not wait for JAX: lists of runs and the watch over a sweep need them alone.
if TYPE_CHECKING:
    import pandas as pd

    from keplearn.models.neural_ode import NeuralODE
    from keplearn.training.fit import Checkpoint

STATES = ("running", "finished", "failed", "interrupted")
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
    def record(self) -> dict[str, Any]:
        """The content of ``run.json``, with the state as it really is: a dead writer's run is interrupted."""
        file = self.path / "run.json"
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            if missing := {"state", "config", "run_id", "started"} - set(record):
                raise KeyError(f"{sorted(missing)[0]} is missing")
        except FileNotFoundError:
            raise KeplearnError(f"{self.path}: not a run's directory: it has no run.json.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise KeplearnError(f"{file}: damaged: {error}") from error
        if record["state"] == "running" and not self._alive(record):
            record["state"] = "interrupted"
            record["reason"] = record.get("reason") or "its process ended without a word (killed?)"
        return record

    def _alive(self, record: Mapping[str, Any]) -> bool:
        if record.get("host") != socket.gethostname():
            return time.time() - float(record.get("heartbeat_seconds", 0)) < STALE
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

    @property
    def config(self) -> RunConfig:
        """The config that it was trained with."""
        return RunConfig.from_dict(self.record["config"])

    def model(self, which: str = "best") -> "NeuralODE":
        """Load a model: ``best`` (of the last phase), ``final``, or ``phase:P`` (best of phase P, from 0).

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
        from keplearn.models.files import load_model

        return load_model(file)

    def metrics(self) -> "pd.DataFrame":
        """One row a step: phase, step, lr, loss, its parts, grad_norm, lost; val_* where it was validated."""
        import pandas as pd

        finished = self.path / "metrics.parquet"
        if finished.exists():
            return pd.read_parquet(finished)
        return pd.DataFrame(_read_rows(self.path / "metrics.jsonl"))


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

    def start(self, facts: Mapping[str, Any], resume: bool) -> "Checkpoint | None":
        """Write the run as running, and with ``resume`` return the checkpoint to go on from, if any."""
        checkpoint = self.read_checkpoint() if resume else None
        previous = Run(self.path).record if checkpoint else {}
        if checkpoint is None:
            (self.path / "checkpoint.npz").unlink(missing_ok=True)
        phases = previous.get("phases", []) if checkpoint else []
        self.record = self._head() | {
            "started": previous.get("started", _now()),
            "resumed": previous.get("resumed", 0) + (checkpoint is not None),
            "phases": [phase for phase in phases if checkpoint and phase["phase"] < checkpoint.phase],
            **facts,
        }
        # Before anything else goes: a finished run whose model is gone would be skipped for ever.
        self.write()
        if checkpoint is None:
            self._clear()
        remove_temporaries(self.path)  # of a process that was killed while it wrote
        self._truncate_metrics(checkpoint)
        return checkpoint

    def _clear(self) -> None:
        """Remove what an earlier training of this run left, its scores included; the log is kept."""
        for file in self.path.glob("*"):
            if file.is_file() and file.name not in ("lock", "log.txt", "run.json"):
                file.unlink()
        for file in (self.path / "evaluations").glob("*"):
            file.unlink()

    def _truncate_metrics(self, checkpoint: "Checkpoint | None") -> None:
        """Drop the rows that were written after the checkpoint: they will come again."""
        file = self.path / "metrics.jsonl"
        if checkpoint is None or not file.exists():
            write_text(file, "")
            return
        reached = (checkpoint.phase, checkpoint.step)
        rows = [row for row in _read_rows(file) if (row["phase"], row["step"]) <= reached]
        write_text(file, "".join(json.dumps(row) + "\n" for row in rows))

    def write(self, **changes: Any) -> None:
        """Change entries of ``run.json`` and write it with a fresh heartbeat."""
        self.record |= changes
        self.record |= {"heartbeat": _now(), "heartbeat_seconds": round(time.time(), 1)}
        write_text(self.path / "run.json", json.dumps(_plain(self.record), indent=1, allow_nan=False) + "\n")

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Append metrics, a line a step."""
        append_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def log(self, text: str) -> None:
        """Append a line to ``log.txt``."""
        append_text(self.path / "log.txt", f"{_now()} {text}\n")

    def model(self, name: str, model: "NeuralODE") -> None:
        """Save a model as ``name``.eqx."""
        from keplearn.models.files import save_model

        save_model(model, self.path / f"{name}.eqx")

    def checkpoint(self, checkpoint: "Checkpoint") -> None:
        """Save a checkpoint in the place of the one before."""
        with replacing(self.path / "checkpoint.npz") as temporary, temporary.open("wb") as file:
            where = {"phase": np.array(checkpoint.phase), "step": np.array(checkpoint.step)}
            np.savez(file, allow_pickle=False, **where, **checkpoint.arrays)
        self.write()

    def read_checkpoint(self) -> "Checkpoint | None":
        """Return the checkpoint, if there is one."""
        file = self.path / "checkpoint.npz"
        if not file.exists():
            return None
        from keplearn.training.fit import Checkpoint

        try:
            with np.load(file, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
            return Checkpoint(int(arrays.pop("phase")), int(arrays.pop("step")), arrays)
        except Exception as error:  # zip, npy and key errors alike mean a damaged file
            raise KeplearnError(
                f"{file}: damaged: {error}. Train the run from the start: keplearn train … --again"
            ) from error

    def end(self, state: str, **changes: Any) -> None:
        """Write the run's last state; a finished one's metrics become a table, its checkpoint goes."""
        if state == "finished":
            import pandas as pd

            rows = pd.DataFrame(_read_rows(self.path / "metrics.jsonl"))
            with replacing(self.path / "metrics.parquet") as temporary:
                rows.to_parquet(temporary)
        self.write(state=state, finished=_now(), **changes)
        # A failed run has nothing to go on from: what made it fail lies in its state.
        done = {"finished": ("metrics.jsonl", "checkpoint.npz"), "failed": ("checkpoint.npz",)}
        for name in done.get(state, ()):
            (self.path / name).unlink(missing_ok=True)

    def fail(self, kind: str, reason: str, said: str, **facts: Any) -> None:
        """Record the failure of a run whose process is dead, and the last it said; its checkpoint stays."""
        try:
            before = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = {}
        remove_temporaries(self.path)
        self.record = self._head() | {"started": _now()} | before
        self.log("\n".join(filter(None, (f"failed: {reason}", said))))
        self.write(state="failed", kind=kind, reason=reason, finished=_now(), **facts)

    def _head(self) -> dict[str, Any]:
        """What a record says of the run and of its writer."""
        return {
            "format": 1,
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
        If the group is no plain name, or there is none, or a run's record is damaged.
    """
    runs = Path(runs)
    if state is not None and state not in STATES:
        raise KeplearnError(f"no state {state!r}: {', '.join(STATES)}.{nearest(state, STATES)}")
    groups = [runs / directory_name(group, "group")] if group is not None else sorted(_directories(runs))
    if group is not None and not groups[0].is_dir():
        names = [path.name for path in _directories(runs)]
        raise KeplearnError(f"no group {group!r} in {runs}.{nearest(group, names)}")
    found = [Run(path) for g in groups for path in _directories(g) if (path / "run.json").exists()]
    if on_damaged is not None:
        found = [run for run in found if _readable(run, on_damaged)]
    found = [run for run in found if state is None or run.state == state]
    return sorted(found, key=lambda run: (run.group, run.record["started"], run.run_id))


def _readable(run: Run, on_damaged: Callable[[KeplearnError], object]) -> bool:
    try:
        return bool(run.record)
    except KeplearnError as error:
        on_damaged(error)
        return False


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
    groups = [runs / group] if group else _directories(runs)
    every = [path for g in groups for path in _directories(g) if (path / "run.json").exists()]
    matches = [path for path in every if path.name == run_id] or [
        p for p in every if p.name.startswith(run_id)
    ]
    if len(matches) == 1:
        return Run(matches[0])
    if matches:
        names = ", ".join(f"{path.parent.name}/{path.name}" for path in matches[:5])
        raise KeplearnError(f"run {reference!r} is ambiguous in {runs}: {names}")
    raise KeplearnError(f"no run {reference!r} in {runs}.{nearest(run_id, [path.name for path in every])}")


def _directories(path: Path) -> Iterator[Path]:
    """Return the directories below a path, none where it does not exist."""
    return (p for p in sorted(path.iterdir()) if p.is_dir()) if path.is_dir() else iter(())


def _read_rows(file: Path) -> list[dict[str, Any]]:
    """Read lines of JSON; a last line that a kill cut short is left out."""
    rows = []
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def _plain(value: Any) -> Any:
    """Return a record as JSON can hold it: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
