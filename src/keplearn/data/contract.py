"""The contract of datasets, checked whenever one is made: see `keplearn.data.orbit_dataset`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.orbits.differences import STENCIL

if TYPE_CHECKING:
    from keplearn.data.orbit_dataset import OrbitDataset

SOURCES = ("law", "differences")


def check(dataset: "OrbitDataset") -> None:
    """Refuse a dataset that breaks the contract in the first lines of `keplearn.data.orbit_dataset`."""
    for part in (_check_head, _check_shapes, _check_values):
        for broken, message in part(dataset):
            if broken:
                raise KeplearnError(f"dataset {dataset.name!r}: {message}")


Checks = Iterator[tuple[Any, str]]
"""Pairs of (is it broken, what is wrong), each computed only when those before it have passed."""


def _check_head(dataset: "OrbitDataset") -> Checks:
    """Name, mu and source."""
    yield not dataset.name.strip(), "a dataset needs a name"
    yield not 0 < dataset.mu < np.inf, f"mu must be a positive number of km³/s², not {dataset.mu}"
    source = dataset.acceleration_source
    yield source not in SOURCES, f"acceleration_source is {source!r}, not one of {', '.join(SOURCES)}"


def _check_shapes(dataset: "OrbitDataset") -> Checks:
    """All arrays have the orbits and samples of the times."""
    times = dataset.times
    yield times.ndim != 2 or times.size == 0, f"times must have shape (orbit, sample), not {times.shape}"
    n, samples = times.shape
    wanted = {"states": (n, samples, 6), "accelerations": (n, samples, 3), "elements": (n, 6)}
    if dataset.observations is not None:
        wanted["observations"] = (n, samples, 6)
    for key, shape in wanted.items():
        found = getattr(dataset, key).shape
        yield found != shape, f"{key} have shape {found}, but {n} orbits of {samples} samples need {shape}"
    yield len(dataset.orbit_names) != n, f"{len(dataset.orbit_names)} orbit names for {n} orbits"


def _check_values(dataset: "OrbitDataset") -> Checks:
    """Finite numbers, padding at the end and everywhere the same, increasing times, a plane that is one."""
    times, states = dataset.times, dataset.states
    for key in ("times", "states", "accelerations"):
        yield np.isinf(getattr(dataset, key)).any(), f"{key} hold infinite numbers"
    counts = np.isfinite(times).sum(axis=1)
    real = np.arange(times.shape[1]) < counts[:, None]
    gaps = (np.isfinite(times) != real).any(axis=1)
    yield gaps.any(), f"orbit {gaps.argmax()}: NaN among its times; padding may stand only at the end"
    for key in ("states", "accelerations"):
        gaps = (np.isfinite(getattr(dataset, key)) != real[..., None]).any(axis=(1, 2))
        yield gaps.any(), f"orbit {gaps.argmax()}: {key} are NaN on other samples than its times"
    yield counts.min() < 2, f"orbit {counts.argmin()} has {counts.min()} samples; an orbit needs at least 2"
    yield counts.max() < times.shape[1], "every orbit is padded: cut the arrays to the longest orbit"
    yield (times[:, 0] != 0).any(), "times must start at 0 in every orbit"
    back = (np.diff(times, axis=1) <= 0).any(axis=1)
    yield back.any(), f"orbit {back.argmax()}: its times do not increase"
    centre = (states[..., :3] == 0).all(axis=-1).any(axis=1)
    yield centre.any(), f"orbit {centre.argmax()} has a sample at the centre of attraction, r = 0"
    yield from _check_observations(dataset, real)
    out_of_plane = (np.nan_to_num(states[..., [2, 5]]) != 0).any()
    yield dataset.planar and out_of_plane, "it says planar, but some z or vz is not 0"


def _check_observations(dataset: "OrbitDataset", real: np.ndarray) -> Checks:
    """Whole states of samples that there are, enough of them in each orbit, in the plane of the true ones."""
    observations, observed = dataset.observed_states, dataset.is_observed
    yield np.isinf(observations).any(), "observations hold infinite numbers"
    parts = (np.isfinite(observations) != observed[..., None]).any(axis=(1, 2))
    yield parts.any(), f"orbit {parts.argmax()}: of a state only some components are observed"
    beyond = (observed & ~real).any(axis=1)
    yield beyond.any(), f"orbit {beyond.argmax()}: observations of samples without a time"
    counts = observed.sum(axis=1)
    yield counts.min() < 2, f"orbit {counts.argmin()}: {counts.min()} observed samples; at least 2 are needed"
    exact = np.array_equal(observations[observed], dataset.states[observed])
    few = f"orbit {counts.argmin()}: {counts.min()} observed samples, some of them with an error; training needs"
    yield not exact and counts.min() < STENCIL, f"{few} {STENCIL}, to difference them"
    out_of_plane = (np.nan_to_num(observations[..., [2, 5]]) != 0).any()
    yield dataset.planar and out_of_plane, "it says planar, but some observed z or vz is not 0"
