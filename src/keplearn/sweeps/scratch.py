"""What a sweep makes beside its runs and removes again: that alone, and nothing through a link.

A scratch directory is keplearn's where its mark lies in it, which is written first and removed last.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from keplearn.core.errors import KeplearnError
from keplearn.core.files import write_text
from keplearn.sweeps.ray_home import remove_home

MARK = "driver.json"


def make_scratch(scratch: Path, facts: dict[str, Any]) -> None:
    """Make a scratch directory, in the place of one that a killed process left; ``facts`` are its mark.

    Raises
    ------
    KeplearnError
        If something is in its place that keplearn did not make.
    """
    if scratch.is_symlink() or (scratch.exists() and not _is_ours(scratch)):
        what = "a link" if scratch.is_symlink() else "not a sweep's"
        raise KeplearnError(f"{scratch}: {what}, and left as it is: give it another name, or remove it.")
    remove_scratch(scratch)
    write_text(scratch / MARK, json.dumps(facts) + "\n")


def remove_scratch(scratch: Path) -> None:
    """Remove a scratch directory, and the home of Ray that it names; what cannot be removed is left."""
    remove_home(scratch)
    remove_directory(scratch, last=MARK)


def remove_directory(directory: Path, last: str) -> None:
    """Remove a directory that keplearn made, its mark at the end; one that lies behind a link is left."""
    if directory.is_symlink() or directory.parent.is_symlink() or not directory.is_dir():
        return
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != last:
            _unlink(entry)
    _unlink(directory / last)
    remove_empty(directory)


def remove_empty(directory: Path) -> None:
    """Remove a directory in which nothing is."""
    try:
        directory.rmdir()
    except OSError:
        return


def _is_ours(scratch: Path) -> bool:
    if not scratch.is_dir():
        return False
    beginnings = all(entry.name.startswith(f".{MARK}.") for entry in scratch.iterdir())
    return beginnings or (scratch / MARK).is_file()


def _unlink(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError:  # the disk may be read-only by now
        return
