"""What is common to a set of runs, what varies, what differs between two sets, and what sets failed runs apart."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
    record = run.to_dict()
    for table in TABLES:
        for key, value in record[table].items():
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


def count_by_value(runs: Sequence[RunConfig], states: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row a value of each key that varies: ``key``, ``value`` and how many ``runs``, ``finished``, ``failed``.

    Parameters
    ----------
    runs
        The configs of a group's runs.
    states
        The state of each.
    """
    counted = []
    for key, values in (varying(runs) if runs else {}).items():
        texts = [cell(value) for value in values]
        for text in dict.fromkeys(texts):
            here = [state for state, other in zip(states, texts, strict=True) if other == text]
            counts = {state: here.count(state) for state in ("finished", "failed")}
            counted.append({"key": key, "value": text, "runs": len(here)} | counts)
    return counted


def apart(failed: Mapping[str, RunConfig], finished: Mapping[str, RunConfig]) -> dict[str, str]:
    """Say for each failed run of a group in what it differs from those that finished.

    Values that no finished run has; where there are none, those that differ from the finished run that is nearest.

    Parameters
    ----------
    failed, finished
        Configs by run id.
    """
    if not finished:
        return dict.fromkeys(failed, "none finished")
    entries = varying([*failed.values(), *finished.values()])
    texts = {key.partition(".")[2]: [cell(value) for value in values] for key, values in entries.items()}
    others = {
        run_id: {key: t[k] for key, t in texts.items()} for k, run_id in enumerate(finished, len(failed))
    }
    found = {}
    for i, run_id in enumerate(failed):
        own = {key: values[i] for key, values in texts.items()}
        alone = [key for key in own if all(other[key] != own[key] for other in others.values())]
        if alone:
            found[run_id] = ", ".join(f"{key}={own[key]}" for key in alone)
            continue
        differing = {name: [k for k in own if other[k] != own[k]] for name, other in others.items()}
        nearest = min(differing, key=lambda name: len(differing[name]))
        told = (f"{key}={own[key]} for {others[nearest][key]}" for key in differing[nearest])
        found[run_id] = f"{nearest} " + ", ".join(told)
    return found


def cell(value: object) -> str:
    """Return a value in short: a single phase without its list, text without quotes."""
    if isinstance(value, list):
        if len(value) == 1:
            return cell(value[0])
        return "[" + ", ".join(cell(v) for v in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)
