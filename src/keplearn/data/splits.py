"""A phase's segments, split into those that train and those that validate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import OrbitDataset
from keplearn.data.segments import Cut, Segments, count_of, cut, rounded, window_of
from keplearn.data.units import Units

# The order in which segments are dealt to training and validation; the run's seed never decides the data.
_SPLIT_SEED = 2026


class NoSegments(KeplearnError):
    """A phase without a training segment."""

    kind = "no_segments"


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

    ``cut``: how orbits are cut. With one orbit, or ``fraction`` 1, or where nothing is left for it, validation is
    on the training set.

    Raises
    ------
    NoSegments
        Where no training segment comes out, with the numbers that show why.
    """
    total = len(dataset)
    undivided, training = _training_orbits(total, fraction, order)
    if order == "orbits":
        parts = tuple(
            cut(dataset, units, window, length, o) for o in (range(training), range(training, total))
        )
    else:
        every = cut(dataset, units, window, length, range(total))
        count = len(every) if undivided else max(1, rounded(fraction * len(every)))
        shuffled = np.random.default_rng(_SPLIT_SEED).permutation(len(every))
        parts = every.take(np.sort(shuffled[:count])), every.take(np.sort(shuffled[count:]))
    train, validation = parts
    if len(train) == 0:
        count = int(np.max(dataset.n_samples[:training]))
        start, end = window_of(window, count)
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
    undivided, training = _training_orbits(len(n_samples), fraction, order)
    every = sum(count_of(cut, window, length, samples) for samples in n_samples[:training])
    return every if undivided or order == "orbits" else min(every, max(1, rounded(fraction * every)))


def _training_orbits(total: int, fraction: float, order: str) -> tuple[bool, int]:
    """Say whether all orbits train and validate, and of how many the training segments are cut."""
    undivided = total == 1 or fraction >= 1
    return undivided, total if undivided or order == "segments" else max(1, rounded(fraction * total))
