"""Which column of a foreign table is what, by its header and by what the user says (``--columns t=epoch``)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keplearn.core.errors import KeplearnError, nearest
from keplearn.data.file_units import plain_unit
from keplearn.data.raw import STATE_COLUMNS

ROLES = ("orbit", "t", *STATE_COLUMNS)
"""What columns may be; ``orbit`` may be missing where there is one."""

# Names by what they are, each with the unit that it implies; "date" is a Julian date, in days.
_ORBIT = ("orbit", "orbit_id", "satellite", "sat", "object", "object_name", "object_id", "norad_cat_id")
_TIMES = {
    **dict.fromkeys(("t", "time", "times"), ""),
    **dict.fromkeys(("elapsedsecs", "seconds"), "s"),
    **dict.fromkeys(("elapseddays", "days"), "day"),
    **dict.fromkeys(("epoch", "date", "datetime", "utc", "timestamp"), ""),
    **dict.fromkeys(("jdtdb", "jdut", "jdutc", "jdtt", "jd", "julian_date", "mjd"), "date"),
    **{f"{scale}modjulian": "date" for scale in ("a1", "tai", "utc", "tt", "tdb")},
    **{f"{scale}gregorian": "" for scale in ("a1", "tai", "utc", "tt", "tdb")},
}
_STATES = {
    **{f"{head}{axis}": axis for axis in "xyz" for head in ("", "r", "p", "r_", "pos_", "position_")},
    **{f"{head}{axis}": f"v{axis}" for axis in "xyz" for head in ("v", "v_", "vel_", "velocity_")},
    **{f"{axis}{tail}": f"v{axis}" for axis in "xyz" for tail in ("dot", "_dot")},
}


@dataclass(frozen=True)
class Columns:
    """Where each role stands in a table (its column's index), the units that the header says, and its names."""

    indices: dict[str, int]
    units: dict[str, str]
    dated: bool
    header: list[str]

    @property
    def told(self) -> str:
        """The columns whose name is not that of their role, for the provenance."""
        return ", ".join(
            f"{r}={self.header[k]}" for r, k in self.indices.items() if self.header[k].lower() != r
        )


def parse_columns(text: str) -> dict[str, str]:
    """Read ``t=Epoch,x=px`` (role=column, the name in the header or its number from 1) as a mapping.

    Raises
    ------
    KeplearnError
        If a part is not of that form, or a role is none or stands twice.
    """
    chosen: dict[str, str] = {}
    known = (*ROLES, "position", "velocity", "states")
    for part in text.split(","):
        role, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name:
            raise KeplearnError(f"columns: {part.strip()!r} is not of the form role=column, as in t=Epoch.")
        if role not in known:
            raise KeplearnError(f"columns: {role!r} is not one of {', '.join(known)}.{nearest(role, known)}")
        if role in chosen:
            raise KeplearnError(f"columns: {role} is given twice.")
        chosen[role] = name
    return chosen


def find_columns(header: list[str], chosen: Mapping[str, str], where: str) -> Columns:
    """Find the columns of a table.

    Parameters
    ----------
    header
        Its cells.
    chosen
        Columns by role that the user gave, by name or number from 1.
    where
        File and line, for messages.

    Raises
    ------
    KeplearnError
        If a column is missing or stands twice: with the header that was found.
    """
    named = [_split_unit(cell) for cell in header]
    indices, units, dated = {}, {}, False
    wrong = []
    for role in ROLES:
        if role in chosen:
            found, implied = [_chosen_column(chosen[role], header, where)], ""
        else:
            found, implied = _candidates(role, [name for name, _ in named])
        if len(found) != 1:
            wrong += [role] if found or role != "orbit" else []
            continue
        indices[role] = found[0]
        units[role] = named[found[0]][1] or implied.replace("date", "day")
        dated |= implied == "date"
    if wrong:
        raise KeplearnError(
            f"{where}: the header must have each of {', '.join(ROLES)} once (orbit where there are several); "
            f"missing or repeated: {', '.join(wrong)}. It has: {', '.join(_short(header))}. Say which column is "
            f"what: --columns {wrong[0]}=NAME."
        )
    return Columns(indices, one_unit(units, where), dated, [cell.strip() for cell in header])


def one_unit(units: Mapping[str, str], where: str) -> dict[str, str]:
    """Units of time, length and velocity from those of the columns; "" where they say none, error where they differ."""
    found = {}
    for what, roles in {"time": ("t",), "length": STATE_COLUMNS[:3], "velocity": STATE_COLUMNS[3:]}.items():
        said = {units[role] for role in roles if units.get(role)}
        if len({plain_unit(unit, what) for unit in said}) > 1:
            raise KeplearnError(
                f"{where}: its columns of {what} have different units: {', '.join(sorted(said))}."
            )
        found[what] = said.pop() if said else ""
    return found


def recognised(header: list[str]) -> int:
    """How many of the eight roles a row of cells would name."""
    names = [_split_unit(cell)[0] for cell in header]
    return sum(bool(_candidates(role, names)[0]) for role in ROLES)


def _chosen_column(name: str, header: list[str], where: str) -> int:
    cells = [cell.strip() for cell in header]
    if name in cells:
        return cells.index(name)
    if name.isascii() and name.isdigit() and 1 <= int(name) <= len(cells):
        return int(name) - 1
    raise KeplearnError(
        f"{where}: there is no column {name!r}. It has: {', '.join(_short(cells))}.{nearest(name, cells)}"
    )


def _candidates(role: str, names: list[str]) -> tuple[list[int], str]:
    """The columns of the first name of a role that is there, and the unit that the name implies."""
    if role in STATE_COLUMNS:
        known: Iterable[str] = [name for name, meant in _STATES.items() if meant == role]
    else:
        known = _ORBIT if role == "orbit" else _TIMES
    for name in known:
        found = [k for k, cell in enumerate(names) if cell == name]
        if found:
            return found, _TIMES.get(name, "") if role == "t" else ""
    return [], ""


def _split_unit(cell: str) -> tuple[str, str]:
    """A header's cell as a plain name and the unit beside it: ``Sat.EarthMJ2000Eq.X``, ``x [km]``, ``vx_km_s``."""
    name, unit = cell.strip().strip("\"'"), ""
    bracketed = re.fullmatch(r"(.*\S)\s*[\[(]([^\])]*)[\])]", name)
    if bracketed:
        name, unit = bracketed[1], bracketed[2]
    name = re.sub(r"[\s-]+", "_", name.rpartition(".")[2].strip().lower())
    tail = re.fullmatch(r"([a-z]+(?:_[xyz])?)_(.+)", name)
    if not unit and tail and any(plain_unit(tail[2], what) for what in ("time", "length", "velocity")):
        name, unit = tail[1], tail[2]
    return name, unit


def _short(cells: list[str], most: int = 20) -> list[str]:
    shown = [cell.strip()[:40] or "''" for cell in cells[:most]]
    return [*shown, f"and {len(cells) - most} more"] if len(cells) > most else shown
