"""Arcs: stretches of an orbit without a gap in time. A dataset's orbits are arcs, so that nothing crosses a gap.

Segments, difference stencils, propagations and drawn lines all follow one orbit's samples; where samples are
missing for long, none of them means anything. Cutting once, before a dataset is made, keeps all of them right.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keplearn.core.shapes import ScalarArray, StateArray
from keplearn.orbits.differences import STENCIL

MUCH_LONGER = 4.0
"""How many times the median of the spacings around it a gap is at least."""

NOT_FOLLOWED = 1.0
"""Radians of motion that a gap spans at least, at the angular rate of the circular orbit there."""

_AROUND = 7


@dataclass(frozen=True)
class Arc:
    """One stretch of an orbit without a gap: its name, and its samples (s, km, km/s)."""

    name: str
    times: ScalarArray
    states: StateArray


def arcs(times: ScalarArray, states: StateArray, mu: float) -> list[slice]:
    """Cut an orbit at its gaps in time.

    A gap is a spacing that is both more than four times the median of the seven spacings nearest to it, so that
    it stands out from the sampling there, and longer than the time in which the circular orbit at its lower end,
    of rate √(μ/r³), turns by one radian, so that neither a step of an integrator nor a polynomial through
    neighbouring samples follows the motion. The first keeps smoothly varying steps whole, as those of an
    integrator with step control or of equal true anomaly, however uneven over the orbit (where e is above 0.9,
    from 40 samples a revolution on), and evenly coarse sampling; the second keeps samples lost from dense data or
    drawn at random times.

    Parameters
    ----------
    times, states
        Of one orbit, s, km and km/s, without padding.
    mu
        km³/s².
    """
    steps = np.diff(times)
    rate = np.sqrt(mu) * np.linalg.norm(states[:, :3], axis=1) ** -1.5
    turned = steps * np.maximum(rate[:-1], rate[1:])
    width = min(_AROUND, len(steps))
    if not width:
        return [slice(0, len(times))]
    windows = np.median(np.lib.stride_tricks.sliding_window_view(steps, width), axis=-1)
    around = windows[np.clip(np.arange(len(steps)) - width // 2, 0, len(windows) - 1)]
    cuts = np.flatnonzero((steps > MUCH_LONGER * around) & (turned > NOT_FOLLOWED)) + 1
    edges = [0, *(int(k) for k in cuts), len(times)]
    found = [slice(*pair) for pair in itertools.pairwise(edges)]
    if len(found) == 1:
        return found
    # Without the samples beyond a gap, the spacings around another one are others.
    return [
        slice(part.start + inner.start, part.start + inner.stop)
        for part in found
        for inner in arcs(times[part], states[part], mu)
    ]


@dataclass(frozen=True)
class Cut:
    """Orbits cut at their gaps: the arcs that are long enough to differentiate, and what there is to tell."""

    arcs: list[Arc]
    gaps: list[str]
    left_out: list[str]

    def provenance(self) -> dict[str, str]:
        """What a dataset of these arcs keeps of the cutting; nothing where there was no gap."""
        told = {"gaps": self.gaps, "left_out": self.left_out}
        return {key: _listed(lines) for key, lines in told.items() if lines}


def cut_at_gaps(orbits: list[Arc], mu: float) -> Cut:
    """Make an orbit of each arc, named ``NAME/1``, ``NAME/2`` and so on; leave out arcs of fewer than 7 samples."""
    kept, gaps, left_out = [], [], []
    for orbit in orbits:
        parts = arcs(orbit.times, orbit.states, mu)
        if len(parts) == 1:
            kept.append(orbit)
            continue
        for before, after in itertools.pairwise(parts):
            start, end = float(orbit.times[before.stop - 1]), float(orbit.times[after.start])
            gaps.append(f"orbit {orbit.name} after {start:.6g} s, {duration(end - start)}")
        for number, arc in enumerate(_parts(orbit, parts), start=1):
            if len(arc.times) >= STENCIL:
                kept.append(arc)
            else:
                left_out.append(f"arc {orbit.name}/{number} of {len(arc.times)} samples")
    return Cut(kept, gaps, left_out)


def _parts(orbit: Arc, parts: list[slice]) -> Iterator[Arc]:
    for number, part in enumerate(parts, start=1):
        times = orbit.times[part]
        yield Arc(f"{orbit.name}/{number}", times - times[0], orbit.states[part])


def duration(seconds: float) -> str:
    """Say a time span in a unit that people would choose."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds:.4g} s"


def _listed(lines: list[str], most: int = 20) -> str:
    """Say how many there are, and the first of them."""
    more = f"; and {len(lines) - most} more" if len(lines) > most else ""
    return f"{len(lines)}: {'; '.join(lines[:most])}{more}"
