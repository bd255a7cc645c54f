"""Learning rates over the steps of a phase: Optax's schedules by name. Adding one is adding one function here.

It is a function of the phase's learning rate and number of steps, and if it likes of the step and loss of each
validation so far.
"""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import numpy as np
import optax

from keplearn.core.tables import Table

# From learning rate, number of steps (and validations) to a schedule, a function of the steps already taken.
MakeSchedule = Callable[..., optax.Schedule]
Validated = Sequence[tuple[int, float]]

SCHEDULES: Table[MakeSchedule] = Table("schedule")


def schedule(function: MakeSchedule) -> MakeSchedule:
    """Enter a function that makes a schedule into the table under its own name; see this module's first lines."""
    SCHEDULES.enter(function, function)
    return function


def make_schedule(name: str, learning_rate: float, steps: int, validated: Validated) -> optax.Schedule:
    """Make the schedule of this name for the steps that follow these validations."""
    function = SCHEDULES[name]
    return function(*(learning_rate, steps, validated)[: len(signature(function).parameters)])


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


# Validations in a row without a better one before the rate falls, by which factor, and the share that is better.
PLATEAU, FALL, BETTER = 5, 0.5, 1e-4


@schedule
def reduce_on_plateau(learning_rate: float, steps: int, validated: Validated) -> optax.Schedule:
    """Half the rate after every five validations in a row of which none was better by a ten thousandth.

    As `optax.contrib.reduce_on_plateau`, by validations that lost no segment; it has no state beside them.
    """
    best, waited, rate = None, 0, learning_rate
    for _, loss in validated:
        if best is None or loss < best - BETTER * abs(best):
            best, waited = loss, 0
        elif (waited := waited + 1) == PLATEAU:
            rate, waited = FALL * rate, 0
    return optax.constant_schedule(rate)
