"""What shapes a latent ODE: what its latent is, how it is encoded, and what is observed of a trajectory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keplearn.models.neural_ode import Architecture, architecture_of, read_architecture
from keplearn.models.watching import WATCHED


@dataclass(frozen=True)
class LatentArchitecture:
    """All that shapes the computation of a latent ODE; ``network`` are the layers and sizes of its field."""

    network: Architecture
    latent_dynamics: str = "second_order"
    latent_size: int = 8
    encoder: str = "gru"
    hidden_size: int = 64
    observe: str = "position"
    observed_fraction: float = 0.5
    likelihood_noise: float | None = None
    refine: int = 8
    refine_training: int = 0
    likelihood: str = "constant"
    bound_samples: int = 1
    decoder: str = "mlp"
    stations: str = ""
    fitted_to: str = "observed"

    @property
    def planar_constraint(self) -> bool:
        """Whether all stays in the plane z = 0."""
        return self.network.planar_constraint

    @property
    def field(self) -> Architecture | None:
        """What shapes its field of positions and velocities, if it has one."""
        return None if self.latent_dynamics == "free" else self.network

    @property
    def layers(self) -> tuple[str, str]:
        """The names of its field's feature and output layer; a free latent does not use them."""
        return self.network.layers

    @property
    def uses_velocity(self) -> bool:
        """Whether its field depends on the velocity."""
        return self.network.uses_velocity

    @property
    def first_order(self) -> bool:
        """Whether its flow is one of first order: the velocity is not that of the position."""
        return self.field is None or self.field.first_order

    @property
    def observed_size(self) -> int:
        """How many numbers are observed of a sample."""
        return WATCHED.get(self.observe) or len(self.components)

    @property
    def components(self) -> tuple[int, ...]:
        """Which of the six of a state are observed, or to be known for what a station observes."""
        of_vector = (0, 1) if self.planar_constraint else (0, 1, 2)
        velocity = tuple(3 + k for k in of_vector) if self.observe == "state" else ()
        return of_vector + velocity

    @property
    def coordinates(self) -> tuple[int, ...]:
        """Which of the numbers that are integrated the latent gives; the others are 0."""
        if self.field is None:
            return tuple(range(self.latent_size))
        return (0, 1, 3, 4) if self.planar_constraint else (0, 1, 2, 3, 4, 5)

    def observed_samples(self, samples: Any) -> Any:
        """Return how many of so many samples are observed, the first ones; two at least."""
        return np.maximum(2, np.floor(self.observed_fraction * np.asarray(samples) + 0.5 + 1e-9)).astype(int)


def latent_architecture_of(p: Any) -> LatentArchitecture:
    """Return what of a config's parameters shapes the model."""
    return LatentArchitecture(
        architecture_of(p),
        p.latent_dynamics,
        p.latent_size,
        p.encoder,
        p.hidden_size,
        p.observe,
        p.observed_fraction,
        p.likelihood_noise,
        p.refine,
        p.refine_training,
        p.likelihood,
        p.bound_samples,
        p.decoder,
        p.stations if p.observe in WATCHED else "",
        p.fitted_to,
    )


def read_latent_architecture(record: Mapping[str, Any]) -> LatentArchitecture:
    """Return the architecture of which ``dataclasses.asdict`` has made this."""
    return LatentArchitecture(**{**record, "network": read_architecture(record["network"])})
