"""Observing a dataset that is there: noise and gaps for data that no name makes, such as imported orbits."""

from dataclasses import replace

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.data.names import is_name
from keplearn.data.observing import Noise, observed
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.orbits.families import uniform_stream


def observe(
    dataset: OrbitDataset,
    name: str,
    *,
    noise: float = 0.0,
    position_noise: float = 0.0,
    velocity_noise: float = 0.0,
    missing: float = 0.0,
    seed: int = 0,
) -> OrbitDataset:
    """Take the states of a dataset for the truth, and observe them with noise and gaps.

    Parameters
    ----------
    dataset
        All of its states observed as they are.
    name
        Of the new dataset; no name of the grammar.
    noise
        Standard deviation of each component: of the position relative to its radius, of the velocity to its speed.
    position_noise, velocity_noise
        The same in km and km/s; beside ``noise`` the variances add.
    missing
        Percent of each orbit's samples that are missing, at random; never the first.
    seed
        Of the random numbers. Those of an orbit depend on its place in the dataset and on nothing else.

    Raises
    ------
    KeplearnError
        If a number is none that can be, nothing is to be done, or the dataset is observed with noise or gaps already.
    """
    sizes = Noise(noise, position_noise, velocity_noise)
    if is_name(name):
        raise KeplearnError(f"{name} is the name of a dataset that keplearn makes; this one needs another.")
    if dataset.observations is not None:
        raise KeplearnError(f"{dataset.name} is observed with noise or gaps already: take the true orbits.")
    for key, value in {
        "noise": noise,
        "position noise": position_noise,
        "velocity noise": velocity_noise,
    }.items():
        if not 0.0 <= value < np.inf:
            raise KeplearnError(f"The {key} must be a number from 0 on, not {value}.")
    if not 0.0 <= missing < 100.0:
        raise KeplearnError(f"The share that is missing must be from 0 to below 100 %, not {missing}.")
    if not (any(sizes) or missing):
        raise KeplearnError("Neither noise nor missing samples are asked for: all is observed as it is.")

    observations = dataset.states.copy()
    for k, n in enumerate(dataset.n_samples):
        states = dataset.states[k, :n]
        observations[k, :n] = observed(
            states, sizes, missing, lambda word, count: _stream(seed, word, count), k, dataset.planar, int(n)
        )
    said = {
        f"noise {noise:g} of radius and speed": noise,
        f"noise {position_noise:g} km": position_noise,
        f"noise {velocity_noise:g} km/s": velocity_noise,
        f"{missing:g} % missing": missing,
        f"seed {seed}": True,
    }
    provenance = {"observed": ", ".join(text for text, there in said.items() if there), "truth": dataset.name}
    return replace(
        dataset, name=name, observations=observations, provenance={**dataset.provenance, **provenance}
    )


def _stream(seed: int, word: str, count: int) -> np.ndarray:
    return uniform_stream("observed", "any", "", word, count, draw=seed)
