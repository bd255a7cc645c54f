"""Datasets of Kepler orbits: the one function that makes them of elements, exact to rounding."""

from collections.abc import Sequence

import numpy as np

from keplearn.core.shapes import OrbitElements
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.orbits.bodies import Body, body_of
from keplearn.orbits.elements import SAMPLES, one_revolution
from keplearn.systems.two_body import TwoBody


def two_body_dataset(
    name: str,
    elements: OrbitElements,
    mu: float,
    orbit_names: Sequence[str],
    origin: str,
    *,
    planar: bool,
    samples: int = SAMPLES,
    problem: str = "TBP",
    body: Body | None = None,
) -> OrbitDataset:
    """Make the Kepler orbits of these elements, each over one revolution in equal steps of mean anomaly.

    Parameters
    ----------
    name
        The dataset's name.
    elements
        (a, e, i, Ω, ω, ν₀) of each orbit's first sample; km and rad; bound.
    mu
        km³/s².
    orbit_names
        One an orbit.
    origin
        Where the elements come from: "from its name", "of given elements".
    planar
        They lie in z = 0, which then holds exactly, for retrograde orbits (whose sin π is not 0) too.
    samples
        Of each orbit.
    problem
        The system that the dataset says it belongs to; the orbits are of the two-body law.
    body
        What they go round; by default the body that ``mu`` tells.

    Raises
    ------
    KeplearnError
        If ``mu`` is not positive or the arrays break the contract of datasets.
    """
    times, states = one_revolution(elements, mu, samples)
    if planar:
        across = states[..., [2, 5]]
        states[..., [2, 5]] = np.where(
            across == 0.0, across, 0.0
        )  # a zero keeps its sign: content hashes stay
    return OrbitDataset(
        name=name,
        problem=problem,
        planar=planar,
        mu=mu,
        times=times,
        states=states,
        elements=elements,
        accelerations=TwoBody(mu).accelerations(times, states),
        acceleration_source="law",
        orbit_names=tuple(orbit_names),
        provenance={
            "origin": f"made by keplearn {origin}",
            "method": "Kepler's equation solved to machine precision in float64",
        },
        body=body_of(mu) if body is None else body,
    )
