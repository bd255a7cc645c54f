"""Values of a group's parameters and metrics: distinct, in their order, as text; the columns of its table."""

from collections.abc import Iterable, Sequence
from itertools import count, zip_longest
from typing import Any

import numpy as np
import pandas as pd

from keplearn.config.schema import FACTS
from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.numbers import number_text


def values_of(column: "pd.Series") -> list[Any]:
    """Return the values of a column as Python's own, with None for whatever is missing."""
    return [None if pd.isna(v) else v.item() if isinstance(v, np.generic) else v for v in column]


def levels(values: Iterable[Any]) -> list[Any]:
    """Return the distinct values: numbers in their order, names in order of appearance, None last."""
    found = list(dict.fromkeys(values))
    given = [value for value in found if value is not None]
    ordered = sorted(given) if all(_is_number(value) for value in given) else given
    return ordered + [None] * (None in found)


def is_ordered(name: str, values: Iterable[Any]) -> bool:
    """Whether a parameter's values are numbers with an order."""
    return has_order(name) and all(_is_number(value) for value in values)


def has_order(name: str) -> bool:
    """Whether numbers of a parameter have an order: those of seeds have none."""
    return name not in FACTS or FACTS[name].ordered


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def level_text(value: Any) -> str:
    """Return a parameter's value as text, a long one shortened."""
    return shorten(value_text(value))


def value_text(value: Any) -> str:
    """Return a parameter's value as figures and the page write it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        if len(value) == 1:
            return value_text(value[0])
        return f"[{', '.join(map(value_text, value))}]"
    return number_text(value) if isinstance(value, float) else str(value)


def level_texts(values: Iterable[Any]) -> dict[Any, str]:
    """Name each value as `level_text` does; values that would then be alike show where they differ."""
    alike: dict[str, list[Any]] = {}
    for value in dict.fromkeys(values):
        alike.setdefault(level_text(value), []).append(value)
    found: dict[Any, str] = {}
    for text, same in alike.items():
        whole = [str(value) for value in same]
        differ = next((k for k, letters in enumerate(zip_longest(*whole)) if len(set(letters)) > 1), 0)
        texts = [text] if len(same) == 1 else [_around(one, differ) for one in whole]
        for value, one in zip(same, texts, strict=True):
            numbered = (f"{one} #{k}" for k in count(2))
            found[value] = one if one not in found.values() else next(
                other for other in numbered if other not in found.values()
            )  # fmt: skip
    return found


def _around(text: str, differ: int) -> str:
    """Cut a text short, keeping both ends and what stands from letter ``differ`` on."""
    if len(text) <= _LETTERS:
        return text
    at = max(0, differ - 4)
    head = text[:at] if at < 10 else f"{text[:9]}…"
    rest = text[at + 18 :]
    return head + text[at : at + 18] + (rest if len(rest) < 10 else f"…{rest[-8:]}")


_LETTERS = 40
"""Longer names are cut short."""


def shorten(text: str, letters: int = _LETTERS) -> str:
    """Cut a text short in its middle, as the page does: names often differ at both ends.

    Of paths what is after the last slash is kept, if that is enough.
    """
    if len(text) <= letters:
        return text
    text = text.rpartition("/")[2] or text
    if len(text) <= letters:
        return f"…/{text}" if len(text) + 2 <= letters else text
    head = -(-(letters - 1) // 2)
    return f"{text[:head]}…{text[len(text) - (letters - 1 - head) :]}"


def require_columns(table: pd.DataFrame, metric: str, names: Sequence[str | None]) -> None:
    """Refuse a table without rows, or without one of these columns.

    Raises
    ------
    KeplearnError
        Naming the column nearest to the one that is missing.
    """
    if table.empty:
        raise KeplearnError("There is nothing to draw: the table has no run.")
    for name in (metric, *names):
        if name is not None and name not in table:
            known = dict.fromkeys([*map(str, table), *table.attrs.get("facts", "").split()])
            raise KeplearnError(f"the table has no column {name!r}.{nearest(name, known)}")
    if not pd.api.types.is_numeric_dtype(table[metric]):
        numbers = [*table.attrs.get("metrics", [])]
        raise KeplearnError(f"{metric!r} is no metric: its values are not numbers.{nearest(metric, numbers)}")
    used = [name for name in names if name is not None]
    if twice := [name for name in used if used.count(name) > 1]:
        raise KeplearnError(f"{twice[0]!r} is given twice: a parameter stands in one place of a figure.")
