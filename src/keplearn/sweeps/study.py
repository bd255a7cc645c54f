"""The set of runs of a sweep, written to ``runs/GROUP/sweep.json`` before the first is trained, and how far it is.

What is known of a run's course is in its own directory; a study keeps no state of its own that could disagree.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from keplearn.config import RunConfig
from keplearn.config.difference import split_common
from keplearn.core.errors import Damaged, KeplearnError, nearest
from keplearn.core.files import read_sealed, write_bytes
from keplearn.core.seal import close_text
from keplearn.evaluation.ranking import best
from keplearn.runs.store import Run, directory_name

FORMAT = 2
# What of the parameters is an argument of a compiled program, not a part of it.
_ARGUMENTS = {
    *(
        "seed",
        "lr_strategy",
        "steps_strategy",
        "length_strategy",
        "train_val_split",
        "split_order",
        "num_trajs",
    ),
    *("rtol", "atol", "mse_weight", "attraction_weight", "grid_rtol", "validate_every", "length_unit"),
    "max_grad_norm",
}


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
        file = runs / directory_name(group, "group") / "sweep.json"
        try:
            file.lstat()
        except (FileNotFoundError, NotADirectoryError):
            known = [p.parent.name for p in runs.glob("*/sweep.json")]
            raise KeplearnError(f"no sweep {group!r} in {runs}.{nearest(group, known)}") from None
        except OSError:
            pass  # reading it says why it may not be read
        try:
            content, sealed = read_sealed(file)
            record = json.loads(content)
            if record["format"] not in (1, FORMAT):
                raise KeplearnError(f"{file}: of another version of keplearn; run the sweep's command again.")
            if record["format"] == FORMAT and not sealed:
                raise ValueError("its checksum is missing")
            configs = {}
            for entry in record["runs"]:
                config = RunConfig.from_dict(_nested(record["common"] | entry["config"]))
                if config.run_id != entry["run_id"]:
                    raise ValueError(f"the config of run {entry['run_id']} was changed")
                configs[config.run_id] = config
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Damaged(f"{file}: damaged: {error}. Run the sweep's command again.") from error
        return cls(runs.absolute(), group, configs)

    def write(self) -> None:
        """Write ``sweep.json``: what all runs share once, and of each its id and the rest."""
        flat = [_flat(config) for config in self.configs.values()]
        common, varying = split_common(flat)
        entries = [
            {"run_id": run_id, "config": {key: entry[key] for key in varying}}
            for run_id, entry in zip(self.configs, flat, strict=True)
        ]
        record = {"format": FORMAT, "group": self.group, "common": common}
        head = json.dumps(record, indent=1)[:-2]
        lines = ",\n".join(json.dumps(entry) for entry in entries)
        write_bytes(self.path / "sweep.json", close_text(f'{head},\n "runs": [\n{lines}\n]}}\n'))

    @cached_property
    def path(self) -> Path:
        """The group's directory."""
        return self.runs / self.group

    @property
    def first_test(self) -> str | None:
        """The test dataset by whose ``mean`` runs are compared: the first of the first run."""
        config = next(iter(self.configs.values()), None)
        return config.test[0] if config is not None and config.test else None

    def by_program(self, run_ids: Iterable[str]) -> list[list[str]]:
        """Group runs that share their compiled programs, the largest groups first."""
        groups: dict[object, list[str]] = {}
        for run_id in run_ids:
            parameters = self.configs[run_id].parameters
            key = tuple(value for name, value in parameters if name not in _ARGUMENTS)
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


def _flat(config: RunConfig) -> dict[str, object]:
    return {f"{table}.{key}": v for table, content in config.to_dict().items() for key, v in content.items()}


def _nested(entries: dict[str, object]) -> dict[str, dict[str, object]]:
    tables: dict[str, dict[str, object]] = {}
    for dotted, value in entries.items():
        table, _, key = dotted.partition(".")
        tables.setdefault(table, {})[key] = value
    return tables


@dataclass
class Standing:
    """How far a study is: the state of each run, read again only where its record has changed."""

    study: Study
    states: dict[str, str] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    def read(self) -> "Standing":
        """Look at every run's directory; a run without a record is ``missing``, a damaged one ``interrupted``.

        A record that cannot be read has the kind ``damaged`` and says why.
        """
        for run_id in self.study.configs:
            path = self.study.path / run_id
            try:
                changed = (path / "run.json").lstat().st_mtime_ns
            except (FileNotFoundError, NotADirectoryError):
                self.states[run_id] = "missing"
                self.records.pop(run_id, None)
                continue
            except OSError:
                changed = 0  # it may not be looked at: reading says why
            if self._seen.get(run_id) == changed and self.states[run_id] != "running":
                continue
            try:
                record = Run(path).record
            except KeplearnError as error:
                record = {"state": "interrupted", "kind": "damaged", "reason": str(error), "phases": []}
            self._seen[run_id], self.states[run_id] = changed, record["state"]
            self.records[run_id] = record
        return self

    @property
    def counts(self) -> Counter[str]:
        """How many runs are in each state."""
        return Counter(self.states.values())

    def having(self, *states: str) -> list[str]:
        """Return the runs in these states, in the study's order."""
        return [run_id for run_id in self.study.configs if self.states[run_id] in states]

    def damaged(self) -> list[str]:
        """Return the runs whose record cannot be read; where they are trained again, it is set aside."""
        return [i for i in self.having("interrupted") if self.records[i]["kind"] == "damaged"]

    def outdated(self) -> list[str]:
        """Return the finished runs that this code would not leave so.

        Those trained on a file whose orbits have changed since, and those whose scores are of other code or orbits,
        which are only scored anew.
        """
        content = cache(_content)
        found = []
        for run_id in self.having("finished"):
            config, record = self.study.configs[run_id], self.records[run_id]
            changed = False
            if config.dataset_name.endswith(".nc"):
                trained_on = (record.get("summary") or {}).get("dataset_hash")
                changed = trained_on != content(config.dataset_name, config.parameters.num_trajs)
            if changed or not set(config.test) <= set(record.get("scores", {})):
                found.append(run_id)
        return found

    def best(self) -> tuple[str, dict[str, Any]] | None:
        """Return the run with the best ``mean`` on the first test dataset so far, and its scores there."""
        test = self.study.first_test
        scores = {
            run_id: record["scores"][test]
            for run_id, record in self.records.items()
            if record["state"] == "finished" and test in record.get("scores", {})
        }
        run_id = best(scores.items())
        return None if run_id is None else (run_id, scores[run_id])

    def ended_since(self, seconds: float) -> int:
        """Count the runs that finished or failed since a time (seconds since the epoch)."""
        ends = (r.get("finished") for r in self.records.values() if r["state"] in ("finished", "failed"))
        return sum(datetime.fromisoformat(end).timestamp() >= int(seconds) for end in ends if end)

    def time_left(self, since: float) -> float | None:
        """Seconds until all are done at the rate since a time; None before the first has ended."""
        ended, counts = self.ended_since(since), self.counts
        waiting = sum(counts[state] for state in ("missing", "interrupted", "running"))
        return waiting * (time.time() - since) / ended if ended and waiting else None


def _content(name: str, orbits: int) -> str:
    from keplearn.experiment.plan import training_data

    return training_data(name, orbits).content_hash
