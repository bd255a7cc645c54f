"""The grammar of dataset names: a name is enough to make the dataset on any machine.

A name is a sum of terms, ``A+B``, mostly of one. A term is a draw from a family or a chosen orbit:

- ``{family}_{problem}[_planar][_modifier…]_{n}[@{k}][_{train|val|test}]``; ``@k`` means the k-th draw, other orbits of
  the same kind. Draw 0 is the name without it: ``…_10@0_train`` is read, and ``…_10_train`` is the only name that is
  ever written.
- ``orbit(a=20000,e=0.4,nu0=20deg)``, about the Earth (`keplearn.data.elements_text`).

The modifiers are those of a draw (`keplearn.orbits.families`), and words that say how orbits are observed
(`keplearn.data.observing`), which may stand behind a chosen orbit too: ``orbit(a=20000,e=0.4)_noise1e-4``.

What is read here is written by `keplearn.data.terms`: one grammar, to be changed together.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import combinations
from typing import NoReturn

from keplearn.core.errors import KeplearnError
from keplearn.core.tables import is_foreign
from keplearn.data.elements_text import check_ground, written_orbit
from keplearn.data.observing import WORDS, nearest_words
from keplearn.data.terms import ChosenOrbit, DatasetName, Draw, Term
from keplearn.orbits.bodies import body_of
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.families import FAMILIES, MODIFIERS
from keplearn.systems import SYSTEMS

MAX_ORBITS = 100_000
SPLITS = ("train", "val", "test")
# Those of keplearn: data of other systems are in files.
_PROBLEMS = [token for token in SYSTEMS if not is_foreign(token)]
GRAMMAR = "{family}_{problem}[_planar][_modifier...]_{n}[@{k}][_{train|val|test}]"

_MODIFIERS = dict(sorted({**{m: m for m in MODIFIERS}, **WORDS}.items()))


def _suffixes(patterns: Iterable[str]) -> str:
    return "".join(f"(?:_{pattern})?" for pattern in patterns)


# The modifiers stand in alphabetical order, each at most once; n and k have up to nine digits.
_PATTERN = re.compile(
    rf"(?P<family>{'|'.join(FAMILIES)})_(?P<problem>{'|'.join(_PROBLEMS)})(?P<planar>_planar)?"
    rf"(?P<modifiers>{_suffixes(_MODIFIERS.values())})"
    rf"_(?P<n>[1-9][0-9]{{0,8}})(?:@(?P<draw>0|[1-9][0-9]{{0,8}}))?(?:_(?P<split>{'|'.join(SPLITS)}))?"
)
# A + between terms; one within parentheses is of a number.
_PLUS = re.compile(r"\+(?![^()]*\))")
_CHOSEN = re.compile(rf"orbit\((.*)\)({_suffixes(WORDS.values())})")


def _terms(text: str) -> list[str]:
    """The terms of a sum as they are written; around a + there may be spaces."""
    terms = _PLUS.split(text)
    return terms if len(terms) == 1 else [term.strip() for term in terms]


def _draw(text: str) -> Draw | None:
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    modifiers = _words(match["modifiers"])
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


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split("_") if word)


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
        if one.origin == other.origin:
            raise KeplearnError(
                f"{_short(text)!r}: {one} and {other} share orbits: name the larger one alone."
            )
        if one.problem != other.problem:
            raise KeplearnError(f"{_short(text)!r}: {one} and {other} are of different systems.")
    return DatasetName(tuple(found))


def _term(text: str) -> Term | None:
    chosen = _CHOSEN.fullmatch(text)
    return _draw(text) if chosen is None else ChosenOrbit(written_orbit(chosen[1]), _words(chosen[2]))


def _no_name(term: str) -> NoReturn:
    suggestion = nearest_name(term)
    hint = f" Did you mean {str(suggestion)!r}?" if suggestion else ""
    raise KeplearnError(
        f"{_short(term)!r} is not the name of a dataset.{hint}\n"
        f"A name is {GRAMMAR}, with family {'|'.join(FAMILIES)}, problem {'|'.join(_PROBLEMS)}, "
        f"modifiers {', '.join(_MODIFIERS)} (in this order; rotated needs planar), n >= 1 orbits, and k >= 1 for "
        "another draw of them, e.g. complex_TBP_planar_10_train, complex_TBP_planar_10@3_train; or an orbit, e.g. "
        "orbit(a=20000,e=0.4,nu0=20deg), orbit(a=20000,e=0.4)_noise1e-4; or a sum of such, A+B. The file of a dataset "
        "ends in .nc. docs/data.md says what the modifiers mean."
    )


def _short(text: str) -> str:
    """A text as messages show it: its first 100 characters."""
    return text if len(text) <= 100 else text[:97] + "..."


def nearest_name(text: str) -> Draw | None:
    """The draw whose name is nearest to a text, word by word; None where nothing of it looks like a name."""
    numbered, rest = nearest_words(text.strip()[:200])
    words = re.split(r"[_\-\s]+|(?=@)", rest)
    known = [*FAMILIES, *_PROBLEMS, "2BP", "planar", *MODIFIERS, "irregular", *SPLITS]
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
    modifiers = tuple(sorted([*numbered, *(m for m in (*MODIFIERS, "irregular") if m in found)]))
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
    revolutions = max(term.observing.revolutions for term in name.terms)
    if name.n * revolutions > MAX_ORBITS:
        raise KeplearnError(
            f"{name} has {name.n} orbits of {revolutions} revolutions; at most {MAX_ORBITS} revolutions (3 GB) are "
            "made at once."
        )
    for term in name.terms:
        if isinstance(term, ChosenOrbit):
            check_ground(term.elements["a"], term.elements["e"], body_of(MU_EARTH))
