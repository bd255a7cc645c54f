"""Kinds of models, by the name that ``model`` chooses in a config. Adding one is adding one record here.

Who trains, keeps or scores a model asks its kind, and what a model offers it says itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keplearn.core.errors import KeplearnError
from keplearn.core.tables import Table
from keplearn.models import latent_architecture, latent_ode, neural_ode

Model = neural_ode.NeuralODE | latent_ode.LatentODE
"""A model of any kind."""
Architecture = neural_ode.Architecture | latent_architecture.LatentArchitecture
"""What shapes the computation of a model of any kind."""


@dataclass(frozen=True)
class Kind:
    """What is to be known of a kind of models.

    Attributes
    ----------
    model
        Their class: ``model(parameters, scales, architecture)`` is one with these trained arrays.
    architecture
        The class of what shapes their computation, a frozen dataclass of plain values.
    chosen
        Takes an architecture out of the parameters of a config.
    read
        Takes one out of what ``dataclasses.asdict`` has made of it.
    new
        Draws an untrained model: architecture, seed, dtype, largest true acceleration, units, training states.
    loss
        The loss of its own that it is trained by; None where a config chooses one.
    """

    model: Callable[[Any, Any, Any], Model]
    architecture: type[Architecture]
    chosen: Callable[[Any], Architecture]
    read: Callable[[Mapping[str, Any]], Architecture]
    new: Callable[..., Model]
    loss: str | None = None


KINDS: Table[Kind] = Table("model")
KINDS["neural_ode"] = Kind(
    neural_ode.NeuralODE,
    neural_ode.Architecture,
    neural_ode.architecture_of,
    neural_ode.read_architecture,
    neural_ode.new_model,
)
KINDS["latent_ode"] = Kind(
    latent_ode.LatentODE,
    latent_architecture.LatentArchitecture,
    latent_architecture.latent_architecture_of,
    latent_architecture.read_latent_architecture,
    latent_ode.new_latent_ode,
    loss="evidence_lower_bound",
)


def name_of(architecture: Architecture) -> str:
    """Return the name of an architecture's kind."""
    return next(name for name, kind in KINDS.items() if isinstance(architecture, kind.architecture))


def kind_of(architecture: Architecture) -> Kind:
    """Return the kind of an architecture."""
    return KINDS[name_of(architecture)]


def field_of(model: Model) -> neural_ode.NeuralODE:
    """Return the learned field of positions and velocities of a model.

    Raises
    ------
    KeplearnError
        If it has none.
    """
    if model.field is None:
        raise KeplearnError(
            "This model has no field of positions and velocities, for its latent is free: it can be scored on "
            "orbits, but its acceleration at a state cannot be asked for (latent_dynamics: second_order has one)."
        )
    return model.field
