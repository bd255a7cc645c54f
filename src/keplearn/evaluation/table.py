"""Evaluations as numbers: summaries of datasets and orbits, tables of many runs, and their text."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keplearn.evaluation.statistics import KEYS, MEANS, summarize
from keplearn.orbits.elements import ELEMENT_NAMES

if TYPE_CHECKING:
    import pandas as pd
    import xarray

FLOORS = ("floor_mean", "floor_field")
SHORT_KEYS = ("mean", "field", "theta-deg", "radial%", "position%")
"""What a table for people shows unless more is asked for."""


def summary(evaluation: "xarray.Dataset") -> dict[str, Any]:
    """Sum up an evaluation over all samples of all orbits.

    Returns
    -------
    summary
        The keys of `keplearn.evaluation.statistics.KEYS` (SPEC 4), NaN where undefined; ``floor_mean`` and
        ``floor_field`` besides, where the truth's accelerations are finite differences.
    """
    result = dict[str, Any](summarize(_samples(evaluation), int(evaluation["diverged"].sum())))
    return result | {key: float(evaluation.attrs[key]) for key in FLOORS if key in evaluation.attrs}


def orbit_table(evaluation: "xarray.Dataset") -> "pd.DataFrame":
    """One row an orbit: its name, elements (km, rad), number of samples, and the same keys as `summary`."""
    import pandas as pd

    samples = _samples(evaluation)
    counts = np.isfinite(evaluation["time"].values).sum(axis=1)
    extra = [key for key in (*ELEMENT_NAMES, *FLOORS) if key in evaluation]
    rows = []
    for k, name in enumerate(evaluation["orbit"].values):
        scores = summarize({key: x[k] for key, x in samples.items()}, int(evaluation["diverged"][k]))
        facts = {key: float(evaluation[key][k]) for key in extra}
        rows.append({"orbit": str(name), "samples": int(counts[k]), **facts, **scores})
    front = ["orbit", *ELEMENT_NAMES, "samples", *KEYS]
    return pd.DataFrame(rows)[[*front, *(key for key in FLOORS if key in extra)]]


def score_table(evaluations: Iterable[tuple[Mapping[str, Any], "xarray.Dataset"]]) -> "pd.DataFrame":
    """One row an evaluation: the columns given with it (with ``run_id``), ``dataset``, and its `summary`."""
    import pandas as pd

    return pd.DataFrame([{**about, "dataset": e.attrs["dataset"], **summary(e)} for about, e in evaluations])


def wide(table: "pd.DataFrame", columns: Sequence[str] = ()) -> "pd.DataFrame":
    """Runs down, datasets across: ``mean`` and ``field`` of each, the floors where there are any.

    ``diverged`` stands beside where it is not zero in some run. ``columns`` names the table's columns that
    describe a run, shown in front. A run that was not scored on a dataset has NaN there.
    """
    result = table[["run_id", *columns]].drop_duplicates("run_id").reset_index(drop=True)
    for name in dict.fromkeys(table["dataset"]):
        rows = table[table["dataset"] == name].drop_duplicates("run_id").set_index("run_id")
        for key in (*SHORT_KEYS[:2], "diverged", *FLOORS):
            optional = key not in SHORT_KEYS
            if optional and (key not in rows or not rows[key].fillna(0.0).any()):
                continue
            result[f"{key} {name}"] = result["run_id"].map(rows[key])
    return result


def short(table: "pd.DataFrame") -> "pd.DataFrame":
    """A `score_table` with the metrics in `SHORT_KEYS`, the floors, and ``diverged`` where it is not zero."""
    hidden = {key for key in KEYS if key not in SHORT_KEYS}
    if table["diverged"].any():
        hidden.remove("diverged")
    return table[[column for column in table.columns if column not in hidden]]


def cells(table: "pd.DataFrame") -> tuple[list[str], list[list[str]]]:
    """A table as titles and rows of text: four significant digits, ``-`` for what there is not."""
    rows = table.itertuples(index=False, name=None)
    return [str(title) for title in table.columns], [[_cell(value) for value in row] for row in rows]


def render(table: "pd.DataFrame", format: Literal["markdown", "csv", "json"]) -> str:
    """A table as text: markdown for people (rounded), csv and json with full precision.

    JSON is a list of one object a row, its keys the columns; what is not finite is null.
    """
    if format == "csv":
        return table.to_csv(index=False, lineterminator="\n").rstrip("\n")
    if format == "json":
        rows = ({key: _plain(value) for key, value in row.items()} for row in table.to_dict("records"))
        return "[" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "]"
    titles, rows = cells(table)
    lines = [titles, ["---"] * len(titles), *([text.replace("|", r"\|") for text in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _samples(evaluation: "xarray.Dataset") -> dict[str, np.ndarray]:
    """The per-sample variables that summaries are made of."""
    return {key: evaluation[key].values for key in (*MEANS.values(), "magnitude") if key in evaluation}


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if np.isfinite(value) else "-"
    return "-" if value is None else str(value)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
