"""Dots side by side: where those of one place stand, never one on another."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float64

from keplearn.figures.parts.facets import Facets, groups_of, inches_of

# Of its share of the axis a group takes this much; the rest parts it from the next.
_FILLED = 0.9
_SIZES = (
    *((4.6, 1.1), (4.2, 1.1), (3.8, 1.1), (3.8, 0.75), (3.4, 1.1), (3.4, 0.75), (3.0, 1.1), (3.0, 0.75)),
    *((2.6, 0.75), (2.2, 0.75), (1.8, 0.75), (1.4, 0.75)),
)
"""Sizes of a dot in points, and how far apart two stand, in sizes; the first at which all find room is taken."""


class Places(NamedTuple):
    """The places along an axis, values of ``x``, and within each a slot for each value of ``by``."""

    x: str
    by: str | None
    places: Sequence[Any]
    slots: Sequence[Any]

    @property
    def share(self) -> float:
        """The width of a slot, that of a place being 1."""
        return _FILLED / len(self.slots)

    def centre(self, place: Any, slot: Any) -> float:
        """Where the middle of a slot stands."""
        return self.places.index(place) + self.share * (self.slots.index(slot) - (len(self.slots) - 1) / 2)


Swarm = list[tuple[pd.DataFrame, Float64[np.ndarray, "_"]]]
"""Runs of a slot, and where each stands on x."""


def arrange(drawn: Facets, metric: str, at: Places, log: bool) -> tuple[float, list[Swarm]]:
    """Place the dots of all panels, as large as they can be without one on another.

    Returns
    -------
    size
        Of a dot, points.
    swarms
        Of each panel.
    """
    width, height = (72 * inches for inches in inches_of(drawn.panels[0].axes))
    low, high = drawn.panels[0].axes.get_ylim()
    scale = np.log10 if log else np.asarray
    reach = 0.5 * width * at.share / len(at.places)
    groups = []
    for panel in drawn.panels:
        found = []
        finite = panel.table[np.isfinite(panel.table[metric].to_numpy(np.float64))]
        for (place, slot), runs in groups_of(finite, at.x, at.by):
            value = np.clip(runs[metric].to_numpy(np.float64), low, high)
            up = height * (scale(value) - scale(low)) / (scale(high) - scale(low))
            found.append((runs, at.centre(place, slot), up))
        groups.append(found)
    size, offsets = 0.0, []
    for size, apart in _SIZES:
        offsets = [[beeswarm(y, apart * size) for _, _, y in found] for found in groups]
        widest = max((np.abs(one).max(initial=0.0) for found in offsets for one in found), default=0.0)
        if widest + size / 2 <= reach:
            break
    room = max(reach - size / 2, 0.0)
    return size, [
        [
            (runs, centre + np.clip(moved, -room, room) * len(at.places) / width)
            for (runs, centre, _), moved in zip(found, aside, strict=True)
        ]
        for found, aside in zip(groups, offsets, strict=True)
    ]


def beeswarm(y: Float64[np.ndarray, "dot"], distance: float) -> Float64[np.ndarray, "dot"]:
    """Return how far dots at heights ``y`` must move aside to keep a ``distance``; the same unit for all.

    From the lowest dot to the highest, each stands as near to the middle as those before it let it.
    """
    offsets = np.zeros(len(y))
    order = np.argsort(y, kind="stable")
    for k, one in enumerate(order):
        near = [other for other in order[:k] if y[one] - y[other] < distance]
        steps = [np.sqrt(distance**2 - (y[one] - y[other]) ** 2) for other in near]
        beside = [
            offsets[other] + side * step for other, step in zip(near, steps, strict=True) for side in (1, -1)
        ]
        candidates = sorted([0.0, *beside], key=lambda offset: (abs(offset), -offset))
        offsets[one] = next(
            candidate
            for candidate in candidates
            if all(
                abs(candidate - offsets[other]) >= step - 1e-9
                for other, step in zip(near, steps, strict=True)
            )
        )
    return offsets
