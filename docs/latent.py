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
HALF_MISSING = (
    f"data.dataset_name={NOISY}_train",
    f"data.test=[{NOISY}_test]",
    "parameters.segment_length_strategy=[[10,10,180]]",
)
"""Of the samples half are missing: a whole orbit has 180."""


@block("docs/latent_ode.md", factor=10.0)
def latent(runs: Path) -> str:
    """A latent ODE and a neural ODE trained for as long, on clean orbits and with noise and gaps; three seeds each."""
    keys = ("forecast", "forecast-median", "forecast-end", "field", "coverage90")
    rows, floors = [], []
    for what, test, changes in (("clean", TEST, ()), ("noise and gaps", f"{NOISY}_test", HALF_MISSING)):
        found = trained(HOME / "configs" / "latent_ode.yaml", runs, [SEEDS, *changes])
        scores = [score(run, on=test) for run in found]
        floors.append(scores[0])
        rows.append([f"latent ODE, {what}", _minutes(found), *(middle(scores, key) for key in keys)])
        found = trained(HOME / "configs" / "latent_baseline.yaml", runs, [SEEDS, *changes[:2]])
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
            for what, scores in zip(("clean", "noise and gaps"), floors, strict=True)
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
