"""What is known of runs, flat: a column a fact, by its name in the record or the end of it.

A run's facts are what stands in its ``run.json`` (``summary.seconds.train``, ``machine.device``), its config
(``parameters.width``), what its training data's name says (``dataset.family``), its label, and its scores
(``scores.complex_TBP_planar_100_test.median``); the scores on its first test dataset also go by the metric alone.
Nothing here lists them: what is recorded has a name.
"""

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from keplearn.config.schema import TABLES
from keplearn.core.errors import KeplearnError, nearest
from keplearn.data.names import parse_name
from keplearn.evaluation.metrics import METRICS
from keplearn.groups.difference import cell, flat
from keplearn.runs.store import Run

_RANKS = dict.fromkeys(TABLES, 1) | {
    "dataset": 2,
    "summary": 3,
    "machine": 4,
    "versions": 4,
    "scores": 5,
}
"""Which fact an end of a name means, where several have it: that of the lowest rank; of phases the highest."""
_TIMES = ("train", "total")
_RARE = ("phases", "scores", "scored_on")
"""Names that nobody misspells: they are not suggested."""


class Facts:
    """The facts of some runs; ``dataset`` is the test dataset of scores that go by the metric alone."""

    def __init__(self, runs: Sequence[Run], dataset: str | None = None):
        self._rows = [dict(_facts(run, dataset)) for run in runs]

    @cached_property
    def names(self) -> list[str]:
        """The whole names of all facts, in the order in which an end of one means them."""
        every = dict.fromkeys(name for row in self._rows for name in row)
        return sorted(every, key=_rank)

    def find(self, name: str) -> str | None:
        """Return the whole name of the fact that is meant, None if there is none."""
        for wanted in (name, f"{name}.total"):  # seconds: those of the whole
            if wanted in self.names:
                return wanted
            for whole in self.names:
                if whole.endswith(f".{wanted}"):
                    return whole
        return None

    def column(self, name: str, where: str = "") -> list[Any]:
        """Return a fact of each run as it is recorded, None for a run without it.

        Raises
        ------
        KeplearnError
            If no run has it, with the nearest name; ``where`` is what the message begins with.
        """
        whole = self.find(name)
        if whole is None:
            raise KeplearnError(f"{where}there is no {name!r} of a run.{nearest(name, self.spellings())}")
        return [row.get(whole) for row in self._rows]

    def cells(self, name: str) -> list[Any]:
        """Return a fact of each run as groups' tables have it (`as_cell`)."""
        return [as_cell(value) for value in self.column(name)]

    def shown(self, name: str, where: str = "") -> list[Any]:
        """Return a fact of each run as tables show it: numbers as they are, lists and truth values as text."""
        values = map(plain, self.column(name, where))
        return [cell(value) if isinstance(value, bool) else value for value in values]

    def spellings(self) -> list[str]:
        """Return all names by which facts go, but those that hold a dataset's name or a phase's number."""
        words = (name.split(".") for name in self.names if name.partition(".")[0] not in _RARE)
        return list(dict.fromkeys(".".join(parts[k:]) for parts in words for k in range(len(parts))))


def as_cell(value: object) -> Any:
    """Return a recorded value as groups' tables have it: what is the same in all phases once, other lists as text."""
    while isinstance(value, list) and len({cell(entry) for entry in value}) == 1:
        value = value[0]
    return cell(value) if isinstance(value, list) else value


def plain(value: object) -> Any:
    """Return a recorded value as a cell: a list of one entry without its list, other lists as text."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return cell(value) if isinstance(value, list) else value


def run_names(runs: Sequence[Run]) -> list[str]:
    """Return what figures call runs: labels, or the first digits of ids; labels that are alike with these besides."""
    names = [run.name for run in runs]
    return [
        f"{name} ({run.run_id[:8]})" if run.label and names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]


def groups_text(runs: Sequence[Run]) -> str:
    """Return the groups of runs as titles name them."""
    return ", ".join(dict.fromkeys(run.group for run in runs))


def tests_text(tests: Sequence[str]) -> str:
    """Return a test dataset's name as titles say it, of several how many there are."""
    return tests[0] if len(tests) == 1 else f"{len(tests)} datasets"


def _facts(run: Run, dataset: str | None) -> Iterator[tuple[str, Any]]:
    """Yield the facts of a run by whole name; those that every list may ask for, recorded or not."""
    record = run.record
    scores = record.get("scores") or {}
    test = dataset or next(iter(scores), None)
    own = {key: value for key, value in record.items() if not isinstance(value, dict | list)}
    yield from (own | {"group": run.group, "label": run.label, "test": test}).items()
    yield from dict.fromkeys(METRICS).items()
    yield from (scores.get(test) or {}).items()
    yield from flat(run.config).items()
    yield from _of_dataset(run.config.dataset_name).items()
    yield from ((f"summary.seconds.{key}", None) for key in _TIMES)
    yield from ((f"summary.{key}", None) for key in ("best_loss", "steps", "steps_per_second"))
    for key, value in record.items():
        if key != "config" and isinstance(value, dict | list):
            yield from _flattened(key, value)


def _flattened(name: str, value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _flattened(f"{name}.{key}", entry)
    elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        for number, entry in enumerate(value):
            yield from _flattened(f"{name}.{number}", entry)
    else:
        yield name, value


@cache
def _of_dataset(name: str) -> dict[str, Any]:
    """Return what the name of a dataset says; of a file that of the file alone."""
    about: dict[str, Any] = dict.fromkeys((*_OF_NAMES, *_OF_TERMS))
    try:
        said = parse_name(name)
    except KeplearnError:
        return {"dataset.name": Path(name).name} | {f"dataset.{key}": None for key in about}
    about |= {key: getattr(said, attribute) for key, attribute in _OF_NAMES.items()}
    for key in _OF_TERMS:
        # Of a sum, what its terms say, each once.
        values = dict.fromkeys(
            _part(getattr(term, key, getattr(term.observing, key, ""))) for term in said.terms
        )
        about[key] = next(iter(values)) if len(values) == 1 else "+".join(map(str, values))
    return {"dataset.name": str(said)} | {f"dataset.{key}": value for key, value in about.items()}


_OF_NAMES = {"family": "family", "problem": "problem", "planar": "planar", "orbits": "n"}
_OF_TERMS = ("modifiers", "noise", "missing", "irregular", "revolutions", "draw", "split")


def _part(value: Any) -> Any:
    return ("+".join(value) if isinstance(value, tuple) else value) if value not in ((), "") else "none"


def _rank(name: str) -> int:
    head, dot, _ = name.partition(".")
    return _RANKS.get(head, 9) if dot else 0
