"""What of a run is mirrored, read from its directory: names of keys and metrics are those of its record."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from keplearn.core.files import file_word
from keplearn.core.seal import open_line
from keplearn.data.dataset import OrbitDataset, save_dataset
from keplearn.runs.store import Run
from keplearn.tracking.room import ROOM

RECORD = "record"
"""The entry of a run's summary with what its record says besides facts and scores."""
_ELSEWHERE = ("run_id", "group", "config", "summary", "scores", "heartbeat", "heartbeat_seconds", "pid")


class Rows:
    """The rows of a run's metrics, each once, as they are written and as its table has them when it has finished."""

    def __init__(self, run: Path):
        self._run, self._read = run, 0
        self.count = 0

    def new(self) -> list[dict[str, Any]]:
        """Return the rows that have come since the last call.

        Raises
        ------
        Damaged
            If one is not as it was written.
        """
        try:
            with (self._run / "metrics.jsonl").open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            rows = [_measured(row) for row in Run(self._run).metrics().to_dict("records")][self.count :]
        else:
            whole = text[: text.rfind(b"\n") + 1]
            self._read += len(whole)
            rows = [open_line(line) for line in whole.decode().splitlines()]
        self.count += len(rows)
        return rows


def _measured(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of a table without the validation that did not take place, which the table has as NaN."""
    validated = any(key.startswith("val_") and value == value for key, value in row.items())
    return {str(key): value for key, value in row.items() if validated or not key.startswith("val_")}


def summary(run: Run) -> dict[str, Any]:
    """Return what is known of a run by now: its facts by name, its scores by dataset, and the rest of its record."""
    entries = run.kept.entries
    rest = {key: value for key, value in entries.items() if key not in _ELSEWHERE}
    rest |= {key: run.record[key] for key in ("state", "reason")}
    return {**(entries.get("summary") or {}), "scores": entries.get("scores") or {}, RECORD: rest}


def score_table(run: Run) -> tuple[list[Any], list[Any]]:
    """Return columns and rows of the metrics on all test datasets."""
    scores: Mapping[str, Mapping[str, Any]] = run.kept.entries.get("scores") or {}
    metrics = list(dict.fromkeys(key for found in scores.values() for key in found))
    return ["dataset", *metrics], [[name, *map(found.get, metrics)] for name, found in scores.items()]


def draw_loss(run: Run, file: Path) -> None:
    """Draw a run's loss into a file."""
    from keplearn.figures.parts.style import save_figure
    from keplearn.figures.plots.loss import loss

    save_figure(loss(run.metrics(), title=f"{run.group}/{run.name}", kept=run.kept_step), file)


def dataset_name(dataset: OrbitDataset) -> str:
    """Return what a dataset is called in a project: other orbits have another name, the same ones the same."""
    return f"{file_word(Path(dataset.name).name)[:100]}-{dataset.content_hash[:12]}"


def dataset_file(run: Path, dataset: OrbitDataset, place: Path) -> Path:
    """Write a dataset into a directory, as a link where another run of the group has it, and return the file."""
    file = place / f"{dataset_name(dataset)}.nc"
    for other in run.parent.glob(f"*/{ROOM}/{file.name}"):
        with suppress(OSError):
            os.link(other, file)
    if not file.exists():
        save_dataset(dataset, file)
    return file
