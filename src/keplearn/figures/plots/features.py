"""What goes into a model's network along a true orbit, a panel each."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray
from matplotlib.figure import Figure

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.figures.parts import style
from keplearn.figures.parts.along import TrueOrbit
from keplearn.figures.parts.multiples import small_multiples, typeset, widen
from keplearn.figures.registry import figure
from keplearn.models.features import feature_names
from keplearn.models.kinds import Model, field_of


@figure("orbit", {"against": "time or (true) anomaly."})
def features(
    model: Model,
    evaluation: xarray.Dataset | OrbitDataset,
    orbit: int = 0,
    against: Literal["time", "anomaly"] | str = "time",
    title: str = "",
) -> Figure:
    """Draw each input of the network along a true orbit.

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
    model = field_of(model)
    shape = model.architecture
    along = TrueOrbit(model, evaluation, orbit, against)
    with jax.enable_x64(True):
        r, v = (jnp.asarray(x, jnp.float64) for x in (along.r, along.v))
        values = np.asarray(shape.features.function(r, v, shape.settings))
    names = feature_names(shape.feature_layer, shape.settings)
    columns = 3 if len(names) in (3, 5, 6, 9) else min(4, len(names))
    figure, panels = small_multiples(len(names), columns)
    for k, (axes, name, row) in enumerate(zip(panels, names, values, strict=True)):
        along.draw(axes, row, color=style.TRUTH, gid=f"feature:{k}")
        axes.set_title(typeset(name), fontsize=9.0)
        widen(axes)
    along.finish(figure, panels, columns)
    figure.suptitle(
        title or f"Inputs of the network, {shape.feature_layer} (canonical units)\n{along.one.title}"
    )
    return figure
