"""The runs of a group as one table: parameters, state and scores, a row a run; what group figures and pages draw."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from keplearn.config import RunConfig
from keplearn.core.errors import KeplearnError, nearest
from keplearn.evaluation.metrics import METRICS
from keplearn.groups.difference import cell, varying
from keplearn.runs.store import Run

STATES = ("run_id", "state", "kind", "reason")
"""What a run's record tells of itself."""

SUMMED = (
    *("num_total_orbits", "num_train_orbits", "segment_ratio", "best_loss", "convergence_steps", "steps"),
    "steps_per_second",
)
"""What a run's summary adds to its parameters."""


def group_table(runs: Sequence[Run], dataset: str | None = None) -> pd.DataFrame:
    """One row a run: ``run_id``, ``state``, ``kind``, ``reason``, parameters, summary, metrics on one dataset.

    Parameters
    ----------
    runs
        Runs of one group.
    dataset
        The test dataset of the metrics; by default the first of the first run that has scores.

    Returns
    -------
    table
        Parameters (and ``dataset_name``) under their names: numbers as numbers, a value that changes over phases
        as text such as ``[4, 18]``. Metrics under their keys, NaN for a run without them, with the
        numbers of lost samples (`keplearn.evaluation.ranking` says where such a run stands). In ``attrs``:
        ``varying``, the names of the parameters that differ among the runs, ``metrics``, and ``dataset``.

    Raises
    ------
    KeplearnError
        If there is no run, or none was scored on the dataset.
    """
    if not runs:
        raise KeplearnError("There is nothing to draw: the group has no run.")
    known = dict.fromkeys(name for run in runs for name in run.record.get("scores") or {})
    if not known:
        raise KeplearnError(f"no run of the group has scores: keplearn evaluate {runs[0].group} makes them.")
    dataset = dataset or next(iter(known))
    if dataset not in known:
        close = nearest(str(dataset), known)
        raise KeplearnError(
            f"no run of the group was scored on {dataset}: they are scored on {', '.join(known)}.{close}"
        )
    configs = [run.config for run in runs]
    differing = {key.partition(".")[2]: values for key, values in varying_cells(configs).items()}
    rows = []
    for run, config in zip(runs, configs, strict=True):
        record = run.record
        scores = (record.get("scores") or {}).get(dataset) or {}
        row: dict[str, Any] = {key: record.get(key) for key in STATES}
        row |= parameter_cells(config)
        row |= summary_cells(record)
        row |= {key: _number(scores.get(key)) for key in METRICS}
        rows.append(row)
    table = pd.DataFrame(rows)
    for key in differing.keys() & set(table):
        table[key] = differing[key]
    table.attrs |= {
        "varying": list(differing),
        "metrics": list(METRICS),
        "dataset": dataset,
        "group": runs[0].group,
    }
    return table


def summary_cells(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run's record tells of its training, as it stands in the table; None for what it lacks."""
    summary = record.get("summary") or {}
    return {key: summary.get(key) for key in SUMMED} | {
        "seconds": (summary.get("seconds") or {}).get("total")
    }


def varying_cells(configs: Sequence[RunConfig]) -> dict[str, list[Any]]:
    """Return the parameters that differ among runs by dotted key, and of each run the value as it stands in the table.

    A value that is the same in all phases is that one value, unless the runs have different numbers of them.
    """
    found = {}
    for key, values in varying(configs).items():
        lengths = {len(value) for value in values if isinstance(value, list)}
        found[key] = [
            cell(value) if isinstance(value, list) and len(value) > 1 and len(lengths) > 1 else _plain(value)
            for value in values
        ]
    return found


def parameter_cells(config: RunConfig) -> dict[str, object]:
    """The training dataset and the parameters of a run, as they stand in the table."""
    parameters = config.to_dict()["parameters"]
    data = {"dataset_name": config.dataset_name, "validation": config.validation}
    return data | {key: _plain(value) for key, value in parameters.items()}


def _plain(value: object) -> object:
    """A value as a cell: lists of one entry without their list, other lists as text."""
    while isinstance(value, list) and len({cell(entry) for entry in value}) == 1:
        value = value[0]
    return cell(value) if isinstance(value, list) else value


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)
