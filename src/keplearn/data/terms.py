"""What a dataset's name consists of: the terms of a sum, each a draw from a family or a chosen orbit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from keplearn.data.elements_text import parse_orbit
from keplearn.data.observing import Observing
from keplearn.orbits.families import MODIFIERS


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

    @property
    def observing(self) -> Observing:
        """How its orbits are observed."""
        return Observing.of(self.modifiers)

    @property
    def origin(self) -> "Draw":
        """Its first orbit, however it is observed."""
        drawn = tuple(m for m in self.modifiers if m in MODIFIERS)
        return replace(self, n=1, modifiers=drawn)


@dataclass(frozen=True)
class ChosenOrbit:
    """One Kepler orbit about the Earth, by its elements as `written_orbit` writes them, and how it is observed."""

    text: str
    modifiers: tuple[str, ...] = ()
    family = "orbit"
    problem = "TBP"
    n = 1

    def __str__(self) -> str:
        """The canonical term."""
        return "_".join([f"orbit({self.text})", *self.modifiers])

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

    @property
    def observing(self) -> Observing:
        """How it is observed."""
        return Observing.of(self.modifiers)

    @property
    def origin(self) -> "ChosenOrbit":
        """It, however it is observed."""
        return ChosenOrbit(self.text)


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
    def samples(self) -> int:
        """Observed samples of the orbit that has most of them."""
        return max(term.observing.seen for term in self.terms)

    @property
    def exact(self) -> bool:
        """Whether all samples are observed as they are."""
        return not any(term.observing.noise or term.observing.missing for term in self.terms)

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
