"""The figure of a model's errors over semi-major axis and eccentricity."""

from typing import Any

import numpy as np
import xarray
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.grid import ae_grid
from keplearn.evaluation.metrics import find_metric, sampled
from keplearn.evaluation.ranking import measured_over
from keplearn.figures.parts import style
from keplearn.figures.parts.colours import draw_mesh
from keplearn.figures.parts.inputs import finite, require_finite
from keplearn.figures.parts.lost import draw_lost_cells
from keplearn.figures.registry import figure
from keplearn.models.neural_ode import NeuralODE
from keplearn.orbits.bodies import body_of


def _measure(
    model: NeuralODE, training: OrbitDataset, quantity: str, segments: int | None = None
) -> xarray.Dataset:
    find_metric(quantity, sampled("wide"), "--metric")  # told before minutes of propagation
    return ae_grid(model, training, segments=segments or None)


@figure(
    "model",
    {
        "quantity": (
            "--metric",
            "--quantity",
            "mean (along the propagated path) or field (at the true states).",
        ),
        "segments": "Restart from the true state every so many samples; by default never.",
    },
    prepare=_measure,
)
def grid(found: xarray.Dataset, title: str = "", quantity: str = "mean") -> Figure:
    """Draw the error over semi-major axis and eccentricity, with the training orbits on top.

    A cell that lost samples, diverged or not finite, is worse than any number: hatched on a colour that is none of
    the scale. The colours reach from the 1st to the 99th percentile of the others.

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
    label = find_metric(quantity, sampled("wide"), "quantity").run_label
    if over := measured_over(found.attrs.get("segments")):
        label = f"{label}\n{over}"
    require_finite(
        found,
        (quantity, f"lost_{quantity}", "masked", "a_edges", "e_edges", "training_a", "training_e"),
        least=0,
    )
    a_edges, e_edges = found["a_edges"].to_numpy(), found["e_edges"].to_numpy()
    figure, (axes,) = style.new_figure(4.6)
    axes.grid(visible=False)
    axes.set(xlim=a_edges[[0, -1]], ylim=e_edges[[0, -1]])
    lost = found[f"lost_{quantity}"].to_numpy() > 0
    shown = np.where(lost, np.nan, finite(found[quantity]))
    draw_mesh(figure, axes, (a_edges, e_edges), shown, label)
    handles: list[Artist] = [_draw_training_points(axes, found)]
    handles += _draw_masked(axes, found)
    handles += draw_lost_cells(axes, (a_edges, e_edges), lost, "samples lost")
    axes.set_xlabel("semi-major axis a (10³ km)")
    axes.set_ylabel("eccentricity e")
    axes.xaxis.set_major_formatter(style.THOUSANDS)
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
    """Grey out the cells that meet the body, with the line where the periapsis is on the ground."""
    masked = found["masked"].to_numpy()
    if not masked.any():
        return []
    for rectangle in _rectangles(found, masked):
        axes.add_patch(rectangle)
        rectangle.set(facecolor=style.PALE, edgecolor=style.PALE, linewidth=0.4, gid="masked")
    low, high = found["a_edges"].to_numpy()[[0, -1]]
    a = np.linspace(low, high, 400)
    ground: dict[str, Any] = {"color": style.BLACK, "linewidth": 1.2, "linestyle": (0, (4, 1.5))}
    body = body_of(found.attrs["mu"], found.attrs)
    axes.plot(a, 1.0 - body.known_radius / a, gid="ground", **ground)
    return [
        Patch(facecolor=style.PALE, label=f"periapsis below the surface of {body.the}"),
        Line2D([], [], label="periapsis on the surface", **ground),
    ]


def _rectangles(found: xarray.Dataset, chosen: np.ndarray) -> list[Rectangle]:
    """The outlines of cells."""
    a, e = found["a_edges"].to_numpy().tolist(), found["e_edges"].to_numpy().tolist()
    cells = zip(*np.nonzero(chosen), strict=True)
    return [Rectangle((a[k], e[i]), a[k + 1] - a[k], e[i + 1] - e[i]) for i, k in cells]
