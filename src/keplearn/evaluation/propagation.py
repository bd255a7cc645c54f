"""Propagating fields along the orbits of a dataset: adaptive, float64, in batches of one compiled program.

Fields that differ in their arrays alone, such as the models of one architecture, share a program, and on a GPU
a call. Batches have a fixed number of samples, not of orbits, so that datasets of 1, 10 and 100 orbits share it
too (compiling costs seconds, a batch some milliseconds). A batched adaptive solve goes on until its slowest
orbit is done: orbits that need about equally many steps are put together.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int

from keplearn.core.jax_shapes import State
from keplearn.core.programs import compiled, power_above
from keplearn.core.shapes import OrbitStates, OrbitTimes
from keplearn.evaluation.subject import Subject
from keplearn.integrate import adaptive_solve
from keplearn.models.neural_ode import NeuralODE
from keplearn.systems import field as fields

RTOL, ATOL = 1e-9, 1e-11
# A whole orbit takes 30-80 steps of Dopri8 or 150-300 of Tsit5, 2000 where the activation has kinks.
MAX_STEPS = 8192
# Batches of 20 whole orbits are faster than of 8 or 100, two to four times so where a few orbits diverge.
BATCH_SAMPLES = 7200
# Models propagated in one call on a GPU. On a CPU it is one: two and more at once take 1.5 to 2 times as long.
ON_GPU = 64


@dataclass(frozen=True)
class Pieces:
    """Stretches of orbits, each propagated from its own first sample: indices of its orbit and its samples.

    ``samples`` repeats an orbit's last sample where the piece is shorter; ``real`` tells which are not such
    padding. A solver reads the same time again at no cost.
    """

    orbit: Int[np.ndarray, "piece 1"]
    samples: Int[np.ndarray, "piece length"]
    real: Bool[np.ndarray, "piece length"]

    @classmethod
    def cut(cls, counts: Int[np.ndarray, "orbit"], segments: int | None) -> "Pieces":
        """Cut orbits of ``counts`` samples into pieces of ``segments``; None for whole orbits."""
        length = int(counts.max()) if segments is None else min(segments, int(counts.max()))
        starts = [(i, first) for i, n in enumerate(counts) for first in range(0, int(n), length)]
        orbit, first = np.array(starts).T[:, :, None]
        samples = first + np.arange(length)
        last = counts[orbit] - 1
        return cls(orbit, np.minimum(samples, last), samples <= last)

    def spread(self, values: np.ndarray, counts: Int[np.ndarray, "orbit"]) -> np.ndarray:
        """Values (piece, length, …) put back to their samples (orbit, sample, …); NaN where there is none."""
        result = np.full((len(counts), int(counts.max()), *values.shape[2:]), np.nan)
        orbit = np.broadcast_to(self.orbit, self.real.shape)
        result[orbit[self.real], self.samples[self.real]] = values[self.real]
        return result


@dataclass(frozen=True)
class Propagated:
    """A propagation by (orbit, sample), canonical units, NaN where padded or not reached; what failed."""

    states: OrbitStates
    accelerations: Float64[np.ndarray, "orbit sample 3"]
    field_accelerations: Float64[np.ndarray, "orbit sample 3"]
    magnitudes: Float64[np.ndarray, "orbit sample"] | None
    failed: Bool[np.ndarray, "orbit"]


def models_at_once() -> int:
    """Return how many models are propagated in one call on this process's device."""
    return 1 if jax.devices()[0].platform == "cpu" else ON_GPU


def propagate(
    subjects: Sequence[Subject],
    states: Sequence[OrbitStates],
    times: Sequence[OrbitTimes],
    counts: Int[np.ndarray, "orbit"],
    segments: int | None,
    at_once: int | None = None,
) -> list[Propagated]:
    """Propagate subjects from the first state of each orbit, or of each piece of ``segments`` samples.

    Parameters
    ----------
    subjects
        The fields.
    states, times
        The true orbits in each subject's canonical units, NaN where padded.
    counts
        Real samples of each orbit.
    segments
        Samples a piece; None for whole orbits.
    at_once
        Subjects in one call at most, of those that share a program; None for `models_at_once`.
    """
    pieces = Pieces.cut(counts, segments)
    y = [x[pieces.orbit, pieces.samples] for x in states]
    t = [x[pieces.orbit, pieces.samples] for x in times]
    t = [x - x[:, :1] for x in t]
    found: dict[int, Propagated] = {}
    for field, numbers in _alike(subjects, at_once or models_at_once()):
        leaves = [jax.tree.leaves(subjects[i].dynamics) for i in numbers]
        results = _in_batches(
            field, leaves, np.stack([y[i] for i in numbers]), np.stack([t[i] for i in numbers])
        )
        for row, i in enumerate(numbers):
            found[i] = _assemble(field, pieces, counts, [x[row] for x in results])
    return [found[i] for i in range(len(subjects))]


def _alike(subjects: Sequence[Subject], at_once: int) -> "Iterator[tuple[Field, list[int]]]":
    """Group subjects that share a program, at most so many together."""
    groups = defaultdict(list)
    for i, subject in enumerate(subjects):
        leaves, structure = jax.tree.flatten(subject.dynamics)
        field = Field(structure, subject.smooth, subject.has_magnitude)
        groups[field, tuple(np.shape(leaf) for leaf in leaves)].append(i)
    for (field, _), numbers in groups.items():
        for k in range(0, len(numbers), at_once):
            yield field, numbers[k : k + at_once]


def _assemble(
    field: "Field", pieces: Pieces, counts: Int[np.ndarray, "orbit"], results: list[np.ndarray]
) -> Propagated:
    """Put the results of one subject's pieces back to their orbits, and tell which orbits failed."""
    predicted, accelerations, fields, magnitudes = (pieces.spread(x, counts) for x in results[:-1])
    finite = np.isfinite(predicted).all(-1) & np.isfinite(accelerations).all(-1)
    lost = np.bincount(pieces.orbit[:, 0], weights=~results[-1], minlength=len(counts)) > 0
    unreached = (np.arange(predicted.shape[1]) < counts[:, None]) & ~finite
    return Propagated(
        states=predicted,
        accelerations=accelerations,
        field_accelerations=fields,
        magnitudes=magnitudes if field.has_magnitude else None,
        failed=lost | unreached.any(axis=1),
    )


def _in_batches(
    field: "Field",
    leaves: list[list[Array]],
    y: Float64[np.ndarray, "subject piece length 6"],
    t: Float64[np.ndarray, "subject piece length"],
) -> list[np.ndarray]:
    """Results of `_solve` by (subject, piece), for subjects that share a program."""
    size = max(1, BATCH_SAMPLES // t.shape[2])
    # Steps go as the angle that is swept: the integral of r^(-3/2) over time. It is the same in all units.
    radii = np.linalg.norm(y[0, ..., :3], axis=-1)
    effort = (np.diff(t[0], axis=1) * radii[:, :-1] ** -1.5).sum(axis=1)
    order = np.argsort(effort, kind="stable")
    batches = [order[k : k + size] for k in range(0, len(order), size)]
    rows = len(leaves)
    with jax.enable_x64(True):
        if rows == 1:
            function, weights, filled = _solve, leaves[0], 0
        else:  # few sizes, so that few programs: repeats subjects
            function, filled = _solve_together, np.resize(np.arange(rows), power_above(rows))
            weights = [jnp.stack([leaves[i][k] for i in filled]) for k in range(len(leaves[0]))]
        parts = []
        for batch in batches:
            full = np.resize(batch, size)  # repeats pieces where the batch is short
            arguments = (weights, y[filled][..., full, :, :], t[filled][..., full, :])
            solved = compiled(function, field, *arguments).call(*arguments)
            solved = [np.asarray(x) for x in solved]
            parts.append([(x[None] if rows == 1 else x)[:rows, : len(batch)] for x in solved])
    back = np.argsort(order)
    return [np.concatenate(part, axis=1)[:, back] for part in zip(*parts, strict=True)]


class Field(NamedTuple):
    """What of a subject is compiled in; subjects that agree in it share a program."""

    structure: Any
    smooth: bool
    has_magnitude: bool


def _solve(
    field: Field,
    leaves: list[Array],
    y: Float[Array, "batch sample 6"],
    t: Float[Array, "batch sample"],
) -> tuple[Array, Array, Array, Array, Array]:
    """Return predicted states, accelerations there and at the true states, m, and the solver's success."""
    dynamics: fields.Field = jax.tree.unflatten(field.structure, leaves)

    def solve(start: State, times: Float[Array, "sample"]):
        return adaptive_solve(
            dynamics, start, times, rtol=RTOL, atol=ATOL, max_steps=MAX_STEPS, high_order=field.smooth
        )

    predicted, success = jax.vmap(solve)(y[:, 0], t)
    predicted = jnp.where(jnp.isfinite(predicted).all(-1, keepdims=True), predicted, jnp.nan)
    accelerate = jax.vmap(jax.vmap(lambda s, x: dynamics.acceleration(s, x[:3], x[3:])))
    magnitude = predicted[..., 0]
    if field.has_magnitude and isinstance(dynamics, NeuralODE):
        network = dynamics.network
        magnitude = jax.vmap(jax.vmap(lambda x: network(x[:3], x[3:])[0]))(predicted)
    return predicted, accelerate(t, predicted), accelerate(t, y), magnitude, success


def _solve_together(field: Field, *arguments: Any) -> tuple[Array, Array, Array, Array, Array]:
    """`_solve` of several subjects, along the first axis of all arguments and results."""
    return jax.vmap(partial(_solve, field))(*arguments)
