"""What a training tells as it goes: the rows of a chunk of steps, the end of a phase.

`keplearn.runs.events` has the other events of a run, and who is told of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

# Reading runs must not wait for JAX.
if TYPE_CHECKING:
    from keplearn.models.kinds import Model

# The numbers of one step: phase, step, lr, lost, loss, its parts, grad_norm; where it validated, val_….
Row = dict[str, int | float]


@dataclass(frozen=True)
class Checkpoint:
    """All that a fit needs to go on: the phase and step reached, and arrays by name (no pickling needed)."""

    phase: int
    step: int
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class Rows:
    """A chunk of steps: ``rows``, one dict a step, and ``checkpoint()`` to go on from here.

    ``seconds`` is what the steps took, compiling not counted.
    """

    phase: int
    step: int
    rows: list[Row]
    seconds: float
    checkpoint: Callable[[], Checkpoint]


@dataclass(frozen=True)
class PhaseEnded:
    """A finished phase: its best model by validation loss, its final one, and what was measured of it."""

    phase: int
    best: "Model"
    final: "Model"
    summary: dict[str, Any]
