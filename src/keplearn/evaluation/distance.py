"""State distance: how far states are from those that were trained on, velocity included.

It is the least Euclidean distance of φ(state) to φ of a training state, φ = (r̂, ln r, **v**/√(μ/r)): the same in all
units and all turned frames, 0.1 being about 6° or 10 % of radius or speed. Without a body at the origin, φ is position
and velocity over the training states' standard deviation. It belongs to two sets of states and to no model.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from keplearn.core.shapes import OrbitStates, ScalarArray, StateArray

if TYPE_CHECKING:
    from scipy.spatial import KDTree

NEAR, FAR = 0.1, 0.3
"""A sample is near the training states up to the one state distance, and far from them beyond the other."""

REGIONS: dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]] = {
    "near": lambda samples: samples["distance"] <= NEAR,
    "far": lambda samples: samples["distance"] > FAR,
    "in": lambda samples: samples["beyond"] == 0.0,
    "out": lambda samples: samples["beyond"] > 0.0,
}
"""Which samples of an evaluation a metric may be of, by ``distance`` and ``beyond``; NaN lies in none."""


@dataclass(frozen=True)
class TrainingStates:
    """The states that a model was trained on, km and km/s, each once; those of one digest are the same.

    ``centred``: whether one body at the origin attracts.
    """

    digest: str
    states: Float64[np.ndarray, "state 6"] = field(compare=False, repr=False)
    mu: float = field(compare=False)
    centred: bool = field(compare=False)

    @classmethod
    def of(cls, states: StateArray, mu: float, centred: bool) -> "TrainingStates":
        """Take states (…, 6) about a body of ``mu``, each once; none of NaN."""
        each = np.unique(states.reshape(-1, 6), axis=0)
        digest = hashlib.sha256(repr((mu, centred)).encode() + each.tobytes()).hexdigest()
        return cls(digest, each, mu, centred)

    def coordinates(self, states: StateArray, mu: float) -> Float64[np.ndarray, "*batch coordinate"]:
        """Return φ of states about a body of ``mu``."""
        r, v = states[..., :3], states[..., 3:]
        if not self.centred:
            spread = np.var(self.states, axis=0).reshape(2, 3).sum(axis=1) ** 0.5
            return states / np.repeat(spread, 3)
        radius = np.linalg.norm(r, axis=-1, keepdims=True)
        return np.concatenate([r / radius, np.log(radius), v / np.sqrt(mu / radius)], axis=-1)

    def distances(self, states: OrbitStates, mu: float) -> ScalarArray:
        """Return the state distance (orbit, sample) of states about a body of ``mu``; NaN where they are padded."""
        tree = _tree(self)
        found = np.full(states.shape[:-1], np.nan)
        for row, orbit in zip(found, states, strict=True):  # an orbit at a time: large sets fit into memory
            real = np.isfinite(orbit).all(axis=-1)
            row[real] = tree.query(self.coordinates(orbit[real], mu))[0]
        return found

    def beyond(self, states: OrbitStates) -> ScalarArray:
        """Return 1 where the radius lies outside the training states' range, else 0; NaN where states are padded."""
        trained = np.linalg.norm(self.states[:, :3], axis=-1)
        radius = np.linalg.norm(states[..., :3], axis=-1)
        outside = (radius < trained.min()) | (radius > trained.max())
        return np.where(np.isfinite(radius), outside, np.nan)


@lru_cache(maxsize=4)
def _tree(training: TrainingStates) -> "KDTree":
    from scipy.spatial import KDTree

    return KDTree(training.coordinates(training.states, training.mu))
