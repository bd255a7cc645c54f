"""The demo: three recipes, each on three draws of ten orbits, scored on unseen ones and real satellites, and drawn."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keplearn.config import RunConfig, load_config
from keplearn.data.dataset import load_dataset
from keplearn.data.names import Draw, parse_name
from keplearn.data.satellites import satellites_dataset
from keplearn.evaluation.ranking import lost_text
from keplearn.evaluation.table import score_table
from keplearn.figures import acceleration, errors, loss, orbit, save_figure
from keplearn.groups.scoring import evaluate_runs, score_runs
from keplearn.runs.store import Run

if TYPE_CHECKING:
    import pandas as pd

CONFIG = Path(__file__).with_name("demo.yaml")
TITLE = "Acceleration error in % on orbits not trained on: mean along the propagated path, field at the true states."
DRAWN = "complex_TBP_planar_100_test"
"""The test dataset of the figures."""
TYPICAL = "complex_TBP_planar_10@1_train"
"""The training set of the figures: its largest eccentricity, 0.70, is that of the median draw of ten orbits."""


def demo_configs() -> list[RunConfig]:
    """Return the demo's nine runs, recipe by recipe."""
    return load_config(CONFIG)


def recipe(run: Run) -> str:
    """Name a run by its letter, that of its recipe's place in the demo, and its layers."""
    layers = list(dict.fromkeys(map(_layers, demo_configs())))
    return f"({'abc'[layers.index(_layers(run.config))]}) {_layers(run.config)}"


def _layers(config: RunConfig) -> str:
    return f"{config.parameters.feature_layer} + {config.parameters.output_layer}"


def training_set(name: str) -> str:
    """Say which draw a training set is, and how far from round its orbits are."""
    largest = load_dataset(name).elements[:, 1].max()
    draws = [term.draw for term in parse_name(name).terms if isinstance(term, Draw)]
    return f"draw {', '.join(map(str, draws))}, e up to {largest:.2f}"


def score_demo(runs: Sequence[Run], say: Callable[[str], None]) -> "pd.DataFrame":
    """Score the runs on their test datasets and on the real satellites: one row a run and dataset."""
    satellites, left_out = satellites_dataset()
    dropped = sum(len(names) for names in left_out.values())
    say(f"real satellites: {len(satellites)} orbits from two-line elements ({dropped} entries left out)")
    every = dict.fromkeys(name for run in runs for name in run.config.test)
    datasets = {name: load_dataset(name) for name in every} | {satellites.name: satellites}
    rows = []
    for run, scores in score_runs(runs, datasets, lambda run: (*run.config.test, satellites.name)):
        about = {
            "run_id": run.run_id,
            "recipe": recipe(run),
            "trained_on": training_set(run.config.dataset_name),
        }
        rows += [(about, datasets[name].name, found.summary) for name, found in scores.items()]
    return score_table(rows)


def demo_table(scores: "pd.DataFrame") -> tuple[list[str], list[list[str]]]:
    """Titles and rows for people: training sets by test set down, recipes across, the law's floor if there is one."""
    keys = [(text, key) for text in sorted(set(scores["recipe"])) for key in ("mean", "field")]
    rows = []
    for name in dict.fromkeys(scores["dataset"]):
        here = scores[scores["dataset"] == name]
        rows.append([name, *("" for _ in keys)])
        for trained_on in sorted(set(here["trained_on"])):
            by_recipe = here[here["trained_on"] == trained_on].set_index("recipe").to_dict("index")
            rows.append([f"  {trained_on}", *(_cell(by_recipe.get(text), key) for text, key in keys)])
        floor = here.iloc[0].to_dict()
        if isfinite(floor.get("floor_mean", nan)):
            rows.append(["  the two-body law itself", *(_percent(floor[f"floor_{key}"]) for _, key in keys)])
    return ["", *(f"{text[:3]} {key}" for text, key in keys)], rows


def _cell(scores: Mapping[Hashable, Any] | None, key: str) -> str:
    """An error, with the number of diverged orbits or lost samples; ``-`` for a run that failed."""
    if scores is None:
        return "-"
    if key == "mean" and scores["diverged"]:
        return f"{_percent(scores[key])} ({scores['diverged']} diverged)"
    lost = lost_text({str(name): value for name, value in scores.items()}, key)
    return f"{_percent(scores[key])} ({lost})" if lost else _percent(scores[key])


def _percent(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def draw_demo(runs: Sequence[Run]) -> list[Path]:
    """Draw losses, one orbit and its errors of the runs on one training set, and their errors by orbit.

    Returns
    -------
    files
        The figures. The training set is `TYPICAL`, or the first run's where no run on that one is given.
    """
    files, evaluations = [], {}
    dataset = load_dataset(DRAWN)
    trained_on = {run.config.dataset_name: None for run in runs}
    shown = TYPICAL if TYPICAL in trained_on else next(iter(trained_on))
    drawn = [run for run in runs if run.config.dataset_name == shown]
    for run, evaluation in evaluate_runs(drawn, dataset):
        label = recipe(run)
        evaluations[label] = evaluation
        figures = {
            "loss": loss(run.metrics(), title=label, phases=run.config.parameters.optimizer),
            "orbit": orbit(evaluation, title=label),
            "acceleration": acceleration(evaluation, title=label),
        }
        for name, figure in figures.items():
            files.append(run.path / "figures" / f"{name}.png")
            save_figure(figure, files[-1])
    files.append(runs[0].path.parent / "orbit_errors.png")
    save_figure(errors(evaluations, title=f"trained on {shown}, tested on {DRAWN}"), files[-1])
    return files
