"""The figure of the learned field's slope over radius."""

from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from keplearn.evaluation.slope import slope as measure
from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import finite, require_finite
from keplearn.figures.parts.labels import number
from keplearn.figures.registry import figure

_TRUE_SLOPE = -2.0
# Slopes further from the truth are wrong, however far: the panel ends there.
_SHOWN_SLOPES = (-5.0, 1.0)


@figure("model", prepare=measure)
def slope(found: xarray.Dataset, title: str = "") -> Figure:
    """Draw acceleration against radius on logarithmic axes, with the fitted slope, -2 and the training range.

    Parameters
    ----------
    found
        As `keplearn.evaluation.slope.slope` gives it: km, km/s².
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If a variable is missing, or nothing is finite.
    """
    names = ("acceleration", "local_slope")
    require_finite(
        found, (*(f"{x}{end}" for x in names for end in ("", "_low", "_high")), "true_acceleration")
    )
    facts, radius = found.attrs, found["radius"].to_numpy()
    low, high = facts["training_low"], facts["training_high"]
    figure, (above, below) = style.new_figure(5.2, (1.35, 1.0))
    for axes in (above, below):
        axes.axvspan(low, high, color=style.PALE, alpha=0.5, linewidth=0, zorder=0.4, gid="training")
        axes.set_xscale("log")
    above.set_yscale("log")
    above.plot(radius, found["true_acceleration"], color=style.TRUTH, linewidth=2.6, alpha=0.85, gid="true")
    learned: dict[str, Any] = {"color": style.PREDICTION, "linewidth": 1.4}
    for axes, name in zip((above, below), names, strict=True):
        least, most = (finite(found[f"{name}_{end}"]) for end in ("low", "high"))
        axes.fill_between(
            radius, least, most, color=style.PREDICTION, alpha=0.22, linewidth=0, gid=f"{name}_spread"
        )
        axes.plot(radius, finite(found[name]), gid=name, **learned)
    fitted = facts["fitted_slope"]
    dashes: dict[str, Any] = {"color": style.BLUE, "linestyle": (0, (4, 1.5)), "linewidth": 1.5}
    if np.isfinite(fitted):
        ends = np.array([low, high])
        line = facts["fitted_acceleration"] * (ends / facts["reference_radius"]) ** fitted
        above.plot(ends, line, gid="fitted", **dashes)
        below.plot(ends, [fitted, fitted], gid="fitted", **dashes)
    below.axhline(_TRUE_SLOPE, color=style.TRUTH, linewidth=2.6, alpha=0.85, gid="true", zorder=1.5)
    true = found["true_acceleration"].to_numpy()
    floor, roof = above.get_ylim()
    above.set_ylim(max(floor, true.min() / 30), min(roof, true.max() * 30))
    above.set_ylabel("|a| (km/s²)")
    below.set_ylabel("local slope\nd log|a| / d log r")
    velocity = ", at the velocity of the circular orbit" if facts.get("uses_velocity") else ""
    below.set_xlabel(f"radius r (10³ km){velocity}")
    below.set_xlim(radius[0], radius[-1])
    below.set_ylim(*_slope_limits(found, fitted))
    _radius_ticks(below)
    band = Patch(facecolor=style.PREDICTION, alpha=0.22, linewidth=0)
    shade = Patch(facecolor=style.PALE, edgecolor=style.GREY, linewidth=0.5)
    entries: dict[str, Any] = {
        "two-body law: slope −2": Line2D([], [], color=style.TRUTH, linewidth=2.6, alpha=0.85),
        f"learned: median and range of {facts['directions']} directions": (
            band,
            Line2D([], [], **learned),
        ),
    }
    if np.isfinite(fitted):
        text = f"fit in training radii: slope {fitted:.4f}, rms {number(float(facts['fit_rms_percent']))} %"
        entries[text.replace("-", "−")] = Line2D([], [], **dashes)
    entries["training radii"] = shade
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=2)
    if title:
        figure.suptitle(title)
    return figure


def _slope_limits(found: xarray.Dataset, fitted: float) -> tuple[float, float]:
    """Limits of the local slope that hold −2, the fit and the curve, as far as it is not hopeless."""
    values = finite(found["local_slope"])
    kept = np.append(
        values[np.isfinite(values)], [_TRUE_SLOPE, fitted if np.isfinite(fitted) else _TRUE_SLOPE]
    )
    kept = np.clip(kept, *_SHOWN_SLOPES)
    # A slope of −2 to rounding is drawn as a line, not as its noise.
    margin = max(0.12 * float(np.ptp(kept)), 0.01)
    return float(kept.min()) - margin, float(kept.max()) + margin


def _radius_ticks(axes: Axes) -> None:
    """Label radii in thousands of km, at 1, 2 and 5 times powers of ten."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(style.THOUSANDS)
    axes.xaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10))))
    axes.xaxis.set_minor_formatter(NullFormatter())
