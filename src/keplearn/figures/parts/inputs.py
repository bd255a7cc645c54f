"""What figures read, and what they refuse: one orbit out of an evaluation, without padding, and its periapsis."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray
from jaxtyping import Bool, Float64

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import VectorArray
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.distance import REGIONS
from keplearn.orbits.bodies import Body, body_of
from keplearn.orbits.elements import ELEMENT_NAMES, states_from_elements
from keplearn.orbits.kepler import eccentric_from_true, mean_from_eccentric, period

_TRUTH = ("time", "position", "velocity", "acceleration")
_CIRCULAR = 1e-6
"""Below this eccentricity a periapsis means nothing on a figure."""


def require(evaluation: xarray.Dataset, names: tuple[str, ...]) -> None:
    """Refuse an evaluation without orbits, or without some of these variables."""
    missing = [name for name in names if name not in evaluation]
    if missing:
        raise KeplearnError(f"This evaluation lacks {', '.join(missing)}.")
    if evaluation.sizes.get("orbit", 0) == 0 or evaluation.sizes.get("sample", 1) == 0:
        raise KeplearnError("There is nothing to draw: the evaluation has no orbit.")


@dataclass(frozen=True)
class OneOrbit:
    """One orbit of an evaluation.

    ``values``: its variables by name, over the samples that are not padding, ``distance`` among them where the
    training states are known; ``elements`` of its first sample (km, rad), ``mu`` in km³/s² and ``body``, what it goes
    round.
    """

    name: str
    values: dict[str, Float64[np.ndarray, "sample ..."]]
    elements: Float64[np.ndarray, "6"]
    mu: float
    body: Body
    diverged: bool

    @property
    def hours(self) -> Float64[np.ndarray, "sample"]:
        """Time since the first sample, h."""
        return self.values["time"] / 3600.0

    @property
    def semi_major_axis(self) -> float:
        """Of the first sample, km."""
        return float(self.elements[0])

    @property
    def eccentricity(self) -> float:
        """Of the first sample."""
        return float(self.elements[1])

    @property
    def period_hours(self) -> float:
        """Of the first sample, h; NaN if it is not bound."""
        if not self.semi_major_axis > 0:
            return np.nan
        return float(period(self.elements[:1], self.mu)[0]) / 3600.0

    @property
    def _has_periapsis(self) -> bool:
        return bool(_CIRCULAR < self.eccentricity < 1.0 and np.isfinite(self.elements[5]))

    @property
    def periapsis(self) -> VectorArray | None:
        """Position of the periapsis, km; None on a circle."""
        if not self._has_periapsis:
            return None
        elements = self.elements.copy()
        elements[5] = 0.0
        return states_from_elements(elements, self.mu)[:3]

    @property
    def hours_to_periapsis(self) -> float | None:
        """From the first sample to the next passage through the periapsis, h; None on a circle."""
        if not self._has_periapsis:
            return None
        e, nu = self.elements[1:2], self.elements[5:6]
        mean = float(mean_from_eccentric(eccentric_from_true(nu, e), e)[0])
        return (-mean % (2 * np.pi)) / (2 * np.pi) * self.period_hours

    @property
    def title(self) -> str:
        """Its name, semi-major axis and eccentricity."""
        return f"orbit {self.name}: a = {self.semi_major_axis:,.0f} km, e = {self.eccentricity:.3f}"

    @property
    def regions(self) -> dict[str, Bool[np.ndarray, "sample"]]:
        """Which samples are ``near`` the training states and which are ``far`` from them, where that is known."""
        if "distance" not in self.values or not np.isfinite(self.values["distance"]).any():
            return {}
        return {name: REGIONS[name](self.values) for name in ("near", "far")}

    def finite(self, name: str) -> Float64[np.ndarray, "sample ..."]:
        """Return a variable with NaN for whatever is not finite."""
        return np.where(np.isfinite(self.values[name]), self.values[name], np.nan)


def one_orbit(evaluation: xarray.Dataset, orbit: int, names: tuple[str, ...]) -> OneOrbit:
    """Return one orbit of an evaluation: its truth and the variables of these names.

    Raises
    ------
    KeplearnError
        If a variable is missing, or there is no such orbit.
    """
    names = (*_TRUTH, *names)
    require(evaluation, (*names, *ELEMENT_NAMES, "diverged"))
    count = evaluation.sizes["orbit"]
    if not 0 <= orbit < count:
        raise KeplearnError(f"There is no orbit {orbit}: the evaluation has {count}, from 0 to {count - 1}.")
    one = evaluation.isel(orbit=orbit)
    real = np.isfinite(one["time"].to_numpy())
    known = (*names, *({"distance"} & set(evaluation.variables)))
    values = {name: one[name].to_numpy()[real].astype(np.float64) for name in known}
    if len(values["time"]) < 2:
        raise KeplearnError(f"Orbit {orbit} has {len(values['time'])} samples; a figure needs at least 2.")
    elements = np.array([one[name].item() for name in ELEMENT_NAMES])
    mu = float(evaluation.attrs["mu"])
    body = body_of(mu, evaluation.attrs)
    return OneOrbit(str(one["orbit"].item()), values, elements, mu, body, bool(one["diverged"]))


def true_anomalies(evaluation: xarray.Dataset) -> Float64[np.ndarray, "orbit sample"]:
    """True anomaly of every true sample in degrees, increasing along each orbit; NaN where padded.

    The angle in the plane of an orbit's first sample, counted from the periapsis of that sample (of a circle, from
    the node or +x): steady where perturbations or rounding make the osculating periapsis jump.
    """
    r = evaluation["position"].to_numpy().astype(np.float64)
    outward = r[:, 0] / np.linalg.norm(r[:, 0], axis=-1, keepdims=True)
    v = evaluation["velocity"].to_numpy()[:, 0].astype(np.float64)
    ahead = v - (v * outward).sum(-1, keepdims=True) * outward
    along, across = np.einsum("osk,ok->os", r, outward), np.einsum("osk,ok->os", r, ahead)
    swept = np.arctan2(across / np.linalg.norm(ahead, axis=-1, keepdims=True), along)
    start = np.nan_to_num(evaluation["true_anomaly"].to_numpy().astype(np.float64))
    found = np.full(swept.shape, np.nan)
    for k, row in enumerate(swept):
        real = np.isfinite(row)
        found[k, real] = np.degrees(start[k] + np.unwrap(row[real]))
    return found


def finite(values: xarray.DataArray) -> np.ndarray:
    """Return values with NaN for whatever is not finite."""
    array = values.to_numpy().astype(np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def require_finite(found: xarray.Dataset, names: tuple[str, ...], least: int = 1) -> None:
    """Refuse numbers without some of these variables, or of which the first has not so many finite values."""
    missing = [name for name in names if name not in found]
    if missing:
        raise KeplearnError(f"This cannot be drawn: it lacks {', '.join(missing)}.")
    if np.isfinite(found[names[0]].to_numpy()).sum() < least:
        raise KeplearnError(f"There is nothing to draw: {names[0]} is nowhere finite.")


def require_some(datasets: Sequence[OrbitDataset]) -> None:
    """Refuse to draw nothing."""
    if not datasets:
        raise KeplearnError("There is nothing to draw: no dataset was given.")
