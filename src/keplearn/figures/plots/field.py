"""The figure of the learned field's residual over a plane."""

from typing import Any, Literal

import numpy as np
import xarray
from jaxtyping import Bool, Float64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from keplearn.evaluation.field import residual_field
from keplearn.figures.parts import style
from keplearn.figures.parts.colours import draw_meshes
from keplearn.figures.parts.inputs import finite, require_finite
from keplearn.figures.parts.lost import draw_lost_cells
from keplearn.figures.registry import figure
from keplearn.orbits.bodies import body_of

_ARROWS = 13
# Inches: a map that is higher becomes narrower.
_HIGHEST = 7.0
# Makes a white line seen on the white of the legend.
_OUTLINE = [withStroke(linewidth=1.8, foreground=style.GREY)]


@figure(
    "model",
    {"show": "residual, or vectors besides."},
    prepare=residual_field,
)
def field(
    found: xarray.Dataset, title: str = "", show: Literal["residual", "vectors"] = "residual"
) -> Figure:
    """Draw the residual of the vector field in percent over x and y, with the training orbits on top.

    Parameters
    ----------
    found
        As `keplearn.evaluation.field.residual_field` gives it: km, %, km/s².
    title
        Above the figure.
    show
        With ``vectors`` the learned and the true acceleration are drawn as arrows too; their length goes as the fourth
        root of the size, as in `keplearn.figures.orbit`.

    Where the residual is not finite the map is hatched, as what is lost is elsewhere, and the cells are counted.

    Raises
    ------
    KeplearnError
        If a variable is missing.
    """
    require_finite(
        found, ("residual", "training_x", "training_y", "learned_x", "learned_y", "true_x", "true_y"), least=0
    )
    x, y = found["x"].to_numpy(), found["y"].to_numpy()
    figure, axes = _new_panel(x, y, bool(title))
    residual, inside = finite(found["residual"]), np.isnan(found["true_x"].to_numpy())
    lost = ~inside & np.isnan(residual)
    label = "residual of the acceleration, 100 |Δa| / |a| (%)"
    if found.attrs.get("uses_velocity"):
        label += "\nat the velocity of the circular prograde orbit"
    draw_meshes(figure, [(axes, (x, y), _to_the_ground(residual, inside))], label)
    handles = [_draw_training_orbits(axes, found), *_draw_body(axes, found)]
    handles += draw_lost_cells([(axes, (_edges(x), _edges(y)), lost)], "not finite: lost")
    if show == "vectors":
        handles += _draw_vectors(axes, found)
    axes.set(xlim=x[[0, -1]], ylim=y[[0, -1]])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(style.THOUSANDS)
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


def _draw_body(axes: Axes, found: xarray.Dataset) -> list[Artist]:
    body = body_of(found.attrs["mu"], found.attrs)
    if body.radius is None:
        return []
    disc = Circle((0, 0), body.radius, facecolor=style.EARTH, edgecolor=style.BLACK, linewidth=0.6)
    disc.set(zorder=2.5, gid="body")
    axes.add_patch(disc)
    ball: dict[str, Any] = {"marker": "o", "markersize": 8, "color": style.EARTH, "markeredgecolor": "black"}
    label = f"{body.name}, to scale"
    return [Line2D([], [], linestyle="none", markeredgewidth=0.6, label=label, **ball)]


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


def _edges(centres: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n+1"]:
    """The ends of cells of one width from their centres."""
    half = (centres[1] - centres[0]) / 2
    return np.append(centres - half, centres[-1] + half)


def _to_the_ground(
    values: Float64[np.ndarray, "y x"], inside: Bool[np.ndarray, "y x"]
) -> Float64[np.ndarray, "y x"]:
    """Let the pixels inside that the body's edge cuts have their neighbours' mean: its disc hides most of them."""
    around = np.pad(values, 1, constant_values=np.nan)
    shifted = [around[1 + i : i - 1 or None, 1 + k : k - 1 or None] for i in (-1, 0, 1) for k in (-1, 0, 1)]
    known = np.isfinite(shifted)
    mean = np.nansum(shifted, axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(inside & known.any(axis=0), mean, values)


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
