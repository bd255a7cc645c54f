"""Real orbits: two-line element sets propagated with SGP4 over one revolution, in the TEME frame.

TEME (true equator, mean equinox) is the frame of SGP4's output; over one revolution it is inertial to far
less than these orbits differ from Kepler's. Source: Vallado, Crawford, Hujsak and Kelso, *Revisiting
Spacetrack Report #3*, AIAA 2006-6753, whose verification file ships with the ``sgp4`` package.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keplearn.errors import KeplearnError
from keplearn.orbits.constants import EARTH_RADIUS, GEO_RADIUS
from keplearn.orbits.differences import acceleration_by_differences
from keplearn.orbits.elements import SAMPLES
from keplearn.orbits.tle import TwoLines, read_two_lines
from keplearn.shapes import OrbitStates, OrbitTimes, OrbitVectors, ScalarArray, StateArray

if TYPE_CHECKING:
    from sgp4.api import Satrec

MAX_SEMI_MAJOR_AXIS = 1.05 * GEO_RADIUS
MIN_PERIGEE_HEIGHT = 100.0
MAX_DECAY = 1e-3

# Entries of the package's file that exercise its error codes, or were invented for Spacetrack Report #3.
_INVENTED = frozenset({"11801", "33333", "33334", "33335", "88888"})

REGIMES = ("LEO", "MEO", "GEO", "HEO")


@dataclass(frozen=True)
class Satellites:
    """Satellites sampled at 1° of mean anomaly over one revolution from their epochs.

    ``times`` in s from each epoch, ``states`` in km and km/s (TEME), ``accelerations`` in km/s² by
    sixth-order differences. ``left_out`` has the satellites that were not taken, by reason.
    """

    names: tuple[str, ...]
    times: OrbitTimes
    states: OrbitStates
    accelerations: OrbitVectors
    left_out: dict[str, list[str]]
    source: str


def shipped_file() -> Path:
    """The two-line elements that ship with the sgp4 package: 33 entries, most of them LEO to GEO."""
    import sgp4

    return Path(sgp4.__file__).parent / "SGP4-VER.TLE"


def propagate_satellites(path: str | Path | None = None) -> Satellites:
    """Propagate the satellites of a file of two-line elements; by default the file in the sgp4 package.

    Raises
    ------
    KeplearnError
        With file and line if an element set is malformed, or if no satellite is left.
    """
    file = shipped_file() if path is None else Path(path)
    entries = read_two_lines(file, unchecked=_INVENTED if path is None else frozenset())
    times, states, names = [], [], []
    left_out: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        reason, orbit = None, None
        if (entry.line1, entry.line2) in seen:
            reason = "repeated entry"
        elif not entry.checked:
            reason = "invented test case of the sgp4 package"
        else:
            reason, orbit = _one_revolution(entry)
        seen.add((entry.line1, entry.line2))
        if orbit is None:
            left_out.setdefault(reason or "", []).append(entry.name)
        else:
            names.append(entry.name)
            times.append(orbit[0])
            states.append(orbit[1])
    if not names:
        reasons = "; ".join(f"{reason}: {len(which)}" for reason, which in left_out.items())
        raise KeplearnError(f"{file}: no satellite between LEO and GEO is left ({reasons}).")
    all_times, all_states = np.stack(times), np.stack(states)
    accelerations = acceleration_by_differences(all_times, all_states)
    source = "SGP4-VER.TLE of the sgp4 package" if path is None else file.name
    return Satellites(tuple(names), all_times, all_states, accelerations, left_out, source)


def _one_revolution(entry: TwoLines) -> tuple[str | None, tuple[ScalarArray, StateArray] | None]:
    """Return (None, (times, states)) of a satellite, or (the reason why it is left out, None)."""
    from sgp4.api import SGP4_ERRORS, Satrec

    satellite = Satrec.twoline2rv(entry.line1, entry.line2)
    reason = _unfit(satellite)
    if reason is not None:
        return reason, None
    minutes = 2.0 * np.pi / satellite.no_kozai * np.arange(SAMPLES) / SAMPLES
    days = np.full(SAMPLES, satellite.jdsatepoch)
    errors, positions, velocities = satellite.sgp4_array(days, satellite.jdsatepochF + minutes / 1440.0)
    if errors.any():
        return f"SGP4 cannot propagate it: {SGP4_ERRORS[int(errors[errors != 0][0])]}", None
    return None, (60.0 * minutes, np.concatenate([positions, velocities], axis=-1))


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
