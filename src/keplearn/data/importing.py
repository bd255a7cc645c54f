"""Making datasets of foreign trajectories: units settled, orbits checked and cut at gaps, accelerations added."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.data.arcs import Arc, cut_at_gaps
from keplearn.data.columns import parse_columns
from keplearn.data.file_units import FileUnits, choose_units
from keplearn.data.names import is_name
from keplearn.data.orbit_dataset import UNKNOWN_PROBLEM, OrbitDataset
from keplearn.data.raw import RawFile, RawOrbit
from keplearn.data.readers import read_raw
from keplearn.data.velocities import fixed_frame, velocity_fault
from keplearn.orbits.bodies import KNOWN, Body, body_of, central_body
from keplearn.orbits.differences import STENCIL, acceleration_by_differences
from keplearn.orbits.elements import elements_from_states


def import_dataset(
    path: str | Path,
    *,
    length_unit: str | None = None,
    time_unit: str | None = None,
    velocity_unit: str | None = None,
    columns: str = "",
    mu: float | None = None,
    name: str | None = None,
    body: Body | None = None,
) -> OrbitDataset:
    """Read trajectories from a file of another program into a dataset of unknown law.

    Times are counted from each orbit's first sample; an orbit with gaps in time becomes one of each arc between
    them (`keplearn.data.arcs`); elements are osculating at the first sample; accelerations are sixth-order
    differences of the velocity; orbits of different lengths are padded with NaN. What was decided or is doubtful
    stands in the provenance: ``file_units``, ``columns``, ``gaps``, ``left_out``, ``doubts``.

    Parameters
    ----------
    path
        A table of text (.csv, .tsv, .txt, .dat) with columns t, x, y, z, vx, vy, vz, and orbit where there are
        several; npz or netCDF with arrays of these names, or t with position and velocity (as in keplearn's own
        files), with states, or with y as solve_ivp gives it; an ephemeris message (.oem).
    length_unit, time_unit, velocity_unit
        Units of the file: km, m, earth_radius, au; s, min, h, day; km/s, m/s, au/day and so on. None: what the
        file says; else km, s, and their ratio, or the units with which the velocities are the positions' change.
    columns
        Columns or arrays with other names: ``t=Epoch,x=px``; in tables also by number from 1.
    mu
        Gravitational parameter, km³/s², whatever the file's units; None for the body's.
    name
        The dataset's name, by default the file's without its ending; no name of the grammar.
    body
        What the orbits go round; by default the body that ``mu`` tells, or else the file, or else the Earth.

    Raises
    ------
    KeplearnError
        With file, line (or orbit and sample) and value: non-numeric or non-finite cells, missing columns,
        times that repeat or decrease, fewer than 7 samples an orbit, units that contradict the file,
        velocities that are no derivative of the positions, with the likely cause.
    """
    path = Path(path)
    if mu is not None and not 0.0 < mu < np.inf:
        raise KeplearnError(f"mu must be a positive number of km³/s², not {mu}.")
    dataset_name = _checked_name(path.stem if name is None else name)
    raw = read_raw(path, parse_columns(columns) if columns else {})
    if not raw.orbits:
        raise KeplearnError(f"{path}: there is no orbit in it.")
    for orbit in raw.orbits:
        _check_orbit(orbit, path)
    body, mu = _central(raw, body, mu, path)
    flags = {"length": length_unit, "time": time_unit, "velocity": velocity_unit}
    units = choose_units(str(path), flags, raw.units, raw.dated, _change_to_velocity(raw.orbits))
    length, time, velocity = units.factors
    scale = np.repeat([length, velocity], 3)
    orbits = [Arc(o.name, (o.times - o.times[0]) * time, o.states * scale) for o in raw.orbits]
    cut = cut_at_gaps(orbits, mu)
    if not cut.arcs:
        raise KeplearnError(
            f"{path}: no orbit has {STENCIL} samples without a gap. Gaps: {cut.provenance()['gaps']}."
        )
    provenance = {**_provenance(path, units), **raw.facts, **cut.provenance()}
    doubts = _check_velocities(cut.arcs, path)
    dataset = OrbitDataset(
        name=dataset_name,
        problem=UNKNOWN_PROBLEM,
        mu=mu,
        acceleration_source="differences",
        provenance=provenance,
        body=body,
        **_arrays(cut.arcs, mu),
    )
    doubts += [fault] if (fault := fixed_frame(dataset.states, dataset.accelerations, mu)) else []
    if doubts:
        dataset.provenance["doubts"] = "; ".join(doubts)
    return dataset


def _checked_name(name: str) -> str:
    """A name for the dataset that is none of the grammar and that a file can hold."""
    if is_name(name):
        raise KeplearnError(
            f"{name} is the name of a dataset that keplearn makes; imported data need another: --name NAME."
        )
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise KeplearnError(
            f"name {name!r} is no text that a file can hold: give another, --name NAME."
        ) from error
    return name


def _central(raw: RawFile, body: Body | None, mu: float | None, path: Path) -> tuple[Body, float]:
    """The body and its gravitational parameter: those given, or what the file says of its centre, or the Earth."""
    stated = raw.facts.get("centre")
    if body is None and mu is None:
        try:
            return central_body(stated)
        except KeplearnError as error:
            raise KeplearnError(f"{path}: {error}") from error
    if mu is None:
        body, mu = central_body(body.name if body else None, radius=body.radius if body else None)
    body = body_of(mu) if body is None else body
    if stated and stated.lower() != body.name.lower() and stated.lower() in (name.lower() for name in KNOWN):
        raise KeplearnError(
            f"{path}: the file says its centre is {stated}, but {body.the} was given (mu {mu:g})."
        )
    return body, float(mu)


def _provenance(path: Path, units: FileUnits) -> dict[str, str]:
    return {
        "origin": f"imported from {path.name}",
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "file_units": str(units),
        "method": "times from each orbit's first sample; accelerations by sixth-order differences",
    }


def without_gaps(dataset: OrbitDataset) -> OrbitDataset:
    """Cut imported orbits at their gaps, for files written before imports did; other datasets stay as they are."""
    if dataset.acceleration_source != "differences":
        return dataset
    counts = dataset.n_samples
    orbits = [
        Arc(name, dataset.times[k, : counts[k]], dataset.states[k, : counts[k]])
        for k, name in enumerate(dataset.orbit_names)
    ]
    cut = cut_at_gaps(orbits, dataset.mu)
    if not cut.gaps:
        return dataset
    if not cut.arcs:
        raise KeplearnError(f"dataset {dataset.name!r}: no orbit has {STENCIL} samples without a gap.")
    return replace(
        dataset, provenance={**dataset.provenance, **cut.provenance()}, **_arrays(cut.arcs, dataset.mu)
    )


def _arrays(orbits: list[Arc], mu: float) -> dict[str, Any]:
    """What a dataset's arrays are: orbits padded to the longest, elements and accelerations; km and s."""
    longest = max(len(orbit.times) for orbit in orbits)
    times = np.full((len(orbits), longest), np.nan)
    states = np.full((len(orbits), longest, 6), np.nan)
    for k, orbit in enumerate(orbits):
        times[k, : len(orbit.times)] = orbit.times
        states[k, : len(orbit.times)] = orbit.states
    return {
        "planar": bool((np.nan_to_num(states[..., [2, 5]]) == 0.0).all()),
        "times": times,
        "states": states,
        "elements": elements_from_states(states[:, 0], mu),
        "accelerations": acceleration_by_differences(times, states),
        "orbit_names": tuple(orbit.name for orbit in orbits),
    }


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
        hint = " Where a table holds several orbits, say which column tells them apart: --columns orbit=NAME."
        verb = "repeats" if steps[k - 1] == 0 else "goes back"
        raise KeplearnError(
            f"{path}, {orbit.where(k)}: the time {verb}: {orbit.times[k]:.17g} "
            f"after {orbit.times[k - 1]:.17g}.{hint}"
        )
    at_centre = (orbit.states[:, :3] == 0).all(axis=1)
    if at_centre.any():
        raise KeplearnError(f"{path}, {orbit.where(int(np.argmax(at_centre)))}: the position is 0.")


def _change_to_velocity(orbits: list[RawOrbit]) -> float:
    """How many times as fast the positions change as the velocities say, in the numbers of the file.

    From the shorter half of the steps, so that no gap enters.
    """
    changes, velocities = [], []
    for orbit in orbits:
        steps = np.diff(orbit.times)
        near = steps <= np.median(steps)
        change = np.diff(orbit.states[:, :3], axis=0)[near] / steps[near, None]
        between = (orbit.states[1:, 3:] + orbit.states[:-1, 3:])[near] / 2
        changes.append(np.linalg.norm(change, axis=1))
        velocities.append(np.linalg.norm(between, axis=1))
    typical = float(np.median(np.concatenate(velocities)))
    return float(np.median(np.concatenate(changes))) / typical if typical else np.inf


def _check_velocities(orbits: list[Arc], path: Path) -> list[str]:
    """Refuse velocities that are not the derivative of the positions; return what else is doubtful."""
    doubts: dict[str, list[str]] = {}
    for orbit in orbits:
        fault, refused = velocity_fault(orbit.times, orbit.states)
        if refused:
            raise KeplearnError(f"{path}: orbit {orbit.name}: {fault}.")
        if fault:
            doubts.setdefault(fault, []).append(orbit.name)
    return [
        f"orbit {names[0]}{f' and {len(names) - 1} others' if names[1:] else ''}: {fault}"
        for fault, names in doubts.items()
    ]
