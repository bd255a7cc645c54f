"""One phase of a training: its data on the device, its state, and its steps, in chunks of a compiled program."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from keplearn.core.errors import KeplearnError
from keplearn.core.programs import power_above
from keplearn.data.segments import Segments, Split
from keplearn.models.neural_ode import NeuralODE
from keplearn.training.calls import Call, Execute
from keplearn.training.chunk import Carry, draw, rescue, rotate, start, take_steps
from keplearn.training.chunk import validate as validate_model
from keplearn.training.curriculum import Phase, batch_order, random_rotations
from keplearn.training.events import Checkpoint, Row, Rows
from keplearn.training.objective import (
    UNRESOLVED,
    Batch,
    Constants,
    GridError,
    assemble,
    grid_error,
    padded,
    replace_lost,
    without_lost,
)
from keplearn.training.optimizers import OPTIMIZERS
from keplearn.training.settings import FitSettings, batch_sizes, problem_of
from keplearn.training.tally import Tally, TrainingFailed

# Steps in one call of a compiled chunk at most; fewer where steps are slow: control returns every second.
CHUNK = 128
SECONDS_PER_CHUNK = 1.0
# What the batches of a chunk may take.
DRAWN_BYTES = 32_000_000


class PhaseRunner:
    """One phase under way: its data on the device, its state, and the seconds it has taken."""

    def __init__(
        self,
        number: int,
        phase: Phase,
        split: Split,
        settings: FitSettings,
        model: NeuralODE,
        execute: Execute,
    ):
        self.number, self.phase, self.split, self.settings = number, phase, split, settings
        self.execute = execute
        self.problem = problem_of(phase, model.architecture, settings)
        self.full_batch = OPTIMIZERS[phase.optimizer].full_batch
        self.max_grad_norm = np.inf if settings.max_grad_norm is None else settings.max_grad_norm
        self.batch_size, filled = batch_sizes(phase, settings, len(split.train))
        # Where a step takes all segments there is nothing to draw, but for rotations anew in every step; a batch
        # as large as wanted is drawn all the same, and so shares the program of those that leave some out.
        some = self.batch_size < len(split.train) or filled == settings.batch_size
        self.drawn = not self.full_batch and (settings.augment or some)
        self._check()
        self.grid_error = self._grid_error()
        with jax.enable_x64(True):
            scalar = lambda x: jnp.asarray(x, settings.dtype)  # noqa: E731
            self.constants = Constants(
                scalar(model.max_acceleration),
                {name: scalar(weight) for name, weight in sorted(settings.loss_weights.items())},
                scalar(settings.rtol),
                scalar(settings.atol),
                scalar(self.max_grad_norm),
                scalar(max(UNRESOLVED, 10 * self.grid_error.disagreement) if self.grid_error else UNRESOLVED),
            )
            self.data = self._batch(split.train)
            if self.drawn:
                self.data = padded(self.data, power_above(len(split.train)), keep=1.0)
            else:
                self.data = padded(self.data, filled, keep=0.0)
            self.held = self._batch(split.validation)
            self.held = padded(self.held, power_above(len(split.validation), least=256, base=4), keep=0.0)
            self.keep = (jnp.arange(filled) < self.batch_size).astype(settings.dtype)
            if settings.augment and self.full_batch:
                # An optimiser that compares values needs one function: one rotation a segment for the phase.
                turn = random_rotations(settings.seed, number, 0, 1, self.batch_size, settings.planar)[0]
                self.data = rotate(self.data, jnp.asarray(turn, settings.dtype))
        bytes_drawn = sum(leaf.nbytes for leaf in self.data) // self.data.keep.size * filled
        self.steps_at_once = _steps_at_once(bytes_drawn) if self.drawn else CHUNK
        self.tally = Tally(number, self.batch_size, np.inf if self.full_batch else self.max_grad_norm)

    def _check(self) -> None:
        """Refuse steps over several samples where samples are not equally spaced."""
        uniform = self.split.train.uniform and self.split.validation.uniform
        if self.phase.integrator == "grid" and self.problem.grid.stride > 1 and not uniform:
            raise KeplearnError(
                f"stride {self.problem.grid.stride} needs samples equally spaced in time within a segment, "
                "and these are not: set stride: 1 or integrator: adaptive."
            )

    def _batch(self, segments: Segments) -> Batch:
        dtype = self.settings.dtype
        arrays = (segments.states, segments.times, np.ones(len(segments)))
        return Batch(*(jnp.asarray(x, dtype) for x in arrays))

    def _grid_error(self) -> GridError | None:
        """Measure the grid on the phase's truth, if its law is known."""
        if self.phase.integrator != "grid" or self.settings.law is None:
            return None
        with jax.enable_x64(True):
            train = self.split.train
            arrays = (train.states, train.times, np.ones(len(train)))
            return grid_error(self.problem, self.settings.law, Batch(*(jnp.asarray(x) for x in arrays)))

    def model(self, flat: Array, units: Any) -> NeuralODE:
        """Make a model of a flat vector of parameters."""
        with jax.enable_x64(True):
            made = assemble(self.problem, jnp.asarray(flat), self.constants.max_acceleration)
        return NeuralODE(made.parameters, made.max_acceleration, made.architecture, units)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return a compiled function's result, and count its seconds."""
        answer = self.execute(Call(function, None if function is draw else self.problem, arguments))
        self.tally.compile_seconds += answer.compile_seconds
        self.tally.train_seconds += answer.seconds
        return answer.result

    def begin(self, parameters: Array) -> Carry:
        """Return the state before the first step."""
        state = self.call(start, parameters, self.data if self.full_batch else None, self.constants)
        with jax.enable_x64(True):
            worst = jnp.asarray(np.inf, parameters.dtype)
            return Carry(parameters, state, parameters, worst, jnp.asarray(0, jnp.int32))

    def run(self, parameters: Array, resume: Checkpoint | None) -> Iterator[Rows]:
        """Take the phase's steps, from the start or from a checkpoint."""
        step = 0
        self.carry = self.begin(parameters)
        if resume is not None:
            step = resume.step
            self.restore(resume)
        size = min(8, self.steps_at_once)
        while step < self.phase.steps:
            boundary = min(
                (step // self.settings.validate_every + 1) * self.settings.validate_every, self.phase.steps
            )
            count = min(boundary - step, size)
            before = self.tally.train_seconds
            rows = self.advance(step, count, step + count == boundary)
            step += len(rows)
            seconds = self.tally.train_seconds - before
            fitting = int(count * SECONDS_PER_CHUNK / max(seconds, 1e-6))
            size = max(1, min(self.steps_at_once, 4 * size, fitting))
            yield Rows(self.number, step, rows, seconds, self.checkpointer(step))

    def advance(self, step: int, count: int, validate: bool) -> list[Row]:
        """Take up to ``count`` steps, the last a rescued one if segments were lost, and validate if asked."""
        with np.errstate(over="ignore"):  # beyond float32 a rate is infinite, and no step is taken
            rates = self.phase.learning_rates(step, step + count).astype(self.settings.dtype)
        batches = self.draw(step, count) if self.drawn else self.data
        rows = self.chunk(step, batches, rates)
        taken = len(rows)
        if taken < count and self.full_batch:
            self.clear_lost()
            return self.advance(step, count, validate)
        if taken < count:
            batch = jax.tree.map(lambda x: x[taken], batches) if self.drawn else batches
            rows.append(self.rescue(step + taken, batch, rates[taken, ...]))
        if validate and len(rows) == count:
            done = np.int32(step + count)
            self.carry, measured = self.call(validate_model, self.carry, self.held, done, self.constants)
            rows[-1] |= {name: float(value) for name, value in measured.items()}
            self.tally.validations += np.isfinite(rows[-1]["val_loss"])
        return rows

    def chunk(self, step: int, batches: Batch, rates: np.ndarray) -> list[Row]:
        """Run the compiled chunk, and return the rows of the steps it has taken."""
        self.carry, buffers, taken = self.call(
            take_steps, self.carry, batches, self.pad(rates), np.int32(len(rates)), self.constants
        )
        taken = int(taken)
        columns = {name: np.asarray(values)[:taken].tolist() for name, values in buffers.items()}
        listed = rates.tolist()
        rows = [
            {"phase": self.number, "step": step + i + 1, "lr": listed[i]}
            | {name: values[i] for name, values in columns.items()}
            | {"lost": int(columns["lost"][i])}
            for i in range(taken)
        ]
        self.tally.count(rows)
        if self.full_batch:  # those that were lost where the phase started
            out = self.batch_size - int(np.sum(np.asarray(self.data.keep)))
            rows = [row | {"lost": out} for row in rows]
        return rows

    def draw(self, step: int, count: int) -> Batch:
        """Draw the batches of the steps from ``step`` on."""
        seed, last = self.settings.seed, step + count
        indices = batch_order(seed, self.number, step, last, len(self.split.train), self.batch_size)
        turns = None
        if self.settings.augment:
            turns = random_rotations(seed, self.number, step, last, self.batch_size, self.settings.planar)
            turns = self.pad(self.fill(turns.astype(self.settings.dtype)))
        indices = self.pad(self.fill(indices))
        return self.call(draw, self.data, indices, turns, self.keep, np.int32(count))

    def fill(self, x: np.ndarray) -> np.ndarray:
        """Fill up along the segments of a batch with copies of the last."""
        more = self.keep.size - self.batch_size
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, more)], mode="edge")

    def pad(self, x: np.ndarray) -> np.ndarray:
        """Fill up with zeros along the steps: arrays of one length, whatever the number of steps."""
        return np.concatenate([x, np.zeros((self.steps_at_once - len(x), *x.shape[1:]), x.dtype)])

    def rescue(self, step: int, batch: Batch, rate: np.ndarray) -> Row:
        """Take the step at which the chunk stopped without its lost segments; count them."""
        self.carry, values = self.call(rescue, self.carry, batch, rate, self.constants)
        row = {"phase": self.number, "step": step + 1, "lr": float(rate)}
        row |= {name: float(value) for name, value in values.items()} | {"lost": int(values["lost"])}
        self.tally.count([row])
        return row

    def clear_lost(self) -> None:
        """Replace the segments that are lost where a full-batch phase starts; they stay out for the phase."""
        if np.any(np.asarray(self.data.keep) == 0) or self.tally.steps_taken:
            raise TrainingFailed("non_finite", f"loss or gradient became non-finite in phase {self.number}.")
        self.data = self.call(without_lost, self.carry.parameters, self.data, self.constants)
        lost = int(np.sum(np.asarray(self.data.keep) == 0))
        if lost == 0:
            raise TrainingFailed(
                "non_finite", f"loss or gradient is not finite where phase {self.number} starts."
            )
        self.tally.lost_total += lost
        if lost > self.batch_size / 2:
            raise TrainingFailed(
                "lost_segments",
                f"{lost} of {self.batch_size} segments are lost where phase {self.number} starts.",
            )
        state = self.call(start, self.carry.parameters, self.data, self.constants)
        self.carry = self.carry._replace(optimizer=state)

    def checkpointer(self, step: int) -> Callable[[], Checkpoint]:
        """Return a function that takes down all that is needed to go on from here, whenever it is called."""
        carry, keep = self.carry, self.data.keep
        tally = self.tally.arrays()

        def checkpoint() -> Checkpoint:
            arrays = {f"state.{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(carry))}
            return Checkpoint(self.number, step, arrays | {"keep": np.asarray(keep)} | tally)

        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up a checkpoint."""
        leaves, structure = jax.tree.flatten(self.carry)
        arrays = checkpoint.arrays
        with jax.enable_x64(True):
            saved = [jnp.asarray(arrays[f"state.{i}"], leaf.dtype) for i, leaf in enumerate(leaves)]
            self.data = replace_lost(self.data, jnp.asarray(arrays["keep"]) > 0)
        self.carry = jax.tree.unflatten(structure, saved)
        self.tally.restore(arrays)

    def summary(self) -> dict[str, Any]:
        """What is recorded of the phase."""
        return {
            "phase": self.number,
            "steps": self.phase.steps,
            "segments": len(self.split.train),
            "validation_segments": len(self.split.validation),
            "validation_on": "validation" if self.split.own_validation else "training",
            "batch_size": self.batch_size,
            "stride": self.problem.grid.stride if self.phase.integrator == "grid" else None,
            "grid_error": self.grid_error and self.grid_error.percentile,
            "grid_error_max": self.grid_error and self.grid_error.maximum,
            "best_step": int(self.carry.best_step),
            "best_loss": float(self.carry.best_loss),
            **self.tally.summary(),
        }


def _steps_at_once(bytes_drawn: int) -> int:
    """Steps whose batches are drawn at once: a power of two at most `CHUNK`, within `DRAWN_BYTES`."""
    fitting = max(1, min(CHUNK, DRAWN_BYTES // bytes_drawn))
    return CHUNK if fitting == CHUNK else 1 << (fitting.bit_length() - 1)
