"""Numbers with a unit on the command line: times and sizes."""

from keplearn.core.errors import KeplearnError

TIMES = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"M": 1e6, "G": 1e9, "T": 1e12}


def amount(flag: str, text: str, units: dict[str, float], some: bool = False) -> float:
    """Read a number with a unit; with ``some``, more than none of it."""
    number = text.rstrip("".join(units) + "".join(units).lower())
    unit = text[len(number) :]
    for name, factor in units.items():
        if unit.upper() == name.upper():
            try:
                value = float(number) * factor
            except ValueError:
                break
            if some and value == 0:
                raise KeplearnError(
                    f"{flag} {text}: no run could be trained in that. Without the flag, see --help."
                )
            if 0 <= value < 1e18:
                return value
    example = "90s, 30m or 2h" if units is TIMES else "500M or 2G"
    raise KeplearnError(f"{flag} {text}: give a number with its unit, such as {example}.")
