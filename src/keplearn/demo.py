"""The demo: three recipes trained on ten orbits, scored on unseen ones and on real satellites, and drawn."""

from collections.abc import Callable, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING

from keplearn.config import RunConfig, load_config
from keplearn.data.dataset import load_dataset
from keplearn.data.satellites import satellites_dataset
from keplearn.evaluation.ranking import lost_text
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import score_table, summary
from keplearn.figures.errors import acceleration, orbit_errors
from keplearn.figures.orbits import orbit
from keplearn.figures.style import save_figure
from keplearn.figures.training import loss
from keplearn.runs.store import Run

if TYPE_CHECKING:
    import pandas as pd

CONFIG = Path(__file__).with_name("demo.yaml")
DRAWN = "complex_TBP_planar_100_test"


def demo_configs() -> list[RunConfig]:
    """Return the demo's three runs."""
    return load_config(CONFIG)


def recipe(run: Run) -> str:
    """Name a run by its letter, that of its place in the demo, and its layers."""
    p = run.config.parameters
    letter = dict(zip((config.run_id for config in demo_configs()), "abc", strict=True)).get(run.run_id, "-")
    return f"({letter}) {p.feature_layer} + {p.output_layer}"


def score_demo(runs: Sequence[Run], say: Callable[[str], None]) -> "pd.DataFrame":
    """Score the runs on their test datasets and on the real satellites: one row a run and dataset."""
    satellites, left_out = satellites_dataset()
    dropped = sum(len(names) for names in left_out.values())
    say(f"real satellites: {len(satellites)} orbits from two-line elements ({dropped} entries left out)")
    rows = []
    for run in runs:
        model = run.model()
        about = {"run_id": run.run_id, "recipe": recipe(run)}
        for dataset in (*map(load_dataset, run.config.test), satellites):
            rows.append((about, dataset.name, summary(keep_evaluation(run.path, model, dataset))))
    return score_table(rows)


def demo_table(scores: "pd.DataFrame") -> tuple[list[str], list[list[str]]]:
    """Titles and rows for people: datasets down, recipes across, the law's floor where there is one."""
    recipes = list(dict.fromkeys(scores["recipe"]))
    keys = [(text, key) for text in recipes for key in ("mean", "field")]
    rows = []
    for name in dict.fromkeys(scores["dataset"]):
        here = scores[scores["dataset"] == name].set_index("recipe").to_dict("index")
        cells = [_percent(here[text][key]) for text, key in keys]
        for k, (text, key) in enumerate(keys):
            if key == "mean" and here[text]["diverged"]:
                cells[k] += f" ({here[text]['diverged']} diverged)"
            elif lost := lost_text(here[text], key):
                cells[k] += f" ({lost})"
        rows.append([name, *cells])
        if isfinite(here[recipes[0]].get("floor_mean", nan)):
            rows.append(
                ["  the two-body law itself", *(_percent(here[t][f"floor_{key}"]) for t, key in keys)]
            )
    return ["", *(f"{text[:3]} {key}" for text, key in keys)], rows


def _percent(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def draw_demo(runs: Sequence[Run]) -> list[Path]:
    """Draw each run's losses, one orbit and its errors, and all runs' errors by orbit; return the files."""
    files, evaluations = [], {}
    dataset = load_dataset(DRAWN)
    for run in runs:
        label = recipe(run)
        evaluation = evaluations[label] = keep_evaluation(run.path, run.model(), dataset)
        figures = {
            "loss": loss(run.metrics(), title=label, phases=run.config.parameters.optimizer),
            "orbit": orbit(evaluation, title=label),
            "acceleration": acceleration(evaluation, title=label),
        }
        for name, figure in figures.items():
            files.append(run.path / "figures" / f"{name}.png")
            save_figure(figure, files[-1])
    files.append(runs[0].path.parent / "orbit_errors.png")
    save_figure(orbit_errors(evaluations), files[-1])
    return files
