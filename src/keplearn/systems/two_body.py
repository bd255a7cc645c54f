"""The two-body problem: a point mass attracted by a fixed one."""

from dataclasses import dataclass

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import AnyNumber, AnyScalars, AnyTimes, AnyVectors, ScalarArray, StateArray
from keplearn.orbits.elements import elements_from_states, kepler_states
from keplearn.orbits.kepler import period
from keplearn.systems.system import REFLECTION, ROTATION, TIME_REVERSAL, Invariant, System, system


@system("TBP")
@dataclass(frozen=True)
class TwoBody(System):
    """A point mass attracted by a fixed one: **a** = −μ **r** / r³ (Newton)."""

    mu: AnyNumber

    formula = "a = -mu r / r^3"
    source = "Vallado, Fundamentals of Astrodynamics and Applications, 4th ed., section 1.3"
    symmetries = frozenset((ROTATION, REFLECTION, TIME_REVERSAL))

    def __post_init__(self) -> None:
        """Refuse a gravitational parameter that attracts nothing."""
        if isinstance(self.mu, float | int) and not self.mu > 0:
            raise KeplearnError(f"The gravitational parameter mu must be positive, not {self.mu}.")

    def acceleration(self, t: AnyTimes, r: AnyVectors, v: AnyVectors) -> AnyVectors:
        """−μ **r** / r³."""
        square = (r * r).sum(0)
        return -self.mu * r / (square * square**0.5)

    @property
    def invariants(self) -> tuple[Invariant, ...]:
        """Energy and angular momentum, both per unit of mass, and the eccentricity vector."""
        return (
            Invariant("energy", "km^2/s^2", self.energy),
            Invariant("angular momentum", "km^2/s", self.angular_momentum),
            Invariant("eccentricity vector", "1", self.eccentricity),
        )

    def energy(self, r: AnyVectors, v: AnyVectors) -> AnyScalars:
        """Specific energy ½ v² − μ/r; negative on bound orbits."""
        return 0.5 * (v * v).sum(0) - self.mu / (r * r).sum(0) ** 0.5

    def angular_momentum(self, r: AnyVectors, v: AnyVectors) -> AnyVectors:
        """Specific angular momentum **r** × **v**."""
        numpy_or_jax = r.__array_namespace__()
        return numpy_or_jax.stack(
            [r[1] * v[2] - r[2] * v[1], r[2] * v[0] - r[0] * v[2], r[0] * v[1] - r[1] * v[0]]
        )

    def eccentricity(self, r: AnyVectors, v: AnyVectors) -> AnyVectors:
        """**v** × **h**/μ − r̂, of length e towards the periapsis (Vallado, section 2.2)."""
        along, square = (r * v).sum(0), (v * v).sum(0)
        return ((square - self.mu / (r * r).sum(0) ** 0.5) * r - along * v) / self.mu

    def canonical(self, length_km: float, mu: float) -> "TwoBody":
        """Return it in canonical units."""
        return TwoBody(self.mu / mu)

    def flow(self, states: StateArray, times: ScalarArray) -> StateArray:
        """Return Kepler's solution of bound orbits."""
        elements = elements_from_states(states.reshape(-1, 6), self.mu)
        mean = 2.0 * np.pi * times.reshape(-1, 1) / period(elements[:, :1], self.mu)
        return kepler_states(elements, mean, self.mu).reshape(states.shape)
