"""One phase of a training: its data on the device, its state, and its steps, in chunks of a compiled program."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from keplearn.data.splits import Split
from keplearn.models.kinds import Model
from keplearn.training.batches import Batches, on_device
from keplearn.training.calls import Call, Execute
from keplearn.training.chunk import Carry, draw, rescue, start, take_steps
from keplearn.training.chunk import validate as validate_model
from keplearn.training.compared import OBJECTIVES
from keplearn.training.curriculum import Phase
from keplearn.training.events import Checkpoint, Row, Rows
from keplearn.training.grid_error import GridError, grid_error
from keplearn.training.measured import field_error, path_error, path_setup
from keplearn.training.objective import UNRESOLVED, without_lost
from keplearn.training.optimizers import OPTIMIZERS
from keplearn.training.problem import Batch, Constants, Shape, assemble, replace_lost
from keplearn.training.settings import FitSettings, setup_of
from keplearn.training.tally import Tally, TrainingFailed

# Fewer steps in a call than `keplearn.training.batches.CHUNK` where steps are slow: control returns every second.
SECONDS_PER_CHUNK = 1.0


class PhaseRunner:
    """One phase under way: its data on the device, its state, and the seconds it has taken."""

    def __init__(
        self,
        number: int,
        phase: Phase,
        split: Split,
        settings: FitSettings,
        model: Model,
        execute: Execute,
    ):
        self.number, self.phase, self.split, self.settings = number, phase, split, settings
        self.step = 0
        self.execute = execute
        self.setup = setup_of(phase, model.architecture, settings, split.uniform)
        self.static = {draw: None, field_error: Shape(model.architecture, settings.dtype)}
        if split.paths is not None:
            self.static[path_error] = path_setup(split.paths, model.architecture, phase, settings)
        self.optimizer = OPTIMIZERS[phase.optimizer]
        max_grad_norm = np.inf if settings.max_grad_norm is None else settings.max_grad_norm
        self.grid_error = self._grid_error()
        apart = max(UNRESOLVED, 10 * self.grid_error.disagreement) if self.grid_error else UNRESOLVED
        with jax.enable_x64(True):
            scalar = lambda x: jnp.asarray(x, settings.dtype)  # noqa: E731
            self.constants = Constants(
                jax.tree.map(scalar, model.scales),
                {name: scalar(weight) for name, weight in sorted(settings.loss_weights.items())},
                scalar(settings.rtol),
                scalar(settings.atol),
                scalar(max_grad_norm),
                scalar(apart),
                scalar(settings.weight_decay),
            )
        self.batches = Batches(number, phase, self.setup, split, settings)
        self.data = self.batches.data
        clipped_above = np.inf if self.optimizer.full_batch else max_grad_norm
        self.tally = Tally(number, self.batches.size, clipped_above)
        # Loss and field error of the best model; None where it is not measured.
        self.best: tuple[float, float | None] = (np.inf, None)

    @property
    def on_grid(self) -> bool:
        """Whether the phase integrates the model with the steps of a grid."""
        integrates = OBJECTIVES[self.phase.objective].integrates
        needed = self.setup.needs & {"pair", "trajectory", "posterior"}
        return self.phase.integrator == "grid" and integrates and bool(needed)

    def _grid_error(self) -> GridError | None:
        """Measure the grid on the phase's truth, if its law is known and the loss integrates it."""
        if not self.on_grid or self.settings.law is None or self.setup.architecture.field is None:
            return None
        with jax.enable_x64(True):
            true = self.split.train if self.split.truth is None else self.split.truth
            batch = on_device(true, self.setup, np.float64)
            return grid_error(self.setup, self.settings.law, batch)

    def model(self, flat: Array, units: Any) -> Model:
        """Make a model of a flat vector of parameters."""
        with jax.enable_x64(True):
            made = assemble(self.setup, jnp.asarray(flat), self.constants.scales)
        return replace(made, units=units)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return a compiled function's result, and count its seconds."""
        answer = self.execute(Call(function, self.static.get(function, self.setup), arguments))
        self.tally.compile_seconds += answer.compile_seconds
        self.tally.train_seconds += answer.seconds
        return answer.result

    def begin(self, parameters: Array) -> Carry:
        """Return the state before the first step; pieces begin where they were observed to."""
        if self.data.pieces is not None:
            with jax.enable_x64(True):
                beside = jnp.zeros(6 * self.data.keep.size, parameters.dtype)
                parameters = jnp.concatenate([parameters, beside])
        state = self.call(start, parameters, self.data if self.optimizer.full_batch else None, self.constants)
        with jax.enable_x64(True):
            worst = jnp.asarray(np.inf, parameters.dtype)
            return Carry(parameters, state, parameters, worst, jnp.asarray(0, jnp.int32))

    def run(self, parameters: Array, resume: Checkpoint | None) -> Iterator[Rows]:
        """Take the phase's steps, from the start or from a checkpoint."""
        self.carry = self.begin(parameters)
        if resume is not None:
            self.step = resume.step
            self.restore(resume)
        size = min(8, self.batches.steps_at_once)
        while (step := self.step) < self.phase.steps and not self.exhausted:
            boundary = min(
                (step // self.settings.validate_every + 1) * self.settings.validate_every, self.phase.steps
            )
            count = min(boundary - step, size)
            before = self.tally.train_seconds
            rows = self.advance(step, count, step + count == boundary)
            self.step = step = step + len(rows)
            seconds = self.tally.train_seconds - before
            fitting = int(count * SECONDS_PER_CHUNK / max(seconds, 1e-6))
            size = max(1, min(self.batches.steps_at_once, 4 * size, fitting))
            yield Rows(self.number, step, rows, seconds, self.checkpointer(step))

    @property
    def exhausted(self) -> bool:
        """Whether the last ``patience`` validations were no better than the best one before."""
        patience, every = self.settings.patience, self.settings.validate_every
        return patience is not None and self.step - int(self.carry.best_step) >= patience * every

    def advance(self, step: int, count: int, validate: bool) -> list[Row]:
        """Take up to ``count`` steps, the last a rescued one if segments were lost, and validate if asked."""
        rates = self.phase.learning_rates(step, step + count, self.tally.validated or ())
        with np.errstate(over="ignore"):  # beyond float32 a rate is infinite, and no step is taken
            rates = rates.astype(self.settings.dtype)
        drawn = self.batches.drawn
        batches = self.call(draw, *self.batches.to_draw(step, step + count)) if drawn else self.data
        rows = self.chunk(step, batches, rates)
        taken = len(rows)
        if taken < count and self.optimizer.full_batch:
            self.clear_lost()
            return self.advance(step, count, validate)
        if taken < count:
            batch = jax.tree.map(lambda x: x[taken], batches) if drawn else batches
            rows.append(self.rescue(step + taken, batch, rates[taken, ...]))
        if validate and len(rows) == count:
            rows[-1] |= self.validate(step + count)
            self.tally.count_validation(rows[-1])
        return rows

    def validate(self, step: int) -> Row:
        """Validate the model after so many steps: keep it if it is the best, and return what was measured."""
        parameters, points, error = self.carry.parameters, self.batches.points, None
        if points is not None:
            error = self.call(field_error, parameters, points, self.constants.scales)
        judged = error if self.settings.best_by == "field" else None
        self.carry, measured = self.call(
            validate_model, self.carry, self.batches.validation, np.int32(step), self.constants, judged
        )
        measured |= {} if error is None else {"val_field": error}
        if (paths := self.batches.paths) is not None:
            measured["val_path"] = self.call(path_error, parameters, paths, self.constants)
        row = {name: float(value) for name, value in measured.items()}
        if int(self.carry.best_step) == step:
            self.best = (row["val_loss"], row.get("val_field"))
        return row

    def chunk(self, step: int, batches: Batch, rates: np.ndarray) -> list[Row]:
        """Run the compiled chunk, and return the rows of the steps it has taken."""
        self.carry, buffers, taken = self.call(
            take_steps, self.carry, batches, self.batches.pad(rates), np.int32(len(rates)), self.constants
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
        if self.optimizer.full_batch:  # those that were lost where the phase started
            out = self.batches.size - int(np.sum(np.asarray(self.data.keep)))
            rows = [row | {"lost": out} for row in rows]
        return rows

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
        if lost > self.batches.size / 2:
            raise TrainingFailed(
                "lost_segments",
                f"{lost} of {self.batches.size} segments are lost where phase {self.number} starts.",
            )
        state = self.call(start, self.carry.parameters, self.data, self.constants)
        self.carry = self.carry._replace(optimizer=state)

    def checkpointer(self, step: int) -> Callable[[], Checkpoint]:
        """Return a function that takes down all that is needed to go on from here, whenever it is called."""
        carry, keep = self.carry, self.data.keep
        host = self.tally.arrays() | {"best": np.array(self.best, np.float64)}

        def checkpoint() -> Checkpoint:
            arrays = {f"state.{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(carry))}
            return Checkpoint(self.number, step, arrays | {"keep": np.asarray(keep)} | host)

        return checkpoint

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up a checkpoint."""
        leaves, structure = jax.tree.flatten(self.carry)
        arrays = checkpoint.arrays
        with jax.enable_x64(True):
            saved = [jnp.asarray(arrays[f"state.{i}"], leaf.dtype) for i, leaf in enumerate(leaves)]
            self.data = replace_lost(self.data, jnp.asarray(arrays["keep"]) > 0)
        self.carry = jax.tree.unflatten(structure, saved)
        # Checkpoints of earlier versions have the loss alone.
        loss, field = map(float, arrays.get("best", (self.carry.best_value, np.nan)))
        self.best = (loss, None if np.isnan(field) else field)
        self.tally.restore(arrays)

    def summary(self) -> dict[str, Any]:
        """What is recorded of the phase."""
        return {
            "phase": self.number,
            "steps": self.step,
            "segments": len(self.split.train),
            "validation_segments": len(self.split.validation),
            "validation_on": "validation" if self.split.own_validation else "training",
            "batch_size": self.batches.size,
            "stride": self.setup.grid.stride if self.on_grid else None,
            "grid_error": self.grid_error and self.grid_error.percentile,
            "grid_error_max": self.grid_error and self.grid_error.maximum,
            "best_step": int(self.carry.best_step),
            "best_loss": self.best[0],
            "best_field": self.best[1],
            **self.tally.summary(),
        }
