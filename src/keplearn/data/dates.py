"""Dates as text, to whole nanoseconds, so that differences are exact.

Leap seconds are not counted: over one that was inserted a difference of UTC dates is a second short.
"""

import re
from datetime import date, timedelta

_ORIGIN = date(2000, 1, 1)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = r"(?P<h>\d\d):(?P<m>\d\d)(?::(?P<s>\d\d)(?:\.(?P<f>\d{0,12}))?)?(?P<zone>Z|[+-]\d\d:?\d\d)?"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?P<Y>\d{{4}})-(?P<M>\d\d)-(?P<D>\d\d)(?:[T ]{_CLOCK})?",  # ISO 8601, calendar
        rf"(?P<Y>\d{{4}})-(?P<N>\d{{3}})(?:[T ]{_CLOCK})?",  # ISO 8601, day of the year
        rf"(?:A\.D\. )?(?P<Y>\d{{4}})-(?P<B>[a-z]{{3}})-(?P<D>\d\d)(?: {_CLOCK})?",  # Horizons
        rf"(?P<D>\d\d?) (?P<B>[a-z]{{3}}) (?P<Y>\d{{4}})(?: {_CLOCK})?",  # GMAT's Gregorian
    )
)


def nanoseconds(text: str) -> int | None:
    """Nanoseconds from 2000 to a date in ISO 8601, or as Horizons or GMAT write it; None for any other text."""
    for form in _FORMS:
        match = form.fullmatch(text.strip())
        if match is not None:
            try:
                return _from_parts({key: value or "" for key, value in match.groupdict().items()})
            except (ValueError, OverflowError):
                return None  # no such day or hour
    return None


def _from_parts(parts: dict[str, str]) -> int:
    """Nanoseconds of the groups of a form, which may be empty."""
    year = int(parts["Y"])
    if parts.get("N"):
        day = date(year, 1, 1) + timedelta(days=int(parts["N"]) - 1)
        if day.year != year:
            raise ValueError(f"no day {parts['N']} in {year}")
    else:
        month = _MONTHS.index(parts["B"].lower()) + 1 if parts.get("B") else int(parts["M"])
        day = date(year, month, int(parts["D"]))
    clock = [int(parts[key] or 0) for key in ("h", "m", "s")]
    if not (clock[0] < 24 and clock[1] < 60 and clock[2] < 60):
        raise ValueError(f"no such time of day: {clock}")
    seconds = 86400 * (day - _ORIGIN).days + 3600 * clock[0] + 60 * clock[1] + clock[2]
    zone = parts["zone"].upper().replace("Z", "").replace(":", "")
    if zone:
        seconds -= (1 if zone[0] == "+" else -1) * (3600 * int(zone[1:3]) + 60 * int(zone[3:5]))
    return 10**9 * seconds + int(parts["f"].ljust(9, "0")[:9])
