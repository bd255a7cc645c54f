"""The acceleration of all orbits over true anomaly: what happens at periapsis, and what far from it."""

from typing import Any, NamedTuple

import numpy as np
import xarray
from jaxtyping import Float64, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, MultipleLocator

from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.statistics import quantiles
from keplearn.evaluation.vectors import angle_deg
from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import require, true_anomalies
from keplearn.figures.parts.labels import wrap

GRID = np.linspace(-180.0, 180.0, 181)
"""True anomalies at which the orbits are compared, degrees."""

LEVELS = (5, 25, 50, 75, 95)
"""Percentiles over the orbits."""

_LEAST_REVOLUTION = 300.0
"""Degrees from the first to the last sample that are a whole revolution, one sample short: 40° at e = 0.9."""

OnGrid = Float64[np.ndarray, "orbit angle"]


class _Side(NamedTuple):
    """A column of the figure: a name, its colour, and what is in its panels."""

    name: str
    label: str
    colour: str
    magnitude: OnGrid
    angle: OnGrid
    error: OnGrid


@style.styled
def acceleration_all(evaluation: xarray.Dataset, title: str = "") -> Figure:
    """Draw magnitude, direction and error of the acceleration over true anomaly: median and bands over orbits.

    On the left along the model's propagated path, at the same times as the truth (``mean``); on the right at the
    true states (``field``). The true anomaly is that of the true orbit, counted in the plane of its first sample;
    of a circle, the angle from its node, or from +x.

    Samples are at equal mean anomaly, few near the periapsis of an eccentric orbit. So each orbit is interpolated
    between its neighbouring samples, linearly, to whole even degrees, and counts once at each. From the last
    sample of a revolution to the place of the first, errors along the path keep their last value. Where a
    prediction has diverged its error and angle count as worse than any number, and percentiles among them leave
    the panel at its top; its magnitude is left out. The title then counts the samples, and a panel the orbits at
    each angle.

    Parameters
    ----------
    evaluation
        Truth, predictions and errors in % (`keplearn.evaluation.layout`).
    title
        Above the figure; by default the dataset's name and number of orbits.

    Raises
    ------
    KeplearnError
        If a variable is missing, or there is no orbit.
    """
    names = ("position", "velocity", "acceleration", "predicted_acceleration", "field_acceleration")
    require(evaluation, (*names, "mean", "field", "true_anomaly", "eccentricity", "diverged"))
    vectors = {name: evaluation[name].to_numpy().astype(np.float64) for name in names}
    anomaly = true_anomalies(evaluation)
    truth = vectors["acceleration"]
    true = _on_grid(anomaly, np.linalg.norm(truth, axis=-1), periodic=True)
    sides = []
    for name, prefix, label, colour in (
        ("mean", "predicted", "along the propagated path", style.PREDICTION),
        ("field", "field", "at the true states", style.FIELD),
    ):
        a = vectors[f"{prefix}_acceleration"]
        with np.errstate(over="ignore", invalid="ignore"):
            drawn = (np.linalg.norm(a, axis=-1), angle_deg(a, truth), evaluation[name].to_numpy())
        on_grid = [_on_grid(anomaly, x.astype(np.float64), periodic=name == "field") for x in drawn]
        # A magnitude has no worst end; angles and errors have.
        sides.append(_Side(name, label, colour, on_grid[0], *(_lost_as_worst(x, true) for x in on_grid[1:])))
    counts = [np.isfinite(side.error).sum(axis=0) for side in sides]
    orbits = evaluation.sizes["orbit"]
    varies = any((count != orbits).any() for count in counts)
    rows = [1.0, 1.0, 1.2, *[0.5] * varies]
    figure, panels = style.new_figure(1.35 * sum(rows) + 1.0, rows, columns=2)
    bands = {what: _band([getattr(side, what) for side in sides]) for what in ("angle", "error")}
    for column, side in enumerate(sides):
        _draw_side(panels[column::2], side, true, bands)
        if varies:
            _draw_counts(panels[6 + column], side, counts[column], orbits)
        panels[column].set_title(side.label)
        panels[-2 + column].set_xlabel("true anomaly (°)")
    _finish(panels, counts if varies else None)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3)
    name = str(evaluation.attrs.get("dataset", "")) or "all orbits"
    figure.suptitle((title or f"{name}: {orbits} orbit{'s' * (orbits != 1)}") + _left_out(evaluation))
    return figure


def _on_grid(
    anomaly: Float64[np.ndarray, "orbit sample"],
    values: Float64[np.ndarray, "orbit sample"],
    *,
    periodic: bool,
) -> OnGrid:
    """Interpolate each orbit to `GRID`; NaN where it has no two neighbouring samples that are finite.

    ``anomaly`` in degrees, increasing along each orbit, more than a revolution or less; of several passages the
    last counts. After a whole revolution, one sample short, the first value comes again if ``periodic``, else the
    last one stays.
    """
    found = np.full((len(values), len(GRID)), np.nan)
    for k, (x, y) in enumerate(zip(anomaly, values, strict=True)):
        real = np.isfinite(x)
        x, y = x[real], np.where(np.isfinite(y), y, np.nan)[real]
        if len(x) < 2:
            continue
        if _LEAST_REVOLUTION < x[-1] - x[0] < 360.0:
            x, y = np.append(x, x[0] + 360.0), np.append(y, y[0 if periodic else -1])
        for turn in range(int((x.min() + 180) // 360), int((x.max() + 180) // 360) + 1):
            # NaN in either neighbour gives NaN.
            inside = np.interp(GRID + 360 * turn, x, y, left=np.nan, right=np.nan)
            found[k] = np.where(np.isfinite(inside), inside, found[k])
    # One angle, twice on the axis.
    found[:, 0] = np.where(np.isfinite(found[:, 0]), found[:, 0], found[:, -1])
    found[:, -1] = found[:, 0]
    return found


def _lost_as_worst(values: OnGrid, true: OnGrid) -> OnGrid:
    """Infinity for what is not finite where the true orbit passes."""
    return np.where(np.isfinite(true) & ~np.isfinite(values), np.inf, values)


def _percentiles(values: OnGrid) -> Float64[np.ndarray, "level angle"]:
    """The `LEVELS` over the orbits of each angle, lost ones infinite; NaN where there is none."""
    return np.array([quantiles(at, [level / 100 for level in LEVELS]) for at in values.T]).T


def _band(values: list[OnGrid]) -> tuple[float, float] | None:
    """The ends of the band for what is infinite in a row's panels, above all that is not; None without any."""
    drawn = np.concatenate([_percentiles(x) for x in values])
    finite = drawn[np.isfinite(drawn) & (drawn > 0)]
    if not np.isposinf(drawn).any():
        return None
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.1, 1.0)
    decades = max(np.log10(high / low), 1.0)
    return high * 10 ** (0.04 * decades), high * 10 ** (0.22 * decades)


def _draw_side(
    panels: list[Axes], side: _Side, true: OnGrid, bands: dict[str, tuple[float, float] | None]
) -> None:
    """Draw magnitude, angle and error of one column."""
    for axes, what in zip(panels, ("magnitude", "angle", "error"), strict=False):
        found = _percentiles(getattr(side, what))
        if band := bands.get(what):
            axes.axhspan(*band, facecolor=style.LOST, linewidth=0.0, zorder=0.6)
            found = np.where(np.isposinf(found), np.sqrt(band[0] * band[1]), found)
            axes.text(
                -176.0, np.sqrt(band[0] * band[1]), "lost", color=style.VERMILION, fontsize=8, va="center",
                gid="lost axis",
            )  # fmt: skip
        low, first, median, third, high = found
        gid = f"{side.name}:{what}"
        look: dict[str, Any] = {"color": side.colour, "linewidth": 0}
        axes.fill_between(GRID, low, high, alpha=0.18, gid=f"{gid}:5-95", **look)
        axes.fill_between(GRID, first, third, alpha=0.32, gid=f"{gid}:25-75", **look)
        axes.plot(GRID, median, color=side.colour, gid=f"{gid}:median")
        if what == "magnitude":
            bounds = _percentiles(true)
            axes.plot(GRID, bounds[2], color=style.TRUTH, linestyle=(0, (4, 1.5)), gid="true:median")
            for bound in (bounds[0], bounds[-1]):
                axes.plot(
                    GRID, bound, color=style.TRUTH, linewidth=0.8, linestyle=(0, (1, 1)), gid="true:5-95"
                )
        axes.axvline(0.0, color=style.GREEN, linewidth=1.0, zorder=0.8, gid="periapsis")
        style.log_axis(axes)


def _draw_counts(axes: Axes, side: _Side, count: Int[np.ndarray, "angle"], orbits: int) -> None:
    """Draw how many orbits stand behind each angle."""
    axes.plot(GRID, count, color=side.colour, drawstyle="steps-mid", gid=f"{side.name}:orbits")
    axes.axhline(orbits, color=style.GREY, linewidth=0.8, linestyle=(0, (1, 1)))
    axes.axvline(0.0, color=style.GREEN, linewidth=1.0, zorder=0.8, gid="periapsis")


def _finish(panels: list[Axes], counts: list[Int[np.ndarray, "angle"]] | None) -> None:
    """Give both columns one range a row, and name the axes."""
    angle, error = METRICS["theta-deg"], METRICS["mean"]
    labels = ["|a| (km/s²)", *(wrap(metric.short_label, 20) for metric in (angle, error))]
    for row, label in enumerate([*labels, *["orbits"] * (counts is not None)]):
        left, right = panels[2 * row : 2 * row + 2]
        limits = [axes.get_ylim() for axes in (left, right)]
        low, high = min(x[0] for x in limits), max(x[1] for x in limits)
        if row in (1, 2):
            low, high = style.above_rounding(low, high, (angle if row == 1 else error).rounding)
        if label == "orbits" and counts is not None:
            low, high = 0.0, 1.12 * max(int(count.max()) for count in counts)
            for axes in (left, right):
                axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        for axes in (left, right):
            axes.set_ylim(low, high)
            axes.set_xlim(-180, 180)
            axes.xaxis.set_major_locator(MultipleLocator(90))
        right.tick_params(labelleft=False, which="both")
        left.set_ylabel(label)


def _left_out(evaluation: xarray.Dataset) -> str:
    """Say on a line of its own how many samples have no finite error, if there are any."""
    real = np.isfinite(evaluation["position"].to_numpy()).all(axis=-1)
    lost = real & ~np.isfinite(evaluation["mean"].to_numpy())
    diverged = int(((evaluation["diverged"].to_numpy() > 0) | lost.any(axis=1)).sum())
    if not diverged:
        return ""
    orbits = "1 orbit" if diverged == 1 else f"{diverged} orbits"
    return f"\n{orbits} diverged: on the left {lost.sum():,} of {real.sum():,} samples are missing"


def _legend() -> list[Artist]:
    """Return the legend's entries."""
    grey = style.GREY
    return [
        Line2D([], [], color=grey, label="median over the orbits"),
        Line2D([], [], color=style.GREEN, linewidth=1.0, label="periapsis"),
        Patch(color=grey, alpha=0.5, linewidth=0, label="25 to 75 %"),
        Patch(color=grey, alpha=0.2, linewidth=0, label="5 to 95 %"),
        Line2D([], [], color=style.TRUTH, linestyle=(0, (4, 1.5)), label="true: median"),
        Line2D([], [], color=style.TRUTH, linewidth=0.8, linestyle=(0, (1, 1)), label="true: 5 and 95 %"),
    ]
