"""Real orbits: mean elements propagated with SGP4 over one revolution, in the TEME frame.

TEME (true equator, mean equinox) is the frame of SGP4's output; over one revolution it is inertial to far
less than these orbits differ from Kepler's. Source: Vallado, Crawford, Hujsak and Kelso, *Revisiting
Spacetrack Report #3*, AIAA 2006-6753, whose verification file ships with the ``sgp4`` package.
"""

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import OrbitStates, OrbitTimes, OrbitVectors, ScalarArray, StateArray
from keplearn.orbits.constants import EARTH_RADIUS, GEO_RADIUS
from keplearn.orbits.differences import acceleration_by_differences
from keplearn.orbits.elements import SAMPLES
from keplearn.orbits.omm import mean_elements, other_theory
from keplearn.orbits.tle import ElementSet, is_element_line, two_line_sets

if TYPE_CHECKING:
    from sgp4.api import Satrec

MAX_SEMI_MAJOR_AXIS = 1.05 * GEO_RADIUS
MIN_PERIGEE_HEIGHT = 100.0
MAX_DECAY = 1e-3

# Entries of the package's file that exercise its error codes, or were invented for Spacetrack Report #3.
_INVENTED = frozenset({"11801", "33333", "33334", "33335", "88888"})

# Entries that do not enter the propagation, as the sgp4 package can hold them: its catalogue numbers end at 339999.
_IRRELEVANT = {
    "NORAD_CAT_ID": "0",
    "OBJECT_ID": "",
    "CLASSIFICATION_TYPE": "U",
    "EPHEMERIS_TYPE": "0",
    "ELEMENT_SET_NO": "0",
    "REV_AT_EPOCH": "0",
}

REGIMES = ("LEO", "MEO", "GEO", "HEO")


@dataclass(frozen=True)
class Satellites:
    """Satellites sampled at 1° of mean anomaly over one revolution from their epochs.

    ``times`` in s from each epoch, ``states`` in km and km/s (TEME), ``accelerations`` in km/s² by
    sixth-order differences. ``left_out`` has the entries of the file that were not taken, by reason;
    ``unchecked`` counts the two-line sets taken without a checksum; ``form`` is what the file holds.
    """

    names: tuple[str, ...]
    times: OrbitTimes
    states: OrbitStates
    accelerations: OrbitVectors
    left_out: dict[str, list[str]]
    source: str
    form: str
    unchecked: int


def shipped_file() -> Path:
    """The two-line elements that ship with the sgp4 package: 33 entries, most of them LEO to GEO."""
    import sgp4

    return Path(sgp4.__file__).parent / "SGP4-VER.TLE"


def propagate_satellites(path: str | Path | None = None, *, strict: bool = False) -> Satellites:
    """Propagate the satellites of a file; by default the two-line elements in the sgp4 package.

    Parameters
    ----------
    path
        Two- or three-line element sets, or orbit mean-elements messages in CSV, JSON, XML or KVN.
    strict
        Refuse a file with a damaged entry, instead of leaving that out.

    Raises
    ------
    KeplearnError
        With file, line and value: no file of these, if ``strict`` a damaged entry, or no satellite is left.
    """
    file = shipped_file() if path is None else Path(path)
    form, entries = read_element_sets(file, _INVENTED if path is None else frozenset())
    times, states, names = [], [], []
    left_out: dict[str, list[str]] = {}
    seen: set[tuple[object, ...]] = set()
    unchecked = 0
    for entry in entries:
        content = (*entry.lines, *sorted(entry.keywords.items()))
        reason, orbit = None, None
        if entry.fault and strict:
            raise KeplearnError(f"{file}, {entry.where}: {entry.fault}: {entry.detail or entry.name}")
        if entry.fault:
            reason = entry.fault
        elif content in seen:
            reason = "repeated entry"
        elif path is None and entry.name[:5] in _INVENTED:
            reason = "invented test case of the sgp4 package"
        else:
            reason, orbit = _one_revolution(entry)
        seen.add(content)
        if orbit is None:
            where = "; ".join(filter(None, (entry.where, entry.detail)))
            shown = f"{entry.name} ({where})" if entry.fault else entry.name
            left_out.setdefault(reason or "", []).append(shown)
        else:
            unchecked += bool(entry.lines) and not entry.checked
            names.append(entry.name)
            times.append(orbit[0])
            states.append(orbit[1])
    if not names:
        reasons = "; ".join(f"{reason}: {some(which, 3)}" for reason, which in left_out.items())
        raise KeplearnError(f"{file}: no satellite between LEO and GEO is left ({reasons or 'it is empty'}).")
    all_times, all_states = np.stack(times), np.stack(states)
    accelerations = acceleration_by_differences(all_times, all_states)
    source = "SGP4-VER.TLE of the sgp4 package" if path is None else file.name
    return Satellites(tuple(names), all_times, all_states, accelerations, left_out, source, form, unchecked)


def some(names: list[str], most: int) -> str:
    """The first names of a list, and how many there are besides."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def read_element_sets(path: Path, known: frozenset[str] = frozenset()) -> tuple[str, list[ElementSet]]:
    """Read a file of satellites: what it holds, and all of its entries in order, faulty ones with their fault.

    Parameters
    ----------
    path
        Text in UTF-8, UTF-16, or with names in Latin-1.
    known
        Catalogue numbers of known test cases, whose lines need not be valid.

    Raises
    ------
    KeplearnError
        If it cannot be read, or holds neither two-line elements nor mean-elements messages.
    """
    try:
        text = _decode(path.read_bytes())
    except (OSError, ValueError) as error:
        raise KeplearnError(f"{path}: cannot read it: {getattr(error, 'strerror', None) or error}") from error
    lines = re.split(r"\r\n|\r|\n", text)
    if any(map(is_element_line, lines)):
        return "two-line elements", two_line_sets(lines, known)
    try:
        found = mean_elements(text)
    except KeplearnError as error:
        raise KeplearnError(f"{path}: {error}") from error
    if found is None:
        raise KeplearnError(
            f"{path}: no two-line element set in it, and no orbit mean-elements message (CSV, JSON, XML, KVN)."
        )
    return f"orbit mean-elements messages in {found[0]}", found[1]


def _decode(content: bytes) -> str:
    """Text of UTF-8 or UTF-16, with or without a byte order mark, or else of Latin-1."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:200]:  # every other byte of ASCII in UTF-16
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _one_revolution(entry: ElementSet) -> tuple[str | None, tuple[ScalarArray, StateArray] | None]:
    """Return (None, (times, states)) of a satellite, or (the reason why it is left out, None)."""
    from sgp4.api import SGP4_ERRORS

    if reason := other_theory(entry):
        return reason, None
    try:
        satellite = satrec(entry)
    except ValueError as error:
        return f"sgp4 cannot read it: {str(error).splitlines()[0]}", None
    reason = (
        f"SGP4 cannot propagate it: {SGP4_ERRORS[satellite.error]}" if satellite.error else _unfit(satellite)
    )
    if reason is not None:
        return reason, None
    minutes = 2.0 * np.pi / satellite.no_kozai * np.arange(SAMPLES) / SAMPLES
    days = np.full(SAMPLES, satellite.jdsatepoch)
    errors, positions, velocities = satellite.sgp4_array(days, satellite.jdsatepochF + minutes / 1440.0)
    if errors.any():
        return f"SGP4 cannot propagate it: {SGP4_ERRORS[int(errors[errors != 0][0])]}", None
    return None, (60.0 * minutes, np.concatenate([positions, velocities], axis=-1))


def satrec(entry: ElementSet) -> "Satrec":
    """The sgp4 package's own form of an element set.

    Raises
    ------
    ValueError
        If the package cannot read it.
    """
    from sgp4 import omm
    from sgp4.api import Satrec

    if entry.lines:
        return Satrec.twoline2rv(entry.lines[0], entry.lines[1])
    satellite = Satrec()
    omm.initialize(satellite, {**entry.keywords, **_IRRELEVANT})
    return satellite


def _unfit(satellite: "Satrec") -> str | None:
    """Why these mean elements are no orbit from LEO to GEO that lasts, or None."""
    if satellite.no_kozai <= 0:
        return "mean motion is not positive"
    # altp and alta are in Earth radii above the ground; their mean is the height of the mean semi-major axis.
    semi_major_axis = EARTH_RADIUS * (1.0 + 0.5 * (satellite.altp + satellite.alta))
    if not semi_major_axis <= MAX_SEMI_MAJOR_AXIS:
        return f"beyond GEO: semi-major axis over {MAX_SEMI_MAJOR_AXIS:.0f} km"
    if satellite.altp * EARTH_RADIUS < MIN_PERIGEE_HEIGHT:
        return f"decayed: perigee below {MIN_PERIGEE_HEIGHT:.0f} km"
    # The element set gives half the rate of the mean motion.
    if 2.0 * satellite.ndot * 2.0 * np.pi / satellite.no_kozai**2 > MAX_DECAY:
        return f"decaying: its mean motion grows by over {100 * MAX_DECAY:.1f} % a revolution"
    return None


def regime(semi_major_axis: float, eccentricity: float) -> str:
    """LEO (apogee below 2000 km), GEO (within 500 km of its radius, e < 0.1), HEO (e ≥ 0.25), else MEO."""
    if semi_major_axis * (1.0 + eccentricity) - EARTH_RADIUS < 2000.0:
        return "LEO"
    if abs(semi_major_axis - GEO_RADIUS) < 500.0 and eccentricity < 0.1:
        return "GEO"
    return "HEO" if eccentricity >= 0.25 else "MEO"
