"""What is counted of a phase: steps, lost segments, clipped gradients, seconds; and when too much is lost to go on."""

from typing import Any

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.training.events import Row
from keplearn.training.spikes import Spikes

# A run fails when over half of its segments are lost this many steps in a row.
LOST_STEPS = 100
# A phase counts as converged from its first validation whose loss is within this share of its least.
CONVERGED = 0.1


class TrainingFailed(KeplearnError):
    """A training that cannot go on, with the reason; ``kind`` names it for tables."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Tally:
    """The counts of one phase of so many segments a batch; gradients longer than ``max_grad_norm`` are clipped."""

    def __init__(self, phase: int, batch_size: int, max_grad_norm: float):
        self.phase, self.batch_size, self.max_grad_norm = phase, batch_size, max_grad_norm
        self.compile_seconds = self.train_seconds = 0.0
        self.lost_streak = self.lost_total = self.steps_taken = self.clipped = 0
        self.valid_steps = self.validations = 0  # with at least one segment that was not lost
        # Step and loss of each validation that lost no segment; None after a checkpoint that has not kept them.
        self.validated: list[tuple[int, float]] | None = []
        self.spikes = Spikes()

    def count(self, rows: list[Row]) -> None:
        """Count steps, lost segments, and gradients that were longer than the bound.

        Raises
        ------
        TrainingFailed
            ``lost_segments`` where too many are lost for too long.
        """
        self.steps_taken += len(rows)
        self.spikes.count(rows)
        self.valid_steps += sum(bool(np.isfinite(row["loss"])) for row in rows)
        self.clipped += sum(self.max_grad_norm < row["grad_norm"] < np.inf for row in rows)
        for row in rows:
            lost = int(row["lost"])
            self.lost_total += lost
            self.lost_streak = self.lost_streak + 1 if lost > self.batch_size / 2 else 0
            if self.lost_streak >= LOST_STEPS:
                raise TrainingFailed(
                    "lost_segments",
                    f"over half of the segments were lost {LOST_STEPS} steps in a row, up to step {row['step']} of "
                    f"phase {self.phase} ({lost} of {self.batch_size} in the last): the solver gives up, its steps "
                    "no longer resolve the solution, or the state becomes non-finite. A smaller learning rate or "
                    "shorter segments first usually fix it.",
                )

    def count_validation(self, row: Row) -> None:
        """Count a step's validation."""
        loss = row["val_loss"]
        self.validations += bool(np.isfinite(loss))
        if self.validated is not None and np.isfinite(loss) and row["val_lost"] == 0:
            self.validated.append((int(row["step"]), loss))

    @property
    def convergence_steps(self) -> int | None:
        """The step of the first validation whose loss is within 10 % of the phase's least; None where there is none.

        Models that lose a validation segment do not count, as they are never the best.
        """
        if not self.validated:
            return None
        least = min(loss for _, loss in self.validated)
        return next(step for step, loss in self.validated if loss <= least + CONVERGED * abs(least))

    def check_end(self, steps: int) -> None:
        """Fail a phase in which nothing was learned: without a valid step, or a model that can be validated."""
        lost = "every training" if self.valid_steps == 0 else "every validation"
        if 0 in (self.valid_steps, self.validations):
            raise TrainingFailed(
                "lost_segments",
                f"{lost} segment was lost in each of the {steps} steps of phase {self.phase}: loss, "
                "gradient or parameters are not finite. Smaller learning rates or feature scales usually fix it.",
            )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a checkpoint keeps."""
        counts = [self.lost_streak, self.lost_total, self.clipped, self.valid_steps, self.validations]
        seconds = [self.compile_seconds, self.train_seconds, self.steps_taken]
        kept = {"counts": np.array(counts), "seconds": np.array(seconds)}
        if self.validated is not None:
            kept["validated"] = np.array(self.validated, np.float64).reshape(-1, 2)
        return kept | self.spikes.arrays()

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from a checkpoint."""
        counts = [int(n) for n in arrays["counts"]]
        counts += [0, 1, 1][len(counts) - 2 :]  # checkpoints of earlier versions have the first two
        self.lost_streak, self.lost_total, self.clipped, self.valid_steps, self.validations = counts
        compile_seconds, self.train_seconds, steps = arrays["seconds"]
        self.compile_seconds += compile_seconds
        self.steps_taken = int(steps)
        validated = arrays.get("validated")  # likewise
        self.validated = (
            None if validated is None else [(int(step), loss) for step, loss in validated.tolist()]
        )
        self.spikes.restore(arrays)

    def summary(self) -> dict[str, Any]:
        """Return what is recorded."""
        return {
            "convergence_steps": self.convergence_steps,
            "lost_segments": self.lost_total,
            "clipped_steps": self.clipped,
            "compile_seconds": self.compile_seconds,
            "train_seconds": self.train_seconds,
            "steps_per_second": self.steps_taken / self.train_seconds if self.train_seconds else None,
            **self.spikes.summary(),
        }
