"""Units of foreign files: their words, what a file states of them, what flags say, and what the data show.

Velocities are checked against the positions' change, so that a factor between units is measured, not guessed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from keplearn.core.errors import KeplearnError, nearest
from keplearn.orbits.constants import EARTH_RADIUS

LENGTHS_KM = {"km": 1.0, "m": 1e-3, "earth_radius": EARTH_RADIUS, "au": 149597870.7}
"""Units of length that a file may be in, in km (IAU 2012 for the astronomical unit)."""

TIMES_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
"""Units of time that a file may be in, in s."""

_ALIASES = {
    **dict.fromkeys(["kilometer", "kilometers", "kilometre", "kilometres"], "km"),
    **dict.fromkeys(["meter", "meters", "metre", "metres"], "m"),
    **dict.fromkeys(["sec", "secs", "second", "seconds"], "s"),
    **dict.fromkeys(["mins", "minute", "minutes"], "min"),
    **dict.fromkeys(["hour", "hours", "hr"], "h"),
    **dict.fromkeys(["d", "days"], "day"),
}
_PER = re.compile(r"(\w+)\s*(?:/|\*|\s|·|_per_|_)\s*([a-z]+)(?:\^|\*\*)?(?:-1)?")
_KNOWN = {"length": LENGTHS_KM, "time": TIMES_S}


def plain_unit(text: str, what: str) -> str | None:
    """The unit that a word means (``Kilometres``: km; for velocities ``km s^-1``: km/s); None for other words."""
    word = text.strip().lower()
    if what == "velocity":
        match = _PER.fullmatch(word)
        parts = (plain_unit(match[1], "length"), plain_unit(match[2], "time")) if match else (None, None)
        return f"{parts[0]}/{parts[1]}" if all(parts) else None
    if what == "time":
        word = word.partition(" since ")[0].strip()  # CF: "minutes since 2026-01-01"
    unit = _ALIASES.get(word, word)
    return unit if unit in _KNOWN[what] else None


@dataclass(frozen=True)
class FileUnits:
    """The units of a file's numbers. ``found`` says what the data themselves showed, if anything."""

    length: str = "km"
    time: str = "s"
    velocity: str = "km/s"
    found: str = ""

    @property
    def factors(self) -> tuple[float, float, float]:
        """What lengths, times and velocities are multiplied by to be in km, s and km/s."""
        return LENGTHS_KM[self.length], TIMES_S[self.time], _speed(self.velocity)

    def __str__(self) -> str:
        return f"{self.length}, {self.time}, {self.velocity}" + (f" ({self.found})" if self.found else "")


def _speed(unit: str) -> float:
    length, time = unit.split("/")
    return LENGTHS_KM[length] / TIMES_S[time]


def choose_units(
    where: str, flags: dict[str, str | None], stated: dict[str, str], dated: bool, ratio: float
) -> FileUnits:
    """Settle the units of a file.

    What a flag or the file says holds, and the two must agree. Else lengths are km and times s, and velocities
    length per time, or per second where the times are dates. Where neither time nor velocity is said, and the
    positions change by a known factor faster or slower than the velocities say, the units with that factor hold.

    Parameters
    ----------
    where
        The file, for messages.
    flags, stated
        By ``length``, ``time`` and ``velocity``: what the user gave (None: nothing) and what the file says (""
        or words that are no units: nothing).
    dated
        Whether the times are dates, whose unit is known.
    ratio
        How many times as fast the positions change, per unit of length and time in the file, as its velocities
        say.

    Raises
    ------
    KeplearnError
        If a flag is no unit or contradicts the file, or positions and velocities contradict what is said.
    """
    said = {what: _said(where, what, flags[what], stated.get(what, "")) for what in flags}
    length, time = said["length"] or "km", said["time"] or "s"
    units = FileUnits(length, time, said["velocity"] or f"{length}/{'s' if dated else time}")
    if not 0 < ratio < np.inf or 0.5 < ratio * _expected(units) < 2:
        return units
    fits = lambda u: 0.9 < ratio * _expected(u) < 1.1  # noqa: E731
    free = dict.fromkeys(said)
    fitting = next(filter(fits, _readings(said, units, dated)), None)
    allowed = fitting is not None and said["velocity"] is None and flags["time"] is None
    fitting = fitting or next(filter(fits, _readings(free, units, dated)), None)
    factor = ratio if fitting is None else 1 / _expected(fitting)
    factor *= _expected(units)
    faster = (
        f"its positions change {factor:.{3 if fitting is None else 5}g} times as fast as its velocities say, "
        f"read in {length}, {time} and {units.velocity}"
        + (f" (a factor of {max(factor, 1 / factor):.5g})" if factor < 1 else "")
    )
    if fitting is None:
        raise KeplearnError(
            f"{where}: {faster}. Say the units with --length-unit, --time-unit and --velocity-unit "
            "(velocities are in length unit per time unit unless you do)."
        )
    if allowed:
        return replace(fitting, found=faster)
    raise KeplearnError(
        f"{where}: {faster}. Give --length-unit {fitting.length} --time-unit {fitting.time} "
        f"--velocity-unit {fitting.velocity}, or correct the file."
    )


def _said(where: str, what: str, flag: str | None, stated: str) -> str | None:
    """The unit that the user or the file says; None where neither does."""
    unit = plain_unit(stated, what)
    if flag is None:
        return unit
    given = plain_unit(flag, what)
    if given is None:
        known = _KNOWN.get(what)
        choice = ", ".join(known) if known else "a length and a time, as in km/s, m/s or au/day"
        raise KeplearnError(
            f"unknown {what} unit {flag!r}: one of {choice}.{nearest(flag, known or ['km/s'])}"
        )
    if unit not in (None, given):
        raise KeplearnError(
            f"{where}: the file says its {what} unit is {stated!r}, but {flag!r} was given. "
            f"Give --{what}-unit {unit}, or correct what the file says."
        )
    return given


def _expected(units: FileUnits) -> float:
    """What the ratio of the positions' change to the velocities is multiplied by to be 1 in these units."""
    length, time, velocity = units.factors
    return length / (time * velocity)


def _readings(said: dict[str, str | None], default: FileUnits, dated: bool) -> Iterator[FileUnits]:
    """The units that numbers may be in where not all is said, the likeliest first.

    Velocities are per second, or per the time's own unit, or of any unit beside seconds: nobody writes days
    beside km/h.
    """
    lengths = [said["length"]] if said["length"] else ["km", "m"]
    times = [default.time] if said["time"] or dated else list(TIMES_S)
    for length in lengths:
        for time in times:
            speeds = [f"{x}/{y}" for y in TIMES_S for x in dict.fromkeys((length, "km", "m"))]
            for velocity in [said["velocity"]] if said["velocity"] else speeds:
                if said["velocity"] or time == "s" or velocity.split("/")[1] in ("s", time):
                    yield FileUnits(length, time, velocity)
