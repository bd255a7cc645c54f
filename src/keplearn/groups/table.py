"""The runs of a group as one table: parameters, state and scores, a row a run; what group figures and pages draw."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from keplearn.config import RunConfig
from keplearn.core.errors import KeplearnError
from keplearn.evaluation.metrics import METRICS
from keplearn.groups.difference import cell, varying
from keplearn.groups.facts import Facts, as_cell, groups_text, run_names, tests_text
from keplearn.groups.scoring import Track, say_skipped, segments_of, summaries
from keplearn.runs.store import Run

STATES = ("run_id", "state", "kind", "reason")
"""What a run's record tells of itself."""

SUMMED = (
    *("num_total_orbits", "num_train_orbits", "segment_ratio", "best_loss", "convergence_steps", "steps"),
    "steps_per_second",
)
"""What a run's summary adds to its parameters."""


def group_table(
    runs: Sequence[Run],
    dataset: str | Sequence[str] | None = None,
    facts: Iterable[str] = (),
    *,
    segments: int | None = None,
    say: Callable[[str], object] = lambda text: None,
    track: Track = iter,
) -> pd.DataFrame:
    """One row a run: ``run_id``, ``state``, ``kind``, ``reason``, parameters, summary, metrics on a test dataset.

    Of several test datasets one row a run and dataset, called ``test``.

    Parameters
    ----------
    runs
        The runs, of one group or of several.
    dataset
        The test dataset of the metrics, or several; by default the first of the first run that has scores. Finished
        runs that were not scored on one are scored now.
    facts
        Names that are columns too where they are facts (`keplearn.groups.facts`), such as ``dataset.family``.
    segments
        Samples from one restart to the next, 0 for whole orbits; by default as the runs were scored.
    say
        Is told of runs that cannot be scored.
    track
        Goes through the blocks of runs that are scored.

    Returns
    -------
    table
        ``name``, what figures call a run, ``group``, ``test``, the dataset of the metrics, parameters (and
        ``dataset_name``) under their names: numbers as numbers, a value that changes over phases as text such as
        ``[4, 18]``. Metrics under their keys, NaN for a run without them, with the numbers of lost samples
        (`keplearn.evaluation.ranking` says where such a run stands). In ``attrs``: ``varying``, the names of the
        parameters that differ among the runs, and ``test`` if there are several, ``metrics``, ``tests``, ``dataset``
        (the one, or how many), ``segments``, ``group``, and ``facts``, all names that might have been asked for, in
        one text.

    Raises
    ------
    KeplearnError
        If there is no run, no dataset to score them on, or they were scored differently and it is not said how.
    """
    if not runs:
        raise KeplearnError("There is nothing to draw: the group has no run.")
    over = segments_of(runs, segments)
    known = dict.fromkeys(name for run in runs for name in run.record.get("scores") or {})
    asked = [dataset] if isinstance(dataset, str) else list(dict.fromkeys(dataset or ()))
    tests = asked or list(known)[:1]
    if not tests:
        raise KeplearnError(
            "none of the runs has scores: name a test dataset with --on, and those that finished are scored."
        )
    scored = summaries(runs, tests, over, skipped=say_skipped(say), track=track)
    configs = [run.config for run in runs]
    differing = {key.partition(".")[2]: values for key, values in varying_cells(configs).items()}
    differing.pop("test", None)  # lists of what runs were scored on: here it is one
    own = [_of_run(*one) for one in zip(runs, configs, run_names(runs), strict=True)]
    table = pd.DataFrame(
        [
            row
            | {"test": test}
            | {key: _number((scored[run.path].get(test) or {}).get(key)) for key in METRICS}
            for test in tests
            for run, row in zip(runs, own, strict=True)
        ]
    )
    for key in differing.keys() & set(table):
        table[key] = differing[key] * len(tests)
    if missing := [name for name in facts if name not in table]:
        facts_on = [Facts(runs, test) for test in tests]
        for name in filter(facts_on[0].find, missing):
            table[name] = [cell for known_facts in facts_on for cell in known_facts.cells(name)]
        # One text: attributes are copied with every part of a table.
        table.attrs["facts"] = " ".join(facts_on[0].spellings())
    table.attrs |= {
        "varying": [*differing, *["test"] * (len(tests) > 1)],
        "metrics": list(METRICS),
        "tests": tests,
        "dataset": tests_text(tests),
        "segments": over or 0,
        "group": groups_text(runs),
    }
    return table


def _of_run(run: Run, config: RunConfig, name: str) -> dict[str, Any]:
    """Return what a row says of a run, its scores aside."""
    row: dict[str, Any] = {key: run.record.get(key) for key in STATES} | {"name": name, "group": run.group}
    return row | parameter_cells(config) | summary_cells(run.record)


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
            cell(value) if isinstance(value, list) and len(value) > 1 and len(lengths) > 1 else as_cell(value)
            for value in values
        ]
    return found


def parameter_cells(config: RunConfig) -> dict[str, object]:
    """The training dataset and the parameters of a run, as they stand in the table."""
    parameters = config.to_dict()["parameters"]
    cells: dict[str, object] = {"dataset_name": config.dataset_name, "validation": config.validation}
    return cells | {key: as_cell(value) for key, value in parameters.items()}


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)
