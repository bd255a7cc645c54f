"""The figure of the learned field's slope over radius, of one run or several."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from keplearn.core.errors import KeplearnError
from keplearn.core.numbers import number_text
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.slope import slope as measure
from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import finite, require_finite
from keplearn.figures.parts.labels import number
from keplearn.figures.registry import figure
from keplearn.models.kinds import Model
from keplearn.orbits.bodies import body_of

_TRUE_SLOPE = -2.0
# A longer label of a run and its slopes do not fit into a line of the legend.
_LEGEND_LETTERS = 24
# Slopes further from the truth are wrong, however far: the panel ends there.
_SHOWN_SLOPES = (-5.0, 1.0)
_DASHES: dict[str, Any] = {"color": style.BLUE, "linestyle": (0, (4, 1.5)), "linewidth": 1.5}
_TRUTH: dict[str, Any] = {"color": style.TRUTH, "linewidth": 2.6, "alpha": 0.85}
_AT_STATES: dict[str, Any] = {"linestyle": "none", "marker": ".", "markersize": 3, "color": style.PURPLE}
_BEYOND: dict[str, Any] = _AT_STATES | {"marker": "o", "markerfacecolor": "none", "markeredgewidth": 0.6}


def _measured(
    models: Sequence[Model], trainings: Sequence[OrbitDataset], labels: Sequence[str]
) -> dict[str, xarray.Dataset]:
    """Return the slopes of models by label."""
    return dict(zip(labels, map(measure, models, trainings), strict=True))


@figure("models", {"unit": "Radii in km, or in those of the central body (body)."}, prepare=_measured)
def slope(found: Mapping[str, xarray.Dataset], unit: Literal["km", "body"] = "km", title: str = "") -> Figure:
    """Draw acceleration against radius on logarithmic axes, with the fitted slope, -2 and the training range.

    The curves are asked at the velocity of the circular orbit. A model that uses velocity may know its own orbits and
    not these: the dots are at states of orbits, the training orbits' own, and beyond them of larger ones of their
    shape.

    Parameters
    ----------
    found
        By label of a model, what `keplearn.evaluation.slope.slope` gives: km, km/s². Of one model the spread over
        directions and the fit are drawn too.
    unit
        Of the radius.
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If a variable is missing, nothing is finite, or the body's radius is asked for and not known.
    """
    names = ("acceleration", "local_slope", "state_acceleration")
    for one in found.values():
        require_finite(one, (*(f"{x}{end}" for x in names[:2] for end in ("", "_low", "_high")), *names[2:]))
    if not found:
        raise KeplearnError("There is nothing to draw: no model was given.")
    first, *_ = found.values()
    length = _length(first, unit)
    figure, (above, below) = style.new_figure(5.2 + 0.3 * max(0, len(found) - 1), (1.35, 1.0))
    for axes in (above, below):
        axes.set_xscale("log")
    above.set_yscale("log")
    longest = max(found.values(), key=lambda one: one["radius"][-1])
    above.plot(longest["radius"] / length, longest["true_acceleration"], gid="true", **_TRUTH)
    below.axhline(_TRUE_SLOPE, gid="true", zorder=1.5, **_TRUTH)
    entries: dict[str, Any] = {"two-body law: slope −2": Line2D([], [], **_TRUTH)}
    if len(found) == 1:
        entries |= _draw_one(first, above, below, length)
    else:
        entries |= _draw_several(found, above, below, length)
    true = longest["true_acceleration"].to_numpy()
    floor, roof = above.get_ylim()
    above.set_ylim(max(floor, true.min() / 30), min(roof, true.max() * 30))
    above.set_ylabel("|a| (km/s²)")
    below.set_ylabel("local slope\nd log|a| / d log r")
    circular = any(one.attrs.get("uses_velocity") for one in found.values())
    curves = "curves" if len(found) > 1 else "curve"
    velocity = f"; {curves} at the velocity of the circular orbit" if circular else ""
    body = body_of(first.attrs["mu"], first.attrs).the.removeprefix("the ")
    below.set_xlabel("radius r " + ("(10³ km)" if unit == "km" else f"({body} radii)") + velocity)
    below.set_xlim(
        min(float(one["radius"][0]) for one in found.values()) / length, float(longest["radius"][-1]) / length
    )
    below.set_ylim(*_slope_limits(found.values()))
    _radius_ticks(below, unit)
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=2 if len(found) == 1 else 1
    )
    if title:
        figure.suptitle(title)
    return figure


def _length(found: xarray.Dataset, unit: str) -> float:
    if unit == "km":
        return 1.0
    body = body_of(found.attrs["mu"], found.attrs)
    if body.radius is None:
        raise KeplearnError("--unit body: the radius of the central body is not known; draw it in km.")
    return body.radius


def _draw_one(found: xarray.Dataset, above: Axes, below: Axes, length: float) -> dict[str, Any]:
    """Draw a model's curve with its spread, its fit, and the training radii."""
    facts, radius = found.attrs, found["radius"].to_numpy() / length
    low, high = facts["training_low"] / length, facts["training_high"] / length
    learned: dict[str, Any] = {"color": style.PREDICTION, "linewidth": 1.4}
    shade = _shade((above, below), low, high)
    for axes, name in ((above, "acceleration"), (below, "local_slope")):
        if np.isfinite(facts["training_a"]):
            axes.axvline(facts["training_a"] / length, gid="training_a", **_MARK)
        least, most = (finite(found[f"{name}_{end}"]) for end in ("low", "high"))
        axes.fill_between(
            radius, least, most, color=style.PREDICTION, alpha=0.22, linewidth=0, gid=f"{name}_spread"
        )
        axes.plot(radius, finite(found[name]), gid=name, **learned)
    band = Patch(facecolor=style.PREDICTION, alpha=0.22, linewidth=0)
    entries: dict[str, Any] = {
        f"learned: median and range of {facts['directions']} directions": (band, Line2D([], [], **learned))
    }
    fitted = facts["fitted_slope"]
    if np.isfinite(fitted):
        ends = np.array([low, high])
        line = facts["fitted_acceleration"] * (ends * length / facts["reference_radius"]) ** fitted
        above.plot(ends, line, gid="fitted", **_DASHES)
        below.plot(ends, [fitted, fitted], gid="fitted", **_DASHES)
        text = f"fit in training radii: slope {fitted:.4f}, rms {number(float(facts['fit_rms_percent']))} %"
        entries[text.replace("-", "−")] = Line2D([], [], **_DASHES)
    beyond = found["state_beyond"].to_numpy().astype(bool)
    for name, chosen, look, what in (
        ("states", ~beyond, _AT_STATES, "at training states"),
        ("beyond", beyond, _BEYOND, "on larger orbits of their shape"),
    ):
        x, y = found["state_radius"].to_numpy()[chosen], found["state_acceleration"].to_numpy()[chosen]
        above.plot(x / length, y, gid=name, **look)
        text = f"{what}: slope {_slope_text(facts[f'{name}_slope'])}"
        entries[text] = Line2D([], [], **look)
    entries["training radii"] = shade
    if np.isfinite(facts["training_a"]):
        entries["largest semi-major axis in training"] = Line2D([], [], **_MARK)
    return entries


_MARK: dict[str, Any] = {"color": style.GREY, "linestyle": ":", "linewidth": 1.0, "zorder": 0.6}


def _draw_several(
    found: Mapping[str, xarray.Dataset], above: Axes, below: Axes, length: float
) -> dict[str, Any]:
    """Draw a curve a model, and where its training radii end."""
    ends = {(one.attrs["training_low"], one.attrs["training_high"]) for one in found.values()}
    entries: dict[str, Any] = {}
    for k, (label, one) in enumerate(found.items()):
        colour, marker = style.MODELS[k % len(style.MODELS)]
        radius, facts = one["radius"].to_numpy() / length, one.attrs
        look: dict[str, Any] = {
            "color": colour,
            "linewidth": 1.4,
            "marker": marker,
            "markersize": 4,
        }
        for axes, name in ((above, "acceleration"), (below, "local_slope")):
            axes.plot(radius, finite(one[name]), gid=f"{name}:{label}", markevery=(5 * k, 40), **look)
            if len(ends) > 1:
                ending = axes.axvline(facts["training_high"] / length, gid=f"training:{label}", **_MARK)
                ending.set_color(colour)
        slopes = [_slope_text(facts[f"{name}_slope"]) for name in ("fitted", "states", "beyond")]
        between = "\n" if len(label) > _LEGEND_LETTERS else " "
        text = f"{label}:{between}slope {slopes[0]}; at training states {slopes[1]}, on larger orbits {slopes[2]}"
        entries[text] = Line2D([], [], **look)
    if len(ends) > 1:
        entries["greatest training radius, in each model's colour"] = Line2D([], [], **_MARK)
    else:
        ((low, high),) = ends
        entries["training radii"] = _shade((above, below), low / length, high / length)
    return entries


def _shade(panels: Sequence[Axes], low: float, high: float) -> Patch:
    """Shade the training radii, and return what the legend shows of it."""
    for axes in panels:
        axes.axvspan(low, high, color=style.PALE, alpha=0.5, linewidth=0, zorder=0.4, gid="training")
    return Patch(facecolor=style.PALE, edgecolor=style.GREY, linewidth=0.5)


def _slope_text(value: float) -> str:
    return f"{value:.3f}".replace("-", "−") if np.isfinite(value) else "none"


def _slope_limits(found: Any) -> tuple[float, float]:
    """Limits of the local slope that hold −2, the fits and the curves, as far as it is not hopeless."""
    parts = [np.array([_TRUE_SLOPE])]
    for one in found:
        values = finite(one["local_slope"])
        fitted = one.attrs["fitted_slope"]
        parts += [values[np.isfinite(values)], np.array([fitted if np.isfinite(fitted) else _TRUE_SLOPE])]
    kept = np.clip(np.concatenate(parts), *_SHOWN_SLOPES)
    # A slope of −2 to rounding is drawn as a line, not as its noise.
    margin = max(0.12 * float(np.ptp(kept)), 0.01)
    return float(kept.min()) - margin, float(kept.max()) + margin


def _radius_ticks(axes: Axes, unit: str) -> None:
    """Label radii in thousands of km or in radii of the body, at 1, 2 and 5 times powers of ten."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    plain = FuncFormatter(lambda value, _: number_text(value, 3))
    axes.xaxis.set_major_formatter(style.THOUSANDS if unit == "km" else plain)
    axes.xaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10))))
    axes.xaxis.set_minor_formatter(NullFormatter())
