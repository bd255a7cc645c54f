"""What a page holds of test orbits: the error on each of them, and two drawn with every run's prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.layout import assemble
from keplearn.evaluation.ranking import LEADING, lost_key
from keplearn.evaluation.remarks import ruled_by
from keplearn.evaluation.scores import PREDICTED, Scores, drawn_orbits
from keplearn.figures.parts.inputs import OneOrbit, one_orbit
from keplearn.figures.parts.plane import curve as smooth_curve
from keplearn.figures.parts.plane import drawing_plane
from keplearn.report.numbers import rounded

ORBITS = 120
"""Orbits of all datasets together whose errors are kept; of more, evenly chosen ones."""
POINTS = 48
"""Points of a predicted orbit."""
_FAR = 3.0
"""A prediction this many times as far out as the true orbit reaches is cut off."""


@dataclass
class TestData:
    """A test dataset on the page: which of its orbits have their errors kept, and which are drawn.

    ``name`` is the one that runs call it by; ``dataset`` None where its file is gone and only scores are left.
    """

    __test__ = False  # no test, whatever pytest thinks

    name: str
    dataset: OrbitDataset | None
    kept: list[int]
    drawn: list[int]

    def head(self) -> dict[str, Any]:
        """What is true of all runs: names, elements, the true paths of drawn orbits and their scale."""
        if self.dataset is None:
            return {"name": self.name, "count": 0, "orbits": [], "a": [], "e": [], "drawn": []}
        elements = self.dataset.elements
        return {
            "name": self.name,
            "count": len(self.dataset),
            "orbits": [self.dataset.orbit_names[k] for k in self.kept],
            "a": rounded(elements[self.kept, 0], 4),
            "e": rounded(elements[self.kept, 1], 3),
            "drawn": [
                {"name": self.dataset.orbit_names[k], "a": rounded(elements[[k], 0], 5)[0],
                 "e": rounded(elements[[k], 1], 3)[0], "planar": drawing.planar, "unit": drawing.unit,
                 "body": self.dataset.body.the, "radius": self.dataset.body.radius, "path": drawing.truth}
                for k, drawing in zip(self.drawn, self._drawings, strict=True)
            ],
        }  # fmt: skip

    def errors(self, scores: Scores | None, metric: str = LEADING) -> list[float | int | str | None]:
        """A metric of each kept orbit; ``"lost"`` where it lost samples, such as one that diverged."""
        if scores is None:
            return []
        values, key = rounded(scores.orbits[metric][self.kept], 3), lost_key(metric)
        lost = scores.orbits[key][self.kept] > 0 if key else [False] * len(values)
        return ["lost" if gone else value for value, gone in zip(values, lost, strict=True)]

    def remark(self, scores: Scores | None) -> str:
        """Say which few orbits rule the mean, if any do."""
        if scores is None or self.dataset is None:
            return ""
        counts = self.dataset.n_samples - scores.orbits["lost"]
        return ruled_by(scores.summary, scores.orbits["mean"], counts)

    def paths(self, scores: Scores | None) -> list[list[int] | None]:
        """A prediction for each drawn orbit: x, y, x, y, … in its unit, up to where it leaves."""
        if scores is None:
            return [None] * len(self.drawn)
        return [
            drawing.predicted(scores.drawn[k]) for k, drawing in zip(self.drawn, self._drawings, strict=True)
        ]

    @cached_property
    def _drawings(self) -> "list[_Drawing]":
        if self.dataset is None:
            return []
        return [_Drawing(_true_orbit(self.dataset, k)) for k in self.drawn]


def choose_orbits(datasets: Mapping[str, OrbitDataset | None]) -> list[TestData]:
    """Share out the room for errors, and choose two orbits to draw.

    Drawn are the orbits of least and of greatest eccentricity of the first dataset that has two, or else the first
    orbit of the first two datasets.
    """
    room, found = ORBITS, []
    there = {name: data for name, data in datasets.items() if data is not None}
    several = next((name for name, data in there.items() if len(data) > 1), None)
    for name, data in datasets.items():
        if data is None:
            found.append(TestData(name, None, [], []))
            continue
        count = min(len(data), room)
        room -= count
        kept = np.unique(np.linspace(0, len(data) - 1, count).round().astype(int)).tolist() if count else []
        drawn: list[int] = []
        if several is None:
            drawn = [0] if name in list(there)[:2] else []
        elif name == several:
            drawn = drawn_orbits(data)
        found.append(TestData(name, data, kept, drawn))
    return found


class _Drawing:
    """A true orbit in its plane, and predictions of it at the same times, evenly along the true path."""

    def __init__(self, one: OneOrbit):
        self.true = one
        self.plane, self.planar = drawing_plane(one)
        curve = smooth_curve(one, "", self.plane)
        self.reach = float(np.abs(curve).max())
        self.unit = float(f"{self.reach / 1000:.3g}")
        self.fine = _evenly(curve, 2 * POINTS)
        self.at = _evenly(curve, POINTS)
        self.truth = self._packed(curve[self.fine])

    def predicted(self, states: Float64[np.ndarray, "sample 9"]) -> list[int]:
        real = len(self.true.values["time"])
        parts = {name: states[:real, 3 * k : 3 * k + 3] for k, name in enumerate(PREDICTED)}
        one = replace(self.true, values=self.true.values | parts)
        curve = smooth_curve(one, "predicted_", self.plane)[self.at]
        with np.errstate(invalid="ignore"):
            away = ~(np.abs(curve) < _FAR * self.reach).all(axis=1)  # what is not a number is away as well
        return self._packed(curve[: int(np.argmax(away)) if away.any() else len(curve)])

    def _packed(self, points: Float64[np.ndarray, "point 2"]) -> list[int]:
        return (points / self.unit).round().astype(int).ravel().tolist()


def _evenly(curve: Float64[np.ndarray, "point 2"], count: int) -> Int[np.ndarray, "chosen"]:
    """Indices of points that lie about evenly along a curve, its ends among them."""
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    return np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], count)).clip(0, len(curve) - 1))


def _true_orbit(dataset: OrbitDataset, orbit: int) -> OneOrbit:
    """An orbit of the truth as figures read it: of an evaluation that is right everywhere."""
    right = {
        "predicted_position": dataset.states[..., :3],
        "predicted_velocity": dataset.states[..., 3:],
        "predicted_acceleration": dataset.accelerations,
        "diverged": np.zeros(len(dataset)),
    }
    return one_orbit(assemble(dataset, right, {"mu": dataset.mu}), orbit, PREDICTED)
