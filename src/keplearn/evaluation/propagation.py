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
from keplearn.evaluation.encoded import solve_encoded
from keplearn.evaluation.subject import Subject
from keplearn.integrate import adaptive_solve
from keplearn.models.latent_ode import LatentODE
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
    """A propagation by (orbit, sample), canonical units, NaN where padded or not reached; what failed.

    ``covariances``: of the positions, of models that tell how sure they are of them; ``latents``: where each orbit
    begins, to a model that has a latent.
    """

    states: OrbitStates
    accelerations: Float64[np.ndarray, "orbit sample 3"]
    field_accelerations: Float64[np.ndarray, "orbit sample 3"]
    magnitudes: Float64[np.ndarray, "orbit sample"] | None
    failed: Bool[np.ndarray, "orbit"]
    covariances: Float64[np.ndarray, "orbit sample 3 3"] | None = None
    latents: Float64[np.ndarray, "orbit latent"] | None = None


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
    given: Sequence[OrbitStates] | None = None,
) -> list[Propagated]:
    """Propagate subjects from the first state of each orbit, or of each piece of ``segments`` samples.

    Latent ODEs start from what they are given of each.

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
    given
        What a latent ODE observes of each orbit, in its canonical units, NaN where it does not.
    """
    pieces = Pieces.cut(counts, segments)
    y = [x[pieces.orbit, pieces.samples] for x in states]
    seen = [x[pieces.orbit, pieces.samples] for x in (states if given is None else given)]
    seen = [np.where(pieces.real[..., None], x, np.nan) for x in seen]
    t = [x[pieces.orbit, pieces.samples] for x in times]
    t = [x - x[:, :1] for x in t]
    found: dict[int, Propagated] = {}
    for field, numbers in _alike(subjects, at_once or models_at_once()):
        leaves = [jax.tree.leaves(subjects[i].dynamics) for i in numbers]
        arrays = (np.stack([x[i] for i in numbers]) for x in (y, t, seen))
        results = _in_batches(field, leaves, *arrays)
        for row, i in enumerate(numbers):
            one = {key: x[row] for key, x in results.items()}
            found[i] = _assemble(pieces, counts, one)
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


def _assemble(pieces: Pieces, counts: Int[np.ndarray, "orbit"], results: dict[str, np.ndarray]) -> Propagated:
    """Put the results of one subject's pieces back to their orbits, and tell which orbits failed."""
    spread = {key: pieces.spread(x, counts) for key, x in results.items() if key not in ("success", "latent")}
    predicted, accelerations = spread["states"], spread["accelerations"]
    finite = np.isfinite(predicted).all(-1) & np.isfinite(accelerations).all(-1)
    lost = np.bincount(pieces.orbit[:, 0], weights=~results["success"], minlength=len(counts)) > 0
    unreached = (np.arange(predicted.shape[1]) < counts[:, None]) & ~finite
    return Propagated(
        states=predicted,
        accelerations=accelerations,
        field_accelerations=spread["field"],
        magnitudes=spread.get("magnitude"),
        failed=lost | unreached.any(axis=1),
        covariances=spread.get("covariance"),
        latents=results["latent"][np.unique(pieces.orbit, return_index=True)[1]]
        if "latent" in results
        else None,
    )


def _in_batches(
    field: "Field",
    leaves: list[list[Array]],
    y: Float64[np.ndarray, "subject piece length 6"],
    t: Float64[np.ndarray, "subject piece length"],
    given: Float64[np.ndarray, "subject piece length 6"],
) -> dict[str, np.ndarray]:
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
            at = (y[filled][..., full, :, :], t[filled][..., full, :], given[filled][..., full, :, :])
            arguments = (weights, *at)
            solved = {
                key: np.asarray(x)
                for key, x in compiled(function, field, *arguments).call(*arguments).items()
            }
            parts.append(
                {key: (x[None] if rows == 1 else x)[:rows, : len(batch)] for key, x in solved.items()}
            )
    back = np.argsort(order)
    return {key: np.concatenate([part[key] for part in parts], axis=1)[:, back] for key in parts[0]}


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
    given: Float[Array, "batch sample 6"],
) -> dict[str, Array]:
    """Return predicted states, accelerations there and at the true states, m if there is one, the solver's success."""
    dynamics: fields.Field | LatentODE = jax.tree.unflatten(field.structure, leaves)
    steps: dict[str, Any] = {"rtol": RTOL, "atol": ATOL, "max_steps": MAX_STEPS, "high_order": field.smooth}
    if isinstance(dynamics, LatentODE):
        return jax.vmap(partial(solve_encoded, dynamics, steps))(y, t, given)

    def solve(start: State, times: Float[Array, "sample"]):
        return adaptive_solve(dynamics, start, times, **steps)

    predicted, success = jax.vmap(solve)(y[:, 0], t)
    predicted = jnp.where(jnp.isfinite(predicted).all(-1, keepdims=True), predicted, jnp.nan)
    accelerate = jax.vmap(jax.vmap(lambda s, x: dynamics.acceleration(s, x[:3], x[3:])))
    found = {"states": predicted, "accelerations": accelerate(t, predicted), "field": accelerate(t, y)}
    if field.has_magnitude and isinstance(dynamics, NeuralODE):
        network = dynamics.network
        found["magnitude"] = jax.vmap(jax.vmap(lambda x: network(x[:3], x[3:])[0]))(predicted)
    return found | {"success": success}


def _solve_together(field: Field, *arguments: Any) -> dict[str, Array]:
    """`_solve` of several subjects, along the first axis of all arguments and results."""
    return jax.vmap(partial(_solve, field))(*arguments)
