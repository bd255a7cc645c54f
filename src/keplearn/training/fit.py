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
from jaxtyping import Array, Float, Int32

from keplearn.data.segments import Segments, Split
from keplearn.errors import KeplearnError
from keplearn.integrate import Grid
from keplearn.models.neural_ode import NeuralODE
from keplearn.programs import compiled
from keplearn.shapes import Scalar
from keplearn.training.curriculum import Phase, batch_order, random_rotations
from keplearn.training.losses import ADDITIVE_TERMS
from keplearn.training.objective import (
    Batch,
    Constants,
    Problem,
    assemble,
    grid_error,
    objective,
    replace_lost,
    validation,
    without_lost,
)
from keplearn.training.optimizers import OPTIMIZERS

# Steps in one call of a compiled chunk at most; fewer where steps are slow: control returns every second.
CHUNK = 128
SECONDS_PER_CHUNK = 1.0
# A run fails when over half of its segments are lost this many steps in a row.
LOST_STEPS = 100

# The numbers of one step: phase, step, lr, lost, loss, its parts, grad_norm; where it validated, val_….
Row = dict[str, int | float]


@dataclass(frozen=True)
class FitSettings:
    """What holds for all phases of a run (SPEC 3 and 5)."""

    loss: str = "percent_error"
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    batch_size: int = 256
    seed: int = 0
    dtype: str = "float32"
    rtol: float = 1e-6
    atol: float = 1e-8
    stride: int | None = None
    known_law: bool = True
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


class _Carry(NamedTuple):
    """What a chunk takes and gives back; of the optimiser's state the leaves, so that it is arrays alone."""

    parameters: Float[Array, "parameter"]
    optimizer: list[Array]
    best: Float[Array, "parameter"]
    best_loss: Scalar
    best_step: Int32[Array, ""]


class _Orders(NamedTuple):
    """What each step of a chunk takes: batch indices (none for a full batch), learning rate, rotations."""

    indices: Int32[Array, "step batch"] | None
    rates: Float[Array, "step"]
    rotations: Float[Array, "step 3 3 batch"] | None


def _take(problem: Problem, data: Batch, orders: _Orders, i: Array) -> Batch:
    """Gather and rotate the batch of step i."""
    batch = data
    if orders.indices is not None:
        chosen = orders.indices[i]
        batch = jax.tree.map(lambda x: jnp.take(x, chosen, axis=-1, mode="clip"), data)
    if orders.rotations is not None:
        batch = _rotate(batch, orders.rotations[i])
    # Without the barrier XLA gathers again wherever the batch is read.
    return jax.lax.optimization_barrier(batch)


def _rotate(batch: Batch, turn: Float[Array, "3 3 segment"]) -> Batch:
    """Rotate each segment: positions and velocities alike."""
    halves = [jnp.einsum("ijb,sjb->sib", turn, x) for x in (batch.states[:, :3], batch.states[:, 3:])]
    return batch._replace(states=jnp.concatenate(halves, axis=1))


def _chunk(
    problem: Problem,
    carry: _Carry,
    data: Batch,
    held: Batch,
    orders: _Orders,
    count: Array,
    first: Array,
    validate: Array,
    constants: Constants,
) -> tuple[_Carry, dict[str, Array], Array, dict[str, Array]]:
    """Take ``count`` steps, then validate if asked: carry, metrics by step, steps taken, validation metrics.

    It stops before a step whose loss or gradient is not finite, and leaves that step to ``_rescue``.
    """
    optimizer = OPTIMIZERS[problem.optimizer]

    def step_at(parameters, state, i):
        batch = _take(problem, data, orders, i)
        function = lambda x: objective(problem, x, batch, constants)  # noqa: E731
        return optimizer.step(function, parameters, state, orders.rates[i])

    state = _whole_state(problem, carry, data, constants)
    shapes = jax.eval_shape(step_at, carry.parameters, state, jnp.int32(0))
    size = orders.rates.shape[0]
    names = ("loss", *shapes.parts, "grad_norm")
    buffers = {name: jnp.zeros(size, carry.parameters.dtype) for name in names}

    def body(loop):
        parameters, state, buffers, i, _ = loop
        step = step_at(parameters, state, i)
        values = {"loss": step.loss, **step.parts, "grad_norm": step.gradient_norm}
        buffers = {name: buffers[name].at[i].set(values[name]) for name in names}
        return step.parameters, step.state, buffers, i + step.finite.astype(jnp.int32), step.finite

    start = (carry.parameters, state, buffers, jnp.int32(0), jnp.array(True))
    parameters, state, buffers, taken, finite = jax.lax.while_loop(
        lambda loop: (loop[3] < count) & loop[4], body, start
    )
    carry = carry._replace(parameters=parameters, optimizer=jax.tree.leaves(state))
    carry, measured = _validate(problem, carry, held, first + taken, validate & finite, constants)
    return carry, buffers, taken, measured


def _validate(
    problem: Problem, carry: _Carry, held: Batch, step: Array, wanted: Array, constants: Constants
) -> tuple[_Carry, dict[str, Array]]:
    """Validate and keep the best parameters. A model that loses a validation segment is never the best."""

    def measure(parameters):
        loss, parts, lost = validation(problem, parameters, held, constants)
        return {"val_loss": loss, **{f"val_{name}": part for name, part in parts.items()}, "val_lost": lost}

    shapes = jax.eval_shape(measure, carry.parameters)
    nothing = lambda _: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)  # noqa: E731
    measured = jax.lax.cond(wanted, measure, nothing, carry.parameters)
    loss = jnp.where(measured["val_lost"] > 0, jnp.inf, measured["val_loss"])
    better = wanted & (loss < carry.best_loss)
    return carry._replace(
        best=jnp.where(better, carry.parameters, carry.best),
        best_loss=jnp.where(better, loss, carry.best_loss),
        best_step=jnp.where(better, step, carry.best_step),
    ), measured


def _rescue(
    problem: Problem, carry: _Carry, data: Batch, orders: _Orders, constants: Constants
) -> tuple[_Carry, dict[str, Array]]:
    """Take one step without its lost segments; where all are lost, or nothing finite is left, take none."""
    optimizer = OPTIMIZERS[problem.optimizer]
    batch = _take(problem, data, orders, jnp.int32(0))
    batch = without_lost(problem, carry.parameters, batch, constants)
    function = lambda x: objective(problem, x, batch, constants)  # noqa: E731
    state = _whole_state(problem, carry, data, constants)
    step = optimizer.step(function, carry.parameters, state, orders.rates[0])
    some = jnp.any(batch.keep > 0)
    moved = jax.tree.map(
        lambda new, old: jnp.where(some, new, old),
        (step.parameters, jax.tree.leaves(step.state)),
        (carry.parameters, carry.optimizer),
    )
    lost = jnp.sum(batch.keep == 0).astype(jnp.int32)
    lost = jnp.where(step.finite, lost, batch.keep.size)
    values = {"loss": step.loss, **step.parts, "grad_norm": step.gradient_norm, "lost": lost}
    return carry._replace(parameters=moved[0], optimizer=moved[1]), values


def _start(problem: Problem, parameters: Array, data: Batch, constants: Constants) -> list[Array]:
    """Return the leaves of the optimiser's state at the start of a phase."""
    return [
        jnp.asarray(leaf) for leaf in jax.tree.leaves(_initial_state(problem, parameters, data, constants))
    ]


def _initial_state(problem: Problem, parameters: Array, data: Batch, constants: Constants) -> Any:
    return OPTIMIZERS[problem.optimizer].init(lambda x: objective(problem, x, data, constants), parameters)


def _whole_state(problem: Problem, carry: _Carry, data: Batch, constants: Constants) -> Any:
    """Return the optimiser's state of its leaves."""
    shape = jax.eval_shape(lambda: _initial_state(problem, carry.parameters, data, constants))
    return jax.tree.unflatten(jax.tree.structure(shape), carry.optimizer)


def fit(
    model: NeuralODE,
    phases: Sequence[Phase],
    splits: Sequence[Split],
    settings: FitSettings,
    resume: Checkpoint | None = None,
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
        runner = _PhaseRunner(number, phase, split, settings, model.without_units())
        start = resume if resume is not None and number == resume.phase else None
        yield from runner.run(parameters, start)
        carry = runner.carry
        best = carry.best if np.isfinite(carry.best_loss) else carry.parameters
        best, final = (runner.model(flat, units) for flat in (best, carry.parameters))
        yield PhaseResult(number, best, final, runner.summary())
        parameters = carry.parameters


class _PhaseRunner:
    """One phase under way: its data on the device, its state, and the seconds it has taken."""

    def __init__(self, number: int, phase: Phase, split: Split, settings: FitSettings, model: NeuralODE):
        self.number, self.phase, self.split, self.settings = number, phase, split, settings
        stride = 1 if settings.stride is None and not settings.known_law else settings.stride
        weights = {name: float(w) for name, w in settings.loss_weights.items()}
        self.problem = Problem(
            architecture=model.architecture,
            grid=Grid.default(phase.segment_length, stride),
            integrator=phase.integrator,
            loss=settings.loss,
            additive=tuple(name for name in ADDITIVE_TERMS if weights.get(name, 0.0) != 0.0),
            optimizer=phase.optimizer,
            dtype=settings.dtype,
            augment=settings.augment,
        )
        self.full_batch = OPTIMIZERS[phase.optimizer].full_batch
        n_segments = len(split.train)
        whole = self.full_batch or settings.batch_size == -1
        self.batch_size = n_segments if whole else min(settings.batch_size, n_segments)
        self._check()
        with jax.enable_x64(True):
            scalar = lambda x: jnp.asarray(x, settings.dtype)  # noqa: E731
            self.constants = Constants(
                scalar(model.max_acceleration),
                {name: scalar(weight) for name, weight in sorted(weights.items())},
                scalar(settings.rtol),
                scalar(settings.atol),
            )
            self.data = self._batch(split.train)
            self.held = self._batch(split.validation)
            if settings.augment and self.full_batch:
                # An optimiser that compares values needs one function: one rotation a segment for the phase.
                turn = random_rotations(settings.seed, number, 0, 1, n_segments, settings.planar)[0]
                self.data = _rotate(self.data, jnp.asarray(turn, settings.dtype))
        self.compile_seconds = self.train_seconds = 0.0
        self.lost_streak = self.lost_total = self.steps_taken = 0
        self.grid_error = self._grid_error()

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

    def _grid_error(self) -> float | None:
        """99th percentile of the grid's relative error on the phase's truth, if its law is known."""
        if self.phase.integrator != "grid" or not self.settings.known_law:
            return None
        with jax.enable_x64(True):
            states, times = jnp.asarray(self.split.train.states), jnp.asarray(self.split.train.times)
            true = Batch(states, times, self.data.keep)
            return grid_error(self.problem, true)

    def model(self, flat: Array, units: Any) -> NeuralODE:
        """Make a model of a flat vector of parameters."""
        with jax.enable_x64(True):
            made = assemble(self.problem, jnp.asarray(flat), self.constants.max_acceleration)
        return NeuralODE(made.parameters, made.max_acceleration, made.architecture, units)

    def call(self, function: Callable, *arguments: Any) -> Any:
        """Run a compiled function in the run's own precision, and count its seconds."""
        with jax.enable_x64(True):
            program = compiled(function, self.problem, *arguments)
            started = time.perf_counter()
            result = jax.block_until_ready(program.call(*arguments))
        self.compile_seconds += program.seconds
        self.train_seconds += time.perf_counter() - started
        return result

    def begin(self, parameters: Array) -> _Carry:
        """Return the state before the first step."""
        state = self.call(_start, parameters, self.data, self.constants)
        with jax.enable_x64(True):
            worst = jnp.asarray(np.inf, parameters.dtype)
            return _Carry(parameters, state, parameters, worst, jnp.asarray(0, jnp.int32))

    def run(self, parameters: Array, resume: Checkpoint | None) -> Iterator[Progress]:
        """Take the phase's steps, from the start or from a checkpoint."""
        step = 0
        self.carry = self.begin(parameters)
        if resume is not None:
            step = resume.step
            self.restore(resume)
        size = min(8, CHUNK)
        while step < self.phase.steps:
            boundary = min(
                (step // self.settings.validate_every + 1) * self.settings.validate_every, self.phase.steps
            )
            count = min(boundary - step, size)
            before = self.train_seconds
            rows = self.advance(step, count, step + count == boundary)
            step += len(rows)
            seconds = self.train_seconds - before
            size = _next_size(count, seconds)
            yield Progress(self.number, step, rows, seconds, self.checkpointer(step))

    def advance(self, step: int, count: int, validate: bool) -> list[Row]:
        """Take up to ``count`` steps, the last a rescued one if segments were lost, and validate if asked."""
        orders = self.orders(step, count)
        taken, rows = self.chunk(step, count, orders, validate)
        if taken == count:
            return rows
        if self.full_batch:
            self.clear_lost()
            return self.advance(step, count, validate)
        rows.append(self.rescue(step + taken, jax.tree.map(lambda x: x[taken:], orders)))
        if validate and taken + 1 == count:
            _, measured = self.chunk(step + count, 0, orders, True)
            rows[-1] |= measured[0]
        return rows

    def chunk(self, step: int, count: int, orders: _Orders, validate: bool) -> tuple[int, list[Row]]:
        """Run the compiled chunk; rows of its steps, and where it validated, those numbers in the last."""
        integers = (np.int32(count), np.int32(step), np.bool_(validate))
        self.carry, buffers, taken, measured = self.call(
            _chunk, self.carry, self.data, self.held, orders, *integers, self.constants
        )
        taken = int(taken)
        columns = {name: np.asarray(values)[:taken].tolist() for name, values in buffers.items()}
        lost = int(np.sum(np.asarray(self.data.keep) == 0))
        rates = np.asarray(orders.rates).tolist()
        rows = [
            {"phase": self.number, "step": step + i + 1, "lr": rates[i], "lost": lost}
            | {name: values[i] for name, values in columns.items()}
            for i in range(taken)
        ]
        if validate and taken == count:
            values = {name: float(value) for name, value in measured.items()}
            rows = [*rows[:-1], (rows[-1] if rows else {}) | values]
        if taken:
            self.lost_streak = 0
        self.steps_taken += taken
        return taken, rows

    def orders(self, step: int, count: int) -> _Orders:
        """Make what the steps from ``step`` on take, in arrays of one length whatever the count."""
        seed, last = self.settings.seed, step + count
        pad = lambda x: np.concatenate([x, np.zeros((CHUNK - count, *x.shape[1:]), x.dtype)])  # noqa: E731
        indices = rotations = None
        if not self.full_batch:
            indices = batch_order(seed, self.number, step, last, len(self.split.train), self.batch_size)
            indices = pad(indices)
        if self.settings.augment and not self.full_batch:
            rotations = random_rotations(seed, self.number, step, last, self.batch_size, self.settings.planar)
            rotations = pad(rotations.astype(self.settings.dtype))
        rates = self.phase.learning_rates(step, last).astype(self.settings.dtype)
        return _Orders(indices, pad(rates), rotations)  # pyright: ignore[reportArgumentType]

    def rescue(self, step: int, orders: _Orders) -> Row:
        """Take the step at which the chunk stopped without its lost segments; count them."""
        orders = jax.tree.map(lambda x: x[:1], orders)
        self.carry, values = self.call(_rescue, self.carry, self.data, orders, self.constants)
        row = {"phase": self.number, "step": step + 1, "lr": float(orders.rates[0])}
        row |= {name: float(value) for name, value in values.items()} | {"lost": int(values["lost"])}
        self.steps_taken += 1
        self.lost_total += row["lost"]
        self.lost_streak = self.lost_streak + 1 if row["lost"] > self.batch_size / 2 else 0
        if self.lost_streak >= LOST_STEPS:
            raise TrainingFailed(
                "lost_segments",
                f"over half of the segments were lost {LOST_STEPS} steps in a row, up to step {step + 1} of "
                f"phase {self.number} ({row['lost']} of {self.batch_size} in the last): the solver gives up "
                "or the state becomes non-finite. A smaller learning rate or shorter segments first usually "
                "mend it.",
            )
        return row

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
        self.carry = self.carry._replace(
            optimizer=self.call(_start, self.carry.parameters, self.data, self.constants)
        )

    def checkpointer(self, step: int) -> Callable[[], Checkpoint]:
        """Return a function that takes down all that is needed to go on from here, whenever it is called."""
        carry, keep = self.carry, self.data.keep
        counts = np.array([self.lost_streak, self.lost_total])
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
        self.lost_streak, self.lost_total = (int(n) for n in arrays["counts"])
        compile_seconds, self.train_seconds, steps = arrays["seconds"]
        self.compile_seconds += compile_seconds
        self.steps_taken = int(steps)

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
            "grid_error": self.grid_error,
            "best_step": int(self.carry.best_step),
            "best_loss": float(self.carry.best_loss),
            "lost_segments": self.lost_total,
            "compile_seconds": self.compile_seconds,
            "train_seconds": self.train_seconds,
            "steps_per_second": self.steps_taken / self.train_seconds if self.train_seconds else None,
        }


def _next_size(count: int, seconds: float) -> int:
    """Steps for the next chunk: as many as fit the time a chunk may take, at most doubling."""
    return max(1, min(CHUNK, 4 * count, int(count * SECONDS_PER_CHUNK / max(seconds, 1e-6))))
