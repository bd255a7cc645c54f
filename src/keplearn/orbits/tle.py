"""Reading files of two-line element sets: strict about format and checksum, lenient about names.

Names may stand on the line before (with or without the leading "0 ") or in a comment ``#   NAME   # remark``.
Format: Hoots and Roehrich, *Spacetrack Report #3*, 1980; checksum: the digits and, as 1, the minus signs,
modulo 10.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from keplearn.errors import KeplearnError

_LENGTH = 69
_EXPONENT = r"[ +-][0-9 ]{5}[+-][0-9]"
_FORMATS = {
    "1": re.compile(
        r"1 [0-9A-Z ]{5}[A-Z ] .{8} [0-9]{2}[0-9 ]{3}\.[0-9]{8} [ +-]\.[0-9]{8} "
        + _EXPONENT
        + r" "
        + _EXPONENT
        + r" [0-9 ] [0-9 ]{4}[0-9]"
    ),
    "2": re.compile(
        r"2 [0-9A-Z ]{5} [0-9 ]{3}\.[0-9]{4} [0-9 ]{3}\.[0-9]{4} [0-9 ]{7} [0-9 ]{3}\.[0-9]{4} "
        r"[0-9 ]{3}\.[0-9]{4} [0-9 ]{2}\.[0-9]{8}[0-9 ]{5}[0-9]"
    ),
}
_COMMENTED_NAME = re.compile(r"#\s*([^#\s][^#]*?)\s*#")


@dataclass(frozen=True)
class TwoLines:
    """One element set: its 69-column lines, and its name behind its catalogue number."""

    name: str
    line1: str
    line2: str
    checked: bool


def checksum(line: str) -> int:
    """Checksum of the first 68 columns: the sum of the digits, a minus sign counting 1, modulo 10."""
    return sum(int(c) if c.isdecimal() else c == "-" for c in line[: _LENGTH - 1]) % 10


def _check(line: str, where: str) -> None:
    """Refuse a line that is cut short, malformed or whose checksum fails."""
    if len(line) < _LENGTH:
        raise KeplearnError(f"{where}: the line is cut short: {len(line)} columns of {_LENGTH}: {line!r}")
    if not _FORMATS[line[0]].fullmatch(line):
        raise KeplearnError(f"{where}: not in the format of a two-line element set: {line!r}")
    if checksum(line) != int(line[-1]):
        raise KeplearnError(
            f"{where}: the checksum in column {_LENGTH} is {line[-1]}, but the line sums to "
            f"{checksum(line)}: {line!r}"
        )


def read_two_lines(path: Path, unchecked: frozenset[str] = frozenset()) -> list[TwoLines]:
    """Read all element sets of a file, in order.

    Parameters
    ----------
    path
        Text file of two-line (or, with names, three-line) element sets; what follows column 69 is ignored.
    unchecked
        Catalogue numbers whose lines need not be valid: known test cases.

    Raises
    ------
    KeplearnError
        With file and line: unreadable, cut short, malformed, wrong checksum, a line without its partner.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise KeplearnError(f"{path}: cannot read it: {error.strerror}") from error
    entries: list[TwoLines] = []
    name = ""
    first: tuple[int, str] | None = None
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        if line[:2] not in ("1 ", "2 "):
            if first is None and line.strip():
                name = _name(line) or name
            continue
        text = line[:_LENGTH].rstrip()
        catalogue = text[2:7]
        if catalogue not in unchecked:
            _check(text, where)
        if text[0] == "1":
            if first is not None:
                raise KeplearnError(
                    f"{where}: line 2 of the element set that begins on line {first[0]} is missing"
                )
            first = (number, text)
            continue
        if first is None or first[1][2:7] != catalogue:
            raise KeplearnError(f"{where}: line 2 of satellite {catalogue} does not follow its line 1")
        full_name = f"{catalogue} {name}".strip()
        entries.append(TwoLines(full_name, first[1], text, catalogue not in unchecked))
        first, name = None, ""
    if first is not None:
        raise KeplearnError(
            f"{path}, line {first[0]}: line 2 of this element set is missing: the file is cut short"
        )
    if not entries:
        raise KeplearnError(f"{path}: no two-line element set in it")
    return entries


def _name(line: str) -> str:
    """The satellite's name on a line that is no element line; "" where it has none."""
    if line.startswith("#"):
        match = _COMMENTED_NAME.match(line)
        return match[1] if match else ""
    return line.removeprefix("0 ").strip()
