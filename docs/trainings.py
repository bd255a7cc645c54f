"""What the blocks of the documents have in common: trained studies, scores, and medians as text."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keplearn.config import load_config
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.ranking import drawn_value, order
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import summary
from keplearn.runs.find import find_runs
from keplearn.runs.store import Run

TEST = "complex_TBP_planar_100_test"
FRESH = "complex_TBP_planar_100@1_test"
SEEDS = "parameters.seed=[0,1,2]"
DRAWS = [f"complex_TBP_planar_10{suffix}_train" for suffix in ("", "@1", "@2", "@3", "@4")]


def trained(study: Path, runs: Path, changes: Sequence[str] = ()) -> list[Run]:
    """Train what is missing of a study by a sweep, and return its runs in the order of the file.

    ``changes``: "key=value" for entries of the file.
    """
    command = [sys.executable, "-m", "keplearn", "sweep", str(study), "--runs", str(runs)]
    subprocess.run([*command, *(word for change in changes for word in ("--set", change))], check=True)
    configs = load_config(study, changes)
    found = {run.run_id: run for run in find_runs(runs, configs[0].group, "finished")}
    return [found[config.run_id] for config in configs]


def score(run: Run, which: str = "best", segments: int | None = None, on: str = TEST) -> dict[str, float]:
    """Return the scores of a run's model on the hundred unseen orbits, or on others."""
    dataset = load_dataset(on)
    return summary(keep_evaluation(run.path, run.model(which), dataset, which=which, segments=segments))


def middle(scores: Sequence[dict[str, float]], key: str = "mean") -> str:
    """Return the median, the range, and how many orbits diverged where means are of those that did not.

    Of an even number of runs the median is the worse of the two in the middle.
    """
    ranked = _ranked(scores, key)
    lost = sum(int(s["diverged"]) for s in scores) if key == "mean" else 0
    gone = f"; {lost} of {100 * len(scores)} diverged" if lost else ""
    return f"{short(half(scores, key))} ({short(ranked[0])} to {short(ranked[-1])}{gone})"


def half(scores: Sequence[dict[str, float]], key: str) -> float:
    """Return the median, of an even number the worse of the two in the middle."""
    ranked = _ranked(scores, key)
    return ranked[len(ranked) // 2]


def _ranked(scores: Sequence[dict[str, float]], key: str) -> list[float]:
    return [s[key] for s in sorted(scores, key=lambda s: order(s, key))]


def short(value: float) -> str:
    """Three significant digits, without an exponent where a number is not very small."""
    if 0.0 < abs(value) < 1e-4:
        return f"{value:.2e}"
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (titles, ["---"] * len(titles), *rows))


def spread(scores: Sequence[dict[str, float]], key: str) -> str:
    """Return the median, and the range of the runs that lost no sample; one that did is worse than any number."""
    values = sorted(drawn_value(s, key) for s in scores)
    kept = [value for value in values if np.isfinite(value)]
    median = float(np.median(values))
    told = [f"{short(kept[0])} to {short(kept[-1])}"] if kept else []
    told += [f"{len(values) - len(kept)} lost"] if len(kept) < len(values) else []
    return f"{short(median) if np.isfinite(median) else 'lost'} ({'; '.join(told)})"
