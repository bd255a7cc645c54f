"""What stands around boxes: the names of their places, and of runs and orbits that are far from the others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist

from keplearn.figures.parts.facets import Panel, groups_of, letters_in, name_ticks, note, tick_letters
from keplearn.figures.parts.labels import named, number, wrap
from keplearn.figures.parts.outliers import name_of, records
from keplearn.groups.values import levels, values_of

_LOST = 4
"""So many lost runs are named."""
_WHAT = {"orbit": "orbits", "sample": "samples", "run": "runs"}


def made_by(errors: pd.DataFrame, by: str) -> list[str]:
    """Return the parameters whose values make the boxes."""
    return errors.attrs.get("by", []) if by == "label" else [by]


def name_boxes(panel: Panel, by: str, inches: float) -> None:
    """Name the boxes of a panel ``inches`` wide, and say of how many values each is, where they differ."""
    places = levels(values_of(panel.table[by]))
    boxes = {place: rows for (place,), rows in groups_of(panel.table, by)}
    counts = [len(boxes[place]) for place in places]
    runs = [boxes[place]["run_id"].nunique() for place in places]
    what = _WHAT.get(panel.table.attrs.get("per", ""), "values")
    labels, texts = _names(panel.table, by, [boxes[place] for place in places], inches / len(places))
    same = len(set(zip(counts, runs, strict=True))) == 1
    end = f"n: {what}"
    if same:
        of = f" of {runs[0]} run{'s' * (runs[0] > 1)}" if what != "runs" else ""
        end = f"{counts[0]:,} {what}{of}{' each' * (len(places) > 1)}"
    else:
        texts = [f"{text} (n = {count:,})" for text, count in zip(texts, counts, strict=True)]
    name_ticks(panel.axes, texts, inches / len(places))
    panel.axes.set_xlabel(f"{wrap(', '.join(labels), letters_in(inches, 9.0))}\n({end})")


def _names(
    errors: pd.DataFrame, by: str, boxes: Sequence[pd.DataFrame], inches: float
) -> tuple[list[str], list[str]]:
    """Return what the parameters are called that make the boxes, and their values in each box."""
    labels, columns = [], []
    for name in made_by(errors, by):
        values = [values_of(rows[name])[0] for rows in boxes]
        label, texts = named(name, values, tick_letters(inches))
        labels.append(label)
        columns.append([texts[value] for value in values])
    return labels, [", ".join(parts) for parts in zip(*columns, strict=True)]


def named_runs(errors: pd.DataFrame, worst: pd.DataFrame, unit: str) -> list[tuple[str, list[Artist]]]:
    """Return for a legend the worst outliers by their numbers, and which runs are lost where a row is a run."""
    of_runs = errors.attrs.get("per") == "run"
    names = [note(f"{row.number}  {name_of(row)}: {number(row.value)} {unit}") for row in records(worst)]
    lost = errors[~np.isfinite(errors["value"].to_numpy(np.float64))] if of_runs else errors[:0]
    called = list(dict.fromkeys(name_of(row) for row in records(lost)))
    gone: list[Any] = [note(name) for name in called[:_LOST]]
    if len(called) > _LOST:
        gone.append(note(f"and {len(called) - _LOST} more"))
    return [("outlying runs" if of_runs else "worst outliers: run/orbit", names), ("lost runs", gone)]
