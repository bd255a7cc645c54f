"""The dynamical systems: acceleration and invariants, one class each, and the table of them by problem token.

The formulas work on NumPy and JAX arrays alike (last axis = component), in any consistent units: km and s
with ``mu`` in km³/s², or canonical units with mu = 1. A new system is one class and one line in `SYSTEMS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import AnyScalars, AnyStates, AnyVectors


@dataclass(frozen=True)
class TwoBody:
    """A point mass attracted by a fixed one: **a** = −μ **r** / r³ (Newton)."""

    mu: float

    def __post_init__(self) -> None:
        """Refuse a gravitational parameter that attracts nothing."""
        if not self.mu > 0:
            raise KeplearnError(f"The gravitational parameter mu must be positive, not {self.mu}.")

    def acceleration(self, position: AnyVectors) -> AnyVectors:
        """−μ **r** / r³ at positions; any leading axes."""
        square = (position * position).sum(-1, keepdims=True)
        return -self.mu * position / (square * square**0.5)

    def distance_percent(self, position: AnyVectors, acceleration: AnyVectors) -> AnyScalars:
        """How far given accelerations are from this law, per sample: 100 |**a** − **a**_law| / |**a**|."""
        gap = acceleration - self.acceleration(position)
        return 100.0 * ((gap * gap).sum(-1) / (acceleration * acceleration).sum(-1)) ** 0.5

    def energy(self, states: AnyStates) -> AnyScalars:
        """Specific energy ½ v² − μ/r, conserved; negative on bound orbits."""
        position, velocity = states[..., :3], states[..., 3:]
        return 0.5 * (velocity * velocity).sum(-1) - self.mu / (position * position).sum(-1) ** 0.5

    def angular_momentum(self, states: AnyStates) -> AnyVectors:
        """Specific angular momentum **r** × **v**, conserved."""
        x, y, z, vx, vy, vz = (states[..., k] for k in range(6))
        numpy_or_jax = states.__array_namespace__()
        return numpy_or_jax.stack([y * vz - z * vy, z * vx - x * vz, x * vy - y * vx], axis=-1)


SYSTEMS: dict[str, Callable[[float], TwoBody]] = {"TBP": TwoBody}
"""The dynamical systems by the token that names the problem in a dataset's name."""
