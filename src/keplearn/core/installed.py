"""Plugins of installed packages: their entry points of the group ``keplearn.plugins``."""

import traceback
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "keplearn.plugins"


@cache
def load_installed() -> None:
    """Load the plugins of installed packages, once.

    Raises
    ------
    KeplearnError
        If one fails, with its package.
    """
    for point in _installed():
        try:
            point.load()
        except Exception as error:
            package = point.dist.name if point.dist else "?"
            raise KeplearnError(
                f"the plugin {point.value} of the installed package {package} fails: {where_it_failed(error)}"
            ) from error


def installed_files() -> Iterator[tuple[str, Path]]:
    """Yield the files of the modules that installed packages offer, with the package's name; none is run."""
    for point in _installed():
        first, *rest = point.module.split(".")
        found, name = find_spec(first), first
        for part in rest:  # the packages above a module are not run either
            name, path = f"{name}.{part}", found.submodule_search_locations if found else None
            found = PathFinder.find_spec(name, path) if path else None
        if found is not None and found.origin is not None:
            yield point.dist.name if point.dist else "?", Path(found.origin)


def _installed() -> "Iterable[EntryPoint]":
    from importlib.metadata import entry_points  # costs some milliseconds

    return entry_points(group=ENTRY_POINTS)


def where_it_failed(error: BaseException, file: str | None = None) -> str:
    """Return an error in one line, with the file and the line where it arose: in ``file``, if it passed there."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}."
    if isinstance(error, KeplearnError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((one for one in reversed(frames) if file in (None, one.filename)), frames[-1])
    said = str(error).strip().splitlines() or [""]
    return f"{frame.filename}:{frame.lineno}: {type(error).__name__}: {said[0]}".rstrip(": ")
