"""What is kept of a run in words and rows, ``run.json`` and its metrics: reading it, and refusing what is damaged.

This is the one place that says whether a record can be read; all commands go through it.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from keplearn.config import RunConfig
from keplearn.core.errors import Damaged, KeplearnError
from keplearn.core.files import read_sealed
from keplearn.core.fingerprint import scorer
from keplearn.core.seal import open_line

FORMAT = 2
"""All files of a run of format 2 are sealed; those of format 1 may be."""
STATES = ("running", "finished", "failed", "interrupted")


class Record(NamedTuple):
    """The content of ``run.json`` as it was written, and the config in it."""

    entries: dict[str, Any]
    config: RunConfig


def read_record(run: Path) -> Record:
    """Read ``run.json`` of a run's directory.

    Raises
    ------
    Damaged
        If it is not as it was written, or no record of a run at all.
    KeplearnError
        If there is none, or it cannot be read.
    """
    file = run / "run.json"
    content, sealed = read_sealed(file)
    try:
        entries = json.loads(content, parse_constant=_refuse)
        _check(entries, sealed)
        if entries["run_id"] != run.name:
            raise ValueError(f"it is the record of another run, {entries['run_id']}")
        config = RunConfig.from_dict(entries["config"])
    except (ValueError, RecursionError, OverflowError) as error:
        raise Damaged(f"{file}: damaged: {error}.") from None
    except KeplearnError as error:
        if sealed:  # it is as it was written
            raise KeplearnError(f"{file}: of another version of keplearn: {error}.") from None
        raise Damaged(f"{file}: damaged: {error}.") from None
    entries.pop("seal", None)
    return Record(entries, config)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


def _check(entries: object, sealed: bool) -> None:
    """Refuse what is no record of a run: readers rely on these entries and their types."""
    if not isinstance(entries, dict):
        raise ValueError("it holds no record of a run")
    for key, (right, words) in _ENTRIES.items():
        if key not in entries and key not in _MAY_BE_MISSING:
            raise ValueError(f"{key} is missing")
        if key in entries and not right(entries[key]):
            raise ValueError(f"{key} is no {words}")
    if entries["format"] >= FORMAT and not sealed:
        raise ValueError("its checksum is missing")


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_score(value: object) -> bool:
    return isinstance(value, dict) and all(x is None or _is_number(x) for x in value.values())


def is_summary(value: object) -> bool:
    """Whether it is a table of a run's facts; what readers calculate with is a number or null."""
    if not isinstance(value, dict):
        return value is None
    warnings = value.get("warnings", [])
    numbers = {key: x for key, x in value.items() if key in _NUMBERS}
    texts = isinstance(warnings, list) and all(isinstance(x, str) for x in warnings)
    return texts and _is_score(numbers) and _is_score(value.get("seconds", {}))


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(x, dict) and "phase" in x for x in value)


_NUMBERS = {
    *("num_total_orbits", "num_train_orbits", "segment_ratio", "best_loss", "steps", "steps_per_second"),
    *("convergence_steps", "best_phase", "best_step", "best_field", "length_unit_km", "mu"),
}
_TEXT = (lambda x: isinstance(x, str), "text")
_TEXT_OR_NULL = (lambda x: x is None or isinstance(x, str), "text")
_ENTRIES = {
    "format": (lambda x: isinstance(x, int) and 1 <= x <= FORMAT, f"format up to {FORMAT}"),
    "run_id": _TEXT,
    "group": _TEXT,
    "state": (lambda x: x in STATES, f"state ({', '.join(STATES)})"),
    "kind": _TEXT_OR_NULL,
    "reason": _TEXT_OR_NULL,
    "started": (_is_time, "time"),
    "finished": (_is_time, "time"),
    "host": _TEXT,
    "heartbeat_seconds": (_is_number, "number"),
    "config": (lambda x: isinstance(x, dict), "table"),
    "phases": (_is_list_of_tables, "list of phases"),
    "summary": (is_summary, "table of facts"),
    "scores": (lambda x: isinstance(x, dict) and all(map(_is_score, x.values())), "table of numbers"),
    "scored_on": (lambda x: isinstance(x, dict), "table"),
}
_MAY_BE_MISSING = {"finished", "summary", "scores", "scored_on"}


def outdated_data(
    config: RunConfig, summary: Mapping[str, Any] | None, content: Callable[[str, int], str]
) -> bool:
    """Whether a file that a run was trained or validated on holds other orbits now than its summary says.

    ``content`` gives the content hash of a dataset's first so many orbits, -1 for all.
    """
    used = {"dataset_hash": (config.dataset_name, config.parameters.num_trajs)}
    if config.validation is not None:
        used["validation_hash"] = (config.validation, -1)
    files = {key: data for key, data in used.items() if data[0].endswith(".nc")}
    return any((summary or {}).get(key) != content(*data) for key, data in files.items())


def current_scores(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the scores that this code would give: not those of other code, or of a file that has changed since."""
    parameters = record["config"]["parameters"]
    if record.get("scorer") != scorer(parameters["feature_layer"], parameters["output_layer"]):
        return {}
    scored_on = record.get("scored_on", {})
    scores = record.get("scores", {})
    content = {name: _content(name) for name in scores}
    return {name: score for name, score in scores.items() if content[name] in (None, scored_on.get(name))}


def _content(name: str) -> str | None:
    """Return the content hash of a dataset that is a file; None for others, and where it cannot be read now."""
    file = Path(name)
    try:
        return _content_of(file, file.stat().st_mtime_ns) if name.endswith(".nc") else None
    except OSError:
        return None


@cache
def _content_of(file: Path, changed: int) -> str | None:
    from keplearn.data.files import read_dataset

    try:
        return read_dataset(file).content_hash
    except KeplearnError:
        return None


def read_rows(file: Path, must: bool) -> list[dict[str, Any]]:
    """Read metrics, a line of JSON a step; a last line that a kill cut short is left out.

    Parameters
    ----------
    file
        ``metrics.jsonl``; none where it is missing.
    must
        Whether every line must have its checksum.

    Raises
    ------
    Damaged
        If a line is not as it was written.
    KeplearnError
        If it cannot be read.
    """
    try:
        lines = file.read_bytes().decode("utf-8", "replace").split("\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise KeplearnError(f"{file}: cannot be read: {error.strerror}.") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(open_line(line, must))
        except Damaged as error:
            raise Damaged(f"{file}, line {number}: damaged: {error}.") from None
    return rows
