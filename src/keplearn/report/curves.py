"""Loss curves in a few hundred bytes: of so many stretches the least, the median and the greatest loss."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from keplearn.report.numbers import rounded

STRETCHES = 40
"""At most so many of a run; a phase has at least two, and no stretch lies in two phases."""
VALIDATIONS = 32


@dataclass
class Losses:
    """The steps at which losses stand: runs of the same phases share them, so each kind is kept once."""

    kinds: list[dict[str, Any]] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def number(self, kind: dict[str, Any]) -> int:
        """The number of this kind, a new one if it is not known yet."""
        text = json.dumps(kind)
        if text not in self._known:
            self._known[text] = len(self.kinds)
            self.kinds.append(kind)
        return self._known[text]


def loss_curves(metrics: pd.DataFrame, losses: Losses) -> dict[str, Any]:
    """Thin out a run's losses; the steps count from the run's start.

    Parameters
    ----------
    metrics
        One row a step: phase, step (from 1 in each phase), loss, and val_loss where it was validated.
    losses
        Where the steps are kept.

    Returns
    -------
    detail
        ``kind``, the number in ``losses``; ``loss``: medians; ``low`` and ``high`` where a stretch is longer
        than a step; ``val``. Empty where there are no steps.
    """
    if metrics.empty or not {"phase", "step", "loss"} <= set(metrics):
        return {}
    phase, step = (metrics[name].to_numpy(np.int64) for name in ("phase", "step"))
    # Of a step that was taken twice, before and after an interruption, the last counts.
    order = np.lexsort((np.arange(len(step)), step, phase))
    repeated = (np.diff(phase[order]) == 0) & (np.diff(step[order]) == 0)
    order = order[~np.append(repeated, False)]
    phase, step, loss = phase[order], step[order], metrics["loss"].to_numpy(np.float64)[order]
    lengths = [int(step[phase == number].max()) for number in np.unique(phase)]
    ends = np.cumsum(lengths)
    steps = step + (ends - lengths)[np.searchsorted(np.unique(phase), phase)]
    parts = _stretches(phase, STRETCHES)
    spread = np.array([_spread(loss[part]) for part in parts])
    detail: dict[str, Any] = {"loss": rounded(spread[:, 1], 4)}
    if len(parts) < len(steps):
        detail |= {"low": rounded(spread[:, 0], 3), "high": rounded(spread[:, 2], 3)}
    kind: dict[str, Any] = {
        "steps": [int(_middle(steps[part])) for part in parts],
        "ends": ends.tolist(),
    }
    if "val_loss" in metrics:
        losses_there = metrics["val_loss"].to_numpy(np.float64)[order]
        validated = np.flatnonzero(np.isfinite(losses_there))
        if validated.size:
            chosen = np.unique(np.linspace(0, validated.size - 1, VALIDATIONS).round().astype(int))
            chosen = validated[chosen]
            kind["validated"] = steps[chosen].tolist()
            detail["val"] = rounded(losses_there[chosen], 4)
    return {"kind": losses.number(kind), **detail}


def _stretches(phases: Int[np.ndarray, "step"], count: int) -> list[Int[np.ndarray, "part"]]:
    """Cut the rows into about ``count`` stretches, none across phases."""
    found = []
    for phase in np.unique(phases):
        rows = np.flatnonzero(phases == phase)
        parts = min(len(rows), max(2, round(count * len(rows) / len(phases))))
        found += np.array_split(rows, parts)
    return found


def _spread(loss: Float64[np.ndarray, "part"]) -> tuple[float, float, float]:
    """Least, median and greatest of the finite losses."""
    x = np.sort(loss[np.isfinite(loss)])
    if not x.size:
        return np.nan, np.nan, np.nan
    return float(x[0]), float(_middle(x)), float(x[-1])


def _middle(x: np.ndarray) -> Any:
    """Median of sorted numbers; `numpy.median` takes thirty times as long."""
    return (x[(x.size - 1) // 2] + x[x.size // 2]) / 2
