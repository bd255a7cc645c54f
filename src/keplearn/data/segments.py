"""Segments: the windows of a curriculum phase, cut from orbits and split into training and validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import ScalarArray, StateArray, VectorArray
from keplearn.data.dataset import OrbitDataset
from keplearn.data.units import Units
from keplearn.orbits.quadrature import AFTER, BEFORE, POINTS, step_weights

# The order in which segments are dealt to training and validation; the run's seed never decides the data.
_SPLIT_SEED = 2026


class NoSegments(KeplearnError):
    """A phase without a training segment."""

    kind = "no_segments"


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
    windows have a ``quadrature`` too; where one is shorter than others its last sample is repeated.
    """

    states: Float64[np.ndarray, "sample 6 segment"]
    times: Float64[np.ndarray, "sample segment"]
    accelerations: Float64[np.ndarray, "sample 3 segment"]
    quadrature: Quadrature | None = None

    def __len__(self) -> int:
        return self.states.shape[-1]

    def take(self, indices: np.ndarray) -> "Segments":
        """Return the segments of these indices."""
        states, times, accelerations = (
            x[..., indices] for x in (self.states, self.times, self.accelerations)
        )
        quadrature = self.quadrature and Quadrature(*(x[..., indices] for x in self.quadrature))
        return Segments(states, times, accelerations, quadrature)

    @property
    def uniform(self) -> bool:
        """Whether samples are equally spaced in time within each segment."""
        spacing = np.diff(self.times, axis=0)
        return bool(np.allclose(spacing, spacing.mean(axis=0), rtol=1e-6, atol=0))


@dataclass(frozen=True)
class Samples:
    """Single states (6, sample) and the accelerations there (3, sample), canonical, feature-major."""

    states: Float64[np.ndarray, "6 sample"]
    accelerations: Float64[np.ndarray, "3 sample"]

    def __len__(self) -> int:
        return self.states.shape[-1]


@dataclass(frozen=True)
class Split:
    """A phase's segments. ``own_validation`` is False where validation is on the training set.

    ``samples``: where the field's error is measured as it validates, and ``paths``: along which the error of the
    propagated path is, if they are. ``truth``: the true states of the training segments, where these have an error.
    """

    train: Segments
    validation: Segments
    own_validation: bool
    num_train_orbits: int
    samples: Samples | None = None
    paths: Segments | None = None
    truth: Segments | None = None

    @property
    def uniform(self) -> bool:
        """Whether samples are equally spaced in time within each of its segments."""
        return self.train.uniform and self.validation.uniform


def cut(
    dataset: OrbitDataset, units: Units, window: tuple[float, float], length: int, orbits: range
) -> Segments:
    """Cut the window of each of these orbits into non-overlapping segments of ``length`` samples.

    A remainder at the end of the window is dropped. The window holds the samples
    round(start·N) ≤ k < round(end·N) of an orbit's N samples, halves rounded up.
    """
    states, times, accelerations = [], [], []
    for orbit in orbits:
        start, end = _window(window, int(dataset.n_samples[orbit]))
        for first in range(start, end - length + 1, length):
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
    ends = [(orbit, *_window(window, int(dataset.n_samples[orbit]))) for orbit in orbits]
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
"""`cut` or `cut_windows`."""


def samples_of(dataset: OrbitDataset, units: Units, orbits: range) -> Samples:
    """Return all samples of these orbits."""
    counts = [(orbit, int(dataset.n_samples[orbit])) for orbit in orbits]
    states, accelerations = (
        np.concatenate([array[orbit, :count] for orbit, count in counts])
        for array in (dataset.states, dataset.accelerations)
    )
    return Samples(
        np.ascontiguousarray(units.to_canonical_states(states).T),
        np.ascontiguousarray(units.to_canonical_accelerations(accelerations).T),
    )


def validation_samples(dataset: OrbitDataset, units: Units, split: Split, order: str) -> Samples:
    """Return all samples of the orbits that a split validates on, whatever its window.

    Where segments were dealt (order ``segments``), no orbit is left out of training: the validation segments' samples.
    """
    if order == "segments" and split.own_validation:
        return Samples(
            *(np.hstack(list(x)) for x in (split.validation.states, split.validation.accelerations))
        )
    first = split.num_train_orbits
    return samples_of(dataset, units, range(first, len(dataset)) if split.own_validation else range(first))


def validate_on(
    split: Split,
    dataset: OrbitDataset,
    units: Units,
    window: tuple[float, float],
    length: int,
    cut: Cut = cut,
) -> Split:
    """Put another dataset's segments, cut as the training ones are, in the place of a split's validation.

    Raises
    ------
    NoSegments
        Where none comes out.
    """
    segments = cut(dataset, units, window, length, range(len(dataset)))
    if len(segments) == 0:
        raise NoSegments(
            f"{dataset.name} has no validation segment of {length} samples in the window {list(window)}: "
            "shorten segment_length_strategy, widen length_strategy, or validate on longer orbits."
        )
    return replace(split, validation=segments, own_validation=True)


def split_segments(
    dataset: OrbitDataset,
    units: Units,
    window: tuple[float, float],
    length: int,
    fraction: float,
    order: str,
    cut: Cut = cut,
) -> Split:
    """Split into training and validation, by whole orbits (``orbits``) or segments (``segments``), and cut.

    ``cut``: `cut`, or `cut_windows`. With one orbit, or ``fraction`` 1, or where nothing is left for it, validation is
    on the training set.

    Raises
    ------
    NoSegments
        Where no training segment comes out, with the numbers that show why.
    """
    total = len(dataset)
    undivided = total == 1 or fraction >= 1
    training = total if undivided or order == "segments" else max(1, _round(fraction * total))
    if order == "orbits":
        parts = tuple(
            cut(dataset, units, window, length, o) for o in (range(training), range(training, total))
        )
    else:
        every = cut(dataset, units, window, length, range(total))
        count = len(every) if undivided else max(1, _round(fraction * len(every)))
        shuffled = np.random.default_rng(_SPLIT_SEED).permutation(len(every))
        parts = every.take(np.sort(shuffled[:count])), every.take(np.sort(shuffled[count:]))
    train, validation = parts
    if len(train) == 0:
        count = int(np.max(dataset.n_samples[:training]))
        start, end = _window(window, count)
        raise NoSegments(
            f"segment length {length} > {end - start} usable samples in the window {list(window)} "
            f"of {count}: the phase has no training segment. "
            "Shorten segment_length_strategy or widen length_strategy."
        )
    if len(validation) == 0:
        return Split(train, train, False, training)
    return Split(train, validation, True, training)


def count_training(
    n_samples: Sequence[int],
    window: tuple[float, float],
    length: int,
    fraction: float,
    order: str,
    cut: Cut = cut,
) -> int:
    """Return how many training segments `split_segments` makes of orbits with these numbers of samples."""
    total = len(n_samples)
    undivided = total == 1 or fraction >= 1
    training = total if undivided or order == "segments" else max(1, _round(fraction * total))
    counts = []
    for samples in n_samples[:training]:
        start, end = _window(window, samples)
        whole = int(end - start >= max(length, POINTS))
        counts.append(whole if cut is cut_windows else (end - start) // length)
    every = sum(counts)
    return every if undivided or order == "orbits" else min(every, max(1, _round(fraction * every)))


def _window(window: tuple[float, float], count: int) -> tuple[int, int]:
    """First sample of a window and the one after its last, of ``count``."""
    start, end = (_round(edge * count) for edge in window)
    return start, end


def _round(x: float) -> int:
    """Round to the nearest integer, halves up: also those that decimals miss by rounding (0.35 · 90)."""
    return int(np.floor(x + 0.5 + 1e-9))
