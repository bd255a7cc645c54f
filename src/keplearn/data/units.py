"""Canonical units: a length, and the time that makes μ = 1. Models are trained in them.

They belong to the training dataset and are stored with the model; test sets use the training run's, never
their own.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.shapes import StateArray, VectorArray
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.orbits.bodies import body_of, same_law
from keplearn.orbits.constants import EARTH_RADIUS

Times = Float64[np.ndarray, "*batch"]

LENGTH_UNITS = ("max_radius", "earth_radius")


@dataclass(frozen=True)
class Units:
    """Canonical units of length ``length_km`` (km) for a gravitational parameter ``mu`` (km³/s²).

    The unit of time is sqrt(length³/μ), so that μ = 1 in these units.
    """

    length_km: float
    mu: float

    def __post_init__(self) -> None:
        """Refuse units that are no positive numbers."""
        for key, value in {"length_km": self.length_km, "mu": self.mu}.items():
            if not 0.0 < value < np.inf:
                raise KeplearnError(f"Units: {key} must be a positive number, not {value}.")

    @property
    def time_s(self) -> float:
        """Unit of time, s."""
        return float(np.sqrt(self.length_km**3 / self.mu))

    @property
    def velocity(self) -> float:
        """Unit of velocity, km/s."""
        return self.length_km / self.time_s

    @property
    def acceleration(self) -> float:
        """Unit of acceleration, km/s²: μ/length²."""
        return self.mu / self.length_km**2

    def _state_scale(self) -> Float64[np.ndarray, "6"]:
        return np.repeat([self.length_km, self.velocity], 3)

    def to_canonical_states(self, states: StateArray) -> StateArray:
        """States in km and km/s to canonical units; NaN stays NaN."""
        return states / self._state_scale()

    def from_canonical_states(self, states: StateArray) -> StateArray:
        """Canonical states to km and km/s."""
        return states * self._state_scale()

    def to_canonical_times(self, times: Times) -> Times:
        """Times in s to canonical units."""
        return times / self.time_s

    def from_canonical_times(self, times: Times) -> Times:
        """Canonical times to s."""
        return times * self.time_s

    def to_canonical_accelerations(self, accelerations: VectorArray) -> VectorArray:
        """Accelerations in km/s² to canonical units."""
        return accelerations / self.acceleration

    def from_canonical_accelerations(self, accelerations: VectorArray) -> VectorArray:
        """Canonical accelerations to km/s²."""
        return accelerations * self.acceleration


def mu_problem(units: Units, mu: float, name: str) -> str:
    """Why a model of these units cannot meet data of gravitational parameter ``mu`` (km³/s²), or ""."""
    if same_law(units.mu, mu):
        return ""
    return (
        f"{name} has mu = {mu:.7g} km³/s² ({body_of(mu).the}), but the model has learned the pull of "
        f"mu = {units.mu:.7g} ({body_of(units.mu).the}): on other orbits it is wrong whatever it has learned. "
        "Use data of the same mu, or import them with the --mu that they have."
    )


def check_mu(units: Units | None, dataset: OrbitDataset) -> None:
    """Refuse a dataset of another gravitational parameter than the model's.

    Raises
    ------
    KeplearnError
        With both, and what they are of.
    """
    if units is not None and (problem := mu_problem(units, dataset.mu, dataset.name)):
        raise KeplearnError(problem)


def units_for(dataset: OrbitDataset, length_unit: str | float | int = "max_radius") -> Units:
    """Canonical units for a training dataset.

    Parameters
    ----------
    dataset
        The orbits that train: after ``num_trajs`` and before splitting.
    length_unit
        ``max_radius``: the largest radius of any sample, so that positions lie in [−1, 1];
        ``earth_radius``; or a number of km.

    Raises
    ------
    KeplearnError
        If the length unit is none of these.
    """
    if length_unit == "max_radius":
        length = float(np.nanmax(np.linalg.norm(dataset.states[..., :3], axis=-1)))
    elif length_unit == "earth_radius":
        length = EARTH_RADIUS
    elif isinstance(length_unit, str | bool) or not 0 < length_unit < np.inf:
        hint = nearest(length_unit, LENGTH_UNITS) if isinstance(length_unit, str) else ""
        raise KeplearnError(
            f"length_unit is {length_unit!r}, not {', '.join(LENGTH_UNITS)} or a positive number of km.{hint}"
        )
    else:
        length = float(length_unit)
    return Units(length_km=length, mu=dataset.mu)
