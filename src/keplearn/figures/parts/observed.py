"""Where an orbit is observed, as the background of a panel over time."""

from typing import Any

import numpy as np

from keplearn.figures.parts import style


def shade_observed(panel: Any, hours: np.ndarray, observed: np.ndarray) -> None:
    """Make the background grey over each stretch that is observed."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], observed, [False]]).astype(int)))
    for number, (first, last) in enumerate(edges.reshape(-1, 2)):
        label = "observed" if number == 0 else None
        panel.axvspan(
            hours[first], hours[last - 1], color=style.PALE, alpha=0.5, linewidth=0.0, zorder=0, label=label
        )
