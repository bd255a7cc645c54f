"""Trajectories as they stand in a foreign file, in the file's own units: what every reader returns."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import ScalarArray, StateArray

STATE_COLUMNS = ("x", "y", "z", "vx", "vy", "vz")

MAX_BYTES = 3 * 10**9
"""Of numbers in a file that is imported at once."""


@dataclass
class RawOrbit:
    """One orbit as it stands in a file; ``lines`` has the line of each sample where the file has lines."""

    name: str
    times: ScalarArray
    states: StateArray
    lines: list[int] = field(default_factory=list)

    def where(self, sample: int) -> str:
        """Where a sample stands: its line, or its orbit and index."""
        if self.lines:
            return f"line {self.lines[sample]} (orbit {self.name})"
        return f"orbit {self.name}, sample {sample}"

    def without_padding(self) -> "RawOrbit":
        """The orbit up to its last sample whose time or state is a number."""
        known = np.flatnonzero(~np.isnan(self.states).all(axis=1))
        n = int(known[-1]) + 1 if known.size else 0
        return RawOrbit(self.name, self.times[:n], self.states[:n], self.lines[:n])


@dataclass(frozen=True)
class RawFile:
    """The orbits of a file, and what it says of itself.

    ``units`` has its words for the units of ``time``, ``length`` and ``velocity``, where it has any. ``dated``
    tells that the times are dates, whose unit is known. ``facts`` go into the dataset's provenance.
    """

    orbits: list[RawOrbit]
    units: dict[str, str] = field(default_factory=dict)
    dated: bool = False
    facts: dict[str, str] = field(default_factory=dict)


def check_size(path: Path, numbers: float) -> None:
    """Refuse a file that would unpack to more numbers than are imported at once."""
    if 8 * numbers > MAX_BYTES:
        raise KeplearnError(
            f"{path}: its arrays would take {8 * numbers / 1e9:.3g} GB; at most {MAX_BYTES / 1e9:g} GB are "
            "imported at once. Divide the file."
        )
