"""How orbits are observed: at which times, over how many revolutions, with which noise, and which samples are missing.

The words for it stand in a dataset's name among the modifiers. They change only what they name: the orbits are those
of the name without them, and what is drawn for an orbit depends neither on how many are taken nor on the other words.
There is a stream of random numbers (`keplearn.orbits.families`) for each orbit and kind of word, whatever the
word's number: larger noise is the same noise times a factor, what is missing of 10 % is missing of 30 % too, and the
first revolution of several is that of one.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from keplearn.core.shapes import OrbitStates, ScalarArray, StateArray
from keplearn.orbits.elements import SAMPLES

Stream = Callable[[str, int], ScalarArray]
"""The first n numbers in [0, 1) of the stream with a word."""

WORDS = {
    "irregular": "irregular",
    "missing30": "missing[1-9][0-9]?",
    "noise1e-4": r"noise[1-9](?:\.[0-9]{0,5}[1-9])?e-[1-9][0-9]?",
    "revs3": "revs(?:[2-9]|[1-9][0-9]{1,2})",
}
"""An example of each word, in alphabetical order, and the pattern of all: a number is written in one way alone."""


@dataclass(frozen=True)
class Observing:
    """How each orbit of a term is observed.

    Attributes
    ----------
    irregular
        360 sample times a revolution uniform in mean anomaly, but for the first, which is 0; else in steps of 1°.
    missing
        Percent of each revolution's samples that are missing, at random; never an orbit's first.
    noise
        Standard deviation of each component, of the position relative to its radius, of the velocity to its speed.
    revolutions
        How long each orbit is followed.
    """

    irregular: bool = False
    missing: int = 0
    noise: float = 0.0
    revolutions: int = 1

    @classmethod
    def of(cls, words: Iterable[str]) -> "Observing":
        """What the words of a name say; other words than `WORDS` say nothing."""
        found = {match[1]: match[2] for word in words if (match := _NUMBERED.fullmatch(word))}
        return cls(
            irregular="irregular" in words,
            missing=int(found.get("missing", 0)),
            noise=float(found.get("noise", 0.0)),
            revolutions=int(found.get("revs", 1)),
        )

    @property
    def samples(self) -> int:
        """Samples of each orbit, the missing ones too."""
        return SAMPLES * self.revolutions

    @property
    def seen(self) -> int:
        """Samples of each orbit that are not missing."""
        return self.samples - self.revolutions * share(float(self.missing), SAMPLES)

    def phases(self, stream: Stream, orbits: int) -> ScalarArray:
        """When each orbit is sampled, in revolutions since its first sample; one row for all if all are alike."""
        if not self.irregular:
            return (np.arange(self.samples) / SAMPLES)[None]
        phases = np.stack([stream(f"time/{k}", self.samples) for k in range(orbits)])
        phases[:, 0] = 0.0
        phases = np.sort(phases.reshape(orbits, self.revolutions, SAMPLES), axis=-1)
        return (phases + np.arange(self.revolutions)[:, None]).reshape(orbits, self.samples)

    def observations(self, states: OrbitStates, stream: Stream, planar: bool) -> OrbitStates:
        """What is observed of true states: with noise, within z = 0 if ``planar``; NaN where missing."""
        noise = Noise(self.noise)
        return np.stack(
            [
                observed(orbit, noise, float(self.missing), stream, k, planar, SAMPLES)
                for k, orbit in enumerate(states)
            ]
        )


class Noise(NamedTuple):
    """Standard deviation of each component: relative to radius and speed, and beside it in km and km/s."""

    relative: float = 0.0
    position: float = 0.0
    velocity: float = 0.0

    def sizes(self, states: StateArray) -> StateArray:
        """Of each component of states."""
        return np.hypot(self.relative * scales(states), np.repeat([self.position, self.velocity], 3))


def observed(
    states: StateArray, noise: Noise, missing: float, stream: Stream, k: int, planar: bool, among: int
) -> StateArray:
    """What is observed of the k-th orbit: with noise, within z = 0 if ``planar``; NaN where missing.

    That is so for as many percent of every ``among`` samples, never for the first.
    """
    found = states.copy()
    if any(noise):
        found += noise.sizes(states) * gaussian(partial(stream, f"noise/{k}"), len(states), planar)
    if missing:
        rank = stream(f"missing/{k}", len(states)).reshape(-1, among)
        rank[0, 0] = np.inf
        lost = np.argsort(rank, axis=-1)[:, : share(missing, among)]
        found[(lost + among * np.arange(len(rank))[:, None]).ravel()] = np.nan
    return found


def share(percent: float, count: int) -> int:
    """So many percent of a number of samples, rounded."""
    return int(count * percent / 100 + 0.5)


def scales(states: StateArray) -> StateArray:
    """Radius, for each component of the position, and speed, for each of the velocity."""
    parts = [np.linalg.norm(part, axis=-1, keepdims=True) for part in (states[..., :3], states[..., 3:])]
    return np.repeat(np.concatenate(parts, axis=-1), 3, axis=-1)


def gaussian(uniform: Callable[[int], ScalarArray], samples: int, planar: bool) -> StateArray:
    """Normal numbers (sample, 6) of variance 1, by Box and Muller's method; 0 across the plane if ``planar``.

    Those of fewer samples are the first of those of more.
    """
    first, second = np.moveaxis(uniform(6 * samples).reshape(samples, 3, 2), -1, 0)
    size, angle = np.sqrt(-2.0 * np.log1p(-first)), 2.0 * np.pi * second
    normal = np.concatenate([size * np.cos(angle), size * np.sin(angle)], axis=1)
    if planar:
        normal[:, [2, 5]] = 0.0
    return normal


_NUMBERED = re.compile(r"(missing|noise|revs)([0-9].*)")
_SOUGHT = re.compile(r"(missing|noise|revs)[_\s]*([0-9.]+(?:e-?[0-9]+)?)?", re.IGNORECASE)


def nearest_words(text: str) -> tuple[list[str], str]:
    """The words with numbers that a text may mean, and the text without them."""
    found = {match[1].lower(): _nearest(match[1].lower(), match[2] or "") for match in _SOUGHT.finditer(text)}
    return list(found.values()), _SOUGHT.sub("_", text)


def _nearest(kind: str, number: str) -> str:
    example = next(word for word in WORDS if word.startswith(kind))
    try:
        value = float(number)
    except ValueError:
        return example
    word = f"{kind}{value:.0f}"
    if kind == "noise" and 0 < value < 1:
        digits, _, power = f"{value:.6e}".partition("e-")
        word = f"noise{digits.rstrip('0').rstrip('.')}e-{int(power)}"
    return word if re.fullmatch(WORDS[example], word) else example
