"""The orbits of datasets: where they lie, all at one scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import require_some
from keplearn.figures.parts.plane import between_samples, draw_body
from keplearn.figures.registry import figure
from keplearn.orbits.bodies import Body
from keplearn.orbits.kepler import period

MOST_ORBITS = 300
"""Of a larger dataset so many are drawn, evenly chosen."""
SUBSTEPS = 4

_COLUMNS = 3

_Frame = tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]


@figure("datasets")
def orbits(datasets: Sequence[OrbitDataset], title: str = "") -> Figure:
    """Draw orbits of datasets side by side, with what they go round to scale.

    Planar datasets in x and y, others in space. The colour is the eccentricity. Of a dataset of more than
    `MOST_ORBITS` orbits as many are drawn, evenly chosen, and its panel says so. Where not all samples are observed as
    they are, dots are those that are.

    Parameters
    ----------
    datasets
        Positions in km.
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If there is no dataset.
    """
    require_some(datasets)
    frame = _frame(datasets)
    top = max(float(np.nanmax(dataset.elements[:, 1], initial=0.0)) for dataset in datasets)
    colours = ScalarMappable(Normalize(0.0, top or 1.0), style.RAMP)
    figure, panels = _new_panels(datasets, frame, bar=top > 0.0, title=title)
    for dataset, axes in zip(datasets, panels, strict=True):
        _draw_orbits(axes, dataset, colours, frame)
    if top > 0.0:
        width, height = figure.get_size_inches()
        strip = figure.add_axes((0.5 - 1.5 / width, 0.42 / height, 3.0 / width, 0.09 / height))
        bar = figure.colorbar(colours, cax=strip, orientation="horizontal")
        bar.set_label("eccentricity")
        strip.tick_params(labelsize=style.STYLE["xtick.labelsize"])
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


def _new_panels(
    datasets: Sequence[OrbitDataset], frame: _Frame, *, bar: bool, title: str
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel for each dataset under its title, room for a bar at the bottom.

    In inches, for no layout of Matplotlib's knows how far the labels of a panel in space reach.
    """
    columns = min(_COLUMNS, len(datasets))
    rows = -(-len(datasets) // columns)
    cell = style.WIDTH / columns
    left, above, below, end = 0.56, 0.7, 0.48, 0.52 * bar + 0.05
    low, high = frame
    width = min(cell - left - 0.12, 4.4)
    flat = width * float((high - low)[1] / (high - low)[0])
    tall = max(flat, 0.0 if all(dataset.planar for dataset in datasets) else min(0.86 * cell, 4.2))
    whole = (style.WIDTH, rows * (above + tall + below) + end + (0.3 if title else 0.05))
    figure = Figure(figsize=whole)
    panels = []
    for k, dataset in enumerate(datasets):
        row, column = divmod(k, columns)
        x, y = column * cell, end + (rows - 1 - row) * (above + tall + below) + below
        middle = x + cell / 2 + (0.22 if columns > 1 else 0.0)
        if dataset.planar:
            box = (middle - width / 2, y + (tall - flat) / 2, width, flat)
            axes = figure.add_axes(tuple(np.divide(box, 2 * whole)))
        else:
            middle = x + cell / 2
            side = min(tall + 0.3, cell)
            box = (middle - side / 2 - 0.12, y - 0.3, side, side)
            axes = figure.add_axes(tuple(np.divide(box, 2 * whole)), projection="3d")
        panels.append(axes)
        figure.text(
            middle / whole[0], (y + tall + 0.08) / whole[1], _describe(dataset), ha="center", va="bottom",
            fontsize=8.0, linespacing=1.35, gid="panel title",
        )  # fmt: skip
    if title:
        figure.suptitle(title, y=1 - 0.08 / whole[1], va="top")
    return figure, panels


def _frame(datasets: Sequence[OrbitDataset]) -> _Frame:
    """Return the least and greatest x, y, z of all orbits and their bodies, with a margin; km."""
    radius = max(dataset.body.known_radius for dataset in datasets)
    low, high = np.full(3, -radius), np.full(3, radius)
    for dataset in datasets:
        for states in (dataset.states, dataset.observed_states):
            low = np.minimum(low, np.nanmin(states[..., :3], axis=(0, 1)))
            high = np.maximum(high, np.nanmax(states[..., :3], axis=(0, 1)))
    edge = 0.03 * (high - low).max()
    return low - edge, high + edge


def _describe(dataset: OrbitDataset) -> str:
    """Return a panel's title: name, number of orbits, ranges of a and e."""
    a, e = dataset.elements[:, 0], dataset.elements[:, 1]
    drawn = f" ({MOST_ORBITS} drawn)" if len(dataset) > MOST_ORBITS else ""
    dots = "" if dataset.observations is None else ", dots: what is observed"
    count = f"{len(dataset)} orbit{'s' * (len(dataset) != 1)}{drawn}{dots}"
    return f"{dataset.name}\n{count}\na {_range(a, ',.0f')} km\ne {_range(e, '.2f')}"


def _range(values: Float64[np.ndarray, "orbit"], form: str) -> str:
    values = values[np.isfinite(values)]
    if not len(values):
        return "unknown"
    low, high = format(values.min(), form), format(values.max(), form)
    return f"= {low}" if low == high else f"from {low} to {high}"


def _draw_orbits(axes: Axes, dataset: OrbitDataset, colours: ScalarMappable, frame: _Frame) -> None:
    """Draw a dataset's orbits in this frame, in space in a cube that holds it."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_ORBITS)).round().astype(int))
    dimensions = 2 if dataset.planar else 3
    curves = [_curve(dataset, int(k), dimensions) for k in chosen]
    look: dict[str, Any] = {
        "colors": colours.to_rgba(np.nan_to_num(dataset.elements[chosen, 1])),
        "linewidths": 1.1 if len(chosen) <= 12 else 0.7 if len(chosen) <= 50 else 0.5,
        "alpha": 1.0 if len(chosen) <= 12 else max(0.35, 0.9 - len(chosen) / 250),
        "gid": "orbits",
    }
    if dataset.observations is not None:
        places = dataset.observations[chosen, :, :dimensions].reshape(-1, dimensions)
        size = 2.2 if dataset.planar and len(chosen) <= 12 else 1.1  # the orbits' colours show between them
        dots: dict[str, Any] = {
            "linestyle": "none",
            "marker": ".",
            "markersize": size,
            "markeredgewidth": 0.0,
        }
        axes.plot(*places.T, color=style.TRUTH, gid="observed", zorder=3, **dots)
    low, high = frame
    if isinstance(axes, Axes3D):
        axes.patch.set_visible(False)  # it would cover its neighbour's labels
        _draw_globe(axes, dataset.body)
        axes.add_collection(Line3DCollection(curves, **look))
        middle, half = (low + high) / 2, (high - low).max() / 2
        for k, limit in enumerate((axes.set_xlim, axes.set_ylim, axes.set_zlim)):
            limit(middle[k] - half, middle[k] + half)
        axes.set_box_aspect((1, 1, 1), zoom=0.84)  # pyright: ignore[reportArgumentType]
        axes.set_zlabel("z (10³ km)", labelpad=-6)
        axes.view_init(elev=24, azim=-50)
        axes.zaxis.set_tick_params(pad=-2)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color((1.0, 1.0, 1.0, 0.0))  # pyright: ignore[reportAttributeAccessIssue]
    else:
        draw_body(axes, dataset.body)
        axes.add_collection(LineCollection(curves, **look))
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    spatial = isinstance(axes, Axes3D)
    axes.tick_params(labelsize=7.0 if spatial else 8.0, pad=-3 if spatial else 3)
    axes.set_xlabel("x (10³ km)", labelpad=-5 if spatial else 3)
    axes.set_ylabel("y (10³ km)", labelpad=-5 if spatial else 1)
    for axis in (axes.xaxis, axes.yaxis, *([axes.zaxis] if isinstance(axes, Axes3D) else [])):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 4, 5, 10]))
        axis.set_major_formatter(style.THOUSANDS)


def _curve(dataset: OrbitDataset, orbit: int, dimensions: int) -> Float64[np.ndarray, "point axis"]:
    """Return points along an orbit, km: its samples and some in between; closed if that is one revolution."""
    count = int(dataset.n_samples[orbit])
    samples = np.arange(count)
    times = dataset.times[orbit, :count]
    semi_major_axis = dataset.elements[orbit, :1]
    revolution = period(semi_major_axis, dataset.mu)[0] if semi_major_axis[0] > 0 else np.nan
    rest = revolution - times[-1]
    if dataset.acceleration_source == "law" and 0 < rest <= (1 + 1e-5) * np.diff(times).max():
        # A whole revolution: the next sample would be the first again.
        samples, times = np.append(samples, 0), np.append(times, revolution)
    states, a = dataset.states[orbit, samples], dataset.accelerations[orbit, samples, :dimensions]
    return between_samples(times, states[:, :dimensions], states[:, 3 : 3 + dimensions], a, SUBSTEPS)


def _draw_globe(axes: Axes3D, body: Body) -> None:
    """Draw a body in space to scale, if its radius is known."""
    if body.radius is None:
        return
    longitude, latitude = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(-np.pi / 2, np.pi / 2, 13))
    x, y = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)
    ball = body.radius * np.stack([x, y, np.sin(latitude)])
    axes.plot_surface(*ball, color=style.EARTH, edgecolor=style.GREY, linewidth=0.15, alpha=0.9)
