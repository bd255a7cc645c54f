"""Reading arrays: npz and netCDF files of numbers by orbit and sample. Headers are looked at before data are read."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.data.dates import nanoseconds
from keplearn.data.files import open_netcdf, text_attribute
from keplearn.data.orbit_dataset import OBSERVED_VARIABLES
from keplearn.data.raw import STATE_COLUMNS, RawFile, RawOrbit, check_size

_TIME_NAMES = ("t", "time", "times", "epoch")


class Header(NamedTuple):
    """What is known of an array before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype


def read_npz(path: Path, chosen: Mapping[str, str]) -> RawFile:
    """Arrays named as `_from_arrays` wants them; pickled objects are never loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {name.removesuffix(".npy"): _npy_header(archive, name) for name in archive.namelist()}

            def read(name: str) -> np.ndarray:
                with archive.open(f"{name}.npy") as member:
                    return np.lib.format.read_array(member, allow_pickle=False)

            known = {name: header for name, header in headers.items() if header is not None}
            return _from_arrays(known, read, path, chosen)
    except KeplearnError:
        raise
    except Exception as error:  # zipfile and NumPy raise a dozen kinds on damaged files
        raise KeplearnError(f"{path}: not a readable npz file of plain arrays: {error}") from error


def _npy_header(archive: zipfile.ZipFile, name: str) -> Header | None:
    """The header of a member; None where it is no array."""
    with archive.open(name) as member:
        try:
            version = np.lib.format.read_magic(member)
        except ValueError:
            return None
        reader = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = reader(member)
    return Header(shape, dtype)


def read_netcdf(path: Path, chosen: Mapping[str, str]) -> RawFile:
    """Variables named as `_from_arrays` wants them; an ``orbit`` coordinate gives the orbits' names."""
    content = open_netcdf(path)
    variables = {str(key): variable for key, variable in content.variables.items()}
    headers = {key: Header(variable.shape, variable.dtype) for key, variable in variables.items()}
    raw = _from_arrays(headers, lambda name: np.asarray(variables[name].values), path, chosen)
    names = {role: chosen.get(role, role) for role in ("x", "position", "vx", "velocity")}
    units = {role: text_attribute(variables[n].attrs, "units") for role, n in names.items() if n in variables}
    time = text_attribute(variables[_time_name(headers, chosen) or ""].attrs, "units")
    stated = {
        "time": "s" if raw.dated else time,
        "length": units.get("x") or units.get("position") or "",
        "velocity": units.get("vx") or units.get("velocity") or "",
    }
    left = [key for key in OBSERVED_VARIABLES if key in variables and key not in chosen.values()]
    facts = {"left_out": f"{', '.join(left)}: true states are imported"} if left else {}
    return RawFile(raw.orbits, stated, raw.dated or " since " in time, raw.facts | facts)


def _time_name(headers: Mapping[str, Header], chosen: Mapping[str, str]) -> str | None:
    names = (chosen["t"],) if "t" in chosen else _TIME_NAMES
    return next((name for name in names if name in headers), None)


def _choose(headers: Mapping[str, Header], path: Path, chosen: Mapping[str, str]) -> tuple[str, list[str]]:
    """Names of the array of times and of those that make the states; all are there, numeric and not too large."""
    times_name = _time_name(headers, chosen)
    forms = (("states",), ("position", "velocity"), STATE_COLUMNS)
    named = [[chosen.get(role, role) for role in roles] for roles in forms]
    used = next((names for names in named[:2] if all(name in headers for name in names)), named[2])
    # scipy's solve_ivp gives t and y, of shape (component, sample).
    if "y" in used and "y" in headers and "x" not in headers and len(headers["y"].shape) == 2:
        used = ["y"]
    missing = [name for name in used if name not in headers] + ([] if times_name else [chosen.get("t", "t")])
    if missing or times_name is None:
        raise KeplearnError(
            f"{path}: it lacks {', '.join(missing)}. It has: {', '.join(sorted(headers)) or 'no array'}. Wanted: "
            f"t with {', '.join(STATE_COLUMNS)} (orbit, sample), or with position and velocity "
            "(orbit, sample, 3), or states (orbit, sample, 6), or y (6, sample). Say which is what: --columns t=NAME."
        )
    for name in (times_name, *used):
        kind = headers[name].dtype.kind
        if kind == "O":
            raise KeplearnError(
                f"{path}: not a readable npz file of plain arrays: {name} holds Python objects."
            )
        if kind not in ("fiuMUS" if name == times_name else "fiu"):
            raise KeplearnError(f"{path}: {name} holds {headers[name].dtype}, not numbers.")
    check_size(path, sum(float(np.prod(headers[name].shape, dtype=float)) for name in (times_name, *used)))
    return times_name, used


def _from_arrays(
    headers: Mapping[str, Header], read: Callable[[str], np.ndarray], path: Path, chosen: Mapping[str, str]
) -> RawFile:
    """Orbits from arrays (orbit, sample), or (sample,) for one orbit; NaN at the end of an orbit is padding.

    The time is ``t``, ``time``, ``times`` or ``epoch``, numbers or dates; the states are ``states`` (…, 6), or
    ``position`` and ``velocity`` (…, 3), or x, y, z, vx, vy, vz, or ``y`` (6, sample). Times of shape (sample,)
    serve all orbits.
    """
    times_name, used = _choose(headers, path, chosen)
    times, dated = _seconds(read(times_name), f"{path}: {times_name}")
    parts = [np.asarray(read(name), dtype=np.float64) for name in used]
    if used == ["y"] and parts[0].shape[0] == 6:
        parts = [parts[0].T]
    try:
        states = np.stack(parts, axis=-1) if len(parts) == 6 else np.concatenate(parts, axis=-1)
        states = states[None] if states.ndim == 2 else states
        times = np.broadcast_to(times, states.shape[:-1])
        if states.ndim != 3 or states.shape[-1] != 6:
            raise ValueError(f"states of shape {states.shape}")
    except (ValueError, IndexError) as error:
        shapes = ", ".join(f"{name} {headers[name].shape}" for name in (times_name, *used))
        raise KeplearnError(
            f"{path}: the shapes do not fit together as (orbit, sample): {shapes}."
        ) from error
    names = [str(k) for k in range(len(states))]
    if (
        "orbit" in headers
        and headers["orbit"].shape in ((len(states),), ())
        and headers["orbit"].dtype.kind != "O"
    ):
        names = [str(name) for name in np.atleast_1d(read("orbit"))]
    orbits = []
    for k, name in enumerate(names):
        orbit = RawOrbit(name, times[k], states[k]).without_padding()
        if np.isnan(orbit.times).any():
            raise KeplearnError(
                f"{path}: {orbit.where(int(np.isnan(orbit.times).argmax()))}: a state without a time."
            )
        orbits.append(orbit)
    facts = {} if not chosen else {"columns": ", ".join(f"{role}={name}" for role, name in chosen.items())}
    return RawFile(orbits, {"time": "s"} if dated else {}, dated, facts)


def _seconds(times: np.ndarray, where: str) -> tuple[np.ndarray, bool]:
    """Times as numbers, and whether they are dates: then in s from the first; NaN where there is none."""
    if times.dtype.kind == "M":
        none = np.isnat(times)
        if none.all():
            return np.full(times.shape, np.nan), True
        whole = times.astype("datetime64[ns]").astype(np.int64)
        return np.where(none, np.nan, 1e-9 * (whole - whole[~none].min())), True
    if times.dtype.kind in "US":
        texts = [str(t, "ascii", "replace") if isinstance(t, bytes) else str(t) for t in times.ravel()]
        moments = [nanoseconds(text) for text in texts]
        if None in moments:
            raise KeplearnError(f"{where} holds text that is no date: {texts[moments.index(None)][:40]!r}.")
        whole = np.array(moments, dtype=np.int64).reshape(times.shape)
        return 1e-9 * (whole - whole.min()), True
    return np.asarray(times, dtype=np.float64), False
