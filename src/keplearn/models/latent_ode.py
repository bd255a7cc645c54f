"""The latent ODE: from an observed stretch of a trajectory to where it began, and on from there by a learned field.

An encoder answers with a normal distribution of the beginning z₀ in a latent space; a neural ODE goes on from there;
a decoder tells what would be observed (Chen et al., Neural Ordinary Differential Equations, NeurIPS 2018; Rubanova
et al., Latent ODEs for Irregularly-Sampled Time Series, NeurIPS 2019). ``latent_dynamics`` says what the latent is:

- ``second_order``: position and velocity. Its field is that of a neural ODE, with the same layers, and what is observed
  of it is read off.
- ``free``: ``latent_size`` numbers without a meaning, their field and the decoder networks.

Canonical units. The prior of z₀ is the standard normal distribution.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from keplearn.core.jax_shapes import Scalar
from keplearn.data.units import Units
from keplearn.models.encoders import EncoderLayers, Observed, draw_encoder, encode
from keplearn.models.network import Layers, draw_layers
from keplearn.models.neural_ode import (
    Architecture,
    NeuralODE,
    Parameters,
    Scales,
    architecture_of,
    new_model,
    read_architecture,
)

Latent = Float[Array, "latent *batch"]
Flow = Float[Array, "flow *batch"]

# An untrained encoder is as sure of z₀ as this, in log standard deviations; at 0 training is slow to begin.
LOG_SPREAD = -3.0
# The likelihood's standard deviation where training begins to learn it.
NOISE = 0.05
# Samples through which a cubic says roughly where a trajectory begins, and what is added to its normal equations.
FITTED, RIDGE = 8, 1e-6
# The encoder's draws are not those of the field, whose seed is the same.
_ENCODER = 1


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

    @property
    def planar_constraint(self) -> bool:
        """Whether all stays in the plane z = 0."""
        return self.network.planar_constraint

    @property
    def field(self) -> Architecture | None:
        """What shapes its field of positions and velocities, if it has one."""
        return self.network if self.latent_dynamics == "second_order" else None

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
    def components(self) -> tuple[int, ...]:
        """Which of the six of a state are observed."""
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


class Posterior(NamedTuple):
    """The normal distribution of the beginning, its components independent."""

    mean: Latent
    log_spread: Latent


class LatentParameters(eqx.Module):
    """All that is trained: the field, the encoder, the decoder of a free latent, the log of the likelihood's noise."""

    network: Parameters
    encoder: EncoderLayers
    decoder: Layers | None
    log_noise: Float[Array, ""]

    @property
    def weights(self) -> list[Array]:
        """All matrices."""
        return [leaf for leaf in jax.tree.leaves(self) if leaf.ndim == 2]


class LatentODE(eqx.Module):
    """A latent ODE in canonical units; ``units`` tells their size in km and s."""

    parameters: LatentParameters
    scales: Scales
    architecture: LatentArchitecture = eqx.field(static=True)
    units: Units | None = eqx.field(static=True, default=None)

    @property
    def field(self) -> NeuralODE | None:
        """The learned field of positions and velocities; None where the latent has no such meaning."""
        shape = self.architecture.field
        return shape and NeuralODE(self.parameters.network, self.scales, shape, self.units)

    @property
    def flow(self) -> Any:
        """What is integrated: a function of time and the numbers that `begin` gives."""
        return self.field or FreeField(self.parameters.network, self.architecture.network)

    @property
    def noise(self) -> Scalar:
        """The likelihood's standard deviation; trained, unless it is given."""
        log = self.parameters.log_noise
        return jnp.exp(log if self.architecture.likelihood_noise is None else jax.lax.stop_gradient(log))

    def posterior(self, observed: Observed) -> Posterior:
        """Return the encoder's distribution of the beginning.

        Where the latent is a state, a cubic through the first observed samples says roughly where it is and how fast;
        the encoder answers by how much it is off.
        """
        shape = self.architecture
        mean, log_spread = jnp.split(encode(shape.encoder, self.parameters.encoder, observed), 2)
        if shape.field is not None:
            value, slope = beginning_of(observed)
            mean = mean + (value if shape.observe == "state" else jnp.concatenate([value, slope]))
        return Posterior(mean, log_spread + LOG_SPREAD)

    def begin(self, latent: Latent) -> Flow:
        """Return the numbers that the flow starts from."""
        shape = self.architecture
        if shape.field is None:
            return latent
        return jnp.zeros((6, *latent.shape[1:]), latent.dtype).at[np.array(shape.coordinates)].set(latent)

    def decode(self, flow: Flow) -> Float[Array, "component *batch"]:
        """Return what would be observed where the flow has come to."""
        if self.parameters.decoder is not None:
            return self.parameters.decoder(flow, "tanh")
        return flow[np.array(self.architecture.components)]

    def astype(self, dtype: Any) -> "LatentODE":
        """Return the model with all arrays in another precision, whatever the process's JAX setting."""
        with jax.enable_x64(True):
            return jax.tree.map(lambda x: jnp.asarray(x, dtype), self)

    def without_units(self) -> "LatentODE":
        """Return the model stripped of what does not enter its computation."""
        return replace(self, units=None)


def beginning_of(
    observed: Observed,
) -> tuple[Float[Array, "component *batch"], Float[Array, "component *batch"]]:
    """Return values and slopes at the first time, of cubics fitted to the first `FITTED` observed samples.

    By least squares, in Chebyshev polynomials over the time of these samples.
    """
    since = observed.times - observed.times[0]
    counted = (observed.seen > 0) & (jnp.cumsum(observed.seen, axis=0) <= FITTED)
    span = jnp.max(jnp.where(counted, since, 0), axis=0)
    span = jnp.where(span > 0, span, 1)
    x = jnp.where(counted, 2 * since / span - 1, 0)
    basis = jnp.where(counted, jnp.stack([jnp.ones_like(x), x, 2 * x**2 - 1, (4 * x**2 - 3) * x]), 0)
    values = jnp.where(observed.seen[:, None] > 0, observed.values, 0)
    # Where fewer samples than coefficients are observed, the least of them are taken.
    normal = jnp.einsum("as...,bs...->...ab", basis, basis) + RIDGE * jnp.eye(4, dtype=x.dtype)
    given = jnp.einsum("as...,sc...->...ac", basis, values)
    found = jnp.moveaxis(jnp.linalg.solve(normal, given), (-2, -1), (0, 1))
    at_start, slopes = (jnp.array(numbers, x.dtype) for numbers in ((1, -1, 1, -1), (0, 1, -4, 9)))
    return jnp.tensordot(at_start, found, 1), jnp.tensordot(slopes, found, 1) * 2 / span


class FreeField(eqx.Module):
    """The field of a free latent: a network of it."""

    layers: Parameters
    architecture: Architecture = eqx.field(static=True)

    def __call__(self, t: Any, z: Latent, args: Any = None) -> Latent:
        """Return dz/dt."""
        return self.layers(z, self.architecture.activation, self.architecture.final_activation)


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
    )


def read_latent_architecture(record: Mapping[str, Any]) -> LatentArchitecture:
    """Return the architecture of which ``dataclasses.asdict`` has made this."""
    return LatentArchitecture(**{**record, "network": read_architecture(record["network"])})


def new_latent_ode(
    architecture: LatentArchitecture,
    seed: int,
    dtype: str = "float32",
    max_acceleration: float = 1.0,
    units: Units | None = None,
    states: Float64[np.ndarray, "6 sample"] | None = None,
) -> LatentODE:
    """Draw an untrained latent ODE; the field of second order is that of a neural ODE of the same seed and states."""
    shape, draw = architecture, np.random.default_rng([seed, _ENCODER])
    latent, components = len(shape.coordinates), len(shape.components)
    sizes = shape.network.width, shape.network.depth
    with jax.enable_x64(True):
        scalar = lambda x: jnp.asarray(x, dtype)  # noqa: E731
        encoder = draw_encoder(draw, shape.encoder, components, shape.hidden_size, 2 * latent, dtype)
        decoder = None
        field = new_model(shape.network, seed, dtype, max_acceleration, None, states)
        network, scales = field.parameters, field.scales
        if shape.field is None:
            layers = draw_layers(draw, (latent, *[sizes[0]] * sizes[1], latent), dtype)
            network = Parameters(layers.weights, layers.biases, layers.slopes, scalar(0.0))
            scales = Scales(scales.max_acceleration)
            decoder = draw_layers(draw, (latent, sizes[0], components), dtype)
        noise = scalar(np.log(NOISE if shape.likelihood_noise is None else shape.likelihood_noise))
        parameters = LatentParameters(network, encoder, decoder, noise)
        return LatentODE(parameters, scales, shape, units)
