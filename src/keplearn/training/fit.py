"""The training loop: a run's phases, each in chunks of steps inside one compiled program.

``fit`` is a generator. It yields a `Progress` after each chunk, with the metrics of its steps and a way to
take a checkpoint, and a `PhaseResult` after each phase; who calls it writes files, draws progress bars, or
stops. Given a `Checkpoint` it goes on from there with the numbers it would have had.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from keplearn.core.errors import KeplearnError
from keplearn.core.programs import Compiled, compiled, power_above
from keplearn.data.segments import Segments, Split
from keplearn.integrate import Grid
from keplearn.models.neural_ode import Architecture, NeuralODE
from keplearn.systems import System
from keplearn.systems.two_body import TwoBody
from keplearn.training.chunk import Carry, draw, rescue, rotate, start, take_steps
from keplearn.training.chunk import validate as validate_model
from keplearn.training.curriculum import Phase, batch_order, random_rotations
from keplearn.training.losses import ADDITIVE_TERMS, NEEDS_LAW
from keplearn.training.objective import (
    UNRESOLVED,
    Batch,
    Constants,
    GridError,
    Problem,
    assemble,
    grid_error,
    padded,
    replace_lost,
    without_lost,
)
from keplearn.training.optimizers import OPTIMIZERS

# Steps in one call of a compiled chunk at most; fewer where steps are slow: control returns every second.
CHUNK = 128
SECONDS_PER_CHUNK = 1.0
# What the batches of a chunk may take.
DRAWN_BYTES = 32_000_000
# Steps of a phase that has its own batch size: filling up would cost it as much time as a program of its own.
LONG = 10_000
# A run fails when over half of its segments are lost this many steps in a row.
LOST_STEPS = 100

_TWO_BODY = TwoBody(1.0)

# The numbers of one step: phase, step, lr, lost, loss, its parts, grad_norm; where it validated, val_….
Row = dict[str, int | float]


@dataclass(frozen=True)
class FitSettings:
    """What holds for all phases of a run.

    ``law``: the system that the data obey exactly, canonical, or None; ``reference``: the one whose invariants terms
    of the loss ask for.
    """

    loss: str = "percent_error"
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    batch_size: int = 256
    seed: int = 0
    dtype: str = "float32"
    rtol: float = 1e-6
    atol: float = 1e-8
    max_grad_norm: float | None = 100.0
    stride: int | None = None
    law: System | None = _TWO_BODY
    reference: System = _TWO_BODY
    planar: bool = True
    augment: bool = False
    validate_every: int = 50


@dataclass(frozen=True)
class Checkpoint:
    """All that a fit needs to go on: the phase and step reached, and arrays by name (no pickling needed)."""

    phase: int
    step: int
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class Progress:
    """A chunk of steps: ``rows``, one dict a step, and ``checkpoint()`` to go on from here.

    ``seconds`` is what the steps took, compiling not counted.
    """

    phase: int
    step: int
    rows: list[Row]
    seconds: float
    checkpoint: Callable[[], Checkpoint]


@dataclass(frozen=True)
class PhaseResult:
    """A finished phase: its best model by validation loss, its final one, and what was measured of it."""

    phase: int
    best: NeuralODE
    final: NeuralODE
    summary: dict[str, Any]


class TrainingFailed(KeplearnError):
    """A training that cannot go on, with the reason; ``kind`` names it for tables."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Call(NamedTuple):
    """A compiled function that a training waits for, to be called as ``function(problem, *arguments)``."""

    function: Callable[..., Any]
    problem: Problem | None
    arguments: tuple[Any, ...]


class Answer(NamedTuple):
    """The result of a `Call`, and the seconds that compiling and running it took."""

    result: Any
    compile_seconds: float
    seconds: float


Execute = Callable[[Call], Answer]
"""What makes a training's calls: it comes back with the answer, at once or when others have asked for the same."""


def fit(
    model: NeuralODE,
    phases: Sequence[Phase],
    splits: Sequence[Split],
    settings: FitSettings,
    resume: Checkpoint | None = None,
    execute: Execute | None = None,
) -> Iterator[Progress | PhaseResult]:
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
    """
    units = model.units
    with jax.enable_x64(True):
        parameters = ravel_pytree(model.parameters)[0]
    for number, (phase, split) in enumerate(zip(phases, splits, strict=True)):
        if resume is not None and number < resume.phase:
            continue
        runner = _PhaseRunner(number, phase, split, settings, model.without_units(), execute or answer_call)
        yield from runner.run(parameters, resume if resume is not None and number == resume.phase else None)
        runner.check_end()
        carry = runner.carry
        with jax.enable_x64(True):
            parameters = jnp.asarray(np.asarray(carry.parameters))
            best = jnp.asarray(np.asarray(carry.best)) if np.isfinite(float(carry.best_loss)) else parameters
        best, final = (runner.model(flat, units) for flat in (best, parameters))
        yield PhaseResult(number, best, final, runner.summary())


def answer_call(call: Call) -> Answer:
    """Make a call, in the precision of its own arrays."""
    with jax.enable_x64(True):
        return run_program(compiled(call.function, call.problem, *call.arguments), call.arguments)


def run_program(program: Compiled, arguments: Sequence[Any]) -> Answer:
    """Run a program to its end. Call it inside ``jax.enable_x64(True)``."""
    started = time.perf_counter()
    result = jax.block_until_ready(program.call(*arguments))
    return Answer(result, program.seconds, time.perf_counter() - started)


def problem_of(phase: Phase, architecture: Architecture, settings: FitSettings) -> Problem:
    """Return what of a phase is compiled in."""
    stride = 1 if settings.stride is None and settings.law is None else settings.stride
    additive = tuple(name for name in ADDITIVE_TERMS if settings.loss_weights.get(name, 0.0) != 0.0)
    return Problem(
        architecture=architecture,
        grid=Grid.default(phase.segment_length, stride),
        integrator=phase.integrator,
        loss=settings.loss,
        additive=additive,
        optimizer=phase.optimizer,
        dtype=settings.dtype,
        law=settings.reference if NEEDS_LAW & set(additive) else None,
    )


def batch_sizes(phase: Phase, settings: FitSettings, n_segments: int) -> tuple[int, int]:
    """Return the segments in each step's batch, of so many training segments, and the size it is filled up to.

    Batches smaller than wanted are filled up to 64, 256, 1024 …, so that runs and phases with a few segments more
    or less share a program: to make one takes as long as thousands of their steps. A long phase has its own.
    """
    if OPTIMIZERS[phase.optimizer].full_batch or settings.batch_size == -1:
        return n_segments, n_segments
    if n_segments >= settings.batch_size:
        return settings.batch_size, settings.batch_size
    if phase.steps >= LONG:
        return n_segments, n_segments
    return n_segments, min(settings.batch_size, power_above(n_segments, least=64, base=4))


class _PhaseRunner:
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
        self.compile_seconds = self.train_seconds = 0.0
        self.lost_streak = self.lost_total = self.steps_taken = self.clipped = 0
        self.valid_steps = self.validations = 0  # with at least one segment that was not lost

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
        self.compile_seconds += answer.compile_seconds
        self.train_seconds += answer.seconds
        return answer.result

    def begin(self, parameters: Array) -> Carry:
        """Return the state before the first step."""
        state = self.call(start, parameters, self.data if self.full_batch else None, self.constants)
        with jax.enable_x64(True):
            worst = jnp.asarray(np.inf, parameters.dtype)
            return Carry(parameters, state, parameters, worst, jnp.asarray(0, jnp.int32))

    def run(self, parameters: Array, resume: Checkpoint | None) -> Iterator[Progress]:
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
            before = self.train_seconds
            rows = self.advance(step, count, step + count == boundary)
            step += len(rows)
            seconds = self.train_seconds - before
            fitting = int(count * SECONDS_PER_CHUNK / max(seconds, 1e-6))
            size = max(1, min(self.steps_at_once, 4 * size, fitting))
            yield Progress(self.number, step, rows, seconds, self.checkpointer(step))

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
            self.validations += np.isfinite(rows[-1]["val_loss"])
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
        self.count(rows)
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
        self.count([row])
        return row

    def count(self, rows: list[Row]) -> None:
        """Count steps, lost segments, and gradients that were longer than the bound (BFGS has none).

        Raises
        ------
        TrainingFailed
            ``lost_segments`` where too many are lost for too long.
        """
        self.steps_taken += len(rows)
        self.valid_steps += sum(bool(np.isfinite(row["loss"])) for row in rows)
        if not self.full_batch:
            self.clipped += sum(self.max_grad_norm < row["grad_norm"] < np.inf for row in rows)
        for row in rows:
            lost = int(row["lost"])
            self.lost_total += lost
            self.lost_streak = self.lost_streak + 1 if lost > self.batch_size / 2 else 0
            if self.lost_streak >= LOST_STEPS:
                raise TrainingFailed(
                    "lost_segments",
                    f"over half of the segments were lost {LOST_STEPS} steps in a row, up to step {row['step']} of "
                    f"phase {self.number} ({lost} of {self.batch_size} in the last): the solver gives up, its steps "
                    "no longer resolve the solution, or the state becomes non-finite. A smaller learning rate or "
                    "shorter segments first usually fix it.",
                )

    def clear_lost(self) -> None:
        """Replace the segments that are lost where a full-batch phase starts; they stay out for the phase."""
        if np.any(np.asarray(self.data.keep) == 0) or self.steps_taken:
            raise TrainingFailed("non_finite", f"loss or gradient became non-finite in phase {self.number}.")
        self.data = self.call(without_lost, self.carry.parameters, self.data, self.constants)
        lost = int(np.sum(np.asarray(self.data.keep) == 0))
        if lost == 0:
            raise TrainingFailed(
                "non_finite", f"loss or gradient is not finite where phase {self.number} starts."
            )
        self.lost_total += lost
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
        counts = np.array(
            [self.lost_streak, self.lost_total, self.clipped, self.valid_steps, self.validations]
        )
        seconds = np.array([self.compile_seconds, self.train_seconds, self.steps_taken])

        def checkpoint() -> Checkpoint:
            arrays = {f"state.{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(carry))}
            arrays |= {"keep": np.asarray(keep), "counts": counts, "seconds": seconds}
            return Checkpoint(self.number, step, arrays)

        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up a checkpoint."""
        leaves, structure = jax.tree.flatten(self.carry)
        arrays = checkpoint.arrays
        with jax.enable_x64(True):
            saved = [jnp.asarray(arrays[f"state.{i}"], leaf.dtype) for i, leaf in enumerate(leaves)]
            self.data = replace_lost(self.data, jnp.asarray(arrays["keep"]) > 0)
        self.carry = jax.tree.unflatten(structure, saved)
        counts = [int(n) for n in arrays["counts"]]
        counts += [0, 1, 1][len(counts) - 2 :]  # checkpoints of earlier versions have the first two
        self.lost_streak, self.lost_total, self.clipped, self.valid_steps, self.validations = counts
        compile_seconds, self.train_seconds, steps = arrays["seconds"]
        self.compile_seconds += compile_seconds
        self.steps_taken = int(steps)

    def check_end(self) -> None:
        """Fail a phase in which nothing was learned: without a valid step, or a model that can be validated."""
        lost = "every training" if self.valid_steps == 0 else "every validation"
        if 0 in (self.valid_steps, self.validations):
            raise TrainingFailed(
                "lost_segments",
                f"{lost} segment was lost in each of the {self.phase.steps} steps of phase {self.number}: loss, "
                "gradient or parameters are not finite. Smaller learning rates or feature scales usually fix it.",
            )

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
            "lost_segments": self.lost_total,
            "clipped_steps": self.clipped,
            "compile_seconds": self.compile_seconds,
            "train_seconds": self.train_seconds,
            "steps_per_second": self.steps_taken / self.train_seconds if self.train_seconds else None,
        }


def _steps_at_once(bytes_drawn: int) -> int:
    """Steps whose batches are drawn at once: a power of two at most `CHUNK`, within `DRAWN_BYTES`."""
    fitting = max(1, min(CHUNK, DRAWN_BYTES // bytes_drawn))
    return CHUNK if fitting == CHUNK else 1 << (fitting.bit_length() - 1)
