"""Losses that rise suddenly, in a step or for good, as the steps of a phase are told."""

from collections import deque
from typing import Any

import numpy as np

from keplearn.training.events import Row

# A loss rises suddenly where it is so many times the median of so many steps before.
TIMES, STEPS = 10.0, 50


class Spikes:
    """The spikes of a phase: how many, and the first; and when the loss was least, as a median of `STEPS` steps."""

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=STEPS)
        self.number = self.first = self.least_step = 0
        self.least = np.inf

    def count(self, rows: list[Row]) -> None:
        """Look at the losses of some steps."""
        median = self._median()
        for row in rows:
            loss, step = row["loss"], int(row["step"])
            if not np.isfinite(loss):
                continue
            if 0 < median < loss / TIMES:
                self.number += 1
                self.first = self.first or step
            self.recent.append(loss)
            if (median := self._median()) < self.least:
                self.least, self.least_step = median, step

    def _median(self) -> float:
        """Return the median of the last steps; not a number before there are enough."""
        return sorted(self.recent)[STEPS // 2] if len(self.recent) == STEPS else np.nan

    @property
    def collapsed_after(self) -> int | None:
        """The step after which the loss rose for good, `TIMES` as high at the end; None where it did not."""
        return self.least_step if 0 < self.least < self._median() / TIMES else None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a checkpoint keeps."""
        known = [self.number, self.first, self.least_step, self.least]
        return {"spikes": np.array(known, np.float64), "recent": np.array(self.recent, np.float64)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from a checkpoint; those of earlier versions know of no spikes."""
        if "spikes" in arrays:
            self.number, self.first, self.least_step = (int(x) for x in arrays["spikes"][:3])
            self.least = float(arrays["spikes"][3])
            self.recent.extend(arrays["recent"].tolist())

    def summary(self) -> dict[str, Any]:
        """Return what is recorded."""
        return {
            "loss_spikes": self.number,
            "first_spike": self.first or None,
            "collapsed_after": self.collapsed_after,
        }
