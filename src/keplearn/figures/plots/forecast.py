"""The forecast of one orbit from what is observed of it: each component with its interval, and the error in it."""

from typing import Any

import xarray
from matplotlib.figure import Figure

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.vectors import reach
from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import one_orbit
from keplearn.figures.parts.observed import shade_observed
from keplearn.figures.registry import figure


@figure("evaluation")
def forecast(evaluation: xarray.Dataset, orbit: int = 0, title: str = "") -> Figure:
    """Draw the forecast of an orbit from what is observed of it, with its 90 % interval.

    Above each component of the position, below how far it is off, both with the interval; where the orbit is observed
    the background is grey.

    Parameters
    ----------
    evaluation
        Of a model that observes a part of each orbit, with its ``predicted_deviation``.
    orbit
        Which orbit, from 0.
    title
        Above the figure; by default the orbit's name, semi-major axis and eccentricity.

    Raises
    ------
    KeplearnError
        If the model observes nothing, or there is no such orbit.
    """
    if "observed" not in evaluation:
        raise KeplearnError(
            "This model starts from a true state: it observes nothing that it could forecast from."
        )
    one = one_orbit(evaluation, orbit, ("predicted_position", "predicted_deviation", "observed"))
    true, predicted = (1e-3 * one.finite(name) for name in ("position", "predicted_position"))
    half = reach(0.9) * 1e-3 * one.finite("predicted_deviation")
    shown = [k for k in range(3) if (half[:, k] > 0).any()]
    figure, axes = style.new_figure(2.0 + 1.7 * len(shown), (1.0,) * len(shown), 2)
    off = predicted - true
    scale = 1e3
    for row, k in enumerate(shown):
        left, right = axes[2 * row], axes[2 * row + 1]
        for panel, middle, factor in ((left, predicted[:, k], 1.0), (right, off[:, k], scale)):
            look: dict[str, Any] = {"color": style.PREDICTION, "alpha": 0.25, "linewidth": 0.0}
            low, high = (factor * (middle + sign * half[:, k]) for sign in (-1, 1))
            name = f"{'xyz'[k]}{':off' if panel is right else ''}"
            panel.fill_between(one.hours, low, high, label="90 % interval", gid=f"{name}:interval", **look)
            if panel is left:
                panel.plot(one.hours, true[:, k], color=style.TRUTH, label="true", gid=f"{name}:true")
            dashes = (0, (4, 1.5)) if panel is left else "solid"
            panel.plot(
                one.hours,
                factor * middle,
                color=style.PREDICTION,
                linestyle=dashes,
                label="predicted",
                gid=name,
            )
            shade_observed(panel, one.hours, one.values["observed"] > 0)
        right.axhline(0.0, color=style.TRUTH, linewidth=0.8)
        left.set_ylabel(f"{'xyz'[k]} (10³ km)")
        right.set_ylabel(f"{'xyz'[k]} predicted − true (km)")
    for panel in axes[-2:]:
        panel.set_xlabel("time (h)")
        panel.set_xlim(one.hours[0], one.hours[-1])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    figure.suptitle(title or one.title)
    return figure
