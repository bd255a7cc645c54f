"""Orbit Ephemeris Messages in keyword = value notation (CCSDS 502.0-B, section 5: versions 1 to 3).

Each segment, from META_START to the next, is an orbit: the standard forbids to interpolate from one into
another. Accelerations and covariances are left out. Units are the standard's: km, km/s.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.data.dates import nanoseconds
from keplearn.data.raw import RawFile, RawOrbit

MARK = "CCSDS_OEM_VERS"

_HEADER = frozenset({MARK, "CLASSIFICATION", "CREATION_DATE", "ORIGINATOR", "MESSAGE_ID"})
_NEEDED = ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "START_TIME", "STOP_TIME")
_META = frozenset(
    {
        *_NEEDED,
        "REF_FRAME_EPOCH",
        "USEABLE_START_TIME",
        "USEABLE_STOP_TIME",
        "INTERPOLATION",
        "INTERPOLATION_DEGREE",
    }
)


@dataclass
class _Segment:
    """One segment as it is read."""

    line: int
    meta: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[int, int, list[float]]] = field(default_factory=list)


def read_oem(path: Path, text: str) -> RawFile:
    """Read the text of a message.

    Raises
    ------
    KeplearnError
        With file and line where it breaks the standard, or is cut off.
    """
    lines = [(k, line.strip()) for k, line in enumerate(text.splitlines(), start=1)]
    lines = [(k, line) for k, line in lines if line and line != "COMMENT" and not line.startswith("COMMENT ")]
    segments: list[_Segment] = []
    part = "header"
    for number, line in lines:
        where = f"{path}, line {number}"
        if part in ("header", "data") and line == "META_START":
            part = "meta"
            segments.append(_Segment(number))
        elif part == "meta" and line == "META_STOP":
            part = "data"
            _check_meta(segments[-1], path)
        elif part == "data" and line == "COVARIANCE_START":
            part = "covariance"
        elif part == "covariance":
            part = "data" if line == "COVARIANCE_STOP" else part
        elif part == "data":
            segments[-1].rows.append((number, *_state(line, where)))
        else:
            key, value = _pair(line, _HEADER if part == "header" else _META, where)
            if part == "header" and (key == MARK) != (number == lines[0][0]):
                raise KeplearnError(f"{where}: {MARK} must be the first keyword, and only that.")
            if part == "header":
                if key == MARK and value not in ("1.0", "2.0", "3.0"):
                    raise KeplearnError(
                        f"{where}: version {value!r} of the message is not one of 1.0, 2.0, 3.0."
                    )
            elif key in segments[-1].meta:
                raise KeplearnError(f"{where}: {key} stands twice in a segment.")
            else:
                segments[-1].meta[key] = value
    if part != "data":
        raise KeplearnError(f"{path}: it ends in its {part}: the file is cut off, or no ephemeris.")
    return _raw(segments, path)


def _raw(segments: list[_Segment], path: Path) -> RawFile:
    """The orbits of the segments, named by their objects, and what holds for all."""
    facts = {}
    for key, fact in (("CENTER_NAME", "centre"), ("REF_FRAME", "frame"), ("TIME_SYSTEM", "time_system")):
        said = sorted({segment.meta[key].upper() for segment in segments})
        if len(said) > 1:
            raise KeplearnError(
                f"{path}: its segments have different {key}: {', '.join(said)}. Divide the file."
            )
        facts[fact] = said[0]
    orbits, seen = [], {}
    for segment in segments:
        if not segment.rows:
            raise KeplearnError(f"{path}, line {segment.line}: a segment without a state.")
        name = segment.meta["OBJECT_NAME"]
        seen[name] = seen.get(name, 0) + 1
        lines, moments, values = zip(*segment.rows, strict=True)
        stop = nanoseconds(segment.meta["STOP_TIME"])
        if stop is None or stop - moments[-1] > 10**9:
            raise KeplearnError(
                f"{path}, line {lines[-1]}: the states of {name} end before their STOP_TIME "
                f"{segment.meta['STOP_TIME']}: the file is cut off, or STOP_TIME is wrong."
            )
        times = 1e-9 * np.array([moment - moments[0] for moment in moments], dtype=np.float64)
        shown = name if seen[name] == 1 else f"{name}, segment {seen[name]}"
        orbits.append(RawOrbit(shown, times, np.array(values), list(lines)))
    return RawFile(orbits, {"time": "s", "length": "km", "velocity": "km/s"}, True, facts)


def _pair(line: str, known: frozenset[str], where: str) -> tuple[str, str]:
    key, equals, value = (piece.strip() for piece in line.partition("="))
    if not equals or key not in known or not value:
        raise KeplearnError(f"{where}: {line[:60]!r} is no KEYWORD = value that may stand here.")
    return key, value


def _check_meta(segment: _Segment, path: Path) -> None:
    missing = [key for key in _NEEDED if key not in segment.meta]
    if missing:
        raise KeplearnError(f"{path}, line {segment.line}: the segment lacks {', '.join(missing)}.")


def _state(line: str, where: str) -> tuple[int, list[float]]:
    """The epoch, ns, and the state of a line: epoch and 6 numbers, or 9 with an acceleration."""
    epoch, *cells = line.split()
    moment = nanoseconds(epoch) if "T" in epoch else None
    try:
        values = [float(cell) for cell in cells if "_" not in cell]
    except ValueError:
        values = []
    if moment is None or len(cells) not in (6, 9) or len(values) != len(cells):
        raise KeplearnError(f"{where}: {line[:60]!r} is no epoch with a state of 6 numbers.")
    if not all(map(math.isfinite, values)):
        raise KeplearnError(f"{where}: a value is not finite.")
    return moment, values[:6]
