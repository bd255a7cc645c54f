"""Reading foreign trajectory files into raw orbits, in the file's own units: one reader a kind of file.

Nothing is converted here; what is checked is what can be said only of the file: its form, its columns, its
cells.
"""

from collections.abc import Mapping
from pathlib import Path

from keplearn.core.errors import KeplearnError
from keplearn.core.files import is_file
from keplearn.data.arrays import read_netcdf, read_npz
from keplearn.data.oem import MARK, read_oem
from keplearn.data.raw import RawFile
from keplearn.data.tables import read_table, read_text

_TEXTS = (".csv", ".tsv", ".txt", ".dat", ".oem")


def read_raw(path: Path, columns: Mapping[str, str]) -> RawFile:
    """Read a file by its ending: tables of text, ephemeris messages, .npz or .nc.

    ``columns`` has the columns or arrays that the user gave, by role.

    Raises
    ------
    KeplearnError
        With file, line and value where the file cannot be read as orbits.
    """
    ending = path.suffix.lower()
    arrays = {".npz": read_npz, ".nc": read_netcdf}
    if ending not in (*_TEXTS, *arrays):
        raise KeplearnError(
            f"{path}: cannot import {path.suffix or 'this'}: one of {', '.join((*_TEXTS, *arrays))} is needed."
        )
    if not is_file(path):
        raise KeplearnError(f"{path}: no such file.")
    if ending in arrays:
        return arrays[ending](path, columns)
    text = read_text(path)
    if text.lstrip().startswith(("<?xml", "<oem")):
        raise KeplearnError(f"{path}: XML is not read: convert it to keyword = value notation.")
    if ending == ".oem" or text.lstrip().startswith(MARK):
        return read_oem(path, text)
    return read_table(path, text, columns)
