"""What happens along an orbit, marked on panels over its time.

The periapsis, where a prediction diverged, and where the true states are near the training states or far from them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64
from matplotlib.axes import Axes

from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import OneOrbit

_STRIP = 0.035
"""Height of the strip that says how near the training states are, of the panel's."""


def mark_events(
    panels: Sequence[Axes],
    one: OneOrbit,
    x: Float64[np.ndarray, "sample"],
    finite: Bool[np.ndarray, "sample"] | None = None,
) -> None:
    """Mark every passage of the periapsis, and the stretch where the prediction is no longer finite.

    A strip on each panel's lower edge says where samples are near the training states, and where far from them.

    Parameters
    ----------
    panels
        Their marks are labelled in the first alone.
    one
        The orbit.
    x
        Of each sample, proportional to time.
    finite
        Where the prediction is finite; None where none is drawn.
    """
    good = np.arange(len(x)) if finite is None else np.flatnonzero(finite)
    last = x[good[-1]] if len(good) else x[0]
    diverged = finite is not None and (one.diverged or last < x[-1])
    hours = one.hours_to_periapsis
    passages = (
        [] if hours is None else np.arange(hours, one.hours[-1], one.period_hours) / one.hours[-1] * x[-1]
    )
    for axes in panels:
        label = axes is panels[0]
        for k, at in enumerate(passages):
            axes.axvline(
                at, color=style.GREEN, linewidth=1.0, zorder=0.8, gid="periapsis",
                label="periapsis" if label and k == 0 else None,
            )  # fmt: skip
        if diverged:
            axes.axvspan(
                float(last), float(x[-1]), facecolor=style.PALE, alpha=0.6, linewidth=0, zorder=0.4,
                gid="diverged", label="prediction diverged" if label else None,
            )  # fmt: skip
        for name, samples in one.regions.items():
            colour, text = style.REGIONS[name]
            axes.fill_between(
                x, 0.0, _STRIP, where=list(samples), step="mid", transform=axes.get_xaxis_transform(), color=colour,
                linewidth=0, zorder=0.9, gid=f"{name} training states", label=text if label and samples.any() else None,
            )  # fmt: skip
