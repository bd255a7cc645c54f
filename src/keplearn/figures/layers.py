"""What goes into a model's network along a true orbit, and what comes out: small multiples, one panel each."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.figures import style
from keplearn.figures.along import Against, TrueOrbit
from keplearn.figures.plane import DASHES
from keplearn.models.features import feature_names
from keplearn.models.geometry import rtn_frame
from keplearn.models.neural_ode import NeuralODE
from keplearn.models.outputs import DIRECTIONS, MAGNITUDES, PRODUCTS, HeadValues

Values = Float64[np.ndarray, "quantity sample"]


@style.styled
def features(
    model: NeuralODE,
    evaluation: xarray.Dataset | OrbitDataset,
    orbit: int = 0,
    against: Against = "time",
    title: str = "",
) -> Figure:
    """Draw every input of a model's network along a true orbit, a panel each.

    In the model's canonical units. A planar model sees an orbit in space turned into its osculating plane.

    Parameters
    ----------
    model
        With its units.
    evaluation
        An evaluation or a dataset; of it only the true orbits are read.
    orbit
        Which orbit, from 0.
    against
        ``time`` (h) or ``anomaly`` (true anomaly, degrees, periapsis in the middle).
    title
        Above the figure; by default the layer's name and the orbit.

    Raises
    ------
    KeplearnError
        If the model has no units, a variable is missing, or there is no such orbit or axis.
    """
    shape = model.architecture
    along = TrueOrbit(model, evaluation, orbit, against)
    with jax.enable_x64(True):
        r, v = (jnp.asarray(x, jnp.float64) for x in (along.r, along.v))
        values = np.asarray(shape.features.function(r, v, shape.settings))
    names = feature_names(shape.feature_layer, shape.settings)
    columns = 3 if len(names) in (3, 5, 6, 9) else min(4, len(names))
    figure, panels = _small_multiples(len(names), columns)
    for k, (axes, name, row) in enumerate(zip(panels, names, values, strict=True)):
        along.draw(axes, row, color=style.TRUTH, gid=f"feature:{k}")
        axes.set_title(_typeset(name), fontsize=9.0)
        _widen(axes)
    along.finish(figure, panels, columns)
    figure.suptitle(
        title or f"Inputs of the network, {shape.feature_layer} (canonical units)\n{along.one.title}"
    )
    return figure


@style.styled
def outputs(
    model: NeuralODE,
    evaluation: xarray.Dataset | OrbitDataset,
    orbit: int = 0,
    against: Against = "time",
    title: str = "",
) -> Figure:
    """Draw every output of a model's network along a true orbit, and what the output layer makes of them.

    The first row shows the outputs, after the final activation if there is one. Where they are m and **d** of
    M(m) · D(**d**), the second row shows M and D. Whatever has a true value in the data has it beside it: the
    acceleration or its components, where D is a unit vector M and D each (with the sign of M), a potential up
    to a constant.

    Parameters
    ----------
    model
        With its units.
    evaluation
        An evaluation or a dataset; of it only the true orbits are read.
    orbit
        Which orbit, from 0.
    against
        ``time`` (h) or ``anomaly`` (true anomaly, degrees, periapsis in the middle).
    title
        Above the figure; by default the layer's name and the orbit.

    Raises
    ------
    KeplearnError
        If the model has no units, a variable is missing, or there is no such orbit or axis.
    """
    shape = model.architecture
    along = TrueOrbit(model, evaluation, orbit, against)
    with jax.enable_x64(True):
        exact = model.astype(jnp.float64)
        r, v, a = (jnp.asarray(x, jnp.float64) for x in (along.r, along.v, along.a))
        emitted = exact.network(r, v)
        in_frame = jnp.stack([jnp.sum(axis * a, axis=0) for axis in rtn_frame(r, v)])
        local = shape.output_layer.startswith("mlp_rtn")
        made = _made(exact, emitted)
        true = np.asarray(in_frame if local else a)
    emitted = np.asarray(emitted)
    names = shape.outputs.output_names
    columns = 3 if len(names) % 3 == 0 else min(4, len(names))
    figure, panels = _small_multiples(len(names) + len(made), columns)
    truths = _truths(shape.output_layer, along, true, emitted)
    for k, (axes, name, row) in enumerate(zip(panels, names, emitted, strict=False)):
        _draw_pair(along, axes, row, truths.get(k), f"output:{k}")
        axes.set_title(_typeset(name), fontsize=9.0)
    if made:
        magnitude = next(iter(made.values()))
        unit = any("û" in name for name in made)
        sign = np.where(np.median(magnitude) < 0, -1.0, 1.0)
        size = np.linalg.norm(true, axis=0)
        beside = [sign * size, *(sign * true / size)] if unit else [None] * len(made)
        for k, (axes, name, truth) in enumerate(zip(panels[len(names) :], made, beside, strict=True)):
            _draw_pair(along, axes, made[name], truth, f"made:{k}")
            axes.set_title(_typeset(name), fontsize=9.0)
    along.finish(figure, panels, columns)
    text = f"Outputs of the network, and the acceleration that {shape.output_layer} makes of them"
    if not made:
        text = f"Outputs of the network, {shape.output_layer}"
    figure.suptitle(title or f"{text} (canonical units)\n{along.one.title}")
    return figure


def _made(model: NeuralODE, emitted: Any) -> dict[str, Float64[np.ndarray, "sample"]]:
    """Return M(m) and the components of D(d) by name, for heads that are such a product."""
    name = model.architecture.output_layer
    maps = ("exp(m)", "û(d)") if name == "mlp_rtn_logmag_unit_exp" else PRODUCTS.get(name)
    if maps is None:
        return {}
    magnitude, direction = maps
    values = HeadValues(model.parameters.log_scale, model.max_acceleration)
    rows = [MAGNITUDES[magnitude](emitted[0], values), *DIRECTIONS[direction](emitted[1:])]
    axes = "RTN" if name.startswith("mlp_rtn") else "xyz"
    names = [f"M = {magnitude}", *(f"D_{axis} of {direction}" for axis in axes)]
    return {name: np.asarray(row) for name, row in zip(names, rows, strict=True)}


def _truths(
    head: str, along: TrueOrbit, true: Values, emitted: Values
) -> dict[int, Float64[np.ndarray, "sample"]]:
    """Return the true value of each output that has one."""
    if head == "mlp_simple":
        return dict(enumerate([*along.v, *true]))
    if head in ("mlp_simple_hybrid", "mlp_rtn"):
        return dict(enumerate(true))
    if head == "potential":
        wanted = -1.0 / np.linalg.norm(along.r, axis=0)
        return {0: wanted + np.mean(emitted[0] - wanted)}
    return {}


def _draw_pair(
    along: TrueOrbit,
    axes: Axes,
    values: Float64[np.ndarray, "sample"],
    truth: Float64[np.ndarray, "sample"] | None,
    gid: str,
) -> None:
    """Draw what the model says, and what is true where it is known."""
    if truth is not None:
        along.draw(axes, truth, color=style.TRUTH, label="true", gid=f"true:{gid}")
    look = {"linestyle": DASHES if truth is not None else "-", "label": "model at the true states"}
    along.draw(axes, values, color=style.FIELD, gid=gid, **look)
    _widen(axes)


def _small_multiples(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure and its first ``count`` panels; the others are hidden."""
    rows = -(-count // columns)
    figure, panels = style.new_figure(1.2 * rows + 1.15, [1.0] * rows, columns)
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def _widen(axes: Axes) -> None:
    """Keep rounding out of sight: a constant is a straight line in the middle."""
    low, high = axes.dataLim.y0, axes.dataLim.y1
    least = max(1e-6, 1e-3 * max(abs(low), abs(high)))
    if high - low < least:
        axes.set_ylim((low + high) / 2 - 0.5, (low + high) / 2 + 0.5)


def _typeset(name: str) -> str:
    """Set what follows a ``_`` below the line: v_x, and r'_x as r' with x below."""
    return re.sub(r"(\w)('?)_(\w)", lambda m: rf"${m[1]}{m[2]}_{{{m[3]}}}$", name)
