"""Spikes of a loss: which steps they are, and their marks in a figure with what happened there."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from keplearn.figures.parts import style
from keplearn.figures.parts.labels import number
from keplearn.figures.parts.series import Series

FACTOR, BEFORE = 3.0, 25
"""A spike is where the loss is above so many times the median of so many steps before it."""
_LEAST = 5
"""So many steps at least must be before it."""
_MARKED, _APART = 3, 0.04
"""Marks at most, and how near they may be, of the axis's width."""
_SIZE, _LINE = 7.5, 0.135
"""Of what is written: points, and inches a line."""


class Spike(NamedTuple):
    """A spike at its top: the step, its loss, how many times the median before; and what led to it.

    That is looked for from `BEFORE` steps before it begins: ``gradient``, the greatest gradient norm, at the step
    ``at``; ``rate``, the learning rate there; ``lost``, lost segments in all. NaN and 0 where they were not recorded.
    """

    step: float
    loss: float
    factor: float
    gradient: float
    at: float
    rate: float
    lost: int


def find_spikes(metrics: pd.DataFrame, steps: Series) -> list[Spike]:
    """Return the spikes of a training, the highest over what was before it first.

    A spike is where the loss of a step is above `FACTOR` times the median of the losses of the `BEFORE` steps before it
    in its phase (of five at least): a single step as well as the rise to a higher level. Steps of which each is within
    `BEFORE` of the one before are one spike, whose top is the step of greatest loss over median. Steps that lost every
    segment have no loss.

    Parameters
    ----------
    metrics
        One row a step, in order: phase, loss, and grad_norm, lr, lost where they were recorded.
    steps
        Each one's step counted from the run's start.
    """
    losses = metrics["loss"].astype(np.float64).where(np.isfinite)
    before = losses.groupby(metrics["phase"]).shift()
    median = before.groupby(metrics["phase"]).rolling(BEFORE, min_periods=_LEAST).median().droplevel(0)
    factors = (losses / median).to_numpy()
    high = np.flatnonzero(factors > FACTOR)
    parts = np.split(high, np.flatnonzero(np.diff(high) > BEFORE) + 1) if len(high) else []
    column = lambda name: metrics[name].to_numpy(np.float64) if name in metrics else np.nan * steps  # noqa: E731
    gradients, rates, lost = (column(name) for name in ("grad_norm", "lr", "lost"))
    found = []
    for part in parts:
        top = part[np.argmax(factors[part])]
        led = np.arange(max(0, part[0] - BEFORE), top + 1)
        at = led[np.argmax(np.nan_to_num(gradients[led], nan=-1.0))]
        found.append(
            Spike(
                float(steps[top]), float(losses.iloc[top]), float(factors[top]), float(gradients[at]),
                float(steps[at]), float(rates[at]), int(np.nansum(lost[led])),
            )
        )  # fmt: skip
    return sorted(found, key=lambda spike: -spike.factor)


def mark_spikes(panels: Sequence[Axes], spikes: Sequence[Spike], last_step: float) -> None:
    """Number the highest spikes in the first panel, and say below the last what happened there, a line each."""
    marked = _marked(spikes, last_step)
    if not marked:
        return
    for k, spike in enumerate(marked, start=1):
        panels[0].annotate(
            str(k), (spike.step, spike.loss), (0, 3), textcoords="offset points", ha="center", va="bottom",
            fontsize=_SIZE, fontweight="bold", color=style.VERMILION, gid="spike", annotation_clip=False,
        )  # fmt: skip
    several = f", the {len(marked)} highest of {len(spikes)}" if len(marked) < len(spikes) else ""
    head = f"Spikes (loss above {FACTOR:g} × the median of the {BEFORE} steps before){several}:"
    lines = [f"{k}  {_said(spike)}" for k, spike in enumerate(marked, start=1)]
    panels[-1].annotate(
        "\n".join([head, *lines]), (0.0, 0.0), (0, -36), "axes fraction", "offset points",
        ha="left", va="top", fontsize=_SIZE, color=style.VERMILION, gid="spikes", annotation_clip=False,
    )  # fmt: skip


def height_below(spikes: Sequence[Spike], last_step: float) -> float:
    """Return the inches that `mark_spikes` writes on below the last panel."""
    marked = _marked(spikes, last_step)
    return _LINE * (len(marked) + 1) if marked else 0.0


def _marked(spikes: Sequence[Spike], last_step: float) -> list[Spike]:
    """Return the highest spikes that are not too near to a higher one, in the order of their steps."""
    marked: list[Spike] = []
    for spike in spikes:
        if all(abs(spike.step - other.step) > _APART * last_step for other in marked):
            marked.append(spike)
    return sorted(marked[:_MARKED])


def _said(spike: Spike) -> str:
    """Return in a line how high a spike is and what led to it."""
    facts = [f"step {spike.step:.0f}: {number(spike.factor)} × the median before"]
    if np.isfinite(spike.gradient):
        facts.append(f"gradient norm {number(spike.gradient)} (step {spike.at:.0f})")
    if np.isfinite(spike.rate):
        facts.append(f"lr {number(spike.rate)}")
    facts.append(f"{spike.lost or 'no'} segment{'' if spike.lost == 1 else 's'} lost")
    return ", ".join(facts)
