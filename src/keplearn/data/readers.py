"""Reading foreign trajectory files (CSV, npz, netCDF) into raw orbits, in the file's own units.

Nothing is converted here; what is checked is what can be said only of the file: its form, its columns, its
cells.
"""

import csv
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keplearn.data.files import open_netcdf
from keplearn.errors import KeplearnError
from keplearn.shapes import ScalarArray, StateArray

STATE_COLUMNS = ("x", "y", "z", "vx", "vy", "vz")
COLUMNS = ("orbit", "t", *STATE_COLUMNS)
_TIME_NAMES = ("t", "time", "times")


@dataclass
class RawOrbit:
    """One orbit as it stands in a file; ``lines`` has the line of each sample where the file has lines."""

    name: str
    times: ScalarArray
    states: StateArray
    lines: list[int] = field(default_factory=list)

    def where(self, sample: int) -> str:
        """Where a sample stands: its line, or its orbit and index."""
        if self.lines:
            return f"line {self.lines[sample]} (orbit {self.name})"
        return f"orbit {self.name}, sample {sample}"


@dataclass(frozen=True)
class RawFile:
    """The orbits of a file, and the units that it states itself ("" where it does not)."""

    orbits: list[RawOrbit]
    units: dict[str, str] = field(default_factory=dict)


def read_raw(path: Path) -> RawFile:
    """Read a file by its ending: .csv, .npz or .nc.

    Raises
    ------
    KeplearnError
        With file, line and value where the file cannot be read as orbits.
    """
    readers = {".csv": _read_csv, ".npz": _read_npz, ".nc": _read_netcdf}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise KeplearnError(
            f"{path}: cannot import {path.suffix or 'this'}: one of {', '.join(readers)} is needed."
        )
    if not path.is_file():
        raise KeplearnError(f"{path}: no such file.")
    return reader(path)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The non-empty rows of a CSV file with their line numbers."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.reader(stream, strict=True)
            for row in rows:
                if any(cell.strip() for cell in row):
                    yield rows.line_num, row
    except csv.Error as error:
        raise KeplearnError(f"{path}: not a CSV file: {error}") from error
    except (UnicodeDecodeError, OSError) as error:
        raise KeplearnError(f"{path}: cannot read it as text: {error}") from error


def _read_csv(path: Path) -> RawFile:
    """Columns orbit, t, x, y, z, vx, vy, vz in any order (others are ignored); one row a sample."""
    rows = _rows(path)
    _, header = next(rows, (0, []))
    names = [cell.strip().lower() for cell in header]
    missing = [column for column in COLUMNS if names.count(column) != 1]
    if missing:
        raise KeplearnError(
            f"{path}, line 1: the header must have each of {', '.join(COLUMNS)} once; "
            f"missing or repeated: {', '.join(missing)}."
        )
    indices = [names.index(column) for column in COLUMNS]
    numbers: dict[str, list[list[float]]] = {}
    lines: dict[str, list[int]] = {}
    for line, row in rows:
        if len(row) != len(names):
            raise KeplearnError(f"{path}, line {line}: {len(row)} cells, but the header has {len(names)}.")
        orbit = row[indices[0]].strip()
        values = [
            _number(row[k], f"{path}, line {line}, column {c}")
            for c, k in zip(COLUMNS[1:], indices[1:], strict=True)
        ]
        numbers.setdefault(orbit, []).append(values)
        lines.setdefault(orbit, []).append(line)
    orbits = []
    for orbit, values in numbers.items():
        array = np.array(values)
        orbits.append(RawOrbit(orbit, array[:, 0], array[:, 1:], lines[orbit]))
    return RawFile(orbits)


def _number(cell: str, where: str) -> float:
    """A finite number; Python's own extras (1_000, other scripts' digits) are refused."""
    try:
        value = float(cell) if cell.isascii() and "_" not in cell else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise KeplearnError(f"{where}: {cell[:40]!r} is not a finite number.")
    return value


def _read_npz(path: Path) -> RawFile:
    """Arrays named as `_from_arrays` wants them; pickled objects are never loaded."""
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {key: content[key] for key in content.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError, TypeError, AttributeError) as error:
        raise KeplearnError(f"{path}: not a readable npz file of plain arrays: {error}") from error
    return RawFile(_from_arrays(arrays, path))


def _read_netcdf(path: Path) -> RawFile:
    """Variables named as `_from_arrays` wants them; an ``orbit`` coordinate gives the orbits' names."""
    content = open_netcdf(path)
    arrays = {str(key): np.asarray(variable.values) for key, variable in content.variables.items()}
    units = {str(key): str(variable.attrs.get("units", "")) for key, variable in content.variables.items()}
    stated = {
        "time": next((units[key] for key in _TIME_NAMES if units.get(key)), ""),
        "length": units.get("x") or units.get("position") or "",
        "velocity": units.get("vx") or units.get("velocity") or "",
    }
    names = [str(name) for name in np.atleast_1d(arrays["orbit"])] if "orbit" in arrays else []
    return RawFile(_from_arrays(arrays, path, names), stated)


def _choose_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> tuple[str, list[str]]:
    """Names of the array of times and of those that make the states; all are there and numeric."""
    times_name = next((name for name in _TIME_NAMES if name in arrays), None)
    used: list[str]
    if "states" in arrays:
        used = ["states"]
    elif "position" in arrays and "velocity" in arrays:
        used = ["position", "velocity"]
    else:
        used = [*STATE_COLUMNS]
    missing = [name for name in used if name not in arrays] + ([] if times_name else ["t"])
    if missing or times_name is None:
        raise KeplearnError(
            f"{path}: it lacks {', '.join(missing)}. Wanted: t with {', '.join(STATE_COLUMNS)} "
            "(orbit, sample), or with position and velocity (orbit, sample, 3), or states (orbit, sample, 6)."
        )
    for name in (times_name, *used):
        if arrays[name].dtype.kind not in "fiu":
            raise KeplearnError(f"{path}: {name} holds {arrays[name].dtype}, not numbers.")
    return times_name, used


def _from_arrays(
    arrays: Mapping[str, np.ndarray], path: Path, names: list[str] | None = None
) -> list[RawOrbit]:
    """Orbits from arrays (orbit, sample), or (sample,) for one orbit; NaN times at the end are padding.

    The time is ``t``, ``time`` or ``times``; the states are ``states`` (…, 6), or ``position`` and
    ``velocity`` (…, 3), or x, y, z, vx, vy, vz. Times of shape (sample,) serve all orbits.
    """
    times_name, used = _choose_arrays(arrays, path)
    times = np.asarray(arrays[times_name], dtype=np.float64)
    parts = [np.asarray(arrays[name], dtype=np.float64) for name in used]
    try:
        states = np.stack(parts, axis=-1) if len(parts) == 6 else np.concatenate(parts, axis=-1)
        states = states[None] if states.ndim == 2 else states
        times = np.broadcast_to(times, states.shape[:-1])
        if states.ndim != 3 or states.shape[-1] != 6:
            raise ValueError(f"states of shape {states.shape}")
    except (ValueError, IndexError) as error:
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in (times_name, *used))
        raise KeplearnError(
            f"{path}: the shapes do not fit together as (orbit, sample): {shapes}."
        ) from error
    if not names or len(names) != len(states):
        names = [str(k) for k in range(len(states))]
    orbits = []
    for k, name in enumerate(names):
        known = np.flatnonzero(~np.isnan(times[k]))
        n = int(known[-1]) + 1 if known.size else 0
        if not np.isnan(states[k, n:]).all():
            raise KeplearnError(f"{path}: orbit {name}, sample {n}: a state without a time.")
        orbits.append(RawOrbit(name, times[k, :n].copy(), states[k, :n].copy()))
    return orbits


_PER = re.compile(r"(\w+)\s*(?:/|\*|\s)\s*([a-z]+)(?:\^|\*\*)?(?:-1)?")


def split_velocity_unit(text: str) -> tuple[str, str] | None:
    """``km/s``, ``km s-1``, ``km s^-1`` to (km, s); None for anything else."""
    match = _PER.fullmatch(text.strip())
    return (match[1], match[2]) if match else None
