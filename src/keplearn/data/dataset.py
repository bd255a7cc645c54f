"""The one door to datasets: `load_dataset` takes a name or a file; also making and saving them."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError
from keplearn.core.files import is_file
from keplearn.core.shapes import OrbitElements, OrbitStates
from keplearn.data.files import read_dataset, save_dataset
from keplearn.data.importing import without_gaps
from keplearn.data.names import ChosenOrbit, DatasetName, Term, check_made, is_name, parse_name
from keplearn.data.observing import Stream
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.single import single_orbit
from keplearn.data.two_body import two_body_dataset
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.families import draw_elements, uniform_stream
from keplearn.systems import SYSTEMS
from keplearn.systems.two_body import TwoBody

__all__ = ["OrbitDataset", "load_dataset", "make_dataset", "save_dataset", "training_data"]


def make_dataset(name: DatasetName) -> OrbitDataset:
    """Make the dataset that a name means: Kepler orbits about the Earth, exact to rounding, and how they are observed.

    Raises
    ------
    KeplearnError
        If it would not fit into memory, or its orbits are not Kepler's.
    """
    check_made(name)
    if SYSTEMS[name.problem] is not TwoBody:
        raise KeplearnError(
            f"{name}: orbits of {name.problem} cannot be made from a name: import them from a file."
        )
    dataset = two_body_dataset(
        str(name),
        np.concatenate([_elements(term) for term in name.terms]),
        MU_EARTH,
        [str(k) for k in range(name.n)],
        f"from its name: family {name.family}",
        planar=name.planar,
        phases=_phases(name.terms),
        problem=name.problem,
    )
    return dataset if name.exact else replace(dataset, observations=_observations(name.terms, dataset))


def _elements(term: Term) -> OrbitElements:
    """The elements of a term's orbits, by the conventions of `keplearn.orbits.elements`."""
    if isinstance(term, ChosenOrbit):
        return single_orbit(MU_EARTH, **term.elements).elements
    return draw_elements(
        term.family,
        term.problem,
        term.n,
        split=term.split,
        draw=term.draw,
        planar=term.planar,
        modifiers=term.modifiers,
    )


def _stream(term: Term) -> Stream:
    """The streams of random numbers of a term's orbits."""
    if isinstance(term, ChosenOrbit):
        return lambda word, n: uniform_stream(str(replace(term, modifiers=())), term.problem, "", word, n)
    return lambda word, n: uniform_stream(term.family, term.problem, term.split, word, n, draw=term.draw)


def _phases(terms: tuple[Term, ...]) -> Float64[np.ndarray, "#orbit sample"]:
    """When the orbits are sampled, in revolutions; NaN beyond an orbit's last sample."""
    found = [term.observing.phases(_stream(term), term.n) for term in terms]
    if all(len(x) == 1 and x.shape == found[0].shape for x in found):
        return found[0]
    phases = np.full((sum(term.n for term in terms), max(x.shape[1] for x in found)), np.nan)
    for part, x in zip(_parts(terms), found, strict=True):
        phases[part, : x.shape[1]] = x
    return phases


def _observations(terms: tuple[Term, ...], truth: OrbitDataset) -> OrbitStates:
    """What is observed of true orbits, term by term."""
    observations = truth.states.copy()
    for part, term in zip(_parts(terms), terms, strict=True):
        states = truth.states[part, : term.observing.samples]
        observed = term.observing.observations(states, _stream(term), term.planar)
        observations[part, : term.observing.samples] = observed
    return observations


def _parts(terms: tuple[Term, ...]) -> list[slice]:
    """Where each term's orbits stand among those of the sum."""
    ends = np.cumsum([0, *(term.n for term in terms)])
    return [slice(int(first), int(last)) for first, last in pairwise(ends)]


def load_dataset(name_or_path: str) -> OrbitDataset:
    """Make or load a dataset: a name makes it, a path ending in ``.nc`` loads it.

    Raises
    ------
    KeplearnError
        If the name does not parse; if the file is missing, damaged or none of ours; if it bears a grammar
        name (inside or as its file's name) without being that dataset.
    """
    if not name_or_path.endswith(".nc"):
        if not is_name(name_or_path) and is_file(name_or_path):
            raise KeplearnError(
                f"{name_or_path} is no dataset of keplearn (those end in .nc). "
                f"Import it first: keplearn data import {name_or_path}"
            )
        return make_dataset(parse_name(name_or_path))
    path = Path(name_or_path)
    dataset = without_gaps(read_dataset(path))
    if is_name(path.stem) and path.stem != dataset.name:
        raise KeplearnError(
            f"{path}: the file is named as the dataset {path.stem}, but it holds {dataset.name!r}. Rename it."
        )
    if is_name(dataset.name):
        _check_impostor(dataset, path)
    return dataset


def training_data(name: str, orbits: int) -> OrbitDataset:
    """Load a dataset, or its first orbits; -1 for all."""
    dataset = load_dataset(name)
    return dataset if orbits == -1 else dataset.first(orbits)


def _check_impostor(dataset: OrbitDataset, path: Path) -> None:
    """Refuse a file that bears a grammar name and is not that dataset: a name means one thing."""
    name = parse_name(dataset.name)
    truth = make_dataset(name) if name.n == len(dataset) else None
    same = (
        truth is not None
        and (dataset.problem, dataset.planar, dataset.mu, dataset.acceleration_source)
        == (truth.problem, truth.planar, truth.mu, truth.acceleration_source)
        and dataset.states.shape == truth.states.shape
        # Another machine's sine may differ in the last digit.
        and _close(dataset.states, truth.states)
        and bool(np.allclose(dataset.times, truth.times, rtol=1e-12, atol=0.0, equal_nan=True))
        and _close(dataset.observed_states, truth.observed_states)
    )
    if not same:
        raise KeplearnError(
            f"{path}: it calls itself {dataset.name}, a name that means other orbits. "
            f"Leave the file and use the name itself, or import the data under another name."
        )


def _close(states: OrbitStates, others: OrbitStates) -> bool:
    return bool(np.allclose(states, others, rtol=0.0, atol=1e-7, equal_nan=True))
