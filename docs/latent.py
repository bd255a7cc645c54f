"""The block on latent ODEs: what they come to, beside a neural ODE trained for as long and the baselines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from blocks import HOME, block
from trainings import SEEDS, TEST, middle, score, short, table, trained

from keplearn.data.dataset import load_dataset
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import summary
from keplearn.runs.store import Run

NOISY = "complex_TBP_planar_missing50_noise1e-3_100"
CASES = (
    ("clean", "latent_ode", TEST, ()),
    (
        "noise and gaps",
        "latent_noisy",
        f"{NOISY}_test",
        (f"data.dataset_name={NOISY}_train", f"data.test=[{NOISY}_test]", "parameters.stride=1"),
    ),
)
"""What is observed, the study of the latent ODE, the test orbits, and what changes for the neural ODE."""


@block("docs/latent_ode.md", factor=10.0)
def latent(runs: Path) -> str:
    """A latent ODE and a neural ODE trained for as long, on clean orbits and with noise and gaps; three seeds each."""
    keys = ("forecast", "forecast-median", "forecast-end", "field", "coverage90")
    rows, floors = [], []
    for what, study, test, changes in CASES:
        found = trained(HOME / "configs" / f"{study}.yaml", runs, [SEEDS])
        scores = [score(run, on=test) for run in found]
        floors.append(scores[0])
        rows.append([f"latent ODE, {what}", _minutes(found), *(middle(scores, key) for key in keys)])
        found = trained(HOME / "configs" / "latent_baseline.yaml", runs, [SEEDS, *changes])
        scores = [_second_half(run, test) for run in found]
        cells = (middle(scores, key) for key in keys[:-1])
        rows.append([f"neural ODE from full states, {what}", _minutes(found), *cells, ""])
    for key, name in (
        ("forecast-line", "straight line"),
        ("forecast-osculating", "last osculating orbit"),
        ("forecast-kepler", "Kepler fit"),
    ):
        rows += [
            [f"{name}, {what}", "", short(scores[key]), *[""] * 4]
            for (what, *_), scores in zip(CASES, floors, strict=True)
        ]
    titles = [
        "",
        "training, minutes",
        "`forecast`, %",
        "median, %",
        "at the end, %",
        "`field`, %",
        "`coverage90`, %",
    ]
    return table(titles, rows)


def _minutes(runs: Sequence[Run]) -> str:
    """Return the minutes that a training took, compiling aside: the longest of some."""
    return short(max(run.record["summary"]["seconds"]["train"] for run in runs) / 60)


def _second_half(run: Run, on: str) -> dict[str, float]:
    """Return the scores of a neural ODE where a latent ODE forecasts: in the second half, from the true first state."""
    dataset = load_dataset(on)
    evaluation = keep_evaluation(run.path, run.model(), dataset)
    half = dataset.times.shape[1] // 2
    off = evaluation[METRICS["position%"].of].values[:, half:]
    known = np.where(np.isfinite(off), off, np.inf)
    found = {"forecast": off, "forecast-end": off[:, -1]}
    means = {key: float(np.nanmean(np.where(np.isfinite(x), x, np.nan))) for key, x in found.items()}
    whole = summary(evaluation)
    return means | {
        "forecast-median": float(np.median(known)),
        **{key: whole[key] for key in ("field", "diverged")},
    }
