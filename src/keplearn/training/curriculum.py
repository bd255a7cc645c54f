"""A run's training as a list of phases, and what each step of a phase takes: learning rate and batch."""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float64, Int32

from keplearn.training.schedules import Validated, make_schedule


@dataclass(frozen=True)
class Phase:
    """One phase: a time window of the orbit, a segment length, and how its steps are taken.

    ``batch_size`` -1: all segments; ``stride``: samples per step of the grid, None for the default.
    """

    window: tuple[float, float]
    learning_rate: float
    steps: int
    segment_length: int
    optimizer: str = "adam"
    schedule: str = "constant"
    integrator: str = "grid"
    objective: str = "trajectory"
    batch_size: int = 256
    stride: int | None = None

    def learning_rates(self, first: int, last: int, validated: Validated = ()) -> Float64[np.ndarray, "step"]:
        """Rates of the steps first ≤ k < last by the schedule, after these validations: the step and loss of each."""
        steps = np.arange(first, last)
        with jax.enable_x64(True):
            rates = make_schedule(self.schedule, self.learning_rate, self.steps, validated)(steps)
        return np.broadcast_to(np.asarray(rates, np.float64), steps.shape)


def batch_order(
    seed: int, phase: int, first: int, last: int, n_segments: int, batch_size: int
) -> Int32[np.ndarray, "step batch"]:
    """Indices of the segments in the batches of the steps first ≤ k < last.

    Without replacement within an epoch, the incomplete last batch dropped. A function of seed, phase and step
    alone, so that a resumed run takes the batches that it would have taken.
    """
    per_epoch = n_segments // batch_size
    rows = []
    for epoch in range(first // per_epoch, -(-last // per_epoch)):
        shuffled = np.random.default_rng([seed, phase, epoch]).permutation(n_segments)
        rows.append(shuffled[: per_epoch * batch_size].reshape(per_epoch, batch_size))
    skipped = first // per_epoch * per_epoch
    return np.concatenate(rows)[first - skipped : last - skipped].astype(np.int32)


def normal(
    latent: int, segments: int, seed: int, phase: int, step: int
) -> Float64[np.ndarray, "latent segment"]:
    """Standard normal draws for the segments of one step's batch: a function of seed, phase and step.

    Step -1 is validation's, the same at all times.
    """
    return np.random.default_rng([seed, phase, step + 1, 2]).standard_normal((latent, segments))


def random_rotations(
    seed: int, phase: int, first: int, last: int, batch_size: int, planar: bool
) -> Float64[np.ndarray, "step 3 3 batch"]:
    """Rotation matrices for the segments of each step's batch, uniform about z (planar) or over all of space.

    In space from uniform random quaternions (Shoemake, Graphics Gems III, 1992). A function of seed, phase
    and step.
    """
    draws = [np.random.default_rng([seed, phase, step, 1]) for step in range(first, last)]
    if planar:
        angle = np.stack([draw.uniform(0, 2 * np.pi, batch_size) for draw in draws])
        zero = np.zeros_like(angle)
        w, x, y, z = np.cos(angle / 2), zero, zero, np.sin(angle / 2)
    else:
        q = np.stack([draw.standard_normal((4, batch_size)) for draw in draws], axis=1)
        w, x, y, z = q / np.linalg.norm(q, axis=0)
    matrices = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(matrices), 2, 0)
