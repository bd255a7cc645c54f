"""Two-line element sets of a text: strict about format and checksum, lenient about what stands around them.

Names may stand on the line before (with or without the leading "0 ") or in a comment ``#   NAME   # remark``. Lines may
be indented, and may lack their checksum. Whatever is no element set that can be used is returned with its fault, so
that nothing in a file is lost. Format: Hoots and Roehrich, *Spacetrack Report #3*, 1980; checksum: the digits and, as
1, the minus signs, modulo 10.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_LENGTH = 69
_LONGEST_NAME = 60
_EXPONENT = r"[ +-][0-9 ]{5}[+-][0-9]"
_FORMATS = {
    "1": re.compile(
        r"1 [0-9A-Z ]{5}[A-Z ] .{8} [0-9]{2}[0-9 ]{3}\.[0-9]{8} [ +-]\.[0-9]{8} "
        + _EXPONENT
        + r" "
        + _EXPONENT
        + r" [0-9 ] [0-9 ]{4}[0-9]",
        re.ASCII,
    ),
    "2": re.compile(
        r"2 [0-9A-Z ]{5} [0-9 ]{3}\.[0-9]{4} [0-9 ]{3}\.[0-9]{4} [0-9 ]{7} [0-9 ]{3}\.[0-9]{4} "
        r"[0-9 ]{3}\.[0-9]{4} [0-9 ]{2}\.[0-9]{8}[0-9 ]{5}[0-9]"
    ),
}
# An element line is told from a name such as "2 STAGE ROCKET" by its catalogue number, perhaps of Alpha-5.
_ELEMENT_LINE = re.compile(r"[12] [0-9A-Z ][0-9 ]{3}[0-9]")
_COMMENTED_NAME = re.compile(r"#\s*([^#\s][^#]*?)\s*#")


@dataclass(frozen=True)
class ElementSet:
    """One entry of a file of satellites: mean elements for SGP4, or what stands in their place.

    Attributes
    ----------
    name
        Catalogue number and name.
    where
        Its line or record in the file.
    lines
        Its two lines of 69 columns (68 without checksum); empty where it has ``keywords``.
    keywords
        Its entries by the keywords of an orbit mean-elements message.
    fault
        Why it cannot be used, and ``detail`` of it; "" where it can.
    checked
        Whether a checksum vouches for it.
    """

    name: str
    where: str
    lines: tuple[str, ...] = ()
    keywords: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    detail: str = ""
    checked: bool = False

    @property
    def ephemeris_type(self) -> str:
        """Digit of the theory that the elements are of; "" where it is not given."""
        return self.lines[0][62].strip() if self.lines else self.keywords.get("EPHEMERIS_TYPE", "").strip()


def checksum(line: str) -> int:
    """Checksum of the first 68 columns: the sum of the digits, a minus sign counting 1, modulo 10."""
    return sum(int(c) if c.isdecimal() else c == "-" for c in line[: _LENGTH - 1]) % 10


def is_element_line(line: str) -> bool:
    """Whether a line is, or was meant as, one of the two of an element set."""
    return _ELEMENT_LINE.match(plain(line)) is not None


def plain(line: str) -> str:
    """A line without what surrounds it: blanks, a byte order mark."""
    return line.strip().strip("\ufeff").strip()


def short_name(text: str) -> str:
    """Text for a terminal or a name: no control characters, and not endless."""
    return "".join(c for c in text if c.isprintable())[:_LONGEST_NAME].strip()


def two_line_sets(lines: Sequence[str], known: frozenset[str] = frozenset()) -> list[ElementSet]:
    """Return all element sets of the lines of a file, in order; faulty ones too, and names without elements.

    Parameters
    ----------
    lines
        Of two-line (or, with names, three-line) element sets; what follows column 69 is ignored.
    known
        Catalogue numbers whose lines need not be valid: known test cases.
    """
    reader = _Reader(known)
    for number, line in enumerate(lines, start=1):
        text = plain(line)
        if not text:
            continue
        if _ELEMENT_LINE.match(text):
            reader.element_line(number, text[:_LENGTH].rstrip())
        elif text.startswith("#"):
            match = _COMMENTED_NAME.match(text)
            if match and reader.first is None:
                reader.comment = short_name(match[1])
        else:
            reader.text(number, short_name(text.removeprefix("0 ")))
    reader.close()
    return reader.found


class _Reader:
    """What of the lines so far still waits for a partner: a name, a comment with a name, a first line."""

    def __init__(self, known: frozenset[str]):
        self.known, self.found = known, list[ElementSet]()
        self.name: tuple[int, str] | None = None
        self.comment = ""
        self.first: tuple[int, str, str] | None = None

    def text(self, number: int, text: str) -> None:
        """A line that is none of two: a name, most likely."""
        self._drop_name()
        self.name = (number, text)

    def element_line(self, number: int, text: str) -> None:
        """One of two lines."""
        if text[0] == "1":
            self._drop_first()
            self.first = (number, text, self._take_name())
        elif self.first is None or self.first[1][2:7] != text[2:7]:
            self._drop_first()
            name = f"{text[2:7]} {self._take_name()}".strip()
            self.found.append(ElementSet(name, f"line {number}", fault="its line 1 is missing"))
        else:
            above, first, name = self.first
            self.first = None
            self._drop_name()  # text between the two lines
            self._pair(above, first, number, text, name)

    def close(self) -> None:
        """What waits at the end of the file has no partner."""
        self._drop_first()
        self._drop_name()

    def _pair(self, above: int, first: str, below: int, second: str, name: str) -> None:
        catalogue = first[2:7]
        full_name = f"{catalogue} {name}".strip()
        if catalogue in self.known:
            self.found.append(ElementSet(full_name, f"line {above}", (first, second)))
            return
        checked = len(first) == len(second) == _LENGTH
        for number, line in ((above, first), (below, second)):
            if problem := _problem(line):
                self.found.append(ElementSet(full_name, f"line {number}", (), {}, *problem))
                return
        self.found.append(ElementSet(full_name, f"line {above}", (first, second), checked=checked))

    def _take_name(self) -> str:
        name, self.name = self.name[1] if self.name else self.comment, None
        self.comment = ""
        return name

    def _drop_first(self) -> None:
        if self.first is not None:
            number, line, name = self.first
            full_name = f"{line[2:7]} {name}".strip()
            self.found.append(ElementSet(full_name, f"line {number}", fault="its line 2 is missing"))
            self.first = None

    def _drop_name(self) -> None:
        if self.name is not None:
            number, text = self.name
            self.found.append(ElementSet(text, f"line {number}", fault="text without an element set"))
            self.name = None


def _problem(line: str) -> tuple[str, str] | None:
    """Fault and detail of a line that is cut short or malformed, or whose checksum fails."""
    if len(line) < _LENGTH - 1:
        return "a line is cut short", f"{len(line)} columns of {_LENGTH}: {line!r}"
    # What must be a digit in column 69 may be missing.
    if not line.isascii() or not _FORMATS[line[0]].fullmatch(line.ljust(_LENGTH, "0")):
        return "not in the format of a two-line element set", repr(line)
    if len(line) == _LENGTH and checksum(line) != int(line[-1]):
        return "wrong checksum", f"column {_LENGTH} is {line[-1]}, but the line sums to {checksum(line)}"
    return None
