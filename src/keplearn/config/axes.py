"""The list grammar: what values an entry gives, each checked once.

The outermost list of an entry is always the list of its values. What varies over phases takes an inner
list: ``[[4,], [10,]]`` is two values of one phase, ``[[4, 10]]`` one value of two phases. The one exception
is a bare ``[0.0, 1.0]`` for ``length_strategy``: one window.
"""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from keplearn.config.entries import TABLE_OF, Entry, Mistakes
from keplearn.config.loading import Location
from keplearn.config.names import dataset_facts, figures_of_runs
from keplearn.config.schema import FACTS, PHASED, Parameters, RunConfig
from keplearn.config.value_types import UnknownName
from keplearn.core.errors import KeplearnError

#: Entries whose null means "by default", because their default depends on the rest of the config.
NULL_IS_DEFAULT = tuple(key for key, fact in FACTS.items() if fact.derived)


#: Entries whose list is one value, not an axis.
LISTS = ("test", "figures")


class Axis(NamedTuple):
    """The checked values of one key, and where they stand."""

    values: list[Any]
    location: Location


def read_axes(entries: dict[str, Entry], mistakes: Mistakes) -> dict[str, Axis]:
    """Return the values of each entry, noting what is wrong with them in ``mistakes``."""
    return {key: Axis(list(_values(key, entry, mistakes)), entry.location) for key, entry in entries.items()}


def _values(key: str, entry: Entry, mistakes: Mistakes) -> Iterator[Any]:
    """Yield the valid values of one entry."""
    raw, location = entry
    listed = isinstance(raw, list) and key not in LISTS and not (key == "length_strategy" and _is_window(raw))
    items = raw if isinstance(raw, list) and listed else [raw]
    if not items:
        mistakes.add(location, f"{key}: an empty list gives no runs; leave the key out for its default")
    for number, item in enumerate(items):
        where = (*location, number) if listed else location
        value: object = item
        if key in PHASED:
            value = _phases(key, item)
        elif isinstance(item, list) and key not in LISTS:
            mistakes.add(where, f"{key}: {show(item)} is a list inside a list, but {key} has no phases")
            continue
        elif key in LISTS and item is not None:
            value = tuple(item) if isinstance(item, list) else (item,)
        if message := _wrong(key, value):
            mistakes.add(where, f"{key}: {message}")
        else:
            yield _checked(key, value)


def _phases(key: str, item: object) -> object:
    """Return one value of a strategy as a tuple over phases."""
    if key == "length_strategy":
        if isinstance(item, list) and not _is_window(item):
            return tuple(tuple(window) if isinstance(window, list) else window for window in item)
        return (tuple(item) if isinstance(item, list) else item,)
    if not isinstance(item, list):
        return item if FACTS[key].by_phase else (item,)
    return tuple(item)


def _is_window(item: object) -> bool:
    """Say whether this is two numbers, [start, end]."""
    return isinstance(item, list) and len(item) == 2 and all(isinstance(x, int | float) for x in item)


@cache
def _adapter(key: str) -> TypeAdapter:
    model = Parameters if TABLE_OF.get(key) == "parameters" else RunConfig
    return TypeAdapter(get_type_hints(model, include_extras=True)[key], config=ConfigDict(strict=True))


def _checked(key: str, value: object) -> Any:
    """Return the value as the schema has it."""
    return value if _means_default(key, value) else _adapter(key).validate_python(value)


def _means_default(key: str, value: object) -> bool:
    return value is None and key in NULL_IS_DEFAULT


def _wrong(key: str, value: object) -> str:
    """Return what is wrong with a value, or nothing."""
    if _means_default(key, value):
        return ""
    if key in PHASED and value == ():
        return "an empty list has no phases"
    try:
        checked = _adapter(key).validate_python(value)
        if key == "figures":
            _check_figures(checked or ())
        for name in {"dataset_name": [checked], "test": checked, "validation": [checked]}.get(key, ()):
            if name is not None:
                dataset_facts(name)
    except (KeplearnError, UnknownName) as error:
        return str(error)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        if isinstance(first.get("ctx", {}).get("error"), UnknownName):
            return message
        return f"{message}{_hint(first['type'], value)}, not {show(first['input'])}"
    return ""


def _check_figures(names: Iterable[str]) -> None:
    """Refuse what is no figure of a run; records may name figures that are no more."""
    for name in names:
        if name not in (known := figures_of_runs()):
            raise UnknownName(name, known)


def _hint(kind: str, value: object) -> str:
    """Return how to fix the commonest slips of spelling."""
    while isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        return " (text: put it in quotes)" if kind == "string_type" and isinstance(value, int | float) else ""
    if kind == "bool_type" and value.lower() in ("yes", "no", "on", "off"):
        return " (write true or false)"
    if value.lower() in ("none", "null"):
        return " (write null, or leave the key out)"
    try:
        float(value)
    except ValueError:
        return ""
    return " (write the number without quotes)"


def show(value: object) -> str:
    """Return a value as it would stand in a file, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):  # integers of thousands of digits among them
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 80 else text[:60] + " ..."
