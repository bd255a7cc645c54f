"""What is lost counts as the worst: the one rule by which runs, orbits and values are ordered, chosen and drawn.

A sample is lost where its orbit diverged or its error is not finite. A mean over the samples that are left is no
measure of a model that loses samples: the more of the hard ones it loses, the smaller the mean. So a score is
ordered by the number of its lost samples first and by its value then, as if each lost sample had an error beyond
all numbers; quantiles count a lost sample as infinite; and whatever draws a score puts one with lost samples at
the worst end, with their number.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import numpy as np
from jaxtyping import Float64, Int

from keplearn.core.shapes import ScalarArray
from keplearn.evaluation.metrics import METRICS, TRAINING

if TYPE_CHECKING:
    import pandas as pd

Name = TypeVar("Name")

LEADING = "median"
"""The metric by which runs are ordered, chosen and drawn where no other is asked for: no few orbits rule it."""
LOST = ("lost", "lost-field")
"""The counts of a summary: lost samples along the propagated path, and at the true states."""


def lost_key(metric: str) -> str | None:
    """Return which of `LOST` belongs to a metric; None for counts, and for what is no score (seconds, losses)."""
    return METRICS[metric].lost if metric in METRICS else None


def lost_in(scores: Mapping[str, Any], metric: str = "mean") -> int:
    """Return how many samples of a metric are lost in a summary.

    Summaries of before samples were counted tell the diverged orbits alone: each has lost a sample or more.
    """
    key = lost_key(metric)
    if key is None:
        return 0
    count = scores.get(key)
    if not _is_number(count) and key == "lost":
        count = scores.get("diverged")
    return int(count) if _is_number(count) else 0


def lost_text(scores: Mapping[str, Any], metric: str = "mean") -> str:
    """Return "216 samples lost" to stand beside a mean, empty if none is."""
    count, counted = lost_in(scores, metric), _is_number(scores.get(lost_key(metric) or ""))
    what = ("sample{} lost" if counted else "orbit{} diverged").format("s" * (count != 1))
    return f"{count:,} {what}" if count else ""


def measured_over(segments: Any) -> str:
    """Return "segments of 18", as titles and tables say it of scores that are of segments; "" for whole orbits."""
    return f"segments of {int(segments)}" if _is_number(segments) and segments else ""


def order(scores: Mapping[str, Any], metric: str = LEADING) -> tuple[float, float]:
    """Return what to sort summaries on one dataset by, the best first; one without the metric comes last."""
    value, lost = scores.get(metric), lost_in(scores, metric)
    if not _is_number(value):
        # Nothing was left to take a mean of, or it was never scored.
        return inf, (0.0 if lost else inf)
    return float(lost), -float(value) if _greater_is_better(metric) else float(value)


def best(scored: Iterable[tuple[Name, Mapping[str, Any]]], metric: str = LEADING) -> Name | None:
    """Return which of some summaries is the best, the first of equal ones; None if none has the metric."""
    found = [(order(scores, metric), k, name) for k, (name, scores) in enumerate(scored)]
    first = min(found, default=None, key=lambda one: one[:2])
    return None if first is None or not isfinite(first[0][0]) else first[2]


def places(scored: Sequence[Mapping[str, Any]], metric: str) -> list[int | None]:
    """Return the place of each summary, 0 the best, equal ones alike; None for one that was never scored."""
    keys = [order(scores, metric) for scores in scored]
    place = {key: k for k, key in enumerate(sorted(set(keys)))}
    return [None if key == (inf, inf) else place[key] for key in keys]


def drawn_value(scores: Mapping[str, Any], metric: str) -> float:
    """Return where a score stands: its value, infinite if samples are lost, NaN if there is none."""
    if lost_in(scores, metric):
        return inf
    value = scores.get(metric)
    return float(value) if _is_number(value) or value == inf else nan  # type: ignore[arg-type]


def drawn_values(table: "pd.DataFrame", metric: str) -> Float64[np.ndarray, "row"]:
    """Return where the rows of a table of scores stand: `drawn_value` of each."""
    rows = table[[key for key in (metric, *LOST, "diverged") if key in table]].to_dict("records")
    return np.array(
        [drawn_value({str(key): x for key, x in row.items()}, metric) for row in rows], np.float64
    )


def lost_samples(errors: ScalarArray, truth: ScalarArray) -> Int[np.ndarray, "orbit"]:
    """Count the lost samples of each orbit: those whose error is not finite though their truth is.

    ``errors`` and ``truth``, (orbit, sample), are NaN where orbits are padded.
    """
    return (np.isfinite(truth) & ~np.isfinite(errors)).sum(axis=-1)


def with_lost(errors: ScalarArray, truth: ScalarArray) -> ScalarArray:
    """Return errors with infinity where they are lost, and NaN where there is no truth."""
    return np.where(np.isfinite(truth), np.where(np.isfinite(errors), errors, np.inf), np.nan)


def _greater_is_better(metric: str) -> bool:
    measure = METRICS.get(metric) or TRAINING.get(metric)
    return measure is not None and measure.smaller_is_better is False


def _is_number(value: Any) -> TypeGuard[float]:
    return value is not None and isfinite(value)
