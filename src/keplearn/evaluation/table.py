"""Evaluations as numbers: summaries of datasets and orbits, tables of many runs, and their text."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.keys import KEYS, MEANS
from keplearn.evaluation.ranking import LOST, with_lost
from keplearn.evaluation.statistics import summarize
from keplearn.orbits.elements import ELEMENT_NAMES

if TYPE_CHECKING:
    import pandas as pd
    import xarray

FLOORS = ("floor_mean", "floor_field")
SHORT_KEYS = ("mean", "field", "theta-deg", "radial%", "position%")
"""What a table for people shows unless more is asked for."""
_BESIDE = ("diverged", *LOST)
"""What stands beside a mean wherever it is not zero."""


def summary(evaluation: "xarray.Dataset") -> dict[str, Any]:
    """Sum up an evaluation over all samples of all orbits.

    Returns
    -------
    summary
        The keys of `keplearn.evaluation.statistics.KEYS` (SPEC 4), NaN where undefined; ``floor_mean`` and
        ``floor_field`` besides, where the truth's accelerations are finite differences.
    """
    result = dict[str, Any](summarize(samples_of(evaluation), int(evaluation["diverged"].sum())))
    return result | {key: float(evaluation.attrs[key]) for key in FLOORS if key in evaluation.attrs}


def orbit_table(evaluation: "xarray.Dataset") -> "pd.DataFrame":
    """One row an orbit: its name, elements (km, rad), number of samples, and the same keys as `summary`."""
    import pandas as pd

    samples = samples_of(evaluation)
    counts = np.isfinite(evaluation["time"].values).sum(axis=1)
    extra = [key for key in (*ELEMENT_NAMES, *FLOORS) if key in evaluation]
    rows = []
    for k, name in enumerate(evaluation["orbit"].values):
        scores = summarize({key: x[k] for key, x in samples.items()}, int(evaluation["diverged"][k]))
        facts = {key: float(evaluation[key][k]) for key in extra}
        rows.append({"orbit": str(name), "samples": int(counts[k]), **facts, **scores})
    front = ["orbit", *ELEMENT_NAMES, "samples", *KEYS]
    return pd.DataFrame(rows)[[*front, *(key for key in FLOORS if key in extra)]]


def score_table(scored: Iterable[tuple[Mapping[str, Any], str, Mapping[str, Any]]]) -> "pd.DataFrame":
    """One row a run and dataset: columns that describe the run (with ``run_id``), ``dataset``, and a `summary`."""
    import pandas as pd

    return pd.DataFrame([{**about, "dataset": dataset, **summed} for about, dataset, summed in scored])


def dataset_labels(datasets: Mapping[str, OrbitDataset]) -> dict[str, str]:
    """Return what datasets are called in a table, by the names or files that they were asked for by.

    Their own names; where two of one name hold different orbits, also their files, and the beginning of their
    content's hash where those are called alike too.
    """

    def apart(texts: dict[str, str], more: Callable[[str, OrbitDataset], str]) -> dict[str, str]:
        content = {asked: datasets[asked].content_hash for asked in texts}
        alike = {
            text for text in texts.values() if len({content[k] for k, x in texts.items() if x == text}) > 1
        }
        return {k: f"{x} ({more(k, datasets[k])})" if x in alike else x for k, x in texts.items()}

    named = {asked: data.name for asked, data in datasets.items()}
    filed = apart(named, lambda asked, data: Path(asked).name)
    return apart(filed, lambda asked, data: data.content_hash[:8])


def wide(table: "pd.DataFrame", columns: Sequence[str] = ()) -> "pd.DataFrame":
    """Runs down, datasets across: ``mean`` and ``field`` of each, the floors where there are any.

    ``diverged`` and the numbers of lost samples stand beside where they are not zero in some run. ``columns``
    names the table's columns that describe a run, shown in front. A run that was not scored on a dataset has NaN
    there.
    """
    result = table[["run_id", *columns]].drop_duplicates("run_id").reset_index(drop=True)
    for name in dict.fromkeys(table["dataset"]):
        rows = table[table["dataset"] == name].drop_duplicates("run_id").set_index("run_id")
        for key in (*SHORT_KEYS[:2], *_BESIDE, *FLOORS):
            optional = key not in SHORT_KEYS
            if optional and (key not in rows or not rows[key].fillna(0.0).any()):
                continue
            result[f"{key} {name}"] = result["run_id"].map(rows[key])
    return result


def short(table: "pd.DataFrame") -> "pd.DataFrame":
    """A `score_table` with the metrics in `SHORT_KEYS`, the floors, and what is lost where that is not zero."""
    hidden = {key for key in KEYS if key not in SHORT_KEYS}
    hidden -= {key for key in _BESIDE if table[key].any()}
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


def samples_of(evaluation: "xarray.Dataset") -> dict[str, np.ndarray]:
    """The per-sample variables that summaries are made of, lost samples infinite and padding NaN."""
    truth = true_samples(evaluation)
    found = {key: with_lost(evaluation[key].values, truth) for key in MEANS.values() if key in evaluation}
    return found | {key: evaluation[key].values for key in ("magnitude",) if key in evaluation}


def true_samples(evaluation: "xarray.Dataset") -> np.ndarray:
    """An array (orbit, sample) that is finite where there is a true sample to compare with."""
    return np.abs(evaluation["acceleration"].values).sum(axis=-1)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if np.isfinite(value) else "-"
    return "-" if value is None else str(value)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
