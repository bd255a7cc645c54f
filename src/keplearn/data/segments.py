"""Segments: stretches of trajectories, cut from the windows of orbits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

from keplearn.core.shapes import ScalarArray, StateArray, VectorArray
from keplearn.data.dataset import OrbitDataset
from keplearn.data.units import Units
from keplearn.orbits.quadrature import AFTER, BEFORE, POINTS, step_weights


class Quadrature(NamedTuple):
    """How to integrate along a window: weights of the samples around each (`keplearn.orbits.quadrature.step_weights`).

    ``inside``: 1 for each span of samples within the window, 0 beyond its end. NumPy's arrays or JAX's.
    """

    weights: Float[Any, "step offset segment"]
    inside: Float[Any, "span segment"]


@dataclass(frozen=True)
class Segments:
    """Stretches of trajectories in canonical units, feature-major, each with its time from 0.

    ``states`` (sample, 6, segment), ``times`` (sample, segment), ``accelerations`` (sample, 3, segment). Whole
    windows have a ``quadrature`` too; where one is shorter than others its last sample is repeated. ``next``: of
    pieces the number of the one that begins with their last sample, -1 where none does.
    """

    states: Float64[np.ndarray, "sample 6 segment"]
    times: Float64[np.ndarray, "sample segment"]
    accelerations: Float64[np.ndarray, "sample 3 segment"]
    quadrature: Quadrature | None = None
    next: Int[np.ndarray, "segment"] | None = None

    def __len__(self) -> int:
        return self.states.shape[-1]

    def take(self, indices: np.ndarray) -> "Segments":
        """Return the segments of these indices."""
        states, times, accelerations = (
            x[..., indices] for x in (self.states, self.times, self.accelerations)
        )
        quadrature = self.quadrature and Quadrature(*(x[..., indices] for x in self.quadrature))
        following = self.next
        if following is not None:
            place = np.full(len(self) + 1, -1)  # of each piece among those that are taken; of none at the end
            place[indices] = np.arange(len(indices))
            following = place[following[indices]]
        return Segments(states, times, accelerations, quadrature, following)

    @property
    def uniform(self) -> bool:
        """Whether samples are equally spaced in time within each segment."""
        spacing = np.diff(self.times, axis=0)
        return bool(np.allclose(spacing, spacing.mean(axis=0), rtol=1e-6, atol=0))


def cut(
    dataset: OrbitDataset, units: Units, window: tuple[float, float], length: int, orbits: range
) -> Segments:
    """Cut the window of each of these orbits into non-overlapping segments of ``length`` samples.

    A remainder at the end of the window is dropped. The window holds the samples
    round(start·N) ≤ k < round(end·N) of an orbit's N samples, halves rounded up.
    """
    return _cut_every(dataset, units, window, length, orbits, length)


def cut_pieces(
    dataset: OrbitDataset, units: Units, window: tuple[float, float], length: int, orbits: range
) -> Segments:
    """Cut as `cut` does, but so that each segment begins with the last sample of the one before."""
    segments = _cut_every(dataset, units, window, length, orbits, length - 1)
    following = np.arange(1, len(segments) + 1)
    counts = [count_of(cut_pieces, window, length, int(dataset.n_samples[orbit])) for orbit in orbits]
    following[np.cumsum([count for count in counts if count > 0], dtype=int) - 1] = -1
    return replace(segments, next=following)


def _cut_every(
    dataset: OrbitDataset, units: Units, window: tuple[float, float], length: int, orbits: range, step: int
) -> Segments:
    """Cut a segment of ``length`` samples every ``step`` samples of the window of each of these orbits."""
    states, times, accelerations = [], [], []
    for orbit in orbits:
        start, end = window_of(window, int(dataset.n_samples[orbit]))
        for first in range(start, end - length + 1, step):
            samples = slice(first, first + length)
            states.append(dataset.states[orbit, samples])
            accelerations.append(dataset.accelerations[orbit, samples])
            stretch = dataset.times[orbit, samples]
            times.append(stretch - stretch[0])
    if not states:
        return Segments(np.empty((length, 6, 0)), np.empty((length, 0)), np.empty((length, 3, 0)))
    return _segments(units, states, times, accelerations)


def cut_windows(
    dataset: OrbitDataset, units: Units, window: tuple[float, float], length: int, orbits: range
) -> Segments:
    """Leave the window of each of these orbits whole, for integrals over all its spans of ``length`` samples.

    A window that has not so many, or fewer than the quadrature takes, is left out.
    """
    ends = [(orbit, *window_of(window, int(dataset.n_samples[orbit]))) for orbit in orbits]
    ends = [(orbit, start, end) for orbit, start, end in ends if end - start >= max(length, POINTS)]
    most = max((end - start for _, start, end in ends), default=length)
    weights = np.zeros((most - 1, BEFORE + AFTER + 1, len(ends)))
    inside = np.zeros((most - length + 1, len(ends)))
    states, times, accelerations = [], [], []
    for k, (orbit, start, end) in enumerate(ends):
        samples = np.minimum(np.arange(start, start + most), end - 1)
        stretch = dataset.times[orbit, samples] - dataset.times[orbit, start]
        states.append(dataset.states[orbit, samples])
        times.append(stretch)
        accelerations.append(dataset.accelerations[orbit, samples])
        count = end - start
        weights[: count - 1, :, k] = step_weights(units.to_canonical_times(stretch[:count]))
        inside[: count - length + 1, k] = 1.0
    if not ends:
        return Segments(np.empty((most, 6, 0)), np.empty((most, 0)), np.empty((most, 3, 0)))
    whole = _segments(units, states, times, accelerations)
    return replace(whole, quadrature=Quadrature(weights, inside))


def _segments(
    units: Units, states: list[StateArray], times: list[ScalarArray], accelerations: list[VectorArray]
) -> Segments:
    """Put stretches of one length together, in canonical units."""
    canonical = units.to_canonical_accelerations(np.stack(accelerations))
    return Segments(
        np.ascontiguousarray(np.moveaxis(units.to_canonical_states(np.stack(states)), 0, -1)),
        np.ascontiguousarray(units.to_canonical_times(np.stack(times)).T),
        np.ascontiguousarray(np.moveaxis(canonical, 0, -1)),
    )


Cut = Callable[[OrbitDataset, Units, tuple[float, float], int, range], Segments]
"""`cut`, `cut_windows` or `cut_pieces`."""
CUTS: dict[str, Cut] = {"segments": cut, "windows": cut_windows, "pieces": cut_pieces}


def count_of(cut: Cut, window: tuple[float, float], length: int, count: int) -> int:
    """Return how many segments are cut so of the window of an orbit of ``count`` samples."""
    start, end = window_of(window, count)
    samples = end - start
    if cut is cut_windows:
        return int(samples >= max(length, POINTS))
    if cut is cut_pieces:
        return max(0, samples - 1) // (length - 1)
    return samples // length


def window_of(window: tuple[float, float], count: int) -> tuple[int, int]:
    """First sample of a window and the one after its last, of ``count``."""
    start, end = (rounded(edge * count) for edge in window)
    return start, end


def rounded(x: float) -> int:
    """Round to the nearest integer, halves up: also those that decimals miss by rounding (0.35 · 90)."""
    return int(np.floor(x + 0.5 + 1e-9))
