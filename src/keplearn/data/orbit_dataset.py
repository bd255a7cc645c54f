"""OrbitDataset: orbits as arrays with units, elements and origin, checked when it is made.

The contract of every dataset, whoever made it: km, s, rad, float64; one row an orbit; orbits shorter than the
longest are padded with NaN at the end, in all arrays alike; times start at 0 and increase.

A dataset holds the truth, and what is observed of it. Training sees the dataset `OrbitDataset.as_observed`; whatever
scores or draws sees the truth. Longer than most files: it is one class, and its checks.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import OrbitElements, OrbitStates, OrbitTimes, OrbitVectors
from keplearn.data.contract import check
from keplearn.data.names import is_name, parse_name
from keplearn.orbits.bodies import Body, body_of
from keplearn.orbits.differences import acceleration_by_differences, surest_accelerations
from keplearn.orbits.elements import ELEMENT_NAMES, elements_from_states
from keplearn.systems import SYSTEMS, System
from keplearn.systems.system import system_of
from keplearn.systems.two_body import TwoBody

if TYPE_CHECKING:
    import xarray

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
OBSERVED_VARIABLES: dict[str, tuple[tuple[str, ...], str]] = {
    f"observed_{key}": VARIABLES[key] for key in ("position", "velocity")
}
"""What it holds beside them where not all is observed exactly."""


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
    observations
        What is observed of the states, km and km/s: NaN where a sample is missing. None: all of them, as they are.
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
    observations: OrbitStates | None = None

    def __post_init__(self) -> None:
        """Freeze the arrays, find the body, and check all."""
        object.__setattr__(self, "problem", SYSTEMS.full_name(self.problem))
        if self.body is _BY_MU:
            object.__setattr__(self, "body", body_of(self.mu))
        for key in ("times", "states", "elements", "accelerations", "observations"):
            if getattr(self, key) is not None:
                array = np.array(getattr(self, key), dtype=np.float64)
                array.setflags(write=False)
                object.__setattr__(self, key, array)
        if self.observations is not None and np.array_equal(self.observations, self.states, equal_nan=True):
            object.__setattr__(self, "observations", None)
        check(self)

    def __len__(self) -> int:
        """Number of orbits."""
        return self.times.shape[0]

    @cached_property
    def n_samples(self) -> Int[np.ndarray, " orbit"]:
        """Samples of each orbit, padding not counted."""
        return np.isfinite(self.times).sum(axis=1)

    @property
    def observed_states(self) -> OrbitStates:
        """What is observed of the states, sample by sample; NaN where one is missing, and in padding."""
        return self.states if self.observations is None else self.observations

    @property
    def is_observed(self) -> Bool[np.ndarray, "orbit sample"]:
        """Whether a sample is observed: False where it is missing, and in padding."""
        return np.isfinite(self.observed_states[..., 0])

    @cached_property
    def as_observed(self) -> "OrbitDataset":
        """The dataset that training sees: the states as they are observed, without the samples that are missing.

        Where states are observed with an error, nobody has observed the acceleration: it is that of sixth-order
        differences of the observed velocities. Times count from the first sample that is observed.
        """
        seen = self.observed_truth
        observed = self._only_observed(self.observed_states)
        if np.array_equal(observed, seen.states, equal_nan=True):
            return seen
        return replace(
            seen,
            name=f"{self.name}, as observed",
            states=observed,
            elements=elements_from_states(observed[:, 0], self.mu),
            accelerations=acceleration_by_differences(seen.times, observed),
            acceleration_source="differences",
        )

    @cached_property
    def differenced(self) -> "OrbitDataset":
        """The same with accelerations of the surest differences of its states, whatever is known of them."""
        found = surest_accelerations(self.times, self.states)
        return replace(self, accelerations=found, acceleration_source="differences")

    @cached_property
    def observed_truth(self) -> "OrbitDataset":
        """The truth of `as_observed`, sample by sample: without those that are missing, and without error."""
        if self.observations is None:
            return self
        times, states = self._only_observed(self.times), self._only_observed(self.states)
        return replace(
            self,
            name=f"{self.name}, where observed",
            times=times - times[:, :1],
            states=states,
            elements=elements_from_states(states[:, 0], self.mu),
            accelerations=self._only_observed(self.accelerations),
            observations=None,
        )

    def _only_observed(
        self, values: Float64[np.ndarray, "orbit sample *rest"]
    ) -> Float64[np.ndarray, "orbit seen *rest"]:
        """The values at the observed samples, one after another, padded to the orbit that has most of them."""
        seen = self.is_observed
        counts = seen.sum(axis=1)
        order = np.argsort(~seen, axis=1, kind="stable")[:, : counts.max()]
        found = values[np.arange(len(self))[:, None], order]
        found[np.arange(counts.max()) >= counts[:, None]] = np.nan
        return found

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
            return self.some(f"{self.name}, first {n}", slice(0, n))
        name = parse_name(self.name).with_orbits(n)
        # The first orbits of a sum may all be planar.
        return replace(self.some(str(name), slice(0, n)), planar=name.planar)

    def only(self, k: int) -> "OrbitDataset":
        """The k-th orbit alone, from 0, as ``NAME#k``."""
        if not 0 <= k < len(self):
            raise KeplearnError(f"{self.name} has {len(self)} orbits, from #0: there is no #{k}.")
        return self.some(f"{self.name}#{k}", slice(k, k + 1))

    def some(self, name: str, orbits: slice) -> "OrbitDataset":
        """Some of the orbits, without padding that only others need."""
        longest = int(self.n_samples[orbits].max())
        return replace(
            self,
            name=name,
            times=self.times[orbits, :longest],
            states=self.states[orbits, :longest],
            elements=self.elements[orbits],
            accelerations=self.accelerations[orbits, :longest],
            observations=None if self.observations is None else self.observations[orbits, :longest],
            orbit_names=self.orbit_names[orbits],
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the arrays and of what gives them meaning; name, provenance and body do not count."""
        digest = hashlib.sha256()
        head = f"{self.problem}/{self.planar}/{self.mu!r}/{self.acceleration_source}/{self.states.shape}"
        digest.update(head.encode())
        observations = () if self.observations is None else (self.observations,)
        for array in (self.times, self.states, self.elements, self.accelerations, *observations):
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
        variables = VARIABLES
        if self.observations is not None:
            variables = VARIABLES | OBSERVED_VARIABLES
            values["observed_position"] = self.observations[..., :3]
            values["observed_velocity"] = self.observations[..., 3:]
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
            {key: (dims, values[key], {"units": units}) for key, (dims, units) in variables.items()},
            coords={"orbit": list(self.orbit_names), "component": list(COMPONENTS)},
            attrs=attributes,
        )
