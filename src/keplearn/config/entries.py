"""The entries of a config: which keys it gives, with what and where, and the collected mistakes with them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from keplearn.config.loading import Document, Location, read_text
from keplearn.config.schema import BESIDE, TABLES
from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.plugins import run_plugin

MAX_REPORTED = 20

TABLE_OF = {key: table for table, keys in TABLES.items() for key in keys}


class Entry(NamedTuple):
    """One key of a config as it was given, and where."""

    raw: object
    location: Location


class Mistakes:
    """Collects what is wrong, so that one look at a file shows all of it."""

    def __init__(self, document: Document):
        self.document = document
        self.messages: dict[str, None] = {}

    def add(self, location: Location, message: str) -> None:
        """Note a problem with the value at ``location``, once."""
        place = self.document.place(location)
        self.messages[f"{place}: {message}" if place else message] = None

    def stop(self) -> None:
        """Raise if there was any problem."""
        messages = list(self.messages)
        if len(messages) == 1:
            raise KeplearnError(messages[0])
        if messages:
            shown = messages[:MAX_REPORTED]
            if len(messages) > MAX_REPORTED:
                shown.append(f"... and {len(messages) - MAX_REPORTED} more")
            raise KeplearnError(
                f"{len(messages)} problems\n  "
                + "\n  ".join(message.replace("\n", "\n    ") for message in shown)
            )


def read_entries(
    document: Document, overrides: Sequence[str] = ()
) -> tuple[dict[str, Entry], list[dict[str, Entry]]]:
    """Return the entries of the tables, and those of each variant, by key, with the overrides put in.

    An override wins over everything: it replaces the entry in the tables and removes it from the variants.

    Raises
    ------
    KeplearnError
        On unknown keys, and on tables that are none.
    """
    mistakes = Mistakes(document)
    base: dict[str, Entry] = {}
    variants: list[dict[str, Entry]] = []
    tables = {} if document.tables is None else document.tables
    if not isinstance(tables, Mapping):
        mistakes.add((), "a config consists of three tables: wandb, data and parameters")
        tables = {}
    for name, content in tables.items():
        if name in TABLES:
            base.update(_table(name, content, (name,), mistakes))
        elif name in BESIDE:
            base[name] = Entry(content, (name,))
        elif name == "plugins":
            _load_plugins(content, document, mistakes)
        elif name == "variants":
            variants = list(_variants(content, mistakes))
        else:
            mistakes.add((name,), _unknown(name, [*TABLES, *BESIDE, "variants", "plugins"]))
    for number, text in enumerate(overrides):
        location: Location = ("--set", number)
        document.places[location] = f"--set {text}"
        name, equals, value = text.partition("=")
        key = _key(name)
        if not equals:
            mistakes.add(location, "an override is key=value")
        elif key is None:
            mistakes.add(location, _unknown(name, _all_names()))
        else:
            base[key] = Entry(read_text(value, f"--set {text}", numbered=False).tables, location)
            for variant in variants:
                variant.pop(key, None)
    mistakes.stop()
    return base, variants


def _load_plugins(content: object, document: Document, mistakes: Mistakes) -> None:
    """Load the files of the list ``plugins``, whose names are then valid in the config."""
    files = content if isinstance(content, list) else [content]
    if not all(isinstance(file, str) for file in files):
        mistakes.add(("plugins",), "plugins must be a list of Python files, such as [my_layers.py]")
        return
    taken: dict[tuple[str, str], str] = {}
    for number, file in enumerate(files):
        where: Location = ("plugins", number)
        try:
            found = run_plugin(document.folder / str(file))
        except KeplearnError as error:
            mistakes.add(where, f"plugins: {error}")
            continue
        for kind, name in taken.keys() & found.keys():
            mistakes.add(
                where, f"plugins: {found[kind, name]}: {kind} {name!r} is taken by {taken[kind, name]}"
            )
        taken |= found


def _table(name: str, content: object, location: Location, mistakes: Mistakes) -> dict[str, Entry]:
    """Return the entries of one of the three tables."""
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        mistakes.add(location, f"{name} must be a table (key: value, indented below it)")
        return {}
    found = {}
    for key, raw in content.items():
        if key in TABLES[name]:
            found[key] = Entry(raw, (*location, key))
        else:
            mistakes.add((*location, key), _unknown(key, TABLES[name], f" in {name}"))
    return found


def _variants(content: object, mistakes: Mistakes) -> Iterator[dict[str, Entry]]:
    """Yield the entries of each variant: tables as in the file, or bare keys."""
    if not isinstance(content, Sequence) or isinstance(content, str) or not content:
        mistakes.add(
            ("variants",), "variants must be a list of tables, each with the entries that it changes"
        )
        return
    for number, variant in enumerate(content):
        location: Location = ("variants", number)
        if not isinstance(variant, Mapping):
            mistakes.add(location, "a variant must be a table with the entries that it changes")
            continue
        found: dict[str, Entry] = {}
        for name, raw in variant.items():
            key = _key(name)
            entries = {}
            if name in TABLES:
                entries = _table(name, raw, (*location, name), mistakes)
            elif key is not None:
                entries = {key: Entry(raw, (*location, name))}
            else:
                mistakes.add((*location, name), _unknown(name, _all_names()))
            for again in found.keys() & entries.keys():
                mistakes.add(entries[again].location, f"{again} is given twice in one variant: remove one")
            found |= entries
        yield found


def _key(name: object) -> str | None:
    """Return the key that ``seed`` or ``parameters.seed`` names, None if there is none."""
    table, dot, key = name.strip().rpartition(".") if isinstance(name, str) else ("", "", "")
    if key in BESIDE and not dot:
        return key
    known = TABLE_OF.get(key)
    return key if known is not None and (not dot or table == known) else None


def _all_names() -> list[str]:
    return [*TABLE_OF, *(f"{table}.{key}" for key, table in TABLE_OF.items()), *BESIDE]


def _unknown(name: object, known: Sequence[str], where: str = "") -> str:
    """Return the message for a key that is not known at its place."""
    text = str(name)
    if text.strip() != text and text.strip() in known:
        return f"unknown key {text!r}{where}: remove the space around {text.strip()}"
    key = text.rpartition(".")[2]
    if key in TABLE_OF and text not in known:
        return f"{key} belongs in the table {TABLE_OF[key]}"
    if text in BESIDE:
        return f"{text} belongs beside the tables, at the outermost level"
    return f"unknown key {text!r}{where}.{nearest(text, known) or nearest(text, _all_names())}"
