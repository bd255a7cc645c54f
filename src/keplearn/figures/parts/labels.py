"""Words, order and colours of what a group's figures show: metrics with units, parameters, their values."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any
from zlib import crc32

import pandas as pd
from matplotlib.colors import to_hex, to_rgb

from keplearn.config.entries import TABLE_OF
from keplearn.config.names import known_names
from keplearn.config.schema import FACTS
from keplearn.core.errors import KeplearnError
from keplearn.core.numbers import number_text
from keplearn.data.names import is_name
from keplearn.evaluation.metrics import measure_of
from keplearn.evaluation.ranking import measured_over
from keplearn.figures.parts import style
from keplearn.groups.values import has_order, level_text, level_texts, levels, shorten, values_of

_LINE = 80
"""Letters of a line of a title."""
_LEGEND_LETTERS = 40
"""Longer labels than this do not fit twice below a figure."""
_ORBITS: dict[str, str] = {
    "num_total_orbits": "orbits",
    "num_train_orbits": "training orbits",
    "family": "training family",
    "dataset.family": "training family",
}
"""What a run knows of its data, in plain words; parameters know their own labels (`keplearn.config.facts`)."""


def metric_label(metric: str, *, of_runs: bool = True) -> str:
    """Return a metric in words, with its unit: of a run as a whole, or of a sample or an orbit."""
    found = measure_of(metric)
    return found.run_label if of_runs else found.label


def unit_of(metric: str) -> str:
    """Return the unit of a metric, empty for numbers without one."""
    return measure_of(metric).axis_unit


def parameter_label(name: str) -> str:
    """Return a parameter in plain words, with its unit if it has one."""
    end = name.rpartition(".")[2]
    known = FACTS.get(name) or (FACTS.get(end) if name == f"{TABLE_OF.get(end)}.{end}" else None)
    return known.label_of(end) if known else _ORBITS.get(name, _plain(name))


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def number(value: float) -> str:
    """Return a number as figures write it, with three digits."""
    return number_text(value, 3)


def wrap(text: str, letters: int) -> str:
    """Break a name after blanks and underscores into as few lines of at most so many letters as can be.

    What commas and colons part, outside brackets, stands on lines of its own. Else the lines are about equally
    long; a piece that is longer than a line stays whole.
    """
    if len(text) <= letters:
        return text
    parts = re.split(r"(?<=[,:]) (?![^\[]*\])", text)
    if len(parts) > 1:
        return "\n".join(wrap(part, letters) for part in parts)
    # A list breaks between its inner lists.
    pieces = re.findall(r"\[*[^\[\]]*\]+,? ?" if text.startswith("[") else r"[^_ ]*[_ ]|[^_ ]+", text)
    broken = _broken(pieces, letters)
    while letters > 1 and len(narrower := _broken(pieces, letters - 1)) == len(broken):
        broken, letters = narrower, letters - 1
    return "\n".join(line.rstrip(" ") for line in broken)


def fits_in(texts: Iterable[str], letters: int, lines: int) -> bool:
    """Whether each text, broken into lines of so many letters, takes up at most so many of them."""
    broken = [wrap(text, letters).split("\n") for text in texts] if letters > 0 else []
    return bool(broken) and all(len(one) <= lines and max(map(len, one)) <= letters for one in broken)


def named(name: str, values: Iterable[Any], letters: int, lines: int = 4) -> tuple[str, dict[Any, str]]:
    """Return what figures call a parameter, and its values as texts.

    Where names of datasets do not fit in so many lines of so many letters, the words that all of them begin or end
    with stand once, in the parameter's name: "training dataset: complex_TBP_planar_…_train", and "10", "10@1".
    """
    label, texts = parameter_label(name), level_texts(values)
    head, tail = _shared(list(texts))
    if not head + tail or (fits_in(texts.values(), letters, lines) and all(map(is_name, texts.values()))):
        return label, texts
    short = {value: value.removeprefix(head).removesuffix(tail) for value in texts}
    return f"{label}: {head}…{tail}", short


def _shared(values: Sequence[Any]) -> tuple[str, str]:
    """Return with which words names of draws of orbits begin and end alike; of other values none."""
    if len(values) < 2 or not all(isinstance(value, str) and _is_draw(value) for value in values):
        return "", ""
    words = [value.split("_") for value in values]
    least = min(map(len, words)) - 1  # of each a word is left
    head = _alike(words, least)
    tail = _alike([one[::-1] for one in words], least - head)
    first = words[0]
    return "".join(f"{word}_" for word in first[:head]), "".join(
        f"_{word}" for word in first[len(first) - tail :]
    )


def _is_draw(text: str) -> bool:
    return is_name(text) and not set(text) & set("+(")


def _alike(words: Sequence[Sequence[str]], most: int) -> int:
    """Return with how many words, at most so many, all begin alike."""
    return next((k for k in range(most) if len({one[k] for one in words}) > 1), most)


def legend_columns(labels: Sequence[str]) -> int:
    """Return 2 where several labels fit side by side below a figure of the house's width, else 1."""
    return 2 if len(labels) > 2 and max(map(len, labels)) <= _LEGEND_LETTERS else 1


def _broken(pieces: Sequence[str], letters: int) -> list[str]:
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > letters:
            lines.append("")
        lines[-1] += piece
    return lines


_TINTS = tuple(
    to_hex((0.5 + 0.5 * r, 0.5 + 0.5 * g, 0.5 + 0.5 * b)) for r, g, b in (to_rgb(c) for c, _ in style.MODELS)
)
_COLOURS = (*(colour for colour, _ in style.MODELS), *_TINTS)
_MARKERS = tuple(marker for _, marker in style.MODELS)


def colour_of(values: Iterable[Any]) -> dict[Any, str]:
    """Give each value a colour, the same one in every figure.

    A value's colour follows from the value alone: the place of a layer, activation or loss among those that
    keplearn knows, else the value's text. Where two would get one colour the later, by name, takes the next
    free one: for colours that agree between figures of parts of a group, give all of the group's values.
    Up to 8 values differ in hue, up to 16 in hue and tint; then colours repeat.
    """
    return {value: _COLOURS[slot % len(_COLOURS)] for value, slot in _slots(values).items()}


def marker_of(values: Iterable[Any]) -> dict[Any, str]:
    """Give each value a marker, the same one in every figure; as `colour_of`, with 8 that differ."""
    return {value: _MARKERS[slot % len(_MARKERS)] for value, slot in _slots(values).items()}


def _slots(values: Iterable[Any]) -> dict[Any, int]:
    """Give each value a number of its own, of the first 8 as long as they last."""
    known = levels(values)
    taken: dict[int, Any] = {}
    for value in sorted(known, key=level_text):
        first = _preferred(level_text(value))
        turn = len(taken) // len(_MARKERS) * len(_MARKERS)
        slot = next(s for k in range(8) if (s := turn + (first + k) % len(_MARKERS)) not in taken)
        taken[slot] = value
    slots = {value: slot for slot, value in taken.items()}
    return {value: slots[value] for value in known}


@cache
def _preferred(text: str) -> int:
    """Return the number that a value would have if it were alone."""
    for names in known_names().values():
        if text in names:
            return names.index(text) % len(_MARKERS)
    return crc32(text.encode()) % len(_MARKERS)


class Looks:
    """Colours and markers of the runs of a table by the values of two parameters."""

    def __init__(self, table: pd.DataFrame, colour: str | None, marker: str | None):
        self.names = (colour, marker)
        self.colours = colour_of(values_of(table[colour])) if colour is not None else {None: style.BLUE}
        # Colours that are alike in grey differ by their markers.
        shaped = marker if marker is not None else colour
        self.markers = marker_of(values_of(table[shaped])) if shaped is not None else {None: "o"}
        self.marker_is_own = marker is not None

    def __call__(self, colour: Any, marker: Any) -> dict[str, str]:
        """Colour and marker of the runs with these values."""
        return {
            "color": self.colours[colour], "marker": self.markers[marker if self.marker_is_own else colour]
        }  # fmt: skip


def default_title(table: pd.DataFrame) -> str:
    """Return "group NAME, tested on DATASET", or what of it the table knows; below, which of its runs were chosen."""
    parts = {"group": "group {}", "dataset": "tested on {}"}
    known = {key: shorten(str(table.attrs[key])) for key in parts if table.attrs.get(key)}
    where = table.attrs.get("where")
    over = measured_over(table.attrs.get("segments"))
    if over and "dataset" in known:
        known["dataset"] = f"{over} of {known['dataset']}"
    lines = [", ".join(parts[key].format(value) for key, value in known.items())]
    return "\n".join(lines + ([f"runs with {shorten(where, _LINE)}"] if where else []))


def with_tests(
    table: pd.DataFrame, row: str | None, column: str | None, others: Sequence[str | None]
) -> tuple[str | None, str | None]:
    """Return rows and columns of panels, with the test datasets among them where there are several and no other place.

    Raises
    ------
    KeplearnError
        If both are taken: scores on several datasets would be pooled.
    """
    if "test" not in table.attrs.get("varying", []) or "test" in (row, column, *others):
        return row, column
    if column is None:
        return row, "test"
    if row is None:
        return "test", column
    raise KeplearnError(
        f"scores on {table.attrs.get('dataset')} would be pooled: give them a place, such as --row test."
    )


def choose(table: pd.DataFrame, used: Sequence[str | None]) -> str:
    """Return the varying parameter with most values that is not used yet; seeds only if nothing else varies.

    Raises
    ------
    KeplearnError
        If no parameter is left.
    """
    left = [name for name in table.attrs.get("varying", []) if name in table and name not in used]
    if not left:
        raise KeplearnError("no parameter is left to draw along: name one of the table's columns.")
    return max(left, key=lambda name: (has_order(name), len(levels(values_of(table[name])))))
