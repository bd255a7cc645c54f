"""Real satellites as a dataset; what was left out is counted beside it."""

from importlib.metadata import version
from pathlib import Path

import numpy as np

from keplearn.data.names import is_name
from keplearn.data.orbit_dataset import UNKNOWN_PROBLEM, OrbitDataset
from keplearn.errors import KeplearnError
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.elements import elements_from_states
from keplearn.orbits.satellites import propagate_satellites


def satellites_dataset(
    path: str | Path | None = None, name: str = "satellites"
) -> tuple[OrbitDataset, dict[str, list[str]]]:
    """Propagate a file of two-line elements with SGP4 over one revolution at 1° of mean anomaly.

    Parameters
    ----------
    path
        By default the file that ships with the sgp4 package.
    name
        The dataset's name; no name of the grammar.

    Returns
    -------
    The dataset (TEME frame, accelerations by differences, osculating elements), and the names of the
    satellites that were left out, by reason.
    """
    if is_name(name):
        raise KeplearnError(f"{name} is the name of a dataset that keplearn makes; satellites need another.")
    found = propagate_satellites(path)
    left_out = [f"{reason}: {', '.join(which)}" for reason, which in found.left_out.items()]
    dataset = OrbitDataset(
        name=name,
        problem=UNKNOWN_PROBLEM,
        planar=False,
        mu=MU_EARTH,
        times=found.times,
        states=found.states,
        elements=elements_from_states(np.ascontiguousarray(found.states[:, 0]), MU_EARTH),
        accelerations=found.accelerations,
        acceleration_source="differences",
        orbit_names=found.names,
        provenance={
            "origin": f"two-line elements: {found.source}",
            "method": f"SGP4 (sgp4 {version('sgp4')}) over one revolution, 1° of mean anomaly a sample",
            "frame": "TEME (true equator, mean equinox of the epoch)",
            "left_out": "; ".join(left_out) or "nothing",
        },
    )
    return dataset, found.left_out
