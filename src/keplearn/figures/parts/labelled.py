"""Evaluations of several runs by what a legend calls them: what figures of runs on a dataset are drawn of."""

from collections.abc import Sequence

import xarray

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.metrics import find_metric, sampled
from keplearn.groups.facts import run_names
from keplearn.groups.legend import legend
from keplearn.groups.scoring import evaluate_runs
from keplearn.runs.store import Run


def labelled_evaluations(
    runs: Sequence[Run], dataset: OrbitDataset, quantity: str, model: str, segments: int | None
) -> dict[str, xarray.Dataset]:
    """Return the evaluations of runs on a dataset by what the legend calls them."""
    find_metric(quantity, sampled(), "--metric")
    names = run_names(runs)
    labels = {
        run: _label(run, name) if text == name else text
        for run, name, text in zip(runs, names, legend(runs), strict=True)
    }
    return {labels[run]: found for run, found in evaluate_runs(runs, dataset, which=model, segments=segments)}


def _label(run: Run, name: str) -> str:
    """Return what the legend calls a run that its name alone tells apart: its label, or its id's digits and layers."""
    p = run.config.parameters
    return name if run.label else f"{name}: {p.feature_layer} + {p.output_layer}"
