"""A number as text: one way for tables, figures and the page, whose script has the same rule (``format``)."""

from math import isfinite

DIGITS = 4
_PLAIN = (-4, 6)
"""Powers of ten between which a number is written without one."""


def number_text(value: float, digits: int = DIGITS) -> str:
    """Return a number in few letters: ``0.01234``, ``12.34``, ``12350``, ``1.2e7``.

    Zeros behind the point that end it are left out; what is not finite is ``nan``, ``inf``, ``-inf``.

    Parameters
    ----------
    value
        The number.
    digits
        So many significant digits; with four or more, whole numbers below a million are whole.
    """
    if not isfinite(value):
        return f"{value:g}"
    if digits >= DIGITS and value == int(value) and abs(value) < 10 ** _PLAIN[1]:
        return str(int(value))
    rounded, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    plain = _PLAIN[0] <= power < _PLAIN[1]
    text = f"{float(f'{rounded}e{power}'):.{max(0, digits - 1 - power)}f}" if plain else rounded
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if plain else f"{text}e{power}"
