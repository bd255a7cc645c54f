"""Datasets of Kepler orbits: the one function that makes them of elements, exact to rounding."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from keplearn.core.shapes import OrbitElements
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.orbits.bodies import Body, body_of
from keplearn.orbits.elements import SAMPLES, along_orbits
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
    phases: Float64[np.ndarray, "#orbit sample"] | None = None,
    problem: str = "TBP",
    body: Body | None = None,
) -> OrbitDataset:
    """Make the Kepler orbits of these elements, each over one revolution in equal steps of mean anomaly by default.

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
    phases
        When instead each is sampled, in revolutions since its first sample, at 0; NaN at the end is padding.
    problem
        The system that the dataset says it belongs to; the orbits are of the two-body law.
    body
        What they go round; by default the body that ``mu`` tells.

    Raises
    ------
    KeplearnError
        If ``mu`` is not positive or the arrays break the contract of datasets.
    """
    if phases is None:
        phases = (np.arange(samples) / samples)[None]
    times, states = along_orbits(elements, mu, np.nan_to_num(phases))
    beyond = np.broadcast_to(np.isnan(phases), times.shape)
    times[beyond], states[beyond] = np.nan, np.nan
    if planar:
        across = states[..., [2, 5]]
        # A zero keeps its sign: content hashes stay.
        states[..., [2, 5]] = np.where((across == 0.0) | np.isnan(across), across, 0.0)
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
