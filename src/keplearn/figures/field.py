"""Figures of the learned field: its slope over radius, its errors over a and e, its residual in the plane."""

from typing import Any

import numpy as np
import xarray
from jaxtyping import Float64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from keplearn.errors import KeplearnError, nearest
from keplearn.figures import style
from keplearn.orbits.constants import EARTH_RADIUS

QUANTITIES = {
    "mean": "mean acceleration error along the propagated path (%)",
    "field": "mean acceleration error at the true states (%)",
}
"""What `grid` can show, and what its colour bar then says."""

_COLOURS = "viridis"
"""Rises evenly in lightness: the same order in grey and with the usual colour blindnesses."""
# Slopes further from the truth are wrong, however far: the panel ends there.
_SHOWN_SLOPES = (-5.0, 1.0)
_OUTLINE = [withStroke(linewidth=1.8, foreground=style.GREY)]
"""Makes a white line seen on the white of the legend."""
_TRUE_SLOPE = -2.0
_ARROWS = 13
# Inches: a map that is higher becomes narrower.
_HIGHEST = 7.0
_THOUSANDS = FuncFormatter(lambda value, _: f"{value / 1000:g}".replace("-", "−"))


@style.styled
def slope(found: xarray.Dataset, title: str = "") -> Figure:
    """Draw the learned acceleration against radius, and below it the local slope; the truth's is −2.

    Parameters
    ----------
    found
        As `keplearn.evaluation.field.slope` gives it: km, km/s².
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If a variable is missing, or nothing is finite.
    """
    names = ("acceleration", "local_slope")
    _require(found, (*(f"{x}{end}" for x in names for end in ("", "_low", "_high")), "true_acceleration"))
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
        least, most = (_finite(found[f"{name}_{end}"]) for end in ("low", "high"))
        axes.fill_between(
            radius, least, most, color=style.PREDICTION, alpha=0.22, linewidth=0, gid=f"{name}_spread"
        )
        axes.plot(radius, _finite(found[name]), gid=name, **learned)
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
        text = f"fit in training radii: slope {fitted:.4f}, rms {facts['fit_rms_percent']:.2g} %"
        entries[text.replace("-", "−")] = Line2D([], [], **dashes)
    entries["training radii"] = shade
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=2)
    if title:
        figure.suptitle(title)
    return figure


def _slope_limits(found: xarray.Dataset, fitted: float) -> tuple[float, float]:
    """Limits of the local slope that hold −2, the fit and the curve, as far as it is not hopeless."""
    values = _finite(found["local_slope"])
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
    axes.xaxis.set_major_formatter(_THOUSANDS)
    axes.xaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10))))
    axes.xaxis.set_minor_formatter(NullFormatter())


@style.styled
def grid(found: xarray.Dataset, title: str = "", quantity: str = "mean") -> Figure:
    """Draw a model's error over semi-major axis and eccentricity, a cell an orbit, with the training orbits on top.

    Cells whose propagation diverged are hatched; the colour is that of what was finite of them, none if nothing
    was. The colours reach from the 1st to the 99th percentile of the cells.

    Parameters
    ----------
    found
        As `keplearn.evaluation.grid.ae_grid` gives it: km, %.
    title
        Above the figure.
    quantity
        ``mean`` or ``field``.

    Raises
    ------
    KeplearnError
        If a variable is missing, or the quantity is none of these.
    """
    if quantity not in QUANTITIES:
        known = ", ".join(QUANTITIES)
        raise KeplearnError(f"quantity is {quantity!r}, not one of {known}.{nearest(quantity, QUANTITIES)}")
    _require(
        found, (quantity, "diverged", "masked", "a_edges", "e_edges", "training_a", "training_e"), least=0
    )
    a_edges, e_edges = found["a_edges"].to_numpy(), found["e_edges"].to_numpy()
    figure, (axes,) = style.new_figure(4.6)
    axes.grid(visible=False)
    axes.set(xlim=a_edges[[0, -1]], ylim=e_edges[[0, -1]])
    _draw_mesh(figure, axes, (a_edges, e_edges), _finite(found[quantity]), QUANTITIES[quantity])
    handles: list[Artist] = [_draw_training_points(axes, found)]
    handles += _draw_masked(axes, found)
    handles += _draw_diverged(axes, found)
    axes.set_xlabel("semi-major axis a (10³ km)")
    axes.set_ylabel("eccentricity e")
    axes.xaxis.set_major_formatter(_THOUSANDS)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    if title:
        figure.suptitle(title)
    return figure


def _draw_training_points(axes: Axes, found: xarray.Dataset) -> Artist:
    points = axes.plot(
        found["training_a"], found["training_e"], linestyle="none", marker="o", markersize=4.0, color="white",
        markeredgecolor="black", markeredgewidth=0.8, label="training orbits", gid="training", clip_on=False,
    )  # fmt: skip
    return points[0]


def _draw_masked(axes: Axes, found: xarray.Dataset) -> list[Artist]:
    """Grey out the cells that meet the Earth, with the line where the perigee is on the ground."""
    masked = found["masked"].to_numpy()
    if not masked.any():
        return []
    for rectangle in _rectangles(found, masked):
        axes.add_patch(rectangle)
        rectangle.set(facecolor=style.PALE, edgecolor=style.PALE, linewidth=0.4, gid="masked")
    low, high = found["a_edges"].to_numpy()[[0, -1]]
    a = np.linspace(low, high, 400)
    ground: dict[str, Any] = {"color": style.BLACK, "linewidth": 1.2, "linestyle": (0, (4, 1.5))}
    axes.plot(a, 1.0 - EARTH_RADIUS / a, gid="ground", **ground)
    return [
        Patch(facecolor=style.PALE, label="perigee below the Earth's surface"),
        Line2D([], [], label="perigee on the surface", **ground),
    ]


def _draw_diverged(axes: Axes, found: xarray.Dataset) -> list[Artist]:
    diverged = found["diverged"].to_numpy()
    if not diverged.any():
        return []
    look: dict[str, Any] = {"fill": False, "hatch": "xxxxx", "edgecolor": style.VERMILION, "linewidth": 0.8}
    for rectangle in _rectangles(found, diverged):
        rectangle.set(gid="diverged", **look)
        axes.add_patch(rectangle)
    return [Patch(label=f"diverged ({int(diverged.sum())} cells)", **look)]


def _rectangles(found: xarray.Dataset, chosen: np.ndarray) -> list[Rectangle]:
    """The outlines of cells."""
    a, e = found["a_edges"].to_numpy().tolist(), found["e_edges"].to_numpy().tolist()
    cells = zip(*np.nonzero(chosen), strict=True)
    return [Rectangle((a[k], e[i]), a[k + 1] - a[k], e[i + 1] - e[i]) for i, k in cells]


@style.styled
def field(found: xarray.Dataset, title: str = "", vectors: bool = False) -> Figure:
    """Draw the residual of the learned field over x and y, with the Earth to scale and the training orbits.

    Parameters
    ----------
    found
        As `keplearn.evaluation.field.residual_field` gives it: km, %, km/s².
    title
        Above the figure.
    vectors
        Draw the learned and the true acceleration as arrows too; their length goes as the fourth root of the
        size, as in `keplearn.figures.orbit`.

    Raises
    ------
    KeplearnError
        If a variable is missing.
    """
    _require(
        found, ("residual", "training_x", "training_y", "learned_x", "learned_y", "true_x", "true_y"), least=0
    )
    x, y = found["x"].to_numpy(), found["y"].to_numpy()
    figure, axes = _new_panel(x, y, bool(title))
    residual = _finite(found["residual"])
    label = "residual of the acceleration, 100 |Δa| / |a| (%)"
    if found.attrs.get("uses_velocity"):
        label += "\nat the velocity of the circular prograde orbit"
    _draw_mesh(figure, axes, (x, y), _to_the_ground(residual), label)
    earth = Circle((0, 0), EARTH_RADIUS, facecolor=style.EARTH, edgecolor=style.BLACK, linewidth=0.6)
    earth.set(zorder=2.5, gid="earth")
    axes.add_patch(earth)
    ball: dict[str, Any] = {"marker": "o", "markersize": 8, "color": style.EARTH, "markeredgecolor": "black"}
    handles = [_draw_training_orbits(axes, found)]
    handles.append(Line2D([], [], linestyle="none", markeredgewidth=0.6, label="Earth, to scale", **ball))
    if vectors:
        handles += _draw_vectors(axes, found)
    axes.set(xlim=x[[0, -1]], ylim=y[[0, -1]])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(_THOUSANDS)
    axes.set_xlabel("x (10³ km)")
    axes.set_ylabel("y (10³ km)")
    figure.legend(handles=handles, loc="lower center", ncols=4)
    if title:
        axes.set_title(title)
    return figure


def _new_panel(x: Float64[np.ndarray, "x"], y: Float64[np.ndarray, "y"], titled: bool) -> tuple[Figure, Axes]:
    """Return a figure whose one panel has the map's shape; the scale is at its right, the legend below."""
    (left, right), (bottom, top) = (0.6, 1.25), (0.85, 0.4 if titled else 0.12)
    width = min(style.WIDTH - left - right, _HIGHEST * float(np.ptp(x) / np.ptp(y)))
    height = width * float(np.ptp(y) / np.ptp(x))
    whole = (left + width + right, bottom + height + top)
    figure = Figure(figsize=whole)
    axes = figure.add_axes((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
    axes.tick_params(labelsize=style.STYLE["xtick.labelsize"])
    axes.grid(visible=False)
    axes.set_aspect("equal")
    return figure, axes


def _draw_training_orbits(axes: Axes, found: xarray.Dataset) -> Artist:
    lines = [_closed(line) for line in np.stack([found["training_x"], found["training_y"]], axis=-1)]
    many = len(lines) > 20
    look: dict[str, Any] = {"linewidth": 0.35 if many else 0.7, "alpha": 0.55 if many else 0.9}
    axes.add_collection(LineCollection(lines, colors="white", gid="training", **look), autolim=False)
    projected = "" if found.attrs.get("training_planar", 1) else " (projected)"
    return Line2D(
        [], [], color="white", linewidth=0.9, label=f"training orbits{projected}", path_effects=_OUTLINE
    )


def _closed(line: Float64[np.ndarray, "sample 2"]) -> Float64[np.ndarray, "point 2"]:
    """The samples of an orbit without padding, back to the first where the last is a step away from it."""
    line = line[np.isfinite(line).all(axis=1)]
    longest = np.linalg.norm(np.diff(line, axis=0), axis=1).max(initial=0.0)
    closes = np.linalg.norm(line[-1] - line[0]) <= 1.5 * longest
    return np.concatenate([line, line[:1]]) if closes else line


def _to_the_ground(values: Float64[np.ndarray, "y x"]) -> Float64[np.ndarray, "y x"]:
    """Let the pixels that the Earth's edge cuts have their neighbours' mean: its disc hides most of them."""
    around = np.pad(values, 1, constant_values=np.nan)
    shifted = [around[1 + i : i - 1 or None, 1 + k : k - 1 or None] for i in (-1, 0, 1) for k in (-1, 0, 1)]
    known = np.isfinite(shifted)
    mean = np.nansum(shifted, axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(np.isnan(values) & known.any(axis=0), mean, values)


def _draw_vectors(axes: Axes, found: xarray.Dataset) -> list[Artist]:
    """Draw both accelerations as arrows, evenly over the plane."""
    x, y = found["x"].to_numpy(), found["y"].to_numpy()
    step = max(1, round(max(len(x), len(y)) / _ARROWS))
    rows, columns = (np.arange(step // 2, len(one), step) for one in (y, x))
    at = np.stack(np.meshgrid(x[columns], y[rows]), axis=-1).reshape(-1, 2)
    spacing = step * min(x[1] - x[0], y[1] - y[0])
    vectors = {
        key: np.stack([found[f"{key}_{axis}"].to_numpy()[np.ix_(rows, columns)] for axis in "xy"], axis=-1)
        for key in ("true", "learned")
    }
    vectors = {key: value.reshape(-1, 2) for key, value in vectors.items()}
    sizes = {key: np.linalg.norm(value, axis=1) for key, value in vectors.items()}
    greatest = np.nanmax(sizes["true"])
    handles: list[Artist] = []
    for key, colour, width in (("true", "black", 0.0040), ("learned", style.ORANGE, 0.0016)):
        drawn = np.isfinite(sizes["true"]) & np.isfinite(sizes[key]) & (sizes[key] > 0)
        # A field that runs away somewhere must not cover the map.
        length = 1.25 * spacing * np.minimum((sizes[key][drawn] / greatest) ** 0.25, 2.0)
        arrows = vectors[key][drawn] / sizes[key][drawn, None] * length[:, None]
        axes.quiver(
            *at[drawn].T, *arrows.T, angles="xy", scale_units="xy", scale=1, color=colour, width=width,
            headwidth=3.6, headlength=4.0, headaxislength=3.6, zorder=3, gid=key,
        )  # fmt: skip
        look: dict[str, Any] = {"marker": r"$\rightarrow$", "markersize": 15, "markeredgewidth": 0.3}
        handles.append(Line2D([], [], linestyle="none", color=colour, label=f"{key} acceleration", **look))
    return handles


def _draw_mesh(
    figure: Figure, axes: Axes, edges: tuple[np.ndarray, np.ndarray], values: np.ndarray, label: str
) -> QuadMesh:
    """Draw values (y, x) as logarithmic colours, from their 1st to their 99th percentile, with the scale."""
    low, high = _colour_limits(values)
    mesh = axes.pcolormesh(
        *edges, np.where(values > 0, values, np.where(values == 0, low, np.nan)), cmap=_COLOURS,
        norm=LogNorm(low, high), shading="auto", gid="error", rasterized=True,
    )  # fmt: skip
    finite = values[np.isfinite(values)]
    below, above = bool((finite < low).any()), bool((finite > high).any())
    extend = ("neither", "min", "max", "both")[below + 2 * above]
    # An inset is as high as the panel, also where equal scales make that lower than its place.
    bar = figure.colorbar(mesh, cax=axes.inset_axes((1.02, 0.0, 0.026, 1.0)), extend=extend)
    bar.set_label(label)
    _label_colours(bar.ax, high / low)
    return mesh


def _label_colours(axes: Axes, ratio: float) -> None:
    """Label a colour bar with plain numbers, at 1, 2 and 5 times powers of ten where it spans few decades."""

    def plain(value: float, _: Any) -> str:
        power = round(np.log10(value)) if value > 0 else 0
        return f"{value:g}" if 1e-4 < value < 1e5 or ratio < 300 else f"$10^{{{power}}}$"

    fine = ratio < 300
    powers = LogLocator(subs=(1.0, 2.0, 5.0) if fine else (1.0,), numticks=50)
    axes.yaxis.set_major_locator(MaxNLocator(5) if ratio < 4 else powers)
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.yaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10)), numticks=50))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=style.STYLE["ytick.labelsize"], which="both")
    axes.grid(visible=False)


def _colour_limits(values: np.ndarray) -> tuple[float, float]:
    """The 1st and 99th percentile of the positive values, at least a tenth of a decade apart."""
    good = values[np.isfinite(values) & (values > 0)]
    if not len(good):
        return 1e-12, 1e-11
    low, high = (float(q) for q in np.quantile(good, [0.01, 0.99]))
    middle = float(np.sqrt(low * high))
    widest = 10**0.05
    return min(low, middle / widest), max(high, middle * widest)


def _finite(values: xarray.DataArray) -> np.ndarray:
    array = values.to_numpy().astype(np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def _require(found: xarray.Dataset, names: tuple[str, ...], least: int = 1) -> None:
    """Refuse numbers without some of these variables, or of which the first has not so many finite values."""
    missing = [name for name in names if name not in found]
    if missing:
        raise KeplearnError(f"This cannot be drawn: it lacks {', '.join(missing)}.")
    if np.isfinite(found[names[0]].to_numpy()).sum() < least:
        raise KeplearnError(f"There is nothing to draw: {names[0]} is nowhere finite.")
