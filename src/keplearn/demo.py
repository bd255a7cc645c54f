"""The demo: three recipes trained on ten orbits, scored on unseen ones and on real satellites, and drawn."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keplearn.config import RunConfig, load_config
from keplearn.data.dataset import load_dataset
from keplearn.data.satellites import satellites_dataset
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import score_table
from keplearn.figures.errors import acceleration, orbit_errors
from keplearn.figures.orbits import orbit
from keplearn.figures.style import save_figure
from keplearn.figures.training import loss
from keplearn.runs.store import Run

if TYPE_CHECKING:
    import pandas as pd

CONFIG = Path(__file__).with_name("demo.yaml")
DRAWN = "complex_TBP_planar_10_test"


def demo_configs() -> list[RunConfig]:
    """Return the demo's three runs."""
    return load_config(CONFIG)


def score_demo(runs: Sequence[Run], say: Callable[[str], None]) -> "pd.DataFrame":
    """Score the runs on their test datasets and on the real satellites: one row a run and dataset."""
    satellites, left_out = satellites_dataset()
    dropped = sum(len(names) for names in left_out.values())
    say(f"real satellites: {len(satellites)} orbits from two-line elements ({dropped} entries left out)")
    rows = []
    for letter, run in zip("abc", runs, strict=False):
        model, p = run.model(), run.config.parameters
        about = {"run_id": run.run_id, "recipe": f"({letter}) {p.feature_layer} + {p.output_layer}"}
        for dataset in (*map(load_dataset, run.config.test), satellites):
            rows.append((about, keep_evaluation(run.path, model, dataset)))
    return score_table(rows)


def draw_demo(runs: Sequence[Run]) -> list[Path]:
    """Draw each run's losses, one orbit and its errors, and all runs' errors by orbit; return the files."""
    files, evaluations = [], {}
    dataset = load_dataset(DRAWN)
    for letter, run in zip("abc", runs, strict=False):
        p = run.config.parameters
        label = f"({letter}) {p.feature_layer} + {p.output_layer}"
        evaluation = evaluations[label] = keep_evaluation(run.path, run.model(), dataset)
        labels = [
            f"{o}, segments of {n}" for o, n in zip(p.optimizer, p.segment_length_strategy, strict=True)
        ]
        figures = {
            "loss": loss(run.metrics(), title=label, phases=labels),
            "orbit": orbit(evaluation, title=label),
            "acceleration": acceleration(evaluation, title=label),
        }
        for name, figure in figures.items():
            files.append(run.path / "figures" / f"{name}.png")
            save_figure(figure, files[-1])
    files.append(runs[0].path.parent / "orbit_errors.png")
    save_figure(orbit_errors(evaluations), files[-1])
    return files
