"""The grammar of dataset names: a name is enough to make the dataset on any machine.

``{family}_{problem}[_planar][_modifier…]_{n}[@{k}][_{train|val|test}]``

``@k`` means the k-th draw, other orbits of the same kind. Draw 0 is the name without it: ``…_10@0_train`` is read,
and ``…_10_train`` is the only name that is ever written.
"""

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches

from keplearn.core.errors import KeplearnError
from keplearn.core.tables import is_foreign
from keplearn.orbits.families import FAMILIES, MODIFIERS
from keplearn.systems import SYSTEMS

MAX_ORBITS = 100_000
SPLITS = ("train", "val", "test")
# Those of keplearn: data of other systems are in files.
_PROBLEMS = [token for token in SYSTEMS if not is_foreign(token)]
GRAMMAR = "{family}_{problem}[_planar][_modifier...]_{n}[@{k}][_{train|val|test}]"

# The modifiers stand in this order, each at most once; n and k have up to nine digits.
_PATTERN = re.compile(
    rf"(?P<family>{'|'.join(FAMILIES)})_(?P<problem>{'|'.join(_PROBLEMS)})(?P<planar>_planar)?"
    rf"(?P<modifiers>{''.join(f'(?:_{m})?' for m in MODIFIERS)})"
    rf"_(?P<n>[1-9][0-9]{{0,8}})(?:@(?P<draw>0|[1-9][0-9]{{0,8}}))?(?:_(?P<split>{'|'.join(SPLITS)}))?"
)


@dataclass(frozen=True)
class DatasetName:
    """A parsed name; ``str`` gives it back, without ``@0``.

    ``split`` is "" where the name has none. ``modifiers`` are in alphabetical order. ``draw`` is k of ``@k``.
    """

    family: str
    problem: str
    planar: bool
    modifiers: tuple[str, ...]
    n: int
    split: str = ""
    draw: int = 0

    def __str__(self) -> str:
        """The canonical name."""
        planar = ("planar",) if self.planar else ()
        split = (self.split,) if self.split else ()
        number = f"{self.n}@{self.draw}" if self.draw else str(self.n)
        return "_".join([self.family, self.problem, *planar, *self.modifiers, number, *split])

    def with_orbits(self, n: int) -> "DatasetName":
        """The name of the same dataset with n orbits."""
        return replace(self, n=n)


def _match(text: str) -> DatasetName | None:
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    modifiers = tuple(m for m in match["modifiers"].split("_") if m)
    if "rotated" in modifiers and not match["planar"]:
        return None
    return DatasetName(
        family=match["family"],
        problem=match["problem"],
        planar=bool(match["planar"]),
        modifiers=modifiers,
        n=int(match["n"]),
        split=match["split"] or "",
        draw=int(match["draw"] or 0),
    )


def is_name(text: str) -> bool:
    """Whether the text is a dataset's name by the grammar."""
    return _match(text) is not None


def canonical_name(text: str) -> str:
    """The one name of the dataset that a name means (without ``@0``); other text as it is."""
    name = _match(text)
    return text if name is None else str(name)


def parse_name(text: str) -> DatasetName:
    """Parse a dataset's name.

    Raises
    ------
    KeplearnError
        If it does not parse: with the grammar, its words, and the nearest valid name.
    """
    name = _match(text)
    if name is not None:
        return name
    suggestion = nearest_name(text)
    hint = f" Did you mean {str(suggestion)!r}?" if suggestion else ""
    shown = text if len(text) <= 100 else text[:97] + "..."
    raise KeplearnError(
        f"{shown!r} is not the name of a dataset.{hint}\n"
        f"A name is {GRAMMAR}, with family {'|'.join(FAMILIES)}, problem {'|'.join(_PROBLEMS)}, "
        f"modifiers {', '.join(MODIFIERS)} (in this order; rotated needs planar), n >= 1 orbits, and k >= 1 for "
        "another draw of them, e.g. complex_TBP_planar_10_train, complex_TBP_planar_10@3_train. "
        "The file of a dataset ends in .nc."
    )


def nearest_name(text: str) -> DatasetName | None:
    """The valid name nearest to a text, word by word; None where nothing of it looks like a name."""
    words = re.split(r"[_\-\s]+|(?=@)", text.strip()[:200])
    known = [*FAMILIES, *_PROBLEMS, "2BP", "planar", *MODIFIERS, *SPLITS]
    by_case = {k.lower(): k for k in known}
    found: set[str] = set()
    n = draw = 0
    for word in words:
        if re.fullmatch(r"[0-9]{1,9}", word):
            n = n or int(word)
        elif re.fullmatch(r"@[0-9]{1,9}", word):
            draw = draw or int(word[1:])
        else:
            found.update(by_case[m] for m in get_close_matches(word.lower(), by_case, n=1, cutoff=0.6))
    family = next((f for f in FAMILIES if f in found), None)
    if family is None:
        return None
    problem = next((p for p in _PROBLEMS if p in found), _PROBLEMS[0])
    modifiers = tuple(m for m in MODIFIERS if m in found)
    planar = "planar" in found or "rotated" in modifiers
    split = next((s for s in SPLITS if s in found), "")
    return DatasetName(family, problem, planar, modifiers, n or 10, split, draw)


def check_size(name: DatasetName) -> None:
    """Refuse a dataset that would not fit into memory.

    Raises
    ------
    KeplearnError
        If it has more than `MAX_ORBITS` orbits.
    """
    if name.n > MAX_ORBITS:
        raise KeplearnError(f"{name} has {name.n} orbits; at most {MAX_ORBITS} (3 GB) are made at once.")
