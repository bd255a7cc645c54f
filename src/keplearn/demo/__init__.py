"""The demo: a ladder of recipes on three draws of ten orbits, scored on unseen ones and real satellites, and drawn."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keplearn.config import RunConfig, load_config
from keplearn.data.dataset import load_dataset
from keplearn.data.names import Draw, parse_name
from keplearn.data.satellites import satellites_dataset
from keplearn.evaluation.ranking import lost_in, order
from keplearn.evaluation.table import score_table
from keplearn.figures import acceleration, distance, errors, loss, orbit, save_figure
from keplearn.groups.scoring import evaluate_runs, score_runs
from keplearn.runs.store import Run

if TYPE_CHECKING:
    import pandas as pd

CONFIG = Path(__file__).with_name("demo.yaml")
TITLE = "Acceleration error in % on orbits not trained on: median of the draws (least to greatest)."
COLUMNS = {
    "field-near": "near",
    "field-far": "far",
    "field": "field",
    "mean": "mean",
}
"""What metrics are called in the tables."""
LEGEND = (
    "near, far: at true states near the training states, far from them; field: at all; "
    "mean: along the propagated path"
)
RECIPES = ("earlier studies", "neutral", "conference", "skip", "central")
"""What the recipes of demo.yaml are called, in their order; but for the first as ``keplearn recipe`` has them."""
DRAWN = "complex_TBP_planar_100_test"
"""The test dataset of the figures."""
TYPICAL = "complex_TBP_planar_10@1_train"
"""The training set of the figures: its largest eccentricity, 0.70, is that of the median draw of ten orbits."""


def demo_configs() -> list[RunConfig]:
    """Return the demo's runs, recipe by recipe."""
    return load_config(CONFIG)


def recipe(run: Run) -> str:
    """Name a run by the letter and the name of its recipe."""
    every = list(dict.fromkeys(config.parameters for config in demo_configs()))
    place = every.index(run.config.parameters)
    return f"({'abcde'[place]}) {RECIPES[place]}"


def layers(run: Run) -> str:
    """Say what goes into the network of a run, and what comes out."""
    p = run.config.parameters
    return f"{p.feature_layer} + {p.output_layer}" + (" with a linear path" if p.skip else "")


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


def demo_lines(scores: "pd.DataFrame", runs: Sequence[Run]) -> list[str]:
    """Return what stands above the demo's tables: what recipes, draws and columns are."""
    recipes = {recipe(run): layers(run) for run in runs}
    told = [f"{text}: {recipes[text]}" for text in sorted(recipes)]
    draws = f"trained on {'; '.join(sorted(set(scores['trained_on'])))}"
    return [TITLE, *(f"  {text}" for text in (*told, draws, LEGEND))]


def demo_tables(scores: "pd.DataFrame") -> list[tuple[list[str], list[list[str]]]]:
    """Return titles and rows for people: a table a test set, a row a recipe, below them the law's floor if any."""
    tables = []
    for name in dict.fromkeys(scores["dataset"]):
        here = scores[scores["dataset"] == name]
        floor = here.iloc[0].to_dict()
        measured = isfinite(floor.get("floor_mean", nan))
        # No state of a satellite is near: they do not stay in a plane.
        keys = ["field", "mean"] if measured else ["field-near", "field-far", "mean"]
        rows = []
        for text in sorted(set(here["recipe"])):
            records = here[here["recipe"] == text].to_dict("records")
            found = [{str(key): value for key, value in record.items()} for record in records]
            rows.append([text, *(_cell(found, key) for key in keys)])
        if measured:
            rows.append(["the two-body law itself", *(_percent(floor[f"floor_{key}"]) for key in keys)])
        tables.append(([name, *(COLUMNS[key] for key in keys)], rows))
    return tables


def _cell(found: Sequence[Mapping[str, Any]], key: str) -> str:
    """Return the median over draws, the range, and the orbits that diverged or the samples that were lost."""
    ranked = sorted(found, key=lambda scores: order(scores, key))
    low, middle, high = (_percent(ranked[k][key]) for k in (0, len(ranked) // 2, -1))
    counts, what = [lost_in(scores, key) for scores in found], "samples lost"
    if key == "mean":
        counts, what = [int(scores["diverged"]) for scores in found], "orbits diverged"
    beside = [f"{low} to {high}"] * (len(ranked) > 1) + [f"{sum(counts)} {what}"] * any(counts)
    return f"{middle} ({'; '.join(beside)})" if beside else middle


def _percent(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def draw_demo(runs: Sequence[Run]) -> list[Path]:
    """Draw losses, one orbit and its errors of the runs on one training set; errors by orbit and by state distance.

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
    title = f"trained on {shown}, tested on {DRAWN}"
    for name, drawn_of in (("orbit_errors", errors), ("state_distance", distance)):
        files.append(runs[0].path.parent / f"{name}.png")
        save_figure(drawn_of(evaluations, title=title), files[-1])
    return files
