"""The latent ODE: from an observed stretch of a trajectory to where it began, and on from there by a learned field.

An encoder answers with a normal distribution of the beginning z₀ in a latent space; a neural ODE goes on from there;
a decoder tells what would be observed (Chen et al., Neural Ordinary Differential Equations, NeurIPS 2018; Rubanova
et al., Latent ODEs for Irregularly-Sampled Time Series, NeurIPS 2019). ``latent_dynamics`` says what the latent is:

- ``second_order``: position and velocity. Its field is that of a neural ODE, with the same layers, and what is observed
  of it is read off.
- ``known+learned``: the same, and to the learned acceleration the two-body law's is added.
- ``free``: ``latent_size`` numbers without a meaning, their field and the decoder networks.

Canonical units. The prior of z₀ is the standard normal distribution.
"""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from keplearn.core.jax_shapes import Scalar, Vector
from keplearn.data.units import Units
from keplearn.models.encoders import EncoderLayers, Observed, draw_encoder, encode
from keplearn.models.geometry import norm
from keplearn.models.latent_architecture import LatentArchitecture
from keplearn.models.network import Layers, draw_layers
from keplearn.models.neural_ode import Architecture, NeuralODE, Parameters, Scales, new_model
from keplearn.models.posterior import Latent, Posterior
from keplearn.models.watching import WATCHED, earth, sighted, watch
from keplearn.orbits.stations import places_of
from keplearn.systems.two_body import TwoBody

Flow = Float[Array, "flow *batch"]

# An untrained encoder is as sure of z₀ as this, in log standard deviations; at 0 training is slow to begin.
LOG_SPREAD = -3.0
# The likelihood's standard deviation where training begins to learn it, and where beginnings are fitted: there the
# prior would pull them off by as much as a larger one's square.
NOISE, NOISE_FITTED = 0.05, 1e-3
# Samples through which a cubic says roughly where a trajectory begins, and what is added to its normal equations.
FITTED, RIDGE = 8, 1e-6
# The encoder's draws are not those of the field, whose seed is the same.
_ENCODER = 1


class LatentParameters(eqx.Module):
    """All that is trained: the field, the encoder, the decoder of a free latent, the log of the likelihood's noise.

    And radius and rotation of the body on which there are stations, which is not.
    """

    network: Parameters
    encoder: EncoderLayers
    decoder: Layers | None
    log_noise: Float[Array, ""]
    body: Float[Array, "2"] | None = None

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
        shape, known = self.architecture.field, self.architecture.latent_dynamics == "known+learned"
        kind = Corrected if known else NeuralODE
        return shape and kind(self.parameters.network, self.scales, shape, self.units)

    @property
    def flow(self) -> Any:
        """What is integrated: a function of time and the numbers that `begin` gives."""
        return self.field or FreeField(self.parameters.network, self.architecture.network)

    @property
    def noise(self) -> Scalar:
        """The likelihood's standard deviation; trained, unless it is given."""
        log = self.parameters.log_noise
        return jnp.exp(log if self.architecture.likelihood_noise is None else jax.lax.stop_gradient(log))

    def deviation(self, values: Float[Array, "component *batch"]) -> Float[Array, "..."]:
        """Return the likelihood's standard deviation of what is observed: one for all, or of each component."""
        if self.architecture.likelihood == "constant":
            return self.noise
        observe = self.architecture.observe
        if observe in WATCHED:
            parts = [values[:1], values[1:]] if observe == "range_angles" else [values]
        else:
            parts = jnp.split(values, 2 if observe == "state" else 1)
        scales = [jnp.broadcast_to(jnp.linalg.norm(part, axis=0), part.shape) for part in parts]
        return self.noise * jnp.concatenate(scales)

    def posterior(self, observed: Observed) -> Posterior:
        """Return the encoder's distribution of the beginning.

        Where the latent is a state, a cubic through the first observed samples says roughly where it is and how fast;
        the encoder answers by how much it is off.
        """
        shape = self.architecture
        mean, log_spread = jnp.split(encode(shape.encoder, self.parameters.encoder, observed), 2)
        if shape.field is not None:
            mean = mean + self._roughly(observed)
        return Posterior(mean, log_spread + LOG_SPREAD)

    def _roughly(self, observed: Observed) -> Latent:
        """Return roughly where a state begins."""
        observe, places = self.architecture.observe, 2 if self.architecture.planar_constraint else 3
        if observe == "range_angles":
            assert observed.sites is not None
            positions = observed.sites + observed.values[:, :1] * observed.values[:, 1:]
            observed = observed._replace(values=positions[:, :places])
        value, slope = beginning_of(observed)
        if observe == "angles":
            # Nothing tells how far away it is: on a circle at half the unit of length, as fast as that is there.
            radial = value / norm(value)
            across = slope - radial * jnp.sum(radial * slope, axis=0)
            value, slope = 0.5 * radial[:places], across[:places] / norm(across) / 0.5**0.5
        return value if observe == "state" else jnp.concatenate([value, slope])

    def watch(
        self, states: Float[Array, "sample component *batch"], times: Float[Array, "sample *batch"]
    ) -> Observed:
        """Return what would be observed of known states, all of them but where no station sees any."""
        shape = self.architecture
        if shape.observe not in WATCHED:
            return Observed(times, states[:, np.array(shape.components)], jnp.ones_like(times))
        assert self.parameters.body is not None
        positions = states[:, :3]
        sites, seen = watch(
            places_of(shape.stations), jax.lax.stop_gradient(self.parameters.body), positions, times
        )
        values = jax.vmap(lambda r, site: sighted(shape.observe, r, site))(positions, sites)
        return Observed(times, values, seen, sites)

    def begin(self, latent: Latent) -> Flow:
        """Return the numbers that the flow starts from."""
        shape = self.architecture
        if shape.field is None:
            return latent
        return jnp.zeros((6, *latent.shape[1:]), latent.dtype).at[np.array(shape.coordinates)].set(latent)

    def decode(self, flow: Flow, site: Vector | None = None) -> Float[Array, "component *batch"]:
        """Return what would be observed where the flow has come to, by a station from its site."""
        if self.parameters.decoder is not None:
            return self.parameters.decoder(flow, "tanh")
        if site is not None:
            return sighted(self.architecture.observe, flow[:3], site)
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


class Corrected(NeuralODE):
    """The two-body law with a learned part added, canonical units."""

    def derivative(self, r: Vector, v: Vector) -> tuple[Vector, Vector]:
        """Return dr/dt and dv/dt, (3,) each, or (3, batch) as given."""
        drift, learned = super().derivative(r, v)
        return drift, learned + TwoBody(1.0).acceleration(0.0, r, v)


class FreeField(eqx.Module):
    """The field of a free latent: a network of it."""

    layers: Parameters
    architecture: Architecture = eqx.field(static=True)

    def __call__(self, t: Any, z: Latent, args: Any = None) -> Latent:
        """Return dz/dt."""
        return self.layers(z, self.architecture.activation, self.architecture.final_activation)


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
    latent, components = len(shape.coordinates), shape.observed_size
    watched = shape.observe in WATCHED
    sizes = shape.network.width, shape.network.depth
    with jax.enable_x64(True):
        scalar = lambda x: jnp.asarray(x, dtype)  # noqa: E731
        given = components + (3 if watched else 0)
        encoder = draw_encoder(draw, shape.encoder, given, shape.hidden_size, 2 * latent, dtype)
        decoder = None
        field = new_model(shape.network, seed, dtype, max_acceleration, None, states)
        network, scales = field.parameters, field.scales
        if shape.field is None:
            layers = draw_layers(draw, (latent, *[sizes[0]] * sizes[1], latent), dtype)
            network = Parameters(layers.weights, layers.biases, layers.slopes, scalar(0.0))
            scales = Scales(scales.max_acceleration)
            within = (sizes[0],) if shape.decoder == "mlp" else ()
            decoder = draw_layers(draw, (latent, *within, components), dtype)
        at_first = NOISE_FITTED if shape.refine_training else NOISE
        noise = scalar(np.log(at_first if shape.likelihood_noise is None else shape.likelihood_noise))
        body = jnp.asarray(earth(units), dtype) if watched else None
        parameters = LatentParameters(network, encoder, decoder, noise, body)
        return LatentODE(parameters, scales, shape, units)
