"""Real satellites as a dataset; what was left out is counted beside it."""

from importlib.metadata import version
from pathlib import Path

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.data.names import is_name
from keplearn.data.orbit_dataset import UNKNOWN_PROBLEM, OrbitDataset
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.elements import elements_from_states
from keplearn.orbits.satellites import propagate_satellites, some


def satellites_dataset(
    path: str | Path | None = None, name: str = "satellites", *, strict: bool = False
) -> tuple[OrbitDataset, dict[str, list[str]]]:
    """Propagate a file of mean elements with SGP4 over one revolution at 1° of mean anomaly.

    Parameters
    ----------
    path
        Two-line elements, or orbit mean-elements messages in CSV, JSON, XML or KVN; by default the file that ships
        with the sgp4 package.
    name
        The dataset's name; no name of the grammar.
    strict
        Refuse a file with a damaged entry, instead of leaving that out.

    Returns
    -------
    The dataset (TEME frame, accelerations by differences, osculating elements), and the names of
    what was left out, by reason.
    """
    if is_name(name):
        raise KeplearnError(f"{name} is the name of a dataset that keplearn makes; satellites need another.")
    found = propagate_satellites(path, strict=strict)
    left_out = [f"{reason}: {some(which, 50)}" for reason, which in found.left_out.items()]
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
            "origin": f"{found.form}: {found.source}",
            "method": f"SGP4 (sgp4 {version('sgp4')}) over one revolution, 1° of mean anomaly a sample",
            "frame": "TEME (true equator, mean equinox of the epoch)",
            "left_out": "; ".join(left_out) or "nothing",
            **({"without_checksum": f"{found.unchecked} element sets"} if found.unchecked else {}),
        },
    )
    return dataset, found.left_out
