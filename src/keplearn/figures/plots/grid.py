"""The figure of errors over semi-major axis and eccentricity, of one model or several."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from keplearn.core.errors import KeplearnError
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.grid import Limits, ae_grid, limits_around
from keplearn.evaluation.metrics import find_metric, sampled
from keplearn.evaluation.ranking import measured_over
from keplearn.figures.parts import style
from keplearn.figures.parts.colours import draw_meshes
from keplearn.figures.parts.facets import letters_in
from keplearn.figures.parts.inputs import finite, require_finite
from keplearn.figures.parts.labels import wrap
from keplearn.figures.parts.lost import draw_lost_cells
from keplearn.figures.parts.multiples import small_multiples
from keplearn.figures.registry import figure
from keplearn.models.kinds import Model
from keplearn.orbits.bodies import body_of


def _measure(
    models: Sequence[Model],
    trainings: Sequence[OrbitDataset],
    labels: Sequence[str],
    quantity: str,
    segments: int | None = None,
    a: Sequence[str] | None = None,
    e: Sequence[str] | None = None,
) -> dict[str, xarray.Dataset]:
    """Return the errors of models by label, of several over the same cells: around all training orbits."""
    find_metric(quantity, sampled("wide"), "--metric")  # told before minutes of propagation
    around = [limits_around(training) for training in trainings]
    reach = {}
    for name, asked, own in (("a", a, [one for one, _ in around]), ("e", e, [one for _, one in around])):
        hull = min(low for low, _ in own), max(high for _, high in own)
        reach[name] = hull if asked is None else _limits(f"--{name}", asked)
    n_a, n_e = _CELLS if len(models) == 1 else _CELLS_OF_SEVERAL
    return {
        label: ae_grid(model, training, n_a, n_e, segments=segments or None, **reach)
        for label, model, training in zip(labels, models, trainings, strict=True)
    }


def _limits(option: str, words: Sequence[str]) -> Limits:
    """Read the two numbers of an option."""
    try:
        low, high = map(float, words)
    except ValueError:
        raise KeplearnError(
            f"{option} {','.join(words)}: give two numbers, from where to where, such as {_EXAMPLES[option]}."
        ) from None
    return low, high


_CELLS, _CELLS_OF_SEVERAL = (24, 20), (16, 14)
"""Cells along a and e: of several models fewer, for panels are smaller and each is propagated."""
_LEGEND_LETTERS = 90
"""A legend of more does not fit into one line."""
_EXAMPLES = {"--a": "7000,42000", "--e": "0,0.5"}


@figure(
    "models",
    {
        "quantity": (
            "--metric",
            "--quantity",
            "mean (along the propagated path) or field (at the true states).",
        ),
        "segments": "Restart from the true state every so many samples; by default never.",
        "a": "From which semi-major axis to which, km, e.g. 7000,42000; by default around the training orbits.",
        "e": "From which eccentricity to which, e.g. 0,0.5; by default around the training orbits.",
    },
    prepare=_measure,
)
def grid(found: Mapping[str, xarray.Dataset], title: str = "", quantity: str = "mean") -> Figure:
    """Draw the error over semi-major axis and eccentricity, with the training orbits on top, a panel a model.

    A cell that lost samples, diverged or not finite, is worse than any number: hatched on a colour that is none of
    the scale. The colours reach from the 1st to the 99th percentile of the others, of all panels together.

    Parameters
    ----------
    found
        By label of a model, what `keplearn.evaluation.grid.ae_grid` gives: km, %.
    title
        Above the figure.
    quantity
        ``mean`` or ``field``.

    Raises
    ------
    KeplearnError
        If there is no model, a variable is missing, or the quantity is none of these.
    """
    if not found:
        raise KeplearnError("There is nothing to draw: no model was given.")
    label = find_metric(quantity, sampled("wide"), "quantity").run_label
    needed = (quantity, f"lost_{quantity}", "masked", "a_edges", "e_edges", "training_a", "training_e")
    for one in found.values():
        require_finite(one, needed, least=0)
    if over := measured_over(next(iter(found.values())).attrs.get("segments")):
        label = f"{label}\n{over}"
    columns = 2 if len(found) == 4 else min(len(found), 3)
    figure, panels = small_multiples(len(found), columns, 3.45 if len(found) == 1 else 2.1)
    maps, lost_maps = [], []
    for axes, one in zip(panels, found.values(), strict=True):
        edges = one["a_edges"].to_numpy(), one["e_edges"].to_numpy()
        lost = one[f"lost_{quantity}"].to_numpy() > 0
        maps.append((axes, edges, np.where(lost, np.nan, finite(one[quantity]))))
        lost_maps.append((axes, edges, lost))
    draw_meshes(figure, maps, label)
    handles: dict[str, Artist] = {}
    for k, (axes, (name, one)) in enumerate(zip(panels, found.items(), strict=True)):
        drawn = [_draw_training_points(axes, one), *_draw_masked(axes, one)]
        handles |= {str(handle.get_label()): handle for handle in drawn}
        _name_panel(axes, one, k, len(found), columns)
        if len(found) > 1:
            axes.set_title(wrap(name, letters_in(0.8 * style.WIDTH / columns, 8.5)), fontsize=8.5)
    shown = [*handles.values(), *draw_lost_cells(lost_maps, "samples lost")]
    letters = sum(len(str(handle.get_label())) for handle in shown)
    figure.legend(
        handles=shown, loc="outside lower center", ncols=len(shown) if letters <= _LEGEND_LETTERS else 2
    )
    if title:
        figure.suptitle(title)
    return figure


def _name_panel(axes: Axes, found: xarray.Dataset, k: int, count: int, columns: int) -> None:
    """Give the k-th of some panels its range, and the axes' names to those at the left and at the bottom."""
    axes.grid(visible=False)
    axes.set(xlim=found["a_edges"].to_numpy()[[0, -1]], ylim=found["e_edges"].to_numpy()[[0, -1]])
    axes.xaxis.set_major_formatter(style.THOUSANDS)
    if k + columns >= count:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("semi-major axis a (10³ km)")
    if k % columns == 0:
        axes.set_ylabel("eccentricity e")
    else:
        axes.tick_params(labelleft=False)


def _draw_training_points(axes: Axes, found: xarray.Dataset) -> Artist:
    """Draw the training orbits that are in the grid's range; where some are not, the legend says it."""
    inside = np.ones(found.sizes["orbit"], bool)
    for name in ("a", "e"):
        edges, values = found[f"{name}_edges"].to_numpy(), found[f"training_{name}"].to_numpy()
        inside &= (edges[0] <= values) & (values <= edges[-1])
    label = "training orbits" if inside.all() else "training orbits, some beyond"
    (points,) = axes.plot(
        found["training_a"][inside], found["training_e"][inside], linestyle="none", marker="o", markersize=4.0,
        color="white", markeredgecolor="black", markeredgewidth=0.8, label=label, gid="training", clip_on=False,
    )  # fmt: skip
    return points


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
