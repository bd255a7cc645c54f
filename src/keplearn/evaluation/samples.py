"""What metrics are computed of: a model's propagation beside the truth, sample by sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int

from keplearn.core.shapes import OrbitStates, OrbitTimes, OrbitVectors, ScalarArray
from keplearn.evaluation.lead import Axes, axes_of, mean_anomaly
from keplearn.evaluation.vectors import relative_drift


@dataclass(frozen=True)
class Samples:
    """A propagation and the true orbits by (orbit, sample), in km, km/s, km/s²; NaN where padded or not reached.

    Attributes
    ----------
    times
        (orbit, sample), s.
    states, acceleration
        What the model predicts, (orbit, sample, 6), and its acceleration there.
    true_states, true_acceleration
        The truth at the same time.
    field
        The model's acceleration at the true states.
    begins
        The sample at which the propagation to each sample began.
    invariants
        What the dataset's system conserves, by name: functions of states, to numbers or vectors.
    facts
        What else a metric may need: ``centre`` where the system has a body that attracts from the origin, ``field``
        where the model has an acceleration at any state, ``observed`` where it observes a part of each orbit.
    deviation
        How sure the model is of each component of the position, a standard deviation in km; None if it does not tell.
    given
        What the model has observed of the states, NaN where nothing; None if it starts from a true state.
    mu
        Gravitational parameter, km³/s².
    """

    times: OrbitTimes
    states: OrbitStates
    acceleration: OrbitVectors
    true_states: OrbitStates
    true_acceleration: OrbitVectors
    field: OrbitVectors
    begins: Int[np.ndarray, " sample"]
    invariants: Mapping[str, Callable[[OrbitStates], Any]]
    facts: frozenset[str] = frozenset()
    deviation: OrbitVectors | None = None
    given: OrbitStates | None = None
    mu: float = np.nan

    @property
    def position(self) -> OrbitVectors:
        """The predicted position, km."""
        return self.states[..., :3]

    @property
    def true_position(self) -> OrbitVectors:
        """The true position, km."""
        return self.true_states[..., :3]

    def offers(self, needs: frozenset[str]) -> bool:
        """Whether the system has all that a metric needs."""
        return needs <= self.facts | self.invariants.keys()

    def values(self, invariant: str, states: OrbitStates) -> Any:
        """Return an invariant of states, (orbit, sample) or (orbit, sample, 3); NaN where they are."""
        with np.errstate(all="ignore"):
            return np.asarray(self.invariants[invariant](states))

    @cached_property
    def anomalies(self) -> tuple[ScalarArray, ScalarArray]:
        """Mean anomaly of the predicted and the true position on the true orbit, rad (`keplearn.evaluation.lead`)."""
        begins, which = np.unique(self.begins, return_inverse=True)
        orbit = (
            self.values(name, self.true_states[:, begins])
            for name in ("eccentricity vector", "angular momentum")
        )
        axes = Axes(*(values[:, which] for values in axes_of(*orbit)))
        return mean_anomaly(self.position, axes), mean_anomaly(self.true_position, axes)

    def drift(self, invariant: str) -> ScalarArray:
        """|x/x₀ − 1| of an invariant (of a vector its size) since the propagation began; NaN where x₀ = 0."""
        values = [self.values(invariant, y) for y in (self.states, self.states[:, self.begins])]
        with np.errstate(all="ignore"):
            if values[0].ndim > self.times.ndim:
                values = [np.linalg.norm(x, axis=-1) for x in values]
            return relative_drift(*values)
