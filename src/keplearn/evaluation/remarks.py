"""What a table must say of its means: where a few orbits rule one, it tells of these orbits and not of the model.

A mean over orbits of which a few are wrong by orders of magnitude is a number of those few. It is told below the
table, with how many orbits carry how much of it; the median does not move.
"""

from collections.abc import Iterable, Mapping
from math import isfinite, nan
from typing import Any

import numpy as np
from jaxtyping import Float64

from keplearn.core.numbers import number_text

FAR = 5.0
"""A mean that is so many times the median is looked at."""
FEW = 0.2
"""Orbits are few if they are at most this share of all."""
_SHOWN = 5


def is_ruled(scores: Mapping[str, Any]) -> bool:
    """Whether the mean of a summary is so far above its median that a few orbits rule it."""
    mean, median = (_number(scores.get(key)) for key in ("mean", "median"))
    return mean > FAR * median


def ruled_by(
    scores: Mapping[str, Any], means: Float64[np.ndarray, "orbit"], counts: Float64[np.ndarray, "orbit"]
) -> str:
    """Say which orbits carry most of a summary's mean, if they are few and it is far above the median; else "".

    Parameters
    ----------
    scores
        The summary: ``mean`` and ``median`` in %.
    means
        The mean of each orbit over its samples that are not lost, NaN where all of them are.
    counts
        How many these are.
    """
    if not is_ruled(scores):
        return ""
    parts = np.sort(np.nan_to_num(means * counts))[::-1]
    shares = np.cumsum(parts) / parts.sum()
    few = int(np.argmax(shares > 0.5)) + 1
    if few > FEW * len(parts):
        return ""
    carry = f"{few} of {len(parts)} orbits carry" if few > 1 else f"one of {len(parts)} orbits carries"
    mean, median = (number_text(scores[key]) for key in ("mean", "median"))
    return f"{carry} {100 * shares[few - 1]:.0f} % of the mean of {mean} %, beside a median of {median} %"


def remarks(said: Iterable[tuple[str, str]]) -> list[str]:
    """Return the lines below a table: of each run and dataset what is said of its mean, of many the first few."""
    lines = [f"{name}: {text}" for name, text in said if text]
    left = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {left} more such means"] if left > 0 else [])]


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and isfinite(value) else nan
