"""Reading tables of text: CSV in its dialects, GMAT's reports, Horizons' vector tables, ``numpy.savetxt``.

A row a sample. The delimiter is a tab, semicolon, comma or blanks, as the header has it; with semicolons a
comma may be the decimal mark. Lines that begin with ``#`` or ``%`` are comments, but the last one above the
numbers is the header where no other is; a row of units may follow it.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.data.columns import Columns, find_columns, one_unit, recognised
from keplearn.data.dates import nanoseconds
from keplearn.data.file_units import plain_unit
from keplearn.data.raw import STATE_COLUMNS, RawFile, RawOrbit

Row = tuple[int, list[str]]
"""A line's number and its cells."""

_HORIZONS_UNITS = {"KM-S": ("km", "km/s"), "KM-D": ("km", "km/day"), "AU-D": ("au", "au/day")}


def read_text(path: Path) -> str:
    """A file's text: UTF-8, or UTF-16 with its mark.

    Raises
    ------
    KeplearnError
        If it is no text.
    """
    try:
        content = path.read_bytes()
        wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        return content.decode("utf-16" if wide else "utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise KeplearnError(f"{path}: cannot read it as text: {error}") from error


def read_table(path: Path, text: str, chosen: Mapping[str, str]) -> RawFile:
    """Read the text of a table; ``chosen`` has the columns that the user gave, by role.

    Raises
    ------
    KeplearnError
        With file, line, column and value where it is no table of orbits.
    """
    lines = [(k, line) for k, line in enumerate(io.StringIO(text, newline=""), start=1) if line.strip()]
    lines, stated = _horizons_part(lines, path)
    comments = [(k, line) for k, line in lines if line.lstrip()[0] in "#%"]
    data = [(k, line) for k, line in lines if line.lstrip()[0] not in "#%"]
    delimiter = _delimiter(data[0][1]) if data else ","
    rows = list(_rows(data, delimiter, path))
    if not rows:
        raise KeplearnError(f"{path}: there is no orbit in it.")
    above = [(k, line.strip().lstrip("#% ")) for k, line in comments if k < data[0][0]]
    header = _header(above, rows[0][1], delimiter, path)
    if header is None:
        header, rows = rows[0], rows[1:]
    elif header[0] == 0 and not chosen:
        raise KeplearnError(
            f"{path}: it has no header; its first line is {data[0][1].strip()[:80]!r}. Put one on top, or number "
            "the columns: --columns t=1,x=2,y=3,z=4,vx=5,vy=6,vz=7."
        )
    while header[1] and not header[1][-1].strip():
        header[1].pop()
    columns = find_columns(header[1], chosen, f"{path}, line {max(header[0], 1)}")
    units = columns.units
    if rows and (row_units := _units_row(columns, rows[0][1])) is not None:
        units, rows = one_unit(row_units, f"{path}, line {rows[0][0]}"), rows[1:]
    if not rows:
        raise KeplearnError(f"{path}: there is no orbit in it.")
    orbits, dates = _orbits(rows, columns, delimiter == ";", path)
    units = {what: stated.get(what) or said for what, said in units.items()}
    facts = {"columns": columns.told} if columns.told else {}
    return RawFile(orbits, {**units, "time": "s"} if dates else units, dates or columns.dated, facts)


def _horizons_part(lines: list[tuple[int, str]], path: Path) -> tuple[list[tuple[int, str]], dict[str, str]]:
    """The header and rows of Horizons' table between $$SOE and $$EOE, with its units; other files as they are."""
    marks = {line.strip(): k for k, (_, line) in enumerate(lines) if line.startswith("$$")}
    if "$$SOE" not in marks:
        return lines, {}
    start, end = marks["$$SOE"], marks.get("$$EOE")
    if end is None:
        raise KeplearnError(f"{path}: $$SOE without $$EOE: the file is cut off.")
    top = [line for line in lines[:start] if line[1].strip().strip("*")]
    said = re.search(
        r"^\s*Output units\s*:\s*([A-Z]+-[A-Z]+)", "".join(line for _, line in top), re.MULTILINE
    )
    length, velocity = _HORIZONS_UNITS.get(said[1], ("", "")) if said else ("", "")
    return [*top[-1:], *lines[start + 1 : end]], {"length": length, "velocity": velocity}


def _header(above: list[tuple[int, str]], first: list[str], delimiter: str, path: Path) -> Row | None:
    """The header above the numbers; None where it is the first row; the columns' numbers, at line 0, without one."""
    if not any(_is_number(cell.strip(), delimiter == ";") for cell in first):
        return None
    for number, text in reversed(above[-3:]):
        _, names = next(_rows([(number, text)], _delimiter(text), path), (0, []))
        if recognised(names) >= 6:
            return number, names
    return 0, [str(k + 1) for k in range(len(first))]


def _delimiter(line: str) -> str:
    return next((mark for mark in "\t;," if mark in line), " ")


def _rows(lines: list[tuple[int, str]], delimiter: str, path: Path) -> Iterator[Row]:
    """The cells of each line, with its number."""
    if delimiter == " ":
        yield from ((number, line.split()) for number, line in lines)
        return
    reader = csv.reader((line for _, line in lines), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield lines[reader.line_num - 1][0], row
    except csv.Error as error:
        raise KeplearnError(f"{path}: not a CSV file: {error}") from error


def _units_row(columns: Columns, cells: list[str]) -> dict[str, str] | None:
    """The units of each role where a row holds units; None where it is one of numbers."""
    what = {
        "t": "time",
        **dict.fromkeys(STATE_COLUMNS[:3], "length"),
        **dict.fromkeys(STATE_COLUMNS[3:], "velocity"),
    }
    found = {}
    for role, kind in what.items():
        k = columns.indices[role]
        cell = cells[k].strip().strip("[]()") if k < len(cells) else ""
        if role != "t" and plain_unit(cell, kind) is None:
            return None
        found[role] = cell
    return found


def _orbits(rows: list[Row], columns: Columns, comma: bool, path: Path) -> tuple[list[RawOrbit], bool]:
    """The orbits, in the order of their first rows, and whether their times are dates (then in s)."""
    width, at = len(columns.header), columns.indices
    dates = nanoseconds(rows[0][1][at["t"]]) is not None if at["t"] < len(rows[0][1]) else False
    numbers: dict[str, list[list[float]]] = {}
    lines: dict[str, list[int]] = {}
    starts: dict[str, int] = {}
    for line, row in rows:
        if (len(row) != width and any(cell.strip() for cell in row[width:])) or len(row) < width:
            raise KeplearnError(f"{path}, line {line}: {len(row)} cells, but the header has {width}.")
        where = f"{path}, line {line}, column "
        orbit = row[at["orbit"]].strip() if "orbit" in at else "0"
        cells = [row[at[role]].strip() for role in STATE_COLUMNS]
        if all(cell.lower() in ("", "nan") for cell in cells):
            values = [math.nan] * 6
        else:
            values = [
                _number(c, comma, where + columns.header[at[r]])
                for r, c in zip(STATE_COLUMNS, cells, strict=True)
            ]
        cell = row[at["t"]].strip()
        if dates:
            moment = nanoseconds(cell)
            if moment is None:
                raise KeplearnError(
                    f"{where}{columns.header[at['t']]}: {cell[:40]!r} is no date, as others are."
                )
            time = 1e-9 * (moment - starts.setdefault(orbit, moment))
        else:
            time = _number(cell, comma, where + columns.header[at["t"]])
        numbers.setdefault(orbit, []).append([time, *values])
        lines.setdefault(orbit, []).append(line)
    arrays = {orbit: np.array(values) for orbit, values in numbers.items()}
    orbits = [RawOrbit(orbit, a[:, 0], a[:, 1:], lines[orbit]) for orbit, a in arrays.items()]
    return [orbit.without_padding() for orbit in orbits], dates


def _is_number(cell: str, comma: bool) -> bool:
    return math.isfinite(_value(cell, comma))


def _value(cell: str, comma: bool) -> float:
    """A number, NaN for other text; Python's own extras (1_000, other scripts' digits) are no numbers."""
    if comma and cell.count(",") == 1 and "." not in cell:
        cell = cell.replace(",", ".")
    try:
        return float(cell) if cell.isascii() and "_" not in cell else math.nan
    except ValueError:
        return math.nan


def _number(cell: str, comma: bool, where: str) -> float:
    """A finite number."""
    value = _value(cell, comma)
    if not math.isfinite(value):
        raise KeplearnError(f"{where}: {cell[:40]!r} is not a finite number.")
    return value
