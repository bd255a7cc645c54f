"""The training loop: a run's phases one after another.

``fit`` is a generator. It yields a `Rows` after each chunk, with the metrics of its steps and a way to
take a checkpoint, and a `PhaseEnded` after each phase; who calls it writes files, draws progress bars, or
stops. Given a `Checkpoint` it goes on from there with the numbers it would have had.
"""

from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from keplearn.data.splits import Split
from keplearn.models.kinds import Model
from keplearn.training.calls import Execute, answer_call
from keplearn.training.checks import check_phase
from keplearn.training.curriculum import Phase
from keplearn.training.events import Checkpoint, PhaseEnded, Rows
from keplearn.training.phase import PhaseRunner
from keplearn.training.settings import FitSettings, setup_of


def fit(
    model: Model,
    phases: Sequence[Phase],
    splits: Sequence[Split],
    settings: FitSettings,
    resume: Checkpoint | None = None,
    execute: Execute | None = None,
) -> Iterator[Rows | PhaseEnded]:
    """Train a model through its phases; see this module's first lines.

    Parameters
    ----------
    model
        The untrained (or further to train) model; its parameters' dtype must be ``settings.dtype``.
    phases, splits
        The phases and each one's segments in canonical units.
    settings
        What holds for all phases.
    resume
        A checkpoint of this same fit, to go on from.
    execute
        What makes the calls of compiled programs; by default one after another, here.

    Raises
    ------
    TrainingFailed
        ``lost_segments`` when over half the segments are lost 100 steps in a row.
    KeplearnError
        Where a phase cannot work (`keplearn.training.checks`), before the first begins.
    """
    for phase, split in zip(phases, splits, strict=True):
        check_phase(setup_of(phase, model.architecture, settings, split.uniform))
    units = model.units
    with jax.enable_x64(True):
        parameters = jnp.asarray(np.concatenate([np.ravel(x) for x in jax.tree.leaves(model.parameters)]))
    for number, (phase, split) in enumerate(zip(phases, splits, strict=True)):
        if resume is not None and number < resume.phase:
            continue
        runner = PhaseRunner(number, phase, split, settings, model.without_units(), execute or answer_call)
        yield from runner.run(parameters, resume if resume is not None and number == resume.phase else None)
        runner.tally.check_end(phase.steps)
        carry, size = runner.carry, len(parameters)  # what is trained beside the model ends with its phase
        with jax.enable_x64(True):
            parameters = jnp.asarray(np.asarray(carry.parameters)[:size])
            best = np.asarray(carry.best)[:size]
            best = jnp.asarray(best) if np.isfinite(float(carry.best_value)) else parameters
        best, final = (runner.model(flat, units) for flat in (best, parameters))
        yield PhaseEnded(number, best, final, runner.summary())
