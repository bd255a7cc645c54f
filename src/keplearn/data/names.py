"""The grammar of dataset names: a name is enough to make the dataset on any machine.

A name is a sum of terms, ``A+B``, mostly of one. A term is a draw from a family or a chosen orbit:

- ``{family}_{problem}[_planar][_modifier…]_{n}[@{k}][_{train|val|test}]``; ``@k`` means the k-th draw, other orbits of
  the same kind. Draw 0 is the name without it: ``…_10@0_train`` is read, and ``…_10_train`` is the only name that is
  ever written.
- ``orbit(a=20000,e=0.4,nu0=20deg)``, about the Earth (`keplearn.data.elements_text`).

Longer than most files: what reads names and what writes them are one grammar, and must be changed together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from itertools import combinations
from typing import Any, NoReturn

from keplearn.core.errors import KeplearnError
from keplearn.core.tables import is_foreign
from keplearn.data.elements_text import check_ground, parse_orbit, written_orbit
from keplearn.orbits.bodies import body_of
from keplearn.orbits.constants import MU_EARTH
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
class Draw:
    """Orbits drawn from a family; ``str`` gives the term back, without ``@0``.

    ``split`` is "" where the term has none. ``modifiers`` are in alphabetical order. ``draw`` is k of ``@k``.
    """

    family: str
    problem: str
    planar: bool
    modifiers: tuple[str, ...]
    n: int
    split: str = ""
    draw: int = 0

    def __str__(self) -> str:
        """The canonical term."""
        planar = ("planar",) if self.planar else ()
        split = (self.split,) if self.split else ()
        number = f"{self.n}@{self.draw}" if self.draw else str(self.n)
        return "_".join([self.family, self.problem, *planar, *self.modifiers, number, *split])

    def with_orbits(self, n: int) -> "Draw":
        """The same draw with n orbits."""
        return replace(self, n=n)


@dataclass(frozen=True)
class ChosenOrbit:
    """One Kepler orbit about the Earth, by its elements as `written_orbit` writes them."""

    text: str
    family = "orbit"
    problem = "TBP"
    n = 1

    def __str__(self) -> str:
        """The canonical term."""
        return f"orbit({self.text})"

    @cached_property
    def elements(self) -> Mapping[str, Any]:
        """The elements, as `parse_orbit` gives them."""
        return parse_orbit(self.text)

    @property
    def planar(self) -> bool:
        """Whether it lies in z = 0."""
        return bool(self.elements.get("planar", True))

    def with_orbits(self, n: int) -> "ChosenOrbit":
        """Itself: it is one orbit."""
        return self


Term = Draw | ChosenOrbit


@dataclass(frozen=True)
class DatasetName:
    """A parsed name: the terms of a sum, mostly one; ``str`` gives it back."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        """The canonical name."""
        return "+".join(map(str, self.terms))

    @property
    def n(self) -> int:
        """Number of orbits."""
        return sum(term.n for term in self.terms)

    @property
    def planar(self) -> bool:
        """Whether all orbits lie in z = 0."""
        return all(term.planar for term in self.terms)

    @property
    def family(self) -> str:
        """The families of the orbits, ``complex`` or ``complex+circular``; that of a chosen orbit is ``orbit``."""
        return "+".join(dict.fromkeys(term.family for term in self.terms))

    @property
    def problem(self) -> str:
        """The system that the orbits obey."""
        return self.terms[0].problem

    def with_orbits(self, n: int) -> "DatasetName":
        """The name of the first n of its orbits; of a single draw, of n orbits."""
        if len(self.terms) == 1:
            return DatasetName((self.terms[0].with_orbits(n),))
        terms: list[Term] = []
        for term in self.terms:
            if n > 0:
                terms.append(term.with_orbits(min(n, term.n)))
            n -= term.n
        return DatasetName(tuple(terms))


# A + between terms; one within parentheses is of a number.
_PLUS = re.compile(r"\+(?![^()]*\))")
_CHOSEN = re.compile(r"orbit\((.*)\)")


def _terms(text: str) -> list[str]:
    """The terms of a sum as they are written; around a + there may be spaces."""
    terms = _PLUS.split(text)
    return terms if len(terms) == 1 else [term.strip() for term in terms]


def _draw(text: str) -> Draw | None:
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    modifiers = tuple(m for m in match["modifiers"].split("_") if m)
    if "rotated" in modifiers and not match["planar"]:
        return None
    return Draw(
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
    return _name(text) is not None


def canonical_name(text: str) -> str:
    """The one name of the dataset that a name means (without ``@0``); other text as it is."""
    return str(_name(text) or text)


def _name(text: str) -> DatasetName | None:
    try:
        return _read(text)
    except KeplearnError:
        return None


def parse_name(text: str) -> DatasetName:
    """Parse a dataset's name.

    Raises
    ------
    KeplearnError
        If it does not parse: with the grammar, its words, and the nearest valid name. If terms of a sum share orbits.
    """
    return _read(text) or _no_name(next(term for term in _terms(text) if _term(term) is None))


def _read(text: str) -> DatasetName | None:
    """Read a name; None where a term is of neither form. Raises where a chosen orbit or the sum is none."""
    found: list[Term] = []
    for text_of_term in _terms(text):
        term = _term(text_of_term)
        if term is None:
            return None
        found.append(term)
    for one, other in combinations(found, 2):
        if one.with_orbits(1) == other.with_orbits(1):
            raise KeplearnError(
                f"{_short(text)!r}: {one} and {other} share orbits: name the larger one alone."
            )
        if one.problem != other.problem:
            raise KeplearnError(f"{_short(text)!r}: {one} and {other} are of different systems.")
    return DatasetName(tuple(found))


def _term(text: str) -> Term | None:
    chosen = _CHOSEN.fullmatch(text)
    return _draw(text) if chosen is None else ChosenOrbit(written_orbit(chosen[1]))


def _no_name(term: str) -> NoReturn:
    suggestion = nearest_name(term)
    hint = f" Did you mean {str(suggestion)!r}?" if suggestion else ""
    raise KeplearnError(
        f"{_short(term)!r} is not the name of a dataset.{hint}\n"
        f"A name is {GRAMMAR}, with family {'|'.join(FAMILIES)}, problem {'|'.join(_PROBLEMS)}, "
        f"modifiers {', '.join(MODIFIERS)} (in this order; rotated needs planar), n >= 1 orbits, and k >= 1 for "
        "another draw of them, e.g. complex_TBP_planar_10_train, complex_TBP_planar_10@3_train; or an orbit, e.g. "
        "orbit(a=20000,e=0.4,nu0=20deg); or a sum of such, A+B. The file of a dataset ends in .nc."
    )


def _short(text: str) -> str:
    """A text as messages show it: its first 100 characters."""
    return text if len(text) <= 100 else text[:97] + "..."


def nearest_name(text: str) -> Draw | None:
    """The draw whose name is nearest to a text, word by word; None where nothing of it looks like a name."""
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
    return Draw(family, problem, planar, modifiers, n or 10, split, draw)


def check_made(name: DatasetName) -> None:
    """Refuse a dataset that cannot be made.

    Raises
    ------
    KeplearnError
        If it has more than `MAX_ORBITS` orbits and would not fit into memory, or a chosen orbit meets the Earth.
    """
    if name.n > MAX_ORBITS:
        raise KeplearnError(f"{name} has {name.n} orbits; at most {MAX_ORBITS} (3 GB) are made at once.")
    for term in name.terms:
        if isinstance(term, ChosenOrbit):
            check_ground(term.elements["a"], term.elements["e"], body_of(MU_EARTH))
