"""OrbitDataset: orbits as arrays with units, elements and origin, checked when it is made.

The contract of every dataset, whoever made it: km, s, rad, float64; one row an orbit; orbits shorter than the
longest are padded with NaN at the end, in all arrays alike; times start at 0 and increase.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Int

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import OrbitElements, OrbitStates, OrbitTimes, OrbitVectors
from keplearn.data.names import is_name, parse_name
from keplearn.orbits.bodies import Body, body_of
from keplearn.orbits.elements import ELEMENT_NAMES
from keplearn.systems import SYSTEMS, System
from keplearn.systems.system import system_of
from keplearn.systems.two_body import TwoBody

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


_BY_MU = Body()  # this very object: the one that mu tells


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
    body
        What the orbits go round; by default the body that mu tells.
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
    body: Body = _BY_MU

    def __post_init__(self) -> None:
        """Freeze the arrays, find the body, and check all."""
        object.__setattr__(self, "problem", SYSTEMS.full_name(self.problem))
        if self.body is _BY_MU:
            object.__setattr__(self, "body", body_of(self.mu))
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

    @property
    def system(self) -> System | None:
        """The law that its orbits obey exactly, in km and s; None where none is known.

        Raises
        ------
        NotLoaded
            If it is of a plugin that is not loaded.
        """
        found = system_of(self.problem, exact=self.acceleration_source == "law")
        return found and found(self.mu)

    @property
    def reference(self) -> System:
        """The law that models of its orbits are compared with: its own, or where none is known two bodies of its mu."""
        return self.system or TwoBody(self.mu)

    def first(self, n: int) -> "OrbitDataset":
        """The first n orbits; a grammar name follows (``…_100_train`` becomes ``…_10_train``, A+B perhaps A)."""
        if not 1 <= n <= len(self):
            raise KeplearnError(f"{self.name} has {len(self)} orbits: its first {n} cannot be taken.")
        if n == len(self):
            return self
        if not is_name(self.name):
            return self._some(f"{self.name}, first {n}", slice(0, n))
        name = parse_name(self.name).with_orbits(n)
        # The first orbits of a sum may all be planar.
        return replace(self._some(str(name), slice(0, n)), planar=name.planar)

    def only(self, k: int) -> "OrbitDataset":
        """The k-th orbit alone, from 0, as ``NAME#k``."""
        if not 0 <= k < len(self):
            raise KeplearnError(f"{self.name} has {len(self)} orbits, from #0: there is no #{k}.")
        return self._some(f"{self.name}#{k}", slice(k, k + 1))

    def _some(self, name: str, orbits: slice) -> "OrbitDataset":
        """Some of the orbits, without padding that only others need."""
        longest = int(self.n_samples[orbits].max())
        return replace(
            self,
            name=name,
            times=self.times[orbits, :longest],
            states=self.states[orbits, :longest],
            elements=self.elements[orbits],
            accelerations=self.accelerations[orbits, :longest],
            orbit_names=self.orbit_names[orbits],
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the arrays and of what gives them meaning; name, provenance and body do not count."""
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
            **self.body.attributes(),
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
    for part in (_check_head, _check_shapes, _check_values):
        for broken, message in part(dataset):
            if broken:
                raise KeplearnError(f"dataset {dataset.name!r}: {message}")


Checks = Iterator[tuple[Any, str]]
"""Pairs of (is it broken, what is wrong), each computed only when those before it have passed."""


def _check_head(dataset: OrbitDataset) -> Checks:
    """Name, mu and source."""
    yield not dataset.name.strip(), "a dataset needs a name"
    yield not 0 < dataset.mu < np.inf, f"mu must be a positive number of km³/s², not {dataset.mu}"
    source = dataset.acceleration_source
    yield source not in SOURCES, f"acceleration_source is {source!r}, not one of {', '.join(SOURCES)}"


def _check_shapes(dataset: OrbitDataset) -> Checks:
    """All arrays have the orbits and samples of the times."""
    times = dataset.times
    yield times.ndim != 2 or times.size == 0, f"times must have shape (orbit, sample), not {times.shape}"
    n, samples = times.shape
    wanted = {"states": (n, samples, 6), "accelerations": (n, samples, 3), "elements": (n, 6)}
    for key, shape in wanted.items():
        found = getattr(dataset, key).shape
        yield found != shape, f"{key} have shape {found}, but {n} orbits of {samples} samples need {shape}"
    yield len(dataset.orbit_names) != n, f"{len(dataset.orbit_names)} orbit names for {n} orbits"


def _check_values(dataset: OrbitDataset) -> Checks:
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
    out_of_plane = (np.nan_to_num(states[..., [2, 5]]) != 0).any()
    yield dataset.planar and out_of_plane, "it says planar, but some z or vz is not 0"
