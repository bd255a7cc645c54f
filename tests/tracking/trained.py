"""Finished runs for the mirror, written by their real writer, with no training behind them."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from keplearn.config import runs_from_dict
from keplearn.data.dataset import load_dataset
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter
from keplearn.tracking.keeper import Mirrors
from keplearn.tracking.target import Target

DATASET = "complex_TBP_planar_1_train"
TEST = "complex_TBP_planar_1_test"
OFFLINE = Target("orbits", "lab", "offline")


def a_run(runs: Path, seed: int = 0, *, group: str = "study", steps: int = 300, end: str = "finished") -> Run:
    """Write a run of so many steps in one phase, validated every 50, with the model of its seed."""
    parameters = {"width": 4, "depth": 1, "steps_strategy": steps, "seed": seed, "num_trajs": 1}
    tables = {"wandb": {"group": group}, "data": {"dataset_name": DATASET, "test": [TEST]}}
    (config,) = runs_from_dict(tables | {"parameters": parameters})
    rng = np.random.default_rng(seed)
    rows = []
    for step in range(1, steps + 1):
        row = {"phase": 0, "step": step, "lr": 1e-3, "loss": float(rng.random()), "grad_norm": 1.0, "lost": 0}
        validated = {"val_loss": float(rng.random()), "val_lost": 0}
        rows.append(row | (validated if step % 50 == 0 else {}))
    rows[1]["grad_norm"] = float("nan")
    p = config.parameters
    with RunWriter(runs, config) as writer:
        writer.start({"versions": {"keplearn": "0"}}, resume=False)
        writer.rows(rows)
        summary = {"best_loss": 0.25, "best_phase": 0, "best_step": steps, "steps": steps, "warnings": []}
        summary |= {"dataset_hash": load_dataset(DATASET).content_hash, "seconds": {"train": 1.5}}
        if end == "finished":
            for name in ("model", "phase-0-best", "phase-0-final"):
                writer.model(name, new_model(Architecture(p.feature_layer, p.output_layer, 4, 1), seed))
            writer.write(phases=[{"phase": 0, "steps": steps, "best_loss": 0.25, "best_step": steps}])
            writer.write(scores={TEST: {"mean": 12.5, "field": 3.0 + seed, "skewness": None}})
            writer.write(scored_on={TEST: load_dataset(TEST).content_hash})
        writer.end(end, summary=summary)
    return Run(writer.path)


def rows_of(steps: Iterable[int]) -> list[dict[str, Any]]:
    """Return rows of some steps of a first phase."""
    return [{"phase": 0, "step": step, "lr": 1e-3, "loss": 1.0 / step, "lost": 0} for step in steps]


def mirrored(*runs: Run | RunWriter, to: Target = OFFLINE) -> dict[Path, str | None]:
    """Mirror runs, and return why each could not be, None where it was."""
    mirrors = Mirrors()
    for run in runs:
        mirrors.add(run.path, to)
    while mirrors.look():
        time.sleep(0.05)
    return mirrors.results


def wait_for(condition):
    """Wait until something holds, two minutes at most."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
