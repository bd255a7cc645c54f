"""The acceleration along one orbit: magnitude, direction and error."""

from functools import partial
from typing import Any

import numpy as np
import xarray
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.vectors import angle_deg
from keplearn.figures.parts import style
from keplearn.figures.parts.anomaly import acceleration_all
from keplearn.figures.parts.events import mark_events
from keplearn.figures.parts.inputs import OneOrbit, one_orbit
from keplearn.figures.parts.labels import number, wrap
from keplearn.figures.registry import figure

_DEGREES = 360.0


@figure("evaluation", {"all_orbits": ("--all", "Median and band over all test orbits against true anomaly.")})
def acceleration(
    evaluation: xarray.Dataset, orbit: int = 0, title: str = "", all_orbits: bool = False
) -> Figure:
    """Draw magnitude, direction and error of the acceleration along an orbit.

    Both along the model's propagated path and at the true states.

    Parameters
    ----------
    evaluation
        With the errors ``mean`` and ``field`` in % at each sample.
    orbit
        Which orbit, from 0.
    title
        Above the figure; by default the orbit's name, semi-major axis and eccentricity.
    all_orbits
        Not one orbit, but median and bands over all against true anomaly: `acceleration_all`.

    Raises
    ------
    KeplearnError
        If a variable is missing, or there is no such orbit.
    """
    if all_orbits:
        return acceleration_all(evaluation, title)
    one = one_orbit(evaluation, orbit, ("predicted_acceleration", "field_acceleration", "mean", "field"))
    figure, (above, middle, below) = style.new_figure(5.6, (1.0, 0.9, 1.2))
    bound = bool(np.isfinite(one.period_hours))
    x = _DEGREES * one.hours / one.period_hours if bound else one.hours
    path: dict[str, Any] = {"color": style.PREDICTION, "linestyle": (0, (4, 1.5))}
    field: dict[str, Any] = {"color": style.FIELD, "linestyle": (0, (1, 1))}
    magnitudes = {
        "acceleration": ("true", {"color": style.TRUTH}),
        "predicted_acceleration": ("predicted, propagated path", path),
        "field_acceleration": ("predicted, true states", field),
    }
    for name, (label, look) in magnitudes.items():
        above.plot(x, np.linalg.norm(one.finite(name), axis=1), label=label, gid=name, **look)
    for name, look in (("predicted_acceleration", path), ("field_acceleration", field)):
        angles = angle_deg(one.finite(name), one.finite("acceleration"))
        middle.plot(x, angles, gid=f"angle:{name}", **look)
    for name, label, look in (("mean", "propagated path", path), ("field", "true states", field)):
        below.plot(x, one.finite(name), label=f"{label}\n{_summary(one, name)}", gid=name, **look)
    mark_events((above, middle, below), one, x, np.isfinite(one.values["mean"]))
    angle, error = METRICS["theta-deg"], METRICS["mean"]
    middle.set_ylabel(wrap(angle.short_label, 20))
    if any(
        (np.asarray(line.get_ydata(), float) > 0).any()
        for line in middle.lines
        if line.get_gid() != "periapsis"
    ):
        style.log_axis(middle, angle.rounding)
    style.log_axis(above)
    style.log_axis(below, error.rounding)
    for axes, label in ((above, "|a| (km/s²)"), (below, error.short_label)):
        axes.set_ylabel(label)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    below.set_xlim(x[0], x[-1])
    below.set_xlabel("mean anomaly since the first sample (°)" if bound else "time (h)")
    if bound:
        below.xaxis.set_major_locator(MultipleLocator(45 if x[-1] <= _DEGREES else 180))
        scale = one.period_hours / _DEGREES
        both_ways = partial(np.multiply, scale), partial(np.multiply, 1 / scale)
        hours = above.secondary_xaxis("top", functions=both_ways)
        hours.set_xlabel("time (h)")
        hours.tick_params(labelsize=style.STYLE["xtick.labelsize"])
    figure.suptitle(title or one.title)
    return figure


def _summary(one: OneOrbit, name: str) -> str:
    """Return "mean 1.2 %" and how many samples are lost, or that nothing is finite."""
    values = one.finite(name)
    lost = int((~np.isfinite(values)).sum())
    if lost == len(values):
        return "nowhere finite"
    return f"mean {number(float(np.nanmean(values)))} %" + (
        f",\n{lost} of {len(values)} samples lost" if lost else ""
    )
