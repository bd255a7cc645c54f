"""What is common to a set of runs, what varies, and what differs between two sets."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from keplearn.config.expand import load_config
from keplearn.config.schema import PHASED, TABLES, RunConfig, listed
from keplearn.core.errors import KeplearnError
from keplearn.core.files import read_sealed


class Difference(NamedTuple):
    """One key whose values differ between two sets of runs, with its distinct values in each."""

    key: str
    first: list[object]
    second: list[object]


def load_any(path: str | Path) -> list[RunConfig]:
    """Return the configs in a config file, a run's directory, or its ``run.json``.

    Raises
    ------
    KeplearnError
        If it is none of these.
    """
    path = Path(path)
    if path.is_dir():
        path /= "run.json"
    if path.suffix != ".json":
        return load_config(path)
    if not os.path.lexists(path):
        raise KeplearnError(f"no file {path}: give a config file, a run's directory or its run.json")
    try:
        record = json.loads(read_sealed(path).content)
    except (ValueError, RecursionError) as error:
        raise KeplearnError(f"cannot read {path}: {error}") from error
    config = record.get("config") if isinstance(record, dict) else None
    if not isinstance(config, dict):
        raise KeplearnError(f"{path} is not the record of a run: it has no config")
    return [RunConfig.from_dict(config)]


def flat(run: RunConfig) -> dict[str, object]:
    """Return all entries of a run by dotted key.

    What varies over phases is a list with one entry per phase, or with a single one where all are equal, so
    that an entry does not seem to differ because another has more phases; ``steps_strategy`` keeps them all.
    """
    entries: dict[str, object] = {}
    for table, content in run.to_dict().items():
        for key, value in content.items():
            entries[f"{table}.{key}"] = _phases(key, value) if key in PHASED else value
    return entries


def varying(runs: Sequence[RunConfig]) -> dict[str, list[object]]:
    """Return the keys that vary among runs, with each run's value as in `flat`; thousands in no time."""
    found = {}
    for table, keys in TABLES.items():
        sources = [run.parameters if table == "parameters" else run for run in runs]
        for key in keys:
            values = [getattr(source, key) for source in sources]
            if any(value != values[0] for value in values):
                plain = [[listed(v)] if key in PHASED else listed(v) for v in values]
                found[f"{table}.{key}"] = [_phases(key, v) if key in PHASED else v for v in plain]
    return found


def _phases(key: str, value: object) -> object:
    # The outer list of the file form is the list of values; here there is one.
    phases = value[0] if isinstance(value, list) else value
    if isinstance(phases, list) and key != "steps_strategy" and all(p == phases[0] for p in phases):
        return phases[:1]
    return phases


def distinct(values: Iterable[object]) -> list[object]:
    """Return the different values in the order in which they come."""
    return list({json.dumps(value): value for value in values}.values())


def split_common(records: Sequence[dict[str, object]]) -> tuple[dict[str, object], list[str]]:
    """Return the entries that all (flat) records share, and the keys of those that vary."""
    first = records[0]
    varying = [key for key in first if any(record[key] != first[key] for record in records)]
    return {key: value for key, value in first.items() if key not in varying}, varying


def differences(first: Sequence[RunConfig], second: Sequence[RunConfig]) -> list[Difference]:
    """Return the keys whose sets of values differ between two sets of runs."""
    a, b = [flat(run) for run in first], [flat(run) for run in second]
    found = []
    for key in a[0]:
        in_a, in_b = distinct(r[key] for r in a), distinct(r[key] for r in b)
        if {json.dumps(v) for v in in_a} != {json.dumps(v) for v in in_b}:
            found.append(Difference(key, in_a, in_b))
    return found


def cell(value: object) -> str:
    """Return a value in short: a single phase without its list, text without quotes."""
    if isinstance(value, list):
        if len(value) == 1:
            return cell(value[0])
        return "[" + ", ".join(cell(v) for v in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)
