"""keplearn's own training of a case, through the same ``fit`` that every run takes."""

import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import LEARNING_RATE, Case, judge, starting_model, training_segments
from keplearn.data.segments import Segments
from keplearn.data.splits import Split
from keplearn.integrate import Grid, grid_solve
from keplearn.models.neural_ode import NeuralODE
from keplearn.training.curriculum import Phase
from keplearn.training.events import PhaseEnded
from keplearn.training.fit import fit
from keplearn.training.settings import LONG, FitSettings


def _solve(case: Case, model: NeuralODE, segments: Segments, stride: int | None) -> np.ndarray:
    grid = Grid.default(case.length, stride)
    uses_velocity = case.architecture.uses_velocity
    times, first = (jnp.asarray(x, case.dtype) for x in (segments.times, segments.states[0]))
    run = jax.jit(lambda t, y: grid_solve(model.acceleration, y[:3], y[3:], t, grid, uses_velocity))
    return np.concatenate([segments.states[:1], np.asarray(run(times, first).states)])


def train(case: Case, steps: int, stride: int | None = None) -> dict[str, float]:
    """Train for so many steps and judge the model; the rate is that of a long phase's first 5 s.

    ``stride`` is samples per step of the grid; None for the default. Rates are what ``fit`` records, with
    everything between the steps and without compiling.
    """
    segments = training_segments(case)
    split = Split(segments, segments, False, 10)
    started = time.perf_counter()
    first, final, rate = 0.0, None, 0.0
    window, rates = (0.0, 1.0), LEARNING_RATE
    cooling = Phase(
        window, rates, steps // 4, case.length, schedule="cosine", batch_size=case.batch, stride=stride
    )
    constant = replace(cooling, steps=steps - steps // 4, schedule="constant")
    settings = FitSettings(dtype=case.dtype, validate_every=steps)
    for event in fit(starting_model(case), [constant, cooling], [split, split], settings):
        first = first or time.perf_counter() - started
        if isinstance(event, PhaseEnded):
            final = event.final
    seconds = 0.0
    for event in fit(starting_model(case), [replace(constant, steps=LONG)], [split], settings):
        if isinstance(event, PhaseEnded):
            break
        seconds += event.seconds
        rate = event.step / seconds
        if seconds > 5:
            break
    assert isinstance(final, NeuralODE)  # fit ends every phase with its result
    return {
        "steps_per_second": rate,
        "first_step_seconds": first,
        **judge(case, final, _solve(case, final, segments, stride)),
    }
