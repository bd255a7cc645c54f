"""OrbitDataset: orbits as arrays with units, elements and origin, checked when it is made.

The contract of every dataset, whoever made it: km, s, rad, float64; one row an orbit; orbits shorter than the
longest are padded with NaN at the end, in all arrays alike; times start at 0 and increase.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Int

from keplearn.data.names import is_name, parse_name
from keplearn.errors import KeplearnError
from keplearn.orbits.elements import ELEMENT_NAMES
from keplearn.shapes import OrbitElements, OrbitStates, OrbitTimes, OrbitVectors

if TYPE_CHECKING:
    import xarray

SOURCES = ("law", "differences")
UNKNOWN_PROBLEM = "unknown"

COMPONENTS = ("x", "y", "z")
VARIABLES: dict[str, tuple[tuple[str, ...], str]] = {
    "time": (("orbit", "sample"), "s"),
    "position": (("orbit", "sample", "component"), "km"),
    "velocity": (("orbit", "sample", "component"), "km/s"),
    "acceleration": (("orbit", "sample", "component"), "km/s^2"),
    **dict.fromkeys(ELEMENT_NAMES, (("orbit",), "rad")),
    "semi_major_axis": (("orbit",), "km"),
    "eccentricity": (("orbit",), "1"),
}
"""What a dataset's file holds: each variable's dimensions and units."""


@dataclass(frozen=True, eq=False)
class OrbitDataset:
    """Orbits of one problem.

    Attributes
    ----------
    name
        A grammar name where the dataset was made by one, else free text that is none.
    problem
        Token of the law, "TBP", or "unknown" where none is known (imported data, satellites).
    planar
        Whether all z and v_z are exactly 0.
    mu
        Gravitational parameter, km³/s².
    times, states, accelerations
        s; km and km/s; km/s². Read-only, NaN where an orbit is padded.
    elements
        (a, e, i, Ω, ω, ν₀) of each orbit's first sample; km and rad; NaN where undefined.
    acceleration_source
        "law" (exact) or "differences" (sixth-order finite differences of the velocity).
    orbit_names
        One an orbit: the satellite, the id in the imported file, or the index.
    provenance
        Where it came from, as text: what a reader of the file must know.
    """

    name: str
    problem: str
    planar: bool
    mu: float
    times: OrbitTimes
    states: OrbitStates
    elements: OrbitElements
    accelerations: OrbitVectors
    acceleration_source: Literal["law", "differences"]
    orbit_names: tuple[str, ...]
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze the arrays and check them."""
        for key in ("times", "states", "elements", "accelerations"):
            array = np.array(getattr(self, key), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, key, array)
        check(self)

    def __len__(self) -> int:
        """Number of orbits."""
        return self.times.shape[0]

    @cached_property
    def n_samples(self) -> Int[np.ndarray, " orbit"]:
        """Samples of each orbit, padding not counted."""
        return np.isfinite(self.times).sum(axis=1)

    def first(self, n: int) -> "OrbitDataset":
        """The first n orbits; a grammar name follows (``…_100_train`` becomes ``…_10_train``)."""
        if not 1 <= n <= len(self):
            raise KeplearnError(f"{self.name} has {len(self)} orbits: its first {n} cannot be taken.")
        if n == len(self):
            return self
        longest = int(self.n_samples[:n].max())
        made = is_name(self.name)
        name = str(parse_name(self.name).with_orbits(n)) if made else f"{self.name}, first {n}"
        return replace(
            self,
            name=name,
            times=self.times[:n, :longest],
            states=self.states[:n, :longest],
            elements=self.elements[:n],
            accelerations=self.accelerations[:n, :longest],
            orbit_names=self.orbit_names[:n],
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the arrays and of what gives them meaning; name and provenance do not count."""
        digest = hashlib.sha256()
        head = f"{self.problem}/{self.planar}/{self.mu!r}/{self.acceleration_source}/{self.states.shape}"
        digest.update(head.encode())
        for array in (self.times, self.states, self.elements, self.accelerations):
            # One bit pattern for every NaN, one byte order for every machine.
            digest.update(np.where(np.isnan(array), np.nan, array).astype("<f8").tobytes())
        return digest.hexdigest()

    def to_xarray(self) -> "xarray.Dataset":
        """The dataset with named dimensions and units: what `save_dataset` writes."""
        import xarray

        values = {
            "time": self.times,
            "position": self.states[..., :3],
            "velocity": self.states[..., 3:],
            "acceleration": self.accelerations,
            **{name: self.elements[:, k] for k, name in enumerate(ELEMENT_NAMES)},
        }
        attributes: dict[str, Any] = {
            "name": self.name,
            "problem": self.problem,
            "planar": int(self.planar),
            "mu": self.mu,
            "mu_units": "km^3/s^2",
            "acceleration_source": self.acceleration_source,
            "content_hash": self.content_hash,
        }
        attributes.update({f"provenance_{key}": value for key, value in self.provenance.items()})
        return xarray.Dataset(
            {key: (dims, values[key], {"units": units}) for key, (dims, units) in VARIABLES.items()},
            coords={"orbit": list(self.orbit_names), "component": list(COMPONENTS)},
            attrs=attributes,
        )


def check(dataset: OrbitDataset) -> None:
    """Refuse a dataset that breaks the contract in this module's first lines."""
    name = dataset.name

    def demand(condition: bool, message: str) -> None:
        if not condition:
            raise KeplearnError(f"dataset {name!r}: {message}")

    demand(bool(name.strip()), "a dataset needs a name")
    demand(0 < dataset.mu < np.inf, f"mu must be a positive number of km³/s², not {dataset.mu}")
    demand(
        dataset.acceleration_source in SOURCES,
        f"acceleration_source is {dataset.acceleration_source!r}, not one of {', '.join(SOURCES)}",
    )
    times, states, accelerations = dataset.times, dataset.states, dataset.accelerations
    demand(times.ndim == 2 and times.size > 0, f"times must have shape (orbit, sample), not {times.shape}")
    n, samples = times.shape
    wanted = {"states": (n, samples, 6), "accelerations": (n, samples, 3), "elements": (n, 6)}
    for key, shape in wanted.items():
        found = getattr(dataset, key).shape
        demand(found == shape, f"{key} have shape {found}, but {n} orbits of {samples} samples need {shape}")
    demand(len(dataset.orbit_names) == n, f"{len(dataset.orbit_names)} orbit names for {n} orbits")

    for key, bad in {"times": times, "states": states, "accelerations": accelerations}.items():
        demand(not np.isinf(bad).any(), f"{key} hold infinite numbers")
    real = np.isfinite(times)
    counts = real.sum(axis=1)
    padded_at_end = np.arange(samples) < counts[:, None]
    for orbit in np.flatnonzero((real != padded_at_end).any(axis=1)):
        demand(False, f"orbit {orbit}: NaN among its times; padding may stand only at the end")
    for key, array in {"states": states, "accelerations": accelerations}.items():
        known = np.isfinite(array)
        wrong = (known != padded_at_end[..., None]).any(axis=(1, 2))
        for orbit in np.flatnonzero(wrong):
            demand(False, f"orbit {orbit}: {key} are NaN on other samples than its times")
    demand(
        counts.min() >= 2, f"orbit {counts.argmin()} has {counts.min()} samples; an orbit needs at least 2"
    )
    demand(counts.max() == samples, "every orbit is padded: cut the arrays to the longest orbit")
    demand(bool((times[:, 0] == 0).all()), "times must start at 0 in every orbit")
    for orbit in np.flatnonzero((np.diff(times, axis=1) <= 0).any(axis=1)):
        demand(False, f"orbit {orbit}: its times do not increase")
    at_centre = (states[..., :3] == 0).all(axis=-1).any(axis=1)
    for orbit in np.flatnonzero(at_centre):
        demand(False, f"orbit {orbit} has a sample at the centre of attraction, r = 0")
    if dataset.planar:
        out_of_plane = (np.nan_to_num(states[..., [2, 5]]) != 0).any()
        demand(not out_of_plane, "it says planar, but some z or vz is not 0")
