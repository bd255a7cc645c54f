"""YAML with line numbers: text to plain Python values, and where in the file each of them stands.

Built on ruamel.yaml's node tree rather than on its values, because the tree still has what a value has lost:
line numbers, duplicate keys, aliases. The values are YAML 1.2's: ``1e-3`` is a number, ``no`` is text.
"""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from keplearn.core.errors import KeplearnError, KeplearnWarning, nearest

MAX_BYTES = 2_000_000
MAX_DEPTH = 20
MAX_VALUES = 100_000

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

Location = tuple[str | int, ...]


class ConfigWarning(KeplearnWarning):
    """Something in a config that is probably not meant, and that does not change what runs."""


@dataclass
class Document:
    """A config as plain values, and the place of each: ``study.yaml:12``, or none if from Python.

    ``folder``: where files are that it names relative to itself.
    """

    tables: object
    places: dict[Location, str] = field(default_factory=dict)
    folder: Path = Path()

    def place(self, location: Location) -> str:
        """Return the place of a value, or of the nearest thing around it that has one."""
        while location and location not in self.places:
            location = location[:-1]
        return self.places.get(location, "")


def read_file(path: str | Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    KeplearnError
        If there is no such file or it is not YAML, with the line.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise KeplearnError(f"{path} is a directory; a config is a YAML file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        siblings = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise KeplearnError(f"no file {path}.{nearest(path.name, siblings)}") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise KeplearnError(f"cannot read {str(path)!r}: {error}") from error
    if len(content) > MAX_BYTES:
        raise KeplearnError(f"{path} is larger than {MAX_BYTES // 10**6} MB: not a config file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KeplearnError(f"{path} is not text in UTF-8: not a config file") from error
    document = read_text(text, str(path))
    document.folder = path.parent
    return document


def read_text(text: str, source: str, numbered: bool = True) -> Document:
    """Read YAML text; ``source`` names it in messages, with the line if ``numbered``."""
    reader = _Reader(source, numbered)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # allowed in YAML
            root = YAML(typ="rt").compose(text)
        tables = reader.value(root, ()) if root is not None else None
    except KeplearnError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = reader.at(mark.line) if mark is not None else source
        raise KeplearnError(
            f"{place}: not valid YAML: {str(error.problem or error.context)[:200]}"
        ) from error
    except RecursionError as error:
        raise KeplearnError(f"{source}: nested more than {MAX_DEPTH} deep: not a config file") from error
    except YAMLError as error:
        raise KeplearnError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from error
    except Exception as error:  # ruamel.yaml lets a few internal errors through on malformed text
        raise KeplearnError(f"{source}: not valid YAML") from error
    return Document(tables, reader.places)


class _Reader:
    """Turns nodes to values and notes their places, within bounds that no alias can escape."""

    def __init__(self, source: str, numbered: bool):
        self.source = source
        self.numbered = numbered
        self.places: dict[Location, str] = {(): source}
        self.values = 0

    def place(self, node: Node) -> str:
        return self.at(node.start_mark.line)

    def at(self, line: int) -> str:
        return f"{self.source}:{line + 1}" if self.numbered else self.source

    def value(self, node: Node, location: Location) -> object:
        self.values += 1
        if len(location) > MAX_DEPTH:
            raise KeplearnError(f"{self.place(node)}: nested more than {MAX_DEPTH} deep: not a config file")
        if self.values > MAX_VALUES:  # a few lines of aliases to aliases can stand for billions of values
            raise KeplearnError(f"{self.place(node)}: more than {MAX_VALUES} values: not a config file")
        self.places.setdefault(location, self.place(node))
        if isinstance(node, MappingNode) and str(node.tag).endswith(":map"):
            return self.mapping(node, location)
        if isinstance(node, SequenceNode) and str(node.tag).endswith(":seq"):
            return [self.value(item, (*location, i)) for i, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        raise KeplearnError(
            f"{self.place(node)}: the YAML tag {str(node.tag)[:80]!r} has no meaning in a config"
        )

    def mapping(self, node: MappingNode, location: Location) -> dict[str, object]:
        table: dict[str, object] = {}
        merged: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise KeplearnError(f"{self.place(key_node)}: a key must be a name, not a list or a table")
            if str(key_node.tag).endswith(":merge"):  # << : what is written beside it wins
                for part in value_node.value if isinstance(value_node, SequenceNode) else [value_node]:
                    other = self.value(part, location)
                    if not isinstance(other, dict):
                        raise KeplearnError(f"{self.place(key_node)}: << takes a table")
                    merged = {**other, **merged}
                continue
            key = str(key_node.value)
            value = self.value(value_node, (*location, key))
            if key not in table:
                self.places[*location, key] = self.place(key_node)
                table[key], lines[key] = value, line
                continue
            again = f"{self.place(key_node)}: {key} is given twice (first in line {lines[key]})"
            if table[key] != value or isinstance(table[key], bool) != isinstance(value, bool):
                raise KeplearnError(f"{again}, with different values: remove one")
            warnings.warn(f"{again}, with equal values", ConfigWarning, stacklevel=2)
        return {**merged, **table}

    def scalar(self, node: ScalarNode) -> str | int | float | bool | None:
        text = str(node.value)
        kind = str(node.tag).rpartition(":")[2]
        plain = text.replace("_", "")
        try:
            if kind == "int":
                based = plain.lstrip("+-")[:2].lower() in ("0x", "0o", "0b")
                return int(plain, 0 if based else 10)
            if kind == "float":
                word = plain.lower()
                return float(word.replace(".", "") if word.lstrip("+-") in (".inf", ".nan") else word)
        except ValueError as error:
            shown = text if len(text) < 40 else f"{text[:20]}... ({len(text)} characters)"
            raise KeplearnError(f"{self.place(node)}: {shown} is not a number that can be read") from error
        if kind == "bool":
            if text.lower() not in _BOOLEANS:
                raise KeplearnError(f"{self.place(node)}: {text[:40]} is neither true nor false")
            return _BOOLEANS[text.lower()]
        if kind == "null":
            if text.lower() not in ("", "~", "null"):
                raise KeplearnError(f"{self.place(node)}: {text[:40]} is not null")
            return None
        if kind in ("str", "timestamp"):  # a date is text here: a group may be named by one
            return text
        raise KeplearnError(
            f"{self.place(node)}: the YAML tag {str(node.tag)[:80]!r} has no meaning in a config"
        )
