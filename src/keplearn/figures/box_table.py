"""The errors of a group's runs by orbit or by sample, as one long table: what boxes are drawn from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray
from jaxtyping import Float64

from keplearn.data.dataset import load_dataset
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.errors import KeplearnError, nearest
from keplearn.evaluation.group_table import parameter_cells
from keplearn.evaluation.statistics import KEYS, MEANS, summarize
from keplearn.evaluation.store import keep_evaluations
from keplearn.figures.labels import (
    level_text,
    levels,
    unit_of,
)
from keplearn.models.neural_ode import NeuralODE
from keplearn.runs.store import Run


def box_table(
    runs: Sequence[Run],
    dataset: OrbitDataset | str,
    by: Sequence[str],
    per: Literal["orbit", "sample"] = "orbit",
    metric: str = "mean",
    say: Callable[[str], object] = lambda text: None,
) -> pd.DataFrame:
    """Read the kept evaluations of a group's finished runs as one long table; what is not kept yet is evaluated.

    Parameters
    ----------
    runs
        Runs of one group; those that have not finished are left out and counted.
    dataset
        The test orbits, or their name.
    by
        The parameters that make a box: runs that differ in others alone, such as seeds, are pooled.
    per
        ``orbit``: a row an orbit; ``sample``: a row a sample.
    metric
        A key of SPEC 4 other than ``diverged``; by sample one that is a mean over samples.
    say
        Is told of runs whose model is damaged, which are left out.

    Returns
    -------
    table
        One row an orbit or sample: ``run_id``, ``label`` (the values of ``by``), ``orbit`` (its name), ``value``
        in the metric's unit, and the parameters of ``by``. The value of an orbit whose propagation diverged is
        infinite. In ``attrs``: ``unit``, ``metric``, ``by``, ``per``, ``dataset``, ``group`` and ``left_out``.

    Raises
    ------
    KeplearnError
        If no run has finished, or there is no such parameter or metric.
    """
    known = {"orbit": [key for key in KEYS if key != "diverged"], "sample": list(MEANS)}
    if per not in known:
        raise KeplearnError(f"per is {per!r}, not orbit or sample.")
    if metric not in known[per]:
        close = nearest(metric, known[per])
        raise KeplearnError(f"no metric {metric!r} by {per}: there are {', '.join(known[per])}.{close}")
    models = _models(runs, say)
    finished = [run for run in runs if run.path in models]
    if not finished:
        raise KeplearnError(f"There is nothing to draw: none of {len(runs)} runs has finished.")
    if not by:
        raise KeplearnError("by names no parameter: there must be one or more that make a box.")
    orbits = load_dataset(dataset) if isinstance(dataset, str) else dataset
    cells: list[dict[str, Any]] = [parameter_cells(run.config) for run in finished]
    for name in by:
        if name not in cells[0]:
            raise KeplearnError(f"a run has no parameter {name!r}.{nearest(name, cells[0])}")
    evaluations = keep_evaluations([(run.path, models[run.path]) for run in finished], orbits)
    parts = []
    for run, cell, evaluation in zip(finished, cells, evaluations, strict=True):
        names, values = _by_sample(evaluation, metric) if per == "sample" else _by_orbit(evaluation, metric)
        part = pd.DataFrame({"run_id": run.run_id, "orbit": names, "value": values})
        part.insert(1, "label", ", ".join(level_text(cell[name]) for name in by))
        for name in by:
            part[name] = [cell[name]] * len(part)
        parts.append(part)
    # Boxes stand in the order of their parameters.
    orders = [levels(cell[name] for cell in cells) for name in by]
    keys = [tuple(order.index(cell[name]) for name, order in zip(by, orders, strict=True)) for cell in cells]
    table = pd.concat([parts[k] for k in sorted(range(len(parts)), key=keys.__getitem__)], ignore_index=True)
    table.attrs |= {
        "unit": unit_of(metric), "metric": metric, "by": list(by), "per": per, "dataset": orbits.name,
        "group": finished[0].group, "left_out": len(runs) - len(finished),
    }  # fmt: skip
    return table


def _models(runs: Sequence[Run], say: Callable[[str], object]) -> dict[Path, NeuralODE]:
    """Load the models of finished runs; a damaged one is said and left out."""
    models = {}
    for run in runs:
        try:
            if run.state == "finished":
                models[run.path] = run.model()
        except KeplearnError as error:
            say(f"skipped: {error}")
    return models


def _by_sample(evaluation: xarray.Dataset, metric: str) -> tuple[list[str], Float64[np.ndarray, "row"]]:
    """Return every sample that is not padding, and the name of its orbit."""
    values = evaluation[MEANS[metric]].to_numpy().astype(np.float64) * (100.0 if metric == "radial%" else 1.0)
    real = np.isfinite(evaluation["time"].to_numpy())
    names = np.repeat(evaluation["orbit"].to_numpy().astype(str), real.sum(axis=1))
    return names.tolist(), values[real]


def _by_orbit(evaluation: xarray.Dataset, metric: str) -> tuple[list[str], Float64[np.ndarray, "row"]]:
    """Return every orbit's name and value, infinite where it diverged."""
    values = np.full(evaluation.sizes["orbit"], np.inf)
    variables = [name for name in (*MEANS.values(), "magnitude") if name in evaluation]
    for k in range(len(values)):
        one = evaluation.isel(orbit=k)
        if not bool(one["diverged"]):
            real = np.isfinite(one["time"].to_numpy())
            samples = {name: one[name].to_numpy()[real].astype(np.float64) for name in variables}
            values[k] = summarize(samples, 0)[metric]
    return evaluation["orbit"].to_numpy().astype(str).tolist(), values
