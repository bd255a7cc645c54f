"""The set of runs of a sweep, written to ``runs/GROUP/sweep.json`` before the first is trained.

What is known of a run's course is in its own directory (`keplearn.groups.standing`); a study keeps no state of its
own that could disagree.
"""

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from keplearn.config import RunConfig
from keplearn.config.schema import BESIDE, FACTS, TABLES
from keplearn.core.errors import Damaged, KeplearnError, KeptWarning, nearest
from keplearn.core.files import read_sealed, set_aside, write_bytes
from keplearn.core.plugins import keep
from keplearn.core.seal import close_text
from keplearn.groups.difference import split_common
from keplearn.runs.store import directory_name

FILE = "sweep.json"
FORMAT = 2
_FOREIGN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Study:
    """The runs of one group that a sweep is to train."""

    runs: Path
    group: str
    configs: dict[str, RunConfig]

    @classmethod
    def of(cls, configs: Sequence[RunConfig], runs: Path) -> "Study":
        """The study of the configs of a file, which share their group."""
        return cls(runs.absolute(), configs[0].group, {config.run_id: config for config in configs})

    @classmethod
    def read(cls, runs: Path, group: str) -> "Study":
        """Read the study that was swept last under a group's name.

        Raises
        ------
        KeplearnError
            If there is none, or its file is damaged.
        """
        file = runs / directory_name(group, "group") / FILE
        try:
            file.lstat()
        except (FileNotFoundError, NotADirectoryError):
            known = [p.parent.name for p in runs.glob(f"*/{FILE}")]
            raise KeplearnError(f"no sweep {group!r} in {runs}.{nearest(group, known)}") from None
        except OSError:
            pass  # reading it says why it may not be read
        try:
            record = _read_record(file)
            if record["format"] not in (1, FORMAT):
                raise KeplearnError(f"{file}: of another version of keplearn; run the sweep's command again.")
            return cls(runs.absolute(), group, _configs(record, file))
        except Damaged as error:
            raise Damaged(f"{error} Run the sweep's command again.") from error

    def write(self) -> None:
        """Write ``sweep.json``: what all runs share once, of each its id and the rest; a damaged one is set aside."""
        file = self.path / FILE
        try:
            _read_record(file)
        except Damaged as error:
            warnings.warn(f"{error} The old one is now {set_aside(file).name}.", KeptWarning, stacklevel=2)
        except KeplearnError:  # there is none
            pass
        flat = [_flat(config) for config in self.configs.values()]
        common, varying = split_common(flat)
        entries = [
            {"run_id": run_id, "config": {key: entry[key] for key in varying}}
            for run_id, entry in zip(self.configs, flat, strict=True)
        ]
        record = {"format": FORMAT, "group": self.group, "common": common}
        head = json.dumps(record, indent=1)[:-2]
        lines = ",\n".join(json.dumps(entry) for entry in entries)
        keep((value for config in self.configs.values() for value in config.values()), self.path)
        write_bytes(file, close_text(f'{head},\n "runs": [\n{lines}\n]}}\n'))

    @cached_property
    def path(self) -> Path:
        """The group's directory."""
        return self.runs / self.group

    @property
    def first_test(self) -> str | None:
        """The test dataset by whose scores runs are compared: the first of the first run."""
        config = next(iter(self.configs.values()), None)
        return config.test[0] if config is not None and config.test else None

    @property
    def first_segments(self) -> int | None:
        """Over how many samples the first run is scored; None for whole orbits."""
        config = next(iter(self.configs.values()), None)
        return config.score_segments if config is not None else None

    def by_program(self, run_ids: Iterable[str]) -> list[list[str]]:
        """Group runs that share their compiled programs, the largest groups first."""
        groups: dict[object, list[str]] = {}
        for run_id in run_ids:
            parameters = self.configs[run_id].parameters
            key = tuple(value for name, value in parameters if FACTS[name].shapes_program)
            groups.setdefault(key, []).append(run_id)
        return sorted(groups.values(), key=len, reverse=True)

    def chunks(self, run_ids: Iterable[str], size: int) -> list[list[str]]:
        """Cut runs into parts of a size; those that share programs stay together, as far as they fit."""
        found: list[list[str]] = []
        for group in self.by_program(run_ids):
            for k in range(0, len(group), size):
                part = group[k : k + size]
                if found and len(found[-1]) + len(part) <= size:
                    found[-1] += part
                else:
                    found.append(part)
        return found


def written_order(group: Path) -> list[str]:
    """Return the run ids of a group's directory in the order of its study; none where no study can be read."""
    try:
        return [entry["run_id"] for entry in _read_record(group / FILE)["runs"]]
    except (KeplearnError, *_FOREIGN):
        return []


def _read_record(file: Path) -> dict[str, Any]:
    """Read a ``sweep.json``, of any version; Damaged where it is not as it was written, or foreign."""
    try:
        content, sealed = read_sealed(file)
        record = json.loads(content)
        if record["format"] == FORMAT and not sealed:
            raise ValueError("its checksum is missing")
    except _FOREIGN as error:
        raise Damaged(f"{file}: damaged: {error}.") from error
    return record


def _configs(record: dict[str, Any], file: Path) -> dict[str, RunConfig]:
    """Return the configs of a record by run id; Damaged where they are none, or not those that were written."""
    configs = {}
    try:
        for entry in record["runs"]:
            config = RunConfig.from_dict(_nested(record["common"] | entry["config"]))
            if config.run_id != entry["run_id"]:
                raise ValueError(f"the config of run {entry['run_id']} was changed")
            configs[config.run_id] = config
    except _FOREIGN as error:
        raise Damaged(f"{file}: damaged: {error}.") from error
    return configs


def _flat(config: RunConfig) -> dict[str, object]:
    record = config.to_dict()
    tables = {f"{table}.{key}": v for table in TABLES for key, v in record[table].items()}
    return tables | {key: record[key] for key in BESIDE}


def _nested(entries: dict[str, object]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for dotted, value in entries.items():
        table, dot, key = dotted.partition(".")
        if dot:
            tables.setdefault(table, {})[key] = value
        else:
            tables[table] = value
    return tables
