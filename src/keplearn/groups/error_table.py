"""The errors of a group's runs by orbit, sample or run, as one long table: what boxes are drawn from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError, nearest
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.distance import REGIONS
from keplearn.evaluation.metrics import METRICS, measure_of, sampled
from keplearn.evaluation.metrics import keys as metric_keys
from keplearn.evaluation.ranking import drawn_value, lost_key
from keplearn.evaluation.table import samples_of
from keplearn.groups.facts import Facts, groups_text, run_names, tests_text
from keplearn.groups.legend import legend
from keplearn.groups.scoring import evaluate_runs, say_skipped, score_runs, summaries
from keplearn.groups.values import level_texts, levels
from keplearn.runs.store import Run

Per = Literal["orbit", "sample", "run"]
OF_ROWS = ("orbit", "test")
"""What may make a box besides the facts of runs."""


def error_table(
    runs: Sequence[Run],
    dataset: str | Sequence[str],
    by: Sequence[str],
    per: Per = "orbit",
    metric: str = "mean",
    say: Callable[[str], object] = lambda text: None,
    segments: int | None = None,
) -> pd.DataFrame:
    """Read the scores of a group's finished runs, by sample their evaluations, as one long table.

    What is not kept yet is evaluated.

    Parameters
    ----------
    runs
        Runs of one group; those that have not finished are left out and counted.
    dataset
        The name of a test dataset, or of several.
    by
        The parameters, or other facts of a run (`keplearn.groups.facts`), that make a box: runs that differ in others
        alone, such as seeds, are pooled. ``orbit`` and ``test`` make one for each orbit and test dataset.
    per
        ``orbit``: a row an orbit; ``sample``: a row a sample; ``run``: a row a run, with its score.
    metric
        The key of a metric other than the numbers of what is lost; by sample one that is computed by sample.
    say
        Is told of runs whose model is damaged, which are left out.
    segments
        Samples from one restart to the next; None for whole orbits.

    Returns
    -------
    table
        One row an orbit, sample or run: ``run_id``, ``run`` (what figures call it; where a row is a run, in what it
        differs from the others of its box), ``label`` (the values of ``by``), ``test`` and ``orbit`` (their names; no
        orbit where a row is a run), ``value`` in the metric's unit, infinite for a sample that is lost and an orbit or
        a run that lost samples, and the columns of ``by``. In ``attrs``: ``unit``, ``metric``, ``by``, ``per``,
        ``dataset`` (the one, or how many), ``group`` and ``left_out``.

    Raises
    ------
    KeplearnError
        If no run has finished, or there is no such parameter or metric.
    """
    known = {"orbit": metric_keys("wide", "short", "all"), "sample": sampled()}
    known["run"] = known["orbit"]
    if per not in known:
        raise KeplearnError(f"per is {per!r}, not {', '.join(known)}.")
    if metric not in known[per]:
        close = nearest(metric, known[per])
        raise KeplearnError(f"no metric {metric!r} by {per}: there are {', '.join(known[per])}.{close}")
    finished = [run for run in runs if run.state == "finished"]
    if not finished:
        raise KeplearnError(f"There is nothing to draw: none of {len(runs)} runs has finished.")
    if not by:
        raise KeplearnError("by names no parameter: there must be one or more that make a box.")
    if per == "run" and "orbit" in by:
        raise KeplearnError("a row a run is of all orbits: orbits make boxes of a row an orbit or a sample.")
    tests = [dataset] if isinstance(dataset, str) else list(dataset)
    facts = Facts(finished)
    columns = {name: facts.cells(name) for name in by if name not in OF_ROWS}  # a wrong name is told at once
    of_run = {run.path: {name: cells[k] for name, cells in columns.items()} for k, run in enumerate(finished)}
    read = {"orbit": _by_orbit, "sample": _by_sample, "run": _by_run}[per]
    found = [dict(read(finished, test, metric, say, segments)) for test in tests]
    scored = [run for run in finished if any(run.path in one for one in found)]
    if not scored:
        raise KeplearnError("There is nothing to draw: no run that has finished could be scored.")
    called = legend(scored, apart_from=by) if per == "run" else run_names(scored)
    table = _boxed(scored, called, tests, found, by, of_run)
    table.attrs |= {
        "unit": measure_of(metric).axis_unit, "metric": metric, "by": list(by), "per": per,
        "dataset": tests_text(tests), "segments": segments or 0,
        "group": groups_text(finished), "left_out": len(runs) - len(finished),
    }  # fmt: skip
    return table


_Named = tuple[list[str], Float64[np.ndarray, "row"]]
"""Names of orbits, and a value each."""


def _boxed(
    runs: Sequence[Run],
    called: Sequence[str],
    tests: Sequence[str],
    found: Sequence[Mapping[Path, _Named]],
    by: Sequence[str],
    of_run: Mapping[Path, Mapping[str, Any]],
) -> pd.DataFrame:
    """Return the table of what was ``found`` on each test dataset, box by box in the order of their parameters."""
    parts, boxes = [], []
    for test, values_of in zip(tests, found, strict=True):
        for run, name in zip(runs, called, strict=True):
            if run.path not in values_of:
                continue
            orbits, values = values_of[run.path]
            about = {"run_id": run.run_id, "run": name, "label": "", "test": test}
            whole = pd.DataFrame(about | {"orbit": orbits, "value": values})
            for orbit, part in whole.groupby("orbit", sort=False) if "orbit" in by else [("", whole)]:
                cell = {**of_run[run.path], "orbit": orbit, "test": test}
                parts.append(part)
                boxes.append(tuple(cell[name] for name in by))
    labels = _labels(boxes)
    parts = [
        part.assign(
            label=labels[box],
            **{name: [value] * len(part) for name, value in zip(by, box, strict=True)},
        )
        for part, box in zip(parts, boxes, strict=True)
    ]
    orders = [levels(values) for values in zip(*boxes, strict=True)]
    places = [[order.index(value) for value, order in zip(box, orders, strict=True)] for box in boxes]
    return pd.concat([parts[k] for k in sorted(range(len(parts)), key=places.__getitem__)], ignore_index=True)


def _labels(combinations: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], str]:
    """Name each combination of values."""
    names = [level_texts(values) for values in zip(*combinations, strict=True)]
    return {
        values: ", ".join(texts[value] for texts, value in zip(names, values, strict=True))
        for values in combinations
    }


Say = Callable[[str], object]


def _by_sample(
    runs: Sequence[Run], test: str, metric: str, say: Say, segments: int | None
) -> Iterator[tuple[Path, _Named]]:
    """Yield of each run every sample that is not padding, infinite where lost, and the name of its orbit."""
    dataset = load_dataset(test)
    for run, evaluation in evaluate_runs(runs, dataset, segments=segments, skipped=say_skipped(say)):
        values = samples_of(evaluation)[METRICS[metric].of] * METRICS[metric].factor
        real = ~np.isnan(values)
        yield run.path, (np.repeat(np.array(dataset.orbit_names), real.sum(axis=1)).tolist(), values[real])


def _by_orbit(
    runs: Sequence[Run], test: str, metric: str, say: Say, segments: int | None
) -> Iterator[tuple[Path, _Named]]:
    """Yield of each run every orbit's name and value, infinite where it lost samples."""
    dataset, lost = load_dataset(test), lost_key(metric)
    for run, found in score_runs(
        runs, {test: dataset}, lambda run: [test], segments=segments, skipped=say_skipped(say)
    ):
        for scores in found.values():
            values = scores.orbits[metric]
            values = np.where(scores.orbits[lost] > 0, np.inf, values) if lost else values
            # An orbit that never comes into a metric's region has nothing there, nor has it lost anything.
            there = ~np.isnan(values) if METRICS[metric].over in REGIONS else np.ones(len(dataset), bool)
            yield run.path, (np.array(dataset.orbit_names)[there].tolist(), values[there])


def _by_run(
    runs: Sequence[Run], test: str, metric: str, say: Say, segments: int | None
) -> Iterator[tuple[Path, _Named]]:
    """Yield of each run its own value, infinite where it lost samples, and no orbit's name."""
    for path, found in summaries(runs, [test], segments, skipped=say_skipped(say)).items():
        for scores in found.values():
            yield path, ([""], np.array([drawn_value(scores, metric)]))
