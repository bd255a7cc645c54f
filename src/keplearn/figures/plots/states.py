"""Figures of states over time: position and velocity, true and predicted, and how far apart they are."""

from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keplearn.figures.parts import style
from keplearn.figures.parts.events import mark_events
from keplearn.figures.parts.inputs import OneOrbit, one_orbit
from keplearn.figures.parts.plane import DASHES
from keplearn.figures.registry import figure

_COLUMNS = (("position", "km", 1000.0, "10³ km"), ("velocity", "km/s", 1.0, "km/s"))
"""Variable, unit of its error, what its components are divided by, and their unit then."""


@figure("evaluation")
def states(evaluation: xarray.Dataset, orbit: int = 0, title: str = "") -> Figure:
    """Draw position and velocity over time, true and predicted.

    A planar orbit has no row for z. The errors are \\|predicted − true\\|. A prediction that runs away leaves the
    panels, whose range is that of the truth and half of it again at either end.

    Parameters
    ----------
    evaluation
        Truth and prediction (`keplearn.evaluation.layout`); km, km/s, s.
    orbit
        Which orbit, from 0.
    title
        Above the figure; by default the orbit's name, semi-major axis and eccentricity.

    Raises
    ------
    KeplearnError
        If a variable is missing, or there is no such orbit.
    """
    one = one_orbit(evaluation, orbit, ("predicted_position", "predicted_velocity"))
    everything = (one.finite(f"{prefix}{name}") for prefix in ("", "predicted_") for name, *_ in _COLUMNS)
    planar = all((np.nan_to_num(vectors[:, 2]) == 0.0).all() for vectors in everything)
    components = "xy" if planar else "xyz"
    rows = [*[1.0] * len(components), 0.9]
    figure, panels = style.new_figure(1.25 * len(rows) + 0.9, rows, columns=2)
    for column, (name, unit, scale, scaled) in enumerate(_COLUMNS):
        for k, component in enumerate(components):
            axes = panels[2 * k + column]
            symbol = component if name == "position" else f"$v_{component}$"
            _draw_component(axes, one, name, k, scale)
            axes.set_ylabel(f"{symbol} ({scaled})")
        below = panels[2 * len(components) + column]
        _draw_error(below, one, name, int(evaluation.attrs.get("segments", 0)))
        below.set_ylabel(f"{name} error\n({unit})")
        below.set_xlabel("time (h)")
        below.set_xlim(one.hours[0], one.hours[-1])
    finite = np.asarray(np.isfinite(one.values["predicted_position"]).all(axis=1))
    mark_events(panels, one, one.hours, finite)
    figure.align_ylabels(panels)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    figure.suptitle(title or one.title)
    return figure


def _draw_component(axes: Axes, one: OneOrbit, name: str, k: int, scale: float) -> None:
    """Draw a component, the truth below the prediction's dashes."""
    true, predicted = one.finite(name)[:, k] / scale, one.finite(f"predicted_{name}")[:, k] / scale
    look: dict[str, Any] = {"color": style.PREDICTION, "linestyle": DASHES}
    axes.plot(one.hours, true, color=style.TRUTH, label="true", gid=f"{name}:{k}")
    axes.plot(one.hours, predicted, label="predicted", gid=f"predicted_{name}:{k}", **look)
    low, high = np.nanmin(true), np.nanmax(true)
    room = 0.5 * (high - low)
    if np.nanmin(predicted, initial=low) < low - room or np.nanmax(predicted, initial=high) > high + room:
        axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _draw_error(axes: Axes, one: OneOrbit, name: str, segments: int) -> None:
    """Draw how far apart truth and prediction are; 0 where a propagation starts, which is not drawn."""
    error = np.linalg.norm(one.finite(f"predicted_{name}") - one.finite(name), axis=1)
    starts = np.zeros(len(error), bool)
    starts[:: segments or len(error)] = True
    error = np.where(starts & (error < 1e-6 * np.nanmax(error, initial=0.0)), np.nan, error)
    axes.plot(one.hours, error, color=style.PREDICTION, gid=f"{name}_error")
    style.log_axis(axes)
