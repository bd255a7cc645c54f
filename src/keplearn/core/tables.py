"""Tables of named things, layers and losses among them, that a user's own code can add to.

What keplearn's own files enter has its plain name. What other code enters is called ``name@digest``, with the first
digits of the hash of the text in which it is defined. The name stands in run ids, models, compiled programs and kept
scores: all of them are those of this content, and two versions of one thing live side by side.
"""

import hashlib
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from keplearn.core.errors import KeplearnError

DIGITS = 12
_FOREIGN = re.compile(rf"(?P<name>[^@]+)@(?P<digest>[0-9a-f]{{{DIGITS}}})")

Entry = TypeVar("Entry")


class NotLoaded(KeplearnError):
    """Something of a user's own code that this process has not loaded."""


@dataclass(frozen=True)
class Source:
    """The text in which something is defined, and where it stands.

    ``whole``: it is a file, which gives the same when it is loaded alone; not so a function of a notebook.
    """

    file: str
    text: bytes
    whole: bool

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def digest(self) -> str:
        """The digits of the hash that stand in names."""
        return self.hash[:DIGITS]


sources: dict[str, Source] = {}
"""The texts of which something was entered, by digest."""
modules: dict[str, Source] = {}
"""The text of modules that were loaded as plugins (`keplearn.core.plugins`), by the module's name."""
for_all: set[str] = set()
"""The digests of plugins that hold what no config names and all runs meet: sinks, metrics."""
tables: "list[Table[Any]]" = []


class Table(dict[str, Entry], Generic[Entry]):
    """Things of one kind by name; ``kind`` is what messages call them."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self.latest: dict[str, str] = {}
        self.places: dict[str, str] = {}
        tables.append(self)

    def enter(self, thing: Callable[..., Any], entry: Entry, name: str | None = None) -> str:
        """Enter something under the name of the function or class that defines it, or another, and return the key.

        Raises
        ------
        KeplearnError
            If the name is taken: by keplearn, or by other code; with file and line of both.
        """
        name, module = name or thing.__name__, thing.__module__
        if module.partition(".")[0] == "keplearn":
            self[name] = entry
            return name
        source = _source_of(thing)
        place = f"{source.file}:{_line(thing)}"
        if name in self:
            raise KeplearnError(f"{place}: {self.kind} {name!r} is keplearn's own: choose another name.")
        key = f"{name}@{source.digest}"
        before = self.places.get(key) or (None if module in modules else self._other(name, source))
        if source.whole and before not in (None, place):
            raise KeplearnError(f"{place}: {self.kind} {name!r} is taken: it is defined in {before} too.")
        sources[source.digest] = source
        self[key], self.latest[name], self.places[key] = entry, key, place
        return key

    def _other(self, name: str, source: Source) -> str | None:
        """Return the place of a thing of this name in another file."""
        place = self.places.get(self.latest.get(name, ""))
        return place if place and place.rpartition(":")[0] != source.file else None

    def full_name(self, name: str) -> str:
        """Return the name with its digest, if it is that of something that other code has entered."""
        return name if name in self else self.latest.get(name, name)

    def __missing__(self, name: str) -> Entry:
        found = _FOREIGN.fullmatch(name)
        if found is None:
            raise KeyError(name)
        raise NotLoaded(
            f"{self.kind} {found['name']!r} is of a plugin (digest {found['digest']}) that is not loaded here: name "
            "its file under plugins in the config, or call keplearn.load_plugin(FILE)."
        )


def is_foreign(name: str) -> bool:
    """Say whether this is the full name of something that is not keplearn's own."""
    return _FOREIGN.fullmatch(name) is not None


def digests(names: Iterable[object]) -> list[str]:
    """Return the digests in the full names among values, each once."""
    matches = (_FOREIGN.fullmatch(name) for name in names if isinstance(name, str))
    return list(dict.fromkeys(found["digest"] for found in matches if found))


def entered(digest: str) -> dict[tuple[str, str], str]:
    """Return what a text has entered, by kind and short name, with its place; its names become the latest."""
    found = {}
    for table in tables:
        for key in [key for key in table if key.endswith(f"@{digest}")]:
            name = key.partition("@")[0]
            table.latest[name] = key
            found[table.kind, name] = table.places[key]
    return found


def concerns_all(thing: Callable[..., Any]) -> None:
    """Note that what a plugin defines is for all runs."""
    if thing.__module__ in modules:
        for_all.add(modules[thing.__module__].digest)


def remove(digest: str) -> None:
    """Take out what a text has entered before it failed."""
    sources.pop(digest, None)
    for_all.discard(digest)
    for table in tables:
        for key in [key for key in table if key.endswith(f"@{digest}")]:
            del table[key], table.places[key]
            table.latest.pop(key.partition("@")[0], None)


def _line(thing: Callable[..., Any]) -> int:
    """Return the line at which a function or class begins in its text."""
    if hasattr(thing, "__code__"):
        return thing.__code__.co_firstlineno
    import inspect

    return inspect.getsourcelines(thing)[1]


def _source_of(thing: Callable[..., Any]) -> Source:
    """Return the text in which something is defined: its module's file, or itself if it is of no module."""
    if thing.__module__ in modules:
        return modules[thing.__module__]
    import inspect  # costs some milliseconds

    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    try:
        if thing.__module__ != "__main__" and file is not None:
            path = Path(file).resolve()
            return Source(str(path), path.read_bytes(), True)
        text = inspect.getsource(thing)
    except OSError as error:
        raise KeplearnError(
            f"{thing.__name__}: its source cannot be read, and a run must know which code it was trained with: "
            "define it in a file, or in a cell of a notebook."
        ) from error
    return Source(inspect.getsourcefile(thing) or "notebook", text.encode(), False)
