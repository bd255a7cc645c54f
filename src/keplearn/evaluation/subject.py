"""What is scored, made ready for propagation in float64: a trained model, or a system's own law."""

import hashlib
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import OrbitStates
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import Units
from keplearn.models.kinds import Architecture, Model, field_of
from keplearn.models.latent_architecture import LatentArchitecture
from keplearn.models.latent_ode import LatentODE
from keplearn.models.neural_ode import Architecture as FieldArchitecture
from keplearn.systems import System
from keplearn.systems.field import Field, SystemField

# On smooth fields Dopri8 takes half of Tsit5's time and is ten times more accurate; on fields with kinks,
# where steps are rejected whatever the order, it takes three times as long. An activation not listed gets
# Tsit5.
SMOOTH = frozenset(
    (
        "gelu",
        "log_sigmoid",
        "mish",
        "shifted_softplus",
        "sigmoid",
        "silu",
        "sin",
        "softplus",
        "squareplus",
        "swish",
        "tanh",
    )
)


@dataclass(frozen=True)
class Subject:
    """What is propagated, and what a propagation must know of it.

    ``planar``: it lives in z = 0. ``smooth``: the field has no kinks. ``has_magnitude``: output 0 of its
    network is m. ``dynamics`` is a field, propagated from a true state, or a latent ODE, from what it observes.
    """

    dynamics: Field | LatentODE
    units: Units
    planar: bool
    smooth: bool
    has_magnitude: bool

    @classmethod
    def model(cls, model: Model) -> "Subject":
        """The field of a model, in float64 and without what is not part of its computation.

        Raises
        ------
        KeplearnError
            If it does not know its units, or has no field of positions and velocities.
        """
        return cls.predictor(field_of(model))

    @classmethod
    def predictor(cls, model: Model) -> "Subject":
        """A model of any kind, to be propagated as it predicts."""
        if model.units is None:
            raise KeplearnError(
                "This model does not know its units, so it cannot be scored on orbits in km and s."
            )
        with jax.enable_x64(True):
            dynamics = model.without_units().astype(jnp.float64)
        shape = model.architecture
        magnitude = isinstance(shape, FieldArchitecture) and shape.outputs.signed_magnitude
        return cls(dynamics, model.units, shape.planar_constraint, is_smooth(shape), magnitude)

    @property
    def has_field(self) -> bool:
        """Whether its acceleration at a state can be asked for."""
        return not isinstance(self.dynamics, LatentODE) or self.dynamics.field is not None

    def stretch(self, dataset: OrbitDataset, segments: int | None) -> Bool[np.ndarray, "orbit sample"]:
        """Return which samples it may observe: the first of each orbit, or of each piece of ``segments`` samples."""
        sample, counts = np.arange(dataset.times.shape[1]), dataset.n_samples[:, None]
        if not isinstance(self.dynamics, LatentODE):
            return np.zeros(dataset.times.shape, bool)
        length = min(segments or len(sample), len(sample))
        place = sample % length
        of_piece = np.clip(counts - (sample - place), 0, length)
        return (place < self.dynamics.architecture.observed_samples(of_piece)) & (sample < counts)

    def observed(self, dataset: OrbitDataset, segments: int | None) -> OrbitStates | None:
        """Return what it observes of the states, km and km/s, NaN elsewhere; None if it starts from a true state."""
        if not isinstance(self.dynamics, LatentODE):
            return None
        seen = np.where(self.stretch(dataset, segments)[..., None], dataset.observed_states, np.nan)
        if self.dynamics.architecture.observe == "position":
            seen[..., 3:] = np.nan
        return seen

    @classmethod
    def law(cls, system: System, units: Units, planar: bool) -> "Subject":
        """A system's own law, to be scored as if it had been learned."""
        with jax.enable_x64(True):
            dynamics = SystemField.of(system.canonical(units.length_km, units.mu))
        return cls(dynamics, units, planar, smooth=True, has_magnitude=False)


def is_smooth(shape: Architecture) -> bool:
    """Whether the fields of models of this shape have no kinks."""
    shape = shape.network if isinstance(shape, LatentArchitecture) else shape
    return {shape.activation, shape.final_activation or shape.activation} <= SMOOTH


def model_hash(model: Model) -> str:
    """SHA-256 (hex) of what a model computes: architecture, units, and arrays with their precision."""
    digest = hashlib.sha256(repr((model.architecture, model.units)).encode())
    for leaf in jax.tree.leaves(model):
        array = np.asarray(leaf)
        digest.update(f"{array.dtype.name}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
