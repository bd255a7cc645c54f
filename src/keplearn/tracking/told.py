"""What Weights & Biases tells of a run, as keplearn has it: config, rows, record.

What keplearn has sent is as it was; of what other programs have sent, what is known by its name.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keplearn.config import RunConfig, runs_from_dict
from keplearn.config.schema import PHASED, TABLES
from keplearn.core.errors import KeplearnError
from keplearn.core.files import file_word
from keplearn.runs.records import STATES, is_summary
from keplearn.tracking.content import RECORD
from keplearn.tracking.target import SERVICE

_WHOLE = ("phase", "step", "lost", "val_lost")


def config_of(told: Mapping[str, Any], say: Callable[[str], object]) -> RunConfig:
    """Return the config of a run: keplearn's own as it was, of another program's the keys that are known."""
    given: Mapping[str, Any] = told["config"]
    own = {table: given[table] for table in TABLES if isinstance(given.get(table), Mapping)}
    if {"wandb", "data", "parameters"} <= own.keys():
        return RunConfig.from_dict({table: given[table] for table in TABLES if table in given})
    flat = {key.rpartition(".")[2]: value for key, value in given.items() if key not in TABLES}
    flat |= {key: value for table in own.values() for key, value in table.items()}
    tables: dict[str, dict[str, Any]] = {
        "wandb": {"group": told["group"] or file_word(told["name"]) or "pulled"}
    }
    for table in ("data", "parameters"):
        keys = [key for key in TABLES[table] if key in flat]
        # The outermost list would be a list of values: here there is one.
        tables[table] = {key: [flat[key]] if key in PHASED else flat[key] for key in keys}
    if "dataset_name" not in tables["data"]:
        raise KeplearnError(
            "its config names no dataset_name, so that it is no run that keplearn could read."
        )
    foreign = sorted(key for key in flat if not any(key in TABLES[table] for table in TABLES))
    if foreign:
        say(f"{told['id']}: config keys that mean nothing here are left out: {', '.join(foreign)}")
    configs = runs_from_dict(tables)
    if len(configs) > 1:
        raise KeplearnError("its config holds lists of values, so that it is not known which of them it was.")
    return configs[0]


def rows_of(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a history's numbers as rows of metrics, in order, each with its phase and step."""
    rows = []
    for line in sorted(lines, key=lambda line: line.get("_step", 0)):
        numbers = {key: _number(value) for key, value in line.items() if not key.startswith("_")}
        row = {key: value for key, value in numbers.items() if value is not None}
        if row:
            # Metrics keep the order in which a training writes them.
            head = {"phase": row.pop("phase", 0), "step": row.pop("step", len(rows) + 1)}
            rest = {key: row[key] for key in sorted(row, key=_place)}
            rows.append(
                {key: int(x) if key in _WHOLE and math.isfinite(x) else x for key, x in (head | rest).items()}
            )
    return rows


def _place(key: str) -> tuple[int, str]:
    first = ("lr", "lost", "loss")
    return (first.index(key), "") if key in first else (len(first) + key.startswith("val_"), key)


def _number(value: object) -> float | None:
    """Return a number of a history, in which those that are not finite are words; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    words = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return words.get(value) if isinstance(value, str) else float(value)


def entries_of(told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], has_model: bool) -> dict[str, Any]:
    """Return a run's record without its config: as it was sent, or of what W&B says of it."""
    summary: dict[str, Any] = told["summary"]
    columns = {key for row in rows for key in row}
    rest = summary.get(RECORD)
    sent: dict[str, Any] = rest if isinstance(rest, dict) and rest.get("state") in STATES else {}
    outer = {"scores", RECORD, "shown"}
    facts = {
        key: value
        for key, value in summary.items()
        if not (key.startswith("_") or key in columns or key in outer or _is_media(value))
        and is_summary({key: value})
    }
    states = {"finished": "finished", "failed": "failed"}
    entries: dict[str, Any] = {key: value for key, value in sent.items() if key not in ("format", "state")}
    entries |= {"summary": facts, "state": sent.get("state") or states.get(told["state"], "interrupted")}
    if sent and isinstance(summary.get("scores"), dict):
        entries["scores"] = summary["scores"]
    if entries["state"] == "finished" and not has_model:
        entries |= {"state": "interrupted", "reason": f"{SERVICE} has no model of it that keplearn can read"}
    elif entries["state"] == "running":
        entries |= {"state": "interrupted", "reason": "it was being trained when it was pulled"}
    return entries


def _is_media(value: object) -> bool:
    return isinstance(value, dict) and "_type" in value
