"""Choosing runs by words: groups, ids, beginnings of ids, group/id; and of these, those of which conditions hold.

The one way in which commands are told which runs are meant.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from math import isfinite
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Any, NamedTuple

from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.numbers import number_text
from keplearn.core.tables import is_foreign
from keplearn.groups.difference import cell
from keplearn.groups.facts import Facts, plain
from keplearn.groups.study import Study, written_order
from keplearn.runs.find import find_runs, group_names, open_run
from keplearn.runs.store import Run

_COMPARED = re.compile(r"(?P<key>.+?)\s*(?P<sign><=|>=|!=|==?|<|>)\s*(?P<wanted>.*)", re.DOTALL)
_AMONG = re.compile(r"(?P<key>\S+)\s+in\s+(?P<wanted>.+)", re.DOTALL)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, ">": gt, "<=": le, ">=": ge}
_WORDS = {"none": None, "null": None, "": None, "true": True, "yes": True, "false": False, "no": False}
_MOST = 12
"""Values that are listed where a condition holds of no run."""


class Condition(NamedTuple):
    """What must hold of a run: a fact, how it is compared, with what; ``text`` as it was given."""

    key: str
    sign: str
    wanted: list[str]
    text: str


def choose_runs(
    runs: str | Path,
    words: Sequence[str] = (),
    where: Sequence[str] = (),
    *,
    state: str | None = None,
    on_damaged: Callable[[KeplearnError], object] | None = None,
) -> list[Run]:
    """Return the runs that are meant, each once, in the order of the words; those of a group in that of its study.

    Runs of a group that its last sweep did not have come after the others, the oldest first. The order of a study does
    not depend on which of its runs was started first.

    Parameters
    ----------
    runs
        The directory of all runs.
    words
        Groups, runs' ids, unique beginnings of them, group/id; without a word all runs.
    where
        Conditions, as `parse_conditions` reads them.
    state
        Only runs in this state.
    on_damaged
        Is told of each run of a group whose record cannot be read, which is left out; by default it raises.

    Raises
    ------
    KeplearnError
        If a word names nothing, a condition cannot be read or is of no fact, or there are runs and none is meant: it
        says what there is.
    """
    conditions = parse_conditions(where)
    found: dict[Path, Run] = {}
    groups = group_names(runs) if words else []
    for word in words:
        if "/" not in word and word in groups:
            meant = _as_studied(find_runs(runs, word, state, on_damaged))
        else:
            meant = [run for run in [_one(runs, word, groups)] if state in (None, run.state)]
        found |= {run.path: run for run in meant}
    if not words:
        found = {run.path: run for run in _as_studied(find_runs(runs, None, state, on_damaged))}
    return _those_of_which(conditions, list(found.values()), ", ".join(words) or str(runs))


def part_of_study(study: Study, where: Sequence[str]) -> Study:
    """Return the study of those runs alone of which conditions hold; one that has not started has its config's facts.

    Raises
    ------
    KeplearnError
        As `choose_runs` does.
    """
    if not where:
        return study
    found = [_started_or_planned(study, run_id) for run_id in study.configs]
    ids = {run.path.name for run in _those_of_which(parse_conditions(where), found, study.group)}
    return replace(study, configs={run_id: x for run_id, x in study.configs.items() if run_id in ids})


def _started_or_planned(study: Study, run_id: str) -> Run:
    """Return a run of a study; one without a record that can be read is known by its config."""
    run = Run(study.path / run_id)
    try:
        _ = run.record
    except KeplearnError:
        vars(run).update(record={"run_id": run_id, "state": "missing"}, config=study.configs[run_id])
    return run


def _as_studied(found: Sequence[Run]) -> list[Run]:
    """Sort the runs of each group as its study has them; those that it does not have stay as they are, at its end."""
    groups = dict.fromkeys(run.path.parent for run in found)
    place = {path / run_id: k for path in groups for k, run_id in enumerate(written_order(path))}
    return sorted(found, key=lambda run: (run.group, place.get(run.path, len(place))))


def _one(runs: str | Path, word: str, groups: Sequence[str]) -> Run:
    try:
        return open_run(runs, word)
    except KeplearnError as error:
        text = str(error)
        raise KeplearnError(text if "Did you mean" in text else f"{text}{nearest(word, groups)}") from None


def parse_conditions(words: Sequence[str]) -> list[Condition]:
    """Read conditions: ``key=value``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, and ``key in a,b,c`` in one word or three.

    Raises
    ------
    KeplearnError
        If a word is none.
    """
    found, left = [], list(words)
    while left:
        text = left.pop(0)
        if left and left[0] == "in":
            text = " ".join([text, left.pop(0), *left[:1]])
            del left[:1]
        read = _AMONG.fullmatch(text) or _COMPARED.fullmatch(text)
        if read is None:
            raise KeplearnError(
                f"--where {text}: no condition. Conditions are key=value, key!=value, key<value, <=, >, >=, "
                "and key in a,b,c; in quotes where a shell reads < or >."
            )
        sign = read.groupdict().get("sign", "in").replace("==", "=")
        # Commas within brackets belong to a value.
        wanted = (
            re.split(r",\s*(?![^\[(]*[\])])", read["wanted"]) if sign == "in" else [read["wanted"].strip()]
        )
        found.append(Condition(read["key"].strip(), sign, wanted, text))
    return found


def _those_of_which(conditions: Sequence[Condition], runs: list[Run], what: str) -> list[Run]:
    """Keep the runs of which all conditions hold."""
    if not conditions or not runs:
        return runs
    facts, left, before = Facts(runs), list(range(len(runs))), ""
    for condition in conditions:
        values = facts.column(condition.key, f"--where {condition.text}: ")
        holding = [k for k in left if _holds(condition, values[k])]
        if not holding:
            there = _listed([values[k] for k in left])
            raise KeplearnError(
                f"of the {len(left)} runs of {what}{before} none has {condition.text}: {condition.key} is {there}."
            )
        left, before = holding, f"{before} with {condition.text}"
    return [runs[k] for k in left]


def _holds(condition: Condition, value: Any) -> bool:
    sign, wanted = condition.sign, condition.wanted
    if sign in _ORDERS:
        return _in_order(condition, plain(value))
    return any(_is(value, text) for text in wanted) is not (sign == "!=")


def _is(value: Any, text: str) -> bool:
    """Whether a recorded value is what a text says; a list whose entries are all that, too."""
    if isinstance(value, list) and value and all(_is(entry, text) for entry in value):
        return True
    if value is None or isinstance(value, bool):
        return _WORDS.get(text.lower(), text) is value
    if isinstance(value, int | float):
        return _number(text) == value
    said = "".join(cell(value).split())
    return "".join(text.split()) in (said, said.partition("@")[0] if is_foreign(said) else said)


def _in_order(condition: Condition, value: Any) -> bool:
    """Compare a number, or a time, with another; what a run has not is in no order."""
    (text,), compare = condition.wanted, _ORDERS[condition.sign]
    if value is None:
        return False
    number = _number(text)
    if number is not None and isinstance(value, int | float):
        return compare(value, number)
    if _is_time(text) and isinstance(value, str) and _is_time(value):
        return compare(value, text)  # texts of this form are in the order of the times
    raise KeplearnError(
        f"--where {condition.text}: {condition.key} is {plain(value)}: only numbers and times have an order: use = "
        "or in."
    )


def _number(text: str) -> float | None:
    try:
        return float(text) if isfinite(float(text)) else None
    except ValueError:
        return None


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text)) and len(text) >= len("2026-01-01")
    except ValueError:
        return False


def _listed(values: Sequence[Any]) -> str:
    """Say which values there are, and of how many runs each."""
    found = [plain(value) for value in values]
    if all(isinstance(value, int | float) for value in found):
        found.sort()
    texts = ["none" if x is None else number_text(x) if isinstance(x, float) else cell(x) for x in found]
    counts = {text: texts.count(text) for text in dict.fromkeys(texts)}
    shown = [f"{text} ({count} run{'s' * (count > 1)})" for text, count in list(counts.items())[:_MOST]]
    return ", ".join(shown) + (f" and {len(counts) - _MOST} more values" if len(counts) > _MOST else "")
