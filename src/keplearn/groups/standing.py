"""How far a study is: the state of each of its runs, read from their directories, and the best of them so far."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.ranking import LEADING, best
from keplearn.groups.study import Study
from keplearn.runs.records import outdated_data
from keplearn.runs.store import Run


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
            changed = outdated_data(config, record.get("summary"), content)
            if changed or not set(config.test) <= set(record.get("scores", {})):
                found.append(run_id)
        return found

    def best(self, metric: str = LEADING) -> tuple[str, dict[str, Any]] | None:
        """Return the run with the best score on the first test dataset so far, and its scores there.

        Runs that were scored over other segments than the first are not compared with it.
        """
        test, over = self.study.first_test, self.study.first_segments
        scores = {
            run_id: record["scores"][test]
            for run_id, record in self.records.items()
            if record["state"] == "finished" and test in record.get("scores", {})
        }
        run_id = best(((name, x) for name, x in scores.items() if x.get("segments") == over), metric)
        return None if run_id is None else (run_id, scores[run_id])

    @property
    def left(self) -> int:
        """How many runs have neither finished nor failed."""
        return len(self.having("missing", "interrupted", "running"))

    def ended_since(self, seconds: float) -> int:
        """Count the runs that finished or failed since a time (seconds since the epoch)."""
        ends = (r.get("finished") for r in self.records.values() if r["state"] in ("finished", "failed"))
        return sum(datetime.fromisoformat(end).timestamp() >= int(seconds) for end in ends if end)

    def time_left(self, since: float) -> float | None:
        """Seconds until all are done at the rate since a time; None before the first has ended."""
        ended, left = self.ended_since(since), self.left
        return left * (time.time() - since) / ended if ended and left else None


def _content(name: str, orbits: int) -> str:
    from keplearn.data.dataset import training_data

    return training_data(name, orbits).content_hash
