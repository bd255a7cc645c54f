"""Making datasets of foreign trajectories: units stated, orbits checked, accelerations by differences."""

import hashlib
from pathlib import Path

import numpy as np

from keplearn.data.names import is_name
from keplearn.data.orbit_dataset import UNKNOWN_PROBLEM, OrbitDataset
from keplearn.data.readers import RawFile, RawOrbit, read_raw, split_velocity_unit
from keplearn.errors import KeplearnError, nearest
from keplearn.orbits.bodies import Body, body_of
from keplearn.orbits.constants import EARTH_RADIUS, MU_EARTH
from keplearn.orbits.differences import STENCIL, acceleration_by_differences, derivative
from keplearn.orbits.elements import elements_from_states

LENGTHS_KM = {"km": 1.0, "m": 1e-3, "earth_radius": EARTH_RADIUS, "au": 149597870.7}
"""Units of length that a file may be in, in km (IAU 2012 for the astronomical unit)."""

TIMES_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
"""Units of time that a file may be in, in s."""

_ALIASES = {
    **dict.fromkeys(["kilometer", "kilometers", "kilometre", "kilometres"], "km"),
    **dict.fromkeys(["meter", "meters", "metre", "metres"], "m"),
    **dict.fromkeys(["sec", "second", "seconds"], "s"),
    **dict.fromkeys(["minute", "minutes"], "min"),
    **dict.fromkeys(["hour", "hours", "hr"], "h"),
    **dict.fromkeys(["d", "days"], "day"),
}


def import_dataset(
    path: str | Path,
    *,
    length_unit: str = "km",
    time_unit: str = "s",
    mu: float = MU_EARTH,
    name: str | None = None,
    body: Body | None = None,
) -> OrbitDataset:
    """Read trajectories from CSV, npz or netCDF into a dataset of unknown law.

    Times are counted from each orbit's first sample; elements are osculating there; accelerations are
    sixth-order differences of the velocity; orbits of different lengths are padded with NaN.

    Parameters
    ----------
    path
        CSV with columns orbit, t, x, y, z, vx, vy, vz; npz or netCDF with arrays of these names, or t with
        position and velocity (as in keplearn's own files), or with states.
    length_unit, time_unit
        Units of the file: km, m, earth_radius, au; s, min, h, day. Velocities are in their ratio.
    mu
        Gravitational parameter, km³/s², whatever the file's units.
    name
        The dataset's name, by default the file's without its ending; no name of the grammar.
    body
        What the orbits go round; by default the body that ``mu`` tells.

    Raises
    ------
    KeplearnError
        With file, line (or orbit and sample) and value: non-numeric or non-finite cells, missing columns,
        times that repeat or decrease, fewer than 7 samples an orbit, units that contradict the file,
        velocities that are no derivative of the positions.
    """
    path = Path(path)
    length, time = _scale("length", length_unit, LENGTHS_KM), _scale("time", time_unit, TIMES_S)
    if not 0.0 < mu < np.inf:
        raise KeplearnError(f"mu must be a positive number of km³/s², not {mu}.")
    dataset_name = path.stem if name is None else name
    if is_name(dataset_name):
        raise KeplearnError(
            f"{dataset_name} is the name of a dataset that keplearn makes; "
            "imported data need another: --name NAME."
        )
    raw = read_raw(path)
    _check_stated_units(raw, length_unit, time_unit, path)
    if not raw.orbits:
        raise KeplearnError(f"{path}: there is no orbit in it.")
    scale = np.repeat([length, length / time], 3)
    orbits = []
    for orbit in raw.orbits:
        _check_orbit(orbit, path)
        times = (orbit.times - orbit.times[0]) * time
        orbits.append(RawOrbit(orbit.name, times, orbit.states * scale, orbit.lines))
    _check_velocities(orbits, path)
    body = body_of(mu) if body is None else body
    return _assemble(orbits, dataset_name, mu, body, _provenance(path, length_unit, time_unit))


def _scale(what: str, unit: str, known: dict[str, float]) -> float:
    if unit not in known:
        raise KeplearnError(f"unknown {what} unit {unit!r}: one of {', '.join(known)}.{nearest(unit, known)}")
    return known[unit]


def _provenance(path: Path, length_unit: str, time_unit: str) -> dict[str, str]:
    return {
        "origin": f"imported from {path.name}",
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "file_units": f"{length_unit}, {time_unit}",
        "method": "times from each orbit's first sample; accelerations by sixth-order differences",
    }


def _assemble(
    orbits: list[RawOrbit], name: str, mu: float, body: Body, provenance: dict[str, str]
) -> OrbitDataset:
    """Pad the orbits to the longest and add elements and accelerations; km and s."""
    longest = max(len(orbit.times) for orbit in orbits)
    times = np.full((len(orbits), longest), np.nan)
    states = np.full((len(orbits), longest, 6), np.nan)
    for k, orbit in enumerate(orbits):
        times[k, : len(orbit.times)] = orbit.times
        states[k, : len(orbit.times)] = orbit.states
    return OrbitDataset(
        name=name,
        problem=UNKNOWN_PROBLEM,
        planar=bool((np.nan_to_num(states[..., [2, 5]]) == 0.0).all()),
        mu=float(mu),
        times=times,
        states=states,
        elements=elements_from_states(states[:, 0], float(mu)),
        accelerations=acceleration_by_differences(times, states),
        acceleration_source="differences",
        orbit_names=tuple(orbit.name for orbit in orbits),
        provenance=provenance,
        body=body,
    )


def _check_stated_units(raw: RawFile, length_unit: str, time_unit: str, path: Path) -> None:
    """Refuse flags that contradict the units that the file states itself; unknown spellings say nothing."""
    stated = {"length": raw.units.get("length", ""), "time": raw.units.get("time", "")}
    velocity = split_velocity_unit(raw.units.get("velocity", ""))
    pairs = list(stated.items()) + (list(zip(stated, velocity, strict=True)) if velocity else [])
    flags = {"length": (length_unit, LENGTHS_KM), "time": (time_unit, TIMES_S)}
    for what, text in pairs:
        flag, known = flags[what]
        word = text.strip().lower()
        unit = _ALIASES.get(word, word)
        if unit in known and unit != flag:
            raise KeplearnError(
                f"{path}: the file says its {what} unit is {text!r}, but {flag!r} was given. "
                f"Give --{what}-unit {unit}, or mend the file's units attributes."
            )


def _check_orbit(orbit: RawOrbit, path: Path) -> None:
    """Refuse an orbit that is too short, not finite, at the centre, or whose times do not increase."""
    if len(orbit.times) < STENCIL:
        raise KeplearnError(
            f"{path}: orbit {orbit.name} has {len(orbit.times)} samples; "
            f"the acceleration by differences needs at least {STENCIL}."
        )
    finite = np.isfinite(orbit.times) & np.isfinite(orbit.states).all(axis=1)
    if not finite.all():
        k = int(np.argmin(finite))
        values = [orbit.times[k], *orbit.states[k]]
        raise KeplearnError(f"{path}, {orbit.where(k)}: a value is not finite: {[float(v) for v in values]}.")
    steps = np.diff(orbit.times)
    if (steps <= 0).any():
        k = int(np.argmax(steps <= 0)) + 1
        verb = "repeats" if steps[k - 1] == 0 else "goes back"
        raise KeplearnError(
            f"{path}, {orbit.where(k)}: the time {verb}: {orbit.times[k]:.17g} "
            f"after {orbit.times[k - 1]:.17g}."
        )
    at_centre = (orbit.states[:, :3] == 0).all(axis=1)
    if at_centre.any():
        raise KeplearnError(f"{path}, {orbit.where(int(np.argmax(at_centre)))}: the position is 0.")


def _check_velocities(orbits: list[RawOrbit], path: Path) -> None:
    """Refuse velocities far from the derivative of the positions: their units, or the flags, are wrong."""
    for orbit in orbits:
        from_positions = np.linalg.norm(derivative(orbit.times, orbit.states[:, :3]), axis=1)
        given = np.linalg.norm(orbit.states[:, 3:], axis=1)
        ratio = float(np.median(from_positions) / max(np.median(given), np.finfo(float).tiny))
        if not 1 / 3 < ratio < 3:
            raise KeplearnError(
                f"{path}: orbit {orbit.name}: its positions change {ratio:.3g} times "
                "as fast as its velocities say. "
                "Velocities must be in length unit per time unit (--length-unit, --time-unit), "
                "and the samples dense enough to differentiate."
            )
