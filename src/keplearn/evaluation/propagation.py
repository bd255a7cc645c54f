"""Propagating a field along the orbits of a dataset: adaptive, in float64, in batches of one compiled program.

Batches have a fixed number of samples, not of orbits, so that datasets of 1, 10 and 100 orbits and all models of one
architecture share one program (compiling costs seconds, a batch some milliseconds). A batched adaptive solve goes on until
its slowest orbit is done: orbits that need about equally many steps are put together.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int

from keplearn.data.units import Units
from keplearn.errors import KeplearnError
from keplearn.integrate import adaptive_solve
from keplearn.models.neural_ode import NeuralODE
from keplearn.shapes import OrbitStates, OrbitTimes, State, Vector

RTOL, ATOL = 1e-9, 1e-11
# A whole orbit takes 30-80 steps of Dopri8 or 150-300 of Tsit5, and up to 2000 of Tsit5 where the activation has kinks.
MAX_STEPS = 8192
# Measured: batches of 20 whole orbits are faster than of 8 or 100, two to four times where a few orbits diverge.
BATCH_SAMPLES = 7200

# On smooth fields Dopri8 takes half of Tsit5's time and is ten times more accurate; on fields with kinks, where steps
# are rejected whatever the order, it takes three times as long. An activation that is not listed gets Tsit5.
SMOOTH = frozenset(
    (
        "gelu",
        "log_sigmoid",
        "mish",
        "shifted_softplus",
        "sigmoid",
        "silu",
        "sin",
        "softplus",
        "squareplus",
        "swish",
        "tanh",
    )
)


class Dynamics(Protocol):
    """A field in canonical units: dy/dt for the solver, and its acceleration."""

    def __call__(self, t: Any, y: State, args: Any = None) -> State:
        """Return dy/dt (6,)."""
        ...

    def acceleration(self, r: Vector, v: Vector) -> Vector:
        """Return the acceleration (3,)."""
        ...


class TwoBodyLaw(eqx.Module):
    """The two-body law **a** = −μ **r**/r³ as a field, to be scored as if it had been learned."""

    mu: Float[Array, ""]

    def acceleration(self, r: Vector, v: Vector) -> Vector:
        """Return −μ r/r³."""
        return -self.mu * r / jnp.sum(r * r) ** 1.5

    def __call__(self, t: Any, y: State, args: Any = None) -> State:
        """Return dy/dt (6,)."""
        return jnp.concatenate([y[3:], self.acceleration(y[:3], y[3:])])


@dataclass(frozen=True)
class Subject:
    """What is propagated, and what a propagation must know of it.

    ``planar``: it lives in z = 0. ``smooth``: the field has no kinks. ``has_magnitude``: output 0 of its network is m.
    """

    dynamics: Dynamics
    units: Units
    planar: bool
    smooth: bool
    has_magnitude: bool

    @classmethod
    def model(cls, model: NeuralODE) -> "Subject":
        """A model, in float64 and without what is not part of its computation."""
        if model.units is None:
            raise KeplearnError(
                "This model does not know its units, so it cannot be scored on orbits in km and s."
            )
        with jax.enable_x64(True):
            dynamics = model.without_units().astype(jnp.float64)
        shape = model.architecture
        smooth = {shape.activation, shape.final_activation or shape.activation} <= SMOOTH
        return cls(dynamics, model.units, shape.planar_constraint, smooth, shape.outputs.signed_magnitude)

    @classmethod
    def law(cls, mu: float, units: Units, planar: bool) -> "Subject":
        """The two-body law with ``mu`` in km³/s²."""
        with jax.enable_x64(True):
            dynamics = TwoBodyLaw(jnp.asarray(mu / units.mu, jnp.float64))
        return cls(dynamics, units, planar, smooth=True, has_magnitude=False)


@dataclass(frozen=True)
class Pieces:
    """Stretches of orbits that are propagated each from its own first sample: row ``orbit``, samples ``first`` …

    ``samples`` (piece, length) repeats an orbit's last sample where the piece is shorter; ``real`` tells which are not
    such padding. A solver reads the same time again at no cost.
    """

    orbit: Int[np.ndarray, "piece 1"]
    samples: Int[np.ndarray, "piece length"]
    real: Bool[np.ndarray, "piece length"]

    @classmethod
    def cut(cls, counts: Int[np.ndarray, "orbit"], segments: int | None) -> "Pieces":
        """Whole orbits of ``counts`` samples, or pieces of ``segments`` samples, the last of an orbit shorter."""
        length = int(counts.max()) if segments is None else min(segments, int(counts.max()))
        starts = [(i, first) for i, n in enumerate(counts) for first in range(0, int(n), length)]
        orbit, first = np.array(starts).T[:, :, None]
        samples = first + np.arange(length)
        last = counts[orbit] - 1
        return cls(orbit, np.minimum(samples, last), samples <= last)

    def spread(self, values: np.ndarray, counts: Int[np.ndarray, "orbit"]) -> np.ndarray:
        """Values (piece, length, …) back in the places of their samples (orbit, sample, …); NaN where there is none."""
        result = np.full((len(counts), int(counts.max()), *values.shape[2:]), np.nan)
        orbit = np.broadcast_to(self.orbit, self.real.shape)
        result[orbit[self.real], self.samples[self.real]] = values[self.real]
        return result


@dataclass(frozen=True)
class Propagated:
    """A propagation in canonical units, by (orbit, sample); NaN where padded or not reached; and the orbits that failed."""

    states: OrbitStates
    accelerations: Float64[np.ndarray, "orbit sample 3"]
    field_accelerations: Float64[np.ndarray, "orbit sample 3"]
    magnitudes: Float64[np.ndarray, "orbit sample"] | None
    failed: Bool[np.ndarray, "orbit"]


def propagate(
    subject: Subject,
    states: OrbitStates,
    times: OrbitTimes,
    counts: Int[np.ndarray, "orbit"],
    segments: int | None,
) -> Propagated:
    """Propagate a subject from the first state of each orbit, or of each piece of ``segments`` samples.

    Parameters
    ----------
    subject
        The field.
    states, times
        The true orbits in canonical units, NaN where padded.
    counts
        Real samples of each orbit.
    segments
        Samples a piece; None for whole orbits.
    """
    pieces = Pieces.cut(counts, segments)
    y = states[pieces.orbit, pieces.samples]
    t = times[pieces.orbit, pieces.samples]
    t = t - t[:, :1]
    results = _in_batches(subject, y, t)
    predicted, accelerations, fields, magnitudes = (pieces.spread(x, counts) for x in results[:-1])
    finite = np.isfinite(predicted).all(-1) & np.isfinite(accelerations).all(-1)
    lost = np.bincount(pieces.orbit[:, 0], weights=~results[-1], minlength=len(counts)) > 0
    unreached = (np.arange(times.shape[1]) < counts[:, None]) & ~finite
    return Propagated(
        states=predicted,
        accelerations=accelerations,
        field_accelerations=fields,
        magnitudes=magnitudes if subject.has_magnitude else None,
        failed=lost | unreached.any(axis=1),
    )


def _in_batches(subject: Subject, y: np.ndarray, t: np.ndarray) -> list[np.ndarray]:
    """Results of `_solve` for all pieces, in their order."""
    size = max(1, BATCH_SAMPLES // t.shape[1])
    # Steps go as the angle that is swept: the integral of r^(-3/2) over time.
    radii = np.linalg.norm(y[..., :3], axis=-1)
    effort = (np.diff(t, axis=1) * radii[:, :-1] ** -1.5).sum(axis=1)
    order = np.argsort(effort, kind="stable")
    batches = [order[k : k + size] for k in range(0, len(order), size)]
    parts = []
    with jax.enable_x64(True):
        for batch in batches:
            full = np.resize(batch, size)  # repeats pieces where the batch is short
            solved = _solve(subject.dynamics, y[full], t[full], subject.smooth, subject.has_magnitude)
            parts.append([np.asarray(x)[: len(batch)] for x in solved])
    back = np.argsort(order)
    return [np.concatenate(part)[back] for part in zip(*parts, strict=True)]


@eqx.filter_jit
def _solve(
    dynamics: Dynamics,
    y: Float[np.ndarray, "batch sample 6"],
    t: Float[np.ndarray, "batch sample"],
    smooth: bool,
    has_magnitude: bool,
) -> tuple[Array, Array, Array, Array, Array]:
    """Predicted states, accelerations there and at the true states, m at the predicted, and whether the solver succeeded."""

    def solve(start: State, times: Float[Array, "sample"]):
        return adaptive_solve(
            dynamics, start, times, rtol=RTOL, atol=ATOL, max_steps=MAX_STEPS, high_order=smooth
        )

    predicted, success = jax.vmap(solve)(y[:, 0], t)
    predicted = jnp.where(jnp.isfinite(predicted).all(-1, keepdims=True), predicted, jnp.nan)
    accelerate = jax.vmap(jax.vmap(lambda x: dynamics.acceleration(x[:3], x[3:])))
    magnitude = predicted[..., 0]
    if has_magnitude:
        assert isinstance(dynamics, NeuralODE)
        model = dynamics
        magnitude = jax.vmap(jax.vmap(lambda x: model.network(x[:3], x[3:])[0]))(predicted)
    return predicted, accelerate(predicted), accelerate(jnp.asarray(y)), magnitude, success
