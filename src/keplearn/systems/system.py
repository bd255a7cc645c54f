"""What a dynamical system states of itself; truth, floors, grids, energies and allowed rotations all ask it.

Formulas take positions and velocities with the component along the *first* axis, (3, …), as models do, and work on
NumPy and JAX arrays alike, in any consistent units: km and s, or canonical. So data can be made without JAX; what
compiles takes the system as `keplearn.systems.field.SystemField`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import AnyTimes, AnyVectors, ScalarArray, StateArray, VectorArray
from keplearn.core.tables import Table, is_foreign

# What may be done to an orbit of the system so that it is one again.
ROTATION, ROTATION_ABOUT_Z = "rotation", "rotation about z"
REFLECTION, TIME_REVERSAL = "reflection", "time reversal"
SYMMETRIES = (ROTATION, ROTATION_ABOUT_Z, REFLECTION, TIME_REVERSAL)


@dataclass(frozen=True)
class Invariant:
    """A quantity that stays what it is along the motion: its name, its unit in km and s, and its value (…) or (3, …).

    ``value`` takes positions and velocities (3, …).
    """

    name: str
    unit: str
    value: Callable[[AnyVectors, AnyVectors], Any]


class System(ABC):
    """A dynamical system r'' = a(t, r, v): a frozen dataclass whose fields are its numbers, such as mu.

    Attributes
    ----------
    token
        The word that names the problem of a dataset, with its digest if it is not keplearn's own; the decorator
        `system` gives it.
    formula, source
        The law in a line, and where it is from.
    symmetries
        Of `SYMMETRIES`.
    uses_velocity
        Whether the acceleration depends on the velocity.
    centred
        Whether one body at the origin attracts: the dataset's ``body``. Figures draw it, masks leave it out.
    """

    token: ClassVar[str] = ""
    formula: ClassVar[str]
    source: ClassVar[str]
    symmetries: ClassVar[frozenset[str]]
    uses_velocity: ClassVar[bool] = False
    centred: ClassVar[bool] = True

    @abstractmethod
    def acceleration(self, t: AnyTimes, r: AnyVectors, v: AnyVectors) -> AnyVectors:
        """Return **a** (3, …) at a time, positions and velocities."""

    @property
    def invariants(self) -> tuple[Invariant, ...]:
        """What is conserved; empty where nothing is."""
        return ()

    @abstractmethod
    def canonical(self, length_km: float, mu: float) -> "System":
        """Return the same system in units of ``length_km`` and of the time that makes ``mu`` (km³/s²) 1."""

    def flow(self, states: StateArray, times: ScalarArray) -> StateArray | None:
        """Return states (…, 6) after ``times`` in closed form, or None where there is none."""
        return None

    # The same, on NumPy arrays with the component along the last axis.

    def accelerations(self, times: ScalarArray, states: StateArray) -> VectorArray:
        """Return accelerations (…, 3) at times (…) and states (…, 6)."""
        r, v = _parts(states)
        return np.ascontiguousarray(np.moveaxis(self.acceleration(times, r, v), 0, -1))

    def values(self, name: str, states: StateArray) -> ScalarArray | VectorArray:
        """Return an invariant, (…) or (…, 3), at states (…, 6)."""
        found = next((i for i in self.invariants if i.name == name), None)
        if found is None:
            raise KeplearnError(f"{type(self).__name__} has no invariant {name!r}.")
        value = np.asarray(found.value(*_parts(states)))
        return np.ascontiguousarray(np.moveaxis(value, 0, -1)) if value.ndim == states.ndim else value

    def distance_percent(
        self, times: ScalarArray, states: StateArray, accelerations: VectorArray
    ) -> ScalarArray:
        """Return how far given accelerations are from the law, a sample: 100 |**a** − **a**_law| / |**a**|."""
        gap = accelerations - self.accelerations(times, states)
        return 100.0 * ((gap * gap).sum(-1) / (accelerations * accelerations).sum(-1)) ** 0.5


def _parts(states: StateArray) -> tuple[np.ndarray, np.ndarray]:
    first = np.moveaxis(states, -1, 0)
    return first[:3], first[3:]


SYSTEMS: Table[Any] = Table("system")  # Callable[[float], System], each of mu
"""The systems by the token that names the problem of a dataset; each is made of mu."""


def system(token: str) -> Callable[[Any], Any]:
    """Enter a class into `SYSTEMS` under the word that names it in the name of a dataset, such as ``TBP``."""

    def enter(made: Any) -> Any:
        unknown = made.symmetries - set(SYMMETRIES)
        if not token.isalnum() or unknown:
            what = (
                f"has symmetries {sorted(unknown)}, none of {', '.join(SYMMETRIES)}"
                if unknown
                else "must be letters and digits"
            )
            raise KeplearnError(f"system {token!r} ({made.__name__}): {what}.")
        made.token = SYSTEMS.enter(made, made, token)
        return made

    return enter


def system_of(problem: str, exact: bool) -> Any:
    """Return the class of the system that orbits of a problem obey, ``exact``-ly; None where none is known.

    Raises
    ------
    NotLoaded
        If it is of a plugin that is not loaded.
    """
    return SYSTEMS[problem] if exact and (problem in SYSTEMS or is_foreign(problem)) else None


def can_turn(law: System | type[System] | None, planar: bool) -> bool:
    """Say whether turned orbits obey their law still: turned at random, or within z = 0 if ``planar``."""
    allowed = {ROTATION, ROTATION_ABOUT_Z} if planar else {ROTATION}
    return law is not None and bool(allowed & law.symmetries)
