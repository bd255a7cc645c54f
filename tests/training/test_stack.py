"""Stacked trainings: each has the numbers of its single run up to rounding, and its own history and fate."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import pytest
from test_fit import ADAM, SETTINGS, SMALL, Record, poison, split, train  # noqa: F401

from keplearn.core.errors import KeplearnError
from keplearn.core.lanes import in_turns
from keplearn.data.splits import Samples, Split
from keplearn.models.neural_ode import NeuralODE, new_model
from keplearn.training import stack
from keplearn.training.calls import Execute
from keplearn.training.curriculum import Phase
from keplearn.training.events import Checkpoint, Rows
from keplearn.training.fit import fit
from keplearn.training.settings import FitSettings
from keplearn.training.stack import Stack


class Training(NamedTuple):
    """What `fit` takes."""

    model: NeuralODE
    phases: Sequence[Phase]
    splits: Sequence[Split]
    settings: FitSettings
    resume: Checkpoint | None = None


def train_stack(trainings: list[Training], **options) -> tuple[list[Record], dict[int, KeplearnError]]:
    records, failures = [Record() for _ in trainings], {}

    def train(one: Training, record: Record, execute: Execute) -> KeplearnError | None:
        try:
            for event in fit(*one, execute=execute):
                if isinstance(event, Rows):
                    record.rows += event.rows
                    record.checkpoints.append(event.checkpoint())
                else:
                    record.results.append(event)
        except KeplearnError as error:
            return error

    works = [partial(train, *pair) for pair in zip(trainings, records, strict=True)]
    for number, failure in in_turns(works, Stack(**options)):
        if failure is not None:
            failures[number] = failure
    return records, failures


def training(part, *phases, resume=None, **changes) -> Training:
    settings = replace(SETTINGS, **changes)
    model = new_model(SMALL, settings.seed, settings.dtype)
    return Training(model, phases, [part] * len(phases), settings, resume)


def assert_close(one: Record, other: Record) -> None:
    """The same steps with the same numbers, but for the rounding of stacked products."""
    for a, b in zip(one.rows, other.rows, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            assert a[key] == pytest.approx(b[key], rel=1e-8, abs=1e-12), key
    for a, b in zip(one.numbers(), other.numbers(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)
    for a, b in zip(one.results, other.results, strict=True):
        assert a.summary["best_step"] == b.summary["best_step"]
        fields = (np.array(x.summary["best_field"], np.float64) for x in (a, b))  # None becomes NaN
        np.testing.assert_allclose(*fields, rtol=1e-8)
        assert a.summary["lost_segments"] == b.summary["lost_segments"]


PHASES = (ADAM, replace(ADAM, steps=13, learning_rate=0.003))
OTHERS = (replace(ADAM, learning_rate=0.02), replace(ADAM, steps=13))


def test_stacked_runs_have_the_numbers_of_single_ones(split):  # noqa: F811
    """Seeds, rates and data differ; one has lost segments, one has other phases, one another program.

    Two are judged by the error of their field, which is measured together.
    """
    poisoned = poison(split, 2)
    measured = replace(split, samples=Samples(split.validation.states[0], split.validation.accelerations[0]))
    records, failures = train_stack(
        [
            training(measured, *PHASES, best_by="field"),
            training(measured, *OTHERS, seed=1, best_by="field"),
            training(poisoned, *PHASES),
            training(split, ADAM, seed=2),
            training(split, *PHASES, loss="relative_squared_error"),
        ]
    )
    assert failures == {}
    assert_close(records[0], train(measured, *PHASES, best_by="field"))
    assert_close(records[1], train(measured, *OTHERS, seed=1, best_by="field"))
    assert_close(records[2], train(poisoned, *PHASES))
    assert sum(row["lost"] for row in records[2].rows) > 0
    assert_close(records[3], train(split, ADAM, seed=2))
    assert_close(records[4], train(split, *PHASES, loss="relative_squared_error"))


def test_what_fails_leaves_its_neighbours_alone(split):  # noqa: F811
    """All segments of the second are lost until it gives up; the others go on as if it had not been there."""
    hopeless = poison(split, len(split.train))
    long = replace(ADAM, steps=120)
    records, failures = train_stack(
        [training(split, long), training(hopeless, long), training(split, long, seed=1)]
    )
    assert list(failures) == [1]
    assert getattr(failures[1], "kind", None) == "lost_segments"
    assert records[1].results == []
    assert_close(records[0], train(split, long))
    assert_close(records[2], train(split, long, seed=1))


def test_a_stacked_run_goes_on_alone_from_its_checkpoint(split):  # noqa: F811
    records, _ = train_stack([training(split, *PHASES), training(split, *PHASES, seed=1)])
    checkpoint = next(c for c in records[1].checkpoints if c.phase == 1)
    resumed = train(split, *PHASES, seed=1, resume=checkpoint)
    after = [row for row in records[1].rows if (row["phase"], row["step"]) > (1, checkpoint.step)]
    assert len(resumed.rows) == len(after) > 0
    for one, other in zip(resumed.rows, after, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-8)


def test_stacks_are_split_to_what_fits(split, monkeypatch):  # noqa: F811
    """Where there is memory for two rows only, programs of more are never run."""
    sizes = []

    def noted(program, arguments):
        sizes.append(jax.tree.leaves(arguments)[0].shape[0])
        return run(program, arguments)

    run = stack.run_program
    monkeypatch.setattr(stack, "run_program", noted)
    trainings = [training(split, replace(ADAM, steps=8), seed=seed) for seed in range(3)]
    whole, _ = train_stack(trainings)
    assert set(sizes) == {4}  # filled up to a power of two
    sizes.clear()
    parts, _ = train_stack(trainings, at_once=2)
    assert set(sizes) == {2}
    for one, other in zip(whole, parts, strict=True):
        assert_close(one, other)
