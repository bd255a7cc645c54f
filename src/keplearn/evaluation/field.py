"""The learned field itself, without propagation: its acceleration at any state, and its residual over a plane.

All numbers are float64, in km and s. The truth is the two-body law with the training dataset's μ. The field's
slope and law are in `slope.py` and `law.py`, errors over a and e in `keplearn.evaluation.grid`.
"""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array, Float, Float64

from keplearn.core.errors import KeplearnError
from keplearn.core.programs import compiled
from keplearn.core.shapes import StateArray, VectorArray
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import check_mu
from keplearn.evaluation.subject import Subject
from keplearn.evaluation.vectors import percent_error
from keplearn.models.kinds import Model, field_of
from keplearn.systems.field import Field

if TYPE_CHECKING:
    import xarray

# States in one call, the last one filled up: all calls of all figures share one program an architecture.
_AT_ONCE = 7200
# Room around the training orbits on the map of the residual, as a share of its longer side.
_MARGIN = 0.08


def accelerations(model: Model, states: StateArray) -> VectorArray:
    """Return a model's acceleration at states, whatever precision it was trained in.

    Parameters
    ----------
    model
        A model with its units. A planar one sees z = 0 and v_z = 0, and gives no acceleration along z.
    states
        (…, 6): x, y, z in km, vx, vy, vz in km/s.

    Returns
    -------
    accelerations
        (…, 3), km/s².

    Raises
    ------
    KeplearnError
        If the model has no units.
    """
    subject = Subject.model(model)
    leaves, structure = jax.tree.flatten(subject.dynamics)
    flat = subject.units.to_canonical_states(states).reshape(-1, 6)
    if subject.planar:
        flat[:, [2, 5]] = 0.0
    found = np.empty((len(flat), 3))
    with jax.enable_x64(True):
        for k in range(0, len(flat), _AT_ONCE):
            chunk = flat[k : k + _AT_ONCE]
            arguments = (leaves, np.resize(chunk, (_AT_ONCE, 6)))
            solved = compiled(_accelerate, structure, *arguments).call(*arguments)
            found[k : k + _AT_ONCE] = np.asarray(solved)[: len(chunk)]
    return subject.units.from_canonical_accelerations(found).reshape(*states.shape[:-1], 3)


def _accelerate(structure: Any, leaves: list[Array], y: Float[Array, "state 6"]) -> Float[Array, "state 3"]:
    dynamics: Field = jax.tree.unflatten(structure, leaves)
    return jax.vmap(lambda x: dynamics.acceleration(0.0, x[:3], x[3:]))(y)


def training_radii(training: OrbitDataset) -> tuple[float, float]:
    """Return the least and the greatest radius of any sample of a dataset, km."""
    radii = np.linalg.norm(training.states[..., :3], axis=-1)
    return float(np.nanmin(radii)), float(np.nanmax(radii))


def residual_field(model: Model, training: OrbitDataset, n: int = 200) -> "xarray.Dataset":
    """Return the residual of the learned vector field in the plane z = 0, in percent of the truth.

    The frame holds the central body and the training orbits, those in space projected on the plane. Where the model
    uses velocity, it is given that of the circular prograde orbit through each point: sqrt(μ/r) along ẑ × r̂.

    Parameters
    ----------
    model
        A model with its units.
    training
        The orbits that it was trained on.
    n
        Points along x and along y.

    Returns
    -------
    found
        Over (``y``, ``x``) in km, NaN inside the body: ``residual``, 100 |**a**_θ − **a**|/|**a**| in %, the
        components ``learned_x``, ``learned_y``, ``true_x``, ``true_y`` in km/s²; and
        ``training_x``, ``training_y`` (orbit, sample) in km. In ``attrs``: ``uses_velocity``,
        ``training_planar``, names, the body.

    Raises
    ------
    KeplearnError
        If the model has no units or another mu, or n is below 2.
    """
    import xarray

    if n < 2:
        raise KeplearnError(f"a map of the field needs at least 2 points a side, not {n}.")
    check_mu(model.units, training)
    low, high = _frame(training)
    x, y = (np.linspace(low[k], high[k], n) for k in range(2))
    position = np.stack([*np.meshgrid(x, y), np.zeros((n, n))], axis=-1)
    radius = np.linalg.norm(position, axis=-1)
    outside = (radius >= training.body.known_radius) & (radius > 0.0)
    ahead = np.cross([0.0, 0.0, 1.0], position[outside])
    velocity = np.sqrt(training.mu / radius[outside] ** 3)[:, None] * ahead
    learned, true = np.full((n, n, 3), np.nan), np.full((n, n, 3), np.nan)
    states = np.concatenate([position[outside], velocity], axis=-1)
    learned[outside] = accelerations(model, states)
    true[outside] = training.reference.accelerations(np.zeros(len(states)), states)
    values = {"residual": (percent_error(learned, true), "%")}
    for key, vectors in (("learned", learned), ("true", true)):
        values |= {f"{key}_{axis}": (vectors[..., k], "km/s^2") for k, axis in enumerate("xy")}
    found = {key: (("y", "x"), array, {"units": units}) for key, (array, units) in values.items()}
    for k, axis in enumerate("xy"):
        found[f"training_{axis}"] = (("orbit", "sample"), training.states[..., k], {"units": "km"})
    return xarray.Dataset(
        found,
        coords={"x": ("x", x, {"units": "km"}), "y": ("y", y, {"units": "km"})},
        attrs={
            "training": training.name,
            "training_planar": int(training.planar),
            "mu": training.mu,
            **training.body.attributes(),
            "uses_velocity": int(field_of(model).architecture.uses_velocity),
        },
    )


def _frame(training: OrbitDataset) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """Least and greatest x and y of the body and the training orbits, with a margin; km."""
    places = training.states[..., :2].reshape(-1, 2)
    low = np.minimum(np.nanmin(places, axis=0), -training.body.known_radius)
    high = np.maximum(np.nanmax(places, axis=0), training.body.known_radius)
    margin = _MARGIN * float((high - low).max())
    return low - margin, high + margin
