"""Learning rates over the steps of a phase: Optax's schedules by name. Adding one is adding one function here."""

from collections.abc import Callable
from typing import Any

import numpy as np
import optax

from keplearn.core.tables import Table

# From the phase's learning rate and number of steps to a schedule, a function of the steps already taken.
MakeSchedule = Callable[[float, int], optax.Schedule]

SCHEDULES: Table[MakeSchedule] = Table("schedule")


def schedule(function: MakeSchedule) -> MakeSchedule:
    """Enter a function from learning rate and number of steps to a schedule into the table under its own name."""
    SCHEDULES.enter(function, function)
    return function


@schedule
def constant(learning_rate: float, steps: int) -> optax.Schedule:
    """Return the rate for all steps."""
    return optax.constant_schedule(learning_rate)


@schedule
def exponential(learning_rate: float, steps: int) -> optax.Schedule:
    """From the rate down to a hundredth of it, by the same factor in each step."""
    return lambda count: learning_rate * 0.01 ** (np.asarray(count) / steps)


@schedule
def warmup_cosine(learning_rate: float, steps: int) -> optax.Schedule:
    """Up from 0 in the first twentieth of the steps, for gradients that are wild at first, and then as `cosine`."""
    first = max(1, steps // 20)

    def rate(count: Any) -> Any:
        falling = learning_rate * (1 + np.cos(np.pi * (count - first) / max(1, steps - first))) / 2
        return np.where(count < first, learning_rate * (count + 1) / (first + 1), falling)

    return rate


@schedule
def cosine(learning_rate: float, steps: int) -> optax.Schedule:
    """Half a cosine from the rate down to 0 (Loshchilov & Hutter, SGDR, ICLR 2017).

    It is `optax.cosine_decay_schedule` in NumPy: XLA divides by a constant with an error in the last bit, which varies
    with the number of steps that are asked for at once.
    """

    def rate(count: Any) -> Any:
        return learning_rate * (1 + np.cos(np.pi * count / steps)) / 2

    return rate
