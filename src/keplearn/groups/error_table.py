"""The errors of a group's runs by orbit or by sample, as one long table: what boxes are drawn from."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError, nearest
from keplearn.data.dataset import load_dataset
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.metrics import METRICS, measure_of, sampled
from keplearn.evaluation.metrics import keys as metric_keys
from keplearn.evaluation.ranking import lost_key
from keplearn.evaluation.table import samples_of
from keplearn.groups.facts import Facts, groups_text, run_names
from keplearn.groups.scoring import evaluate_runs, say_skipped, score_runs
from keplearn.groups.values import level_texts, levels
from keplearn.runs.store import Run


def error_table(
    runs: Sequence[Run],
    dataset: OrbitDataset | str,
    by: Sequence[str],
    per: Literal["orbit", "sample"] = "orbit",
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
        The test orbits, or their name.
    by
        The parameters, or other facts of a run (`keplearn.groups.facts`), that make a box: runs that differ in others
        alone, such as seeds, are pooled.
    per
        ``orbit``: a row an orbit; ``sample``: a row a sample.
    metric
        The key of a metric other than the numbers of what is lost; by sample one that is computed by sample.
    say
        Is told of runs whose model is damaged, which are left out.
    segments
        Samples from one restart to the next; None for whole orbits.

    Returns
    -------
    table
        One row an orbit or sample: ``run_id``, ``run`` (what figures call it), ``label`` (the values of ``by``),
        ``orbit`` (its name), ``value`` in the metric's unit, infinite for a sample that is lost and an orbit that
        lost samples, and the columns of ``by``. In ``attrs``: ``unit``, ``metric``, ``by``, ``per``, ``dataset``,
        ``group`` and ``left_out``.

    Raises
    ------
    KeplearnError
        If no run has finished, or there is no such parameter or metric.
    """
    known = {"orbit": metric_keys("wide", "short", "all"), "sample": sampled()}
    if per not in known:
        raise KeplearnError(f"per is {per!r}, not orbit or sample.")
    if metric not in known[per]:
        close = nearest(metric, known[per])
        raise KeplearnError(f"no metric {metric!r} by {per}: there are {', '.join(known[per])}.{close}")
    finished = [run for run in runs if run.state == "finished"]
    if not finished:
        raise KeplearnError(f"There is nothing to draw: none of {len(runs)} runs has finished.")
    if not by:
        raise KeplearnError("by names no parameter: there must be one or more that make a box.")
    orbits = load_dataset(dataset) if isinstance(dataset, str) else dataset
    facts = Facts(finished)
    columns = [facts.cells(name) for name in by]  # a wrong name is told before anything is evaluated
    of_run = {
        run.path: dict(zip(by, values, strict=True))
        for run, values in zip(finished, zip(*columns, strict=True), strict=True)
    }
    found = dict((_by_sample if per == "sample" else _by_orbit)(finished, orbits, metric, say, segments))
    finished = [run for run in finished if run.path in found]
    if not finished:
        raise KeplearnError("There is nothing to draw: no run that has finished could be scored.")
    cells = [of_run[run.path] for run in finished]
    labels = _labels([tuple(cell[name] for name in by) for cell in cells])
    parts = []
    for run, cell, run_name in zip(finished, cells, run_names(finished), strict=True):
        names, values = found[run.path]
        part = pd.DataFrame({"run_id": run.run_id, "run": run_name, "orbit": names, "value": values})
        part.insert(2, "label", labels[tuple(cell[name] for name in by)])
        for name in by:
            part[name] = [cell[name]] * len(part)
        parts.append(part)
    # Boxes stand in the order of their parameters.
    orders = [levels(cell[name] for cell in cells) for name in by]
    keys = [tuple(order.index(cell[name]) for name, order in zip(by, orders, strict=True)) for cell in cells]
    table = pd.concat([parts[k] for k in sorted(range(len(parts)), key=keys.__getitem__)], ignore_index=True)
    table.attrs |= {
        "unit": measure_of(metric).axis_unit, "metric": metric, "by": list(by), "per": per, "dataset": orbits.name,
        "segments": segments or 0,
        "group": groups_text(finished), "left_out": len(runs) - len(finished),
    }  # fmt: skip
    return table


def _labels(combinations: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], str]:
    """Name each combination of values."""
    names = [level_texts(values) for values in zip(*combinations, strict=True)]
    return {
        values: ", ".join(texts[value] for texts, value in zip(names, values, strict=True))
        for values in combinations
    }


_Named = tuple[list[str], Float64[np.ndarray, "row"]]
"""Names of orbits, and a value each."""


def _by_sample(
    runs: Sequence[Run],
    dataset: OrbitDataset,
    metric: str,
    say: Callable[[str], object],
    segments: int | None,
) -> Iterator[tuple[Path, _Named]]:
    """Yield of each run every sample that is not padding, infinite where lost, and the name of its orbit."""
    for run, evaluation in evaluate_runs(runs, dataset, segments=segments, skipped=say_skipped(say)):
        values = samples_of(evaluation)[METRICS[metric].of] * METRICS[metric].factor
        real = ~np.isnan(values)
        yield run.path, (np.repeat(np.array(dataset.orbit_names), real.sum(axis=1)).tolist(), values[real])


def _by_orbit(
    runs: Sequence[Run],
    dataset: OrbitDataset,
    metric: str,
    say: Callable[[str], object],
    segments: int | None,
) -> Iterator[tuple[Path, _Named]]:
    """Yield of each run every orbit's name and value, infinite where it lost samples."""
    lost = lost_key(metric)
    for run, found in score_runs(
        runs,
        {dataset.name: dataset},
        lambda run: [dataset.name],
        segments=segments,
        skipped=say_skipped(say),
    ):
        for scores in found.values():
            values = scores.orbits[metric]
            values = np.where(scores.orbits[lost] > 0, np.inf, values) if lost else values
            yield run.path, (list(dataset.orbit_names), values)
