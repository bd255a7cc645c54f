"""What comes out of a model's network along a true orbit, a panel each."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.figures.parts import style
from keplearn.figures.parts.along import TrueOrbit
from keplearn.figures.parts.multiples import small_multiples, typeset, widen
from keplearn.figures.parts.plane import DASHES
from keplearn.figures.registry import figure
from keplearn.models.geometry import rtn_frame
from keplearn.models.kinds import Model, field_of
from keplearn.models.neural_ode import NeuralODE
from keplearn.models.outputs import DIRECTIONS, MAGNITUDES, PRODUCTS, HeadValues

Values = Float64[np.ndarray, "_ sample"]


@figure("orbit", {"against": "time or (true) anomaly."})
def outputs(
    model: Model,
    evaluation: xarray.Dataset | OrbitDataset,
    orbit: int = 0,
    against: Literal["time", "anomaly"] | str = "time",
    title: str = "",
) -> Figure:
    """Draw each output of the network along a true orbit, and the acceleration that comes of them.

    First the outputs, after the final activation if there is one. Where they are m and **d** of M(m) · D(**d**),
    a second row shows M and the components of D, unless these are m and **d** themselves. The last row is the
    model's acceleration beside the true one; where the outputs are its components, they have the true ones
    beside them at once, and a potential has −1/r, up to a constant; the logarithms of `central` and
    `potential_exp` have those of |a| and 1/r.

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
    model = field_of(model)
    shape = model.architecture
    along = TrueOrbit(model, evaluation, orbit, against)
    with jax.enable_x64(True):
        exact = model.astype(jnp.float64)
        r, v, a = (jnp.asarray(x, jnp.float64) for x in (along.r, along.v, along.a))
        emitted, drift = exact.network(r, v), exact.derivative(r, v)
        local = shape.output_layer.startswith("mlp_rtn")
        frame = rtn_frame(r, v) if local else jnp.eye(3)[:, :, None]
        predicted, true = (np.stack([jnp.sum(axis * x, axis=0) for axis in frame]) for x in (drift[1], a))
        made = _made(exact, emitted)
    emitted = np.asarray(emitted)
    axes = "RTN" if local else "xyz"
    direct = _direct_truths(shape.output_layer, along, true, emitted)
    names = shape.outputs.output_names
    rows = [(f"output:{k}", names[k], emitted[k], direct.get(k)) for k in range(len(names))]
    rows += [(f"made:{k}", name, row, None) for k, (name, row) in enumerate(made.items())]
    if shape.outputs.size == 4:
        size, true_size = np.linalg.norm(predicted, axis=0), np.linalg.norm(true, axis=0)
        rows.append(("acceleration:size", "acceleration |a|", size, true_size))
    if shape.outputs.size in (1, 4):
        rows += [
            (f"acceleration:{k}", f"acceleration a_{axis}", predicted[k], true[k])
            for k, axis in enumerate(axes)
        ]
    columns = 3 if len(rows) % 4 else 4
    figure, panels = small_multiples(len(rows), columns)
    for panel, (gid, name, values, truth) in zip(panels, rows, strict=True):
        _draw_pair(along, panel, values, truth, gid)
        panel.set_title(typeset(name), fontsize=9.0)
    along.finish(figure, panels, columns)
    figure.suptitle(
        title or f"Outputs of the network for {shape.output_layer} (canonical units)\n{along.one.title}"
    )
    return figure


def _made(model: NeuralODE, emitted: Any) -> dict[str, Float64[np.ndarray, "sample"]]:
    """Return M(m) and the components of D(d) by name, for heads that are such a product and no plain one."""
    name = model.architecture.output_layer
    maps = ("exp(m)", "û(d)") if name == "mlp_rtn_logmag_unit_exp" else PRODUCTS.get(name)
    if maps is None or maps == ("m", "d"):
        return {}
    magnitude, direction = maps
    values = HeadValues(model.parameters.log_scale, model.scales.max_acceleration)
    rows = [MAGNITUDES[magnitude](emitted[0], values), *DIRECTIONS[direction](emitted[1:])]
    axes = "RTN" if name.startswith("mlp_rtn") else "xyz"
    names = [f"magnitude {magnitude}", *(f"{axis} of {direction}" for axis in axes)]
    return {name: np.asarray(row) for name, row in zip(names, rows, strict=True)}


def _direct_truths(
    head: str, along: TrueOrbit, true: Values, emitted: Values
) -> dict[int, Float64[np.ndarray, "sample"]]:
    """Return the true value of each output that has one itself."""
    if head == "mlp_simple":
        return dict(enumerate([*along.v, *true]))
    if head in ("mlp_simple_hybrid", "mlp_rtn"):
        return dict(enumerate(true))
    if head == "potential":
        wanted = -1.0 / np.linalg.norm(along.r, axis=0)
        return {0: wanted + np.mean(emitted[0] - wanted)}
    if head == "potential_exp":
        return {0: -np.log(np.linalg.norm(along.r, axis=0))}
    if head == "central":
        return {0: np.log(np.linalg.norm(true, axis=0))}
    return {}


def _draw_pair(
    along: TrueOrbit,
    axes: Axes,
    values: Float64[np.ndarray, "sample"],
    truth: Float64[np.ndarray, "sample"] | None,
    gid: str,
) -> None:
    """Draw what the model says, and what is true where it is known."""
    if truth is None:
        along.draw(axes, values, color=style.FIELD, label="network at the true states", gid=gid)
    else:
        look = {"color": style.FIELD, "linestyle": DASHES, "label": "model at the true states"}
        along.draw(axes, truth, color=style.TRUTH, label="true", gid=f"true:{gid}")
        along.draw(axes, values, gid=gid, **look)
    widen(axes)
