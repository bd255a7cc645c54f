"""What the loss of a latent ODE sees: beginnings drawn from what is observed of each segment, and where they lead."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.models.encoders import Observed
from keplearn.models.latent_ode import LatentODE
from keplearn.models.posterior import Latent, Mode, log_ratio
from keplearn.training.optimizers import OPTIMIZERS
from keplearn.training.paths import solve
from keplearn.training.problem import Batch, Constants, Setup
from keplearn.training.refining import fit_beginnings
from keplearn.training.solved import Encoded, Solved


def seen_encoded(
    setup: Setup, model: LatentODE, batch: Batch, constants: Constants, learning: bool
) -> tuple[Solved, Float[Array, "segment"]]:
    """Return what the loss sees of a batch, and by how much the solution's steps disagree.

    The model observes the first samples, and goes on from draws of the beginning. Where it is ``learning`` that may be
    fitted to all samples (``fitted_to``): the noise of the first ones then does not grow along the others.
    """
    shape, chance = model.architecture, batch.chance
    assert chance is not None
    every = model.watch(batch.states, batch.times)
    truth, count = every.values, shape.observed_samples(len(batch.states))
    observed: Observed = jax.tree.map(lambda x: x[:count], every)
    posterior, encoder = model.posterior(observed), None
    if shape.refine_training:
        at_mode = OPTIMIZERS[setup.optimizer].full_batch
        fitted_to = every if learning and shape.fitted_to == "all" else observed
        posterior, encoder = fit_beginnings(setup, model, posterior.mean, fitted_to, at_mode), posterior
        if at_mode:
            # It compares values, which must be those of its gradient: no draws, and nothing for the encoder to learn.
            posterior, encoder = Mode(posterior.mean), None
    noise = jnp.split(chance.noise, shape.bound_samples)
    latents = [posterior.draw(one) for one in noise]
    deviation = model.noise if shape.likelihood == "constant" else jax.vmap(model.deviation)(truth)
    learned = shape.likelihood_noise is None
    encoded = Encoded(
        posterior, deviation, chance.share, fits=isinstance(posterior, Mode) and learned, observed=int(count)
    )
    if every.sites is not None:
        encoded = encoded._replace(seen=every.seen)
    if encoder is not None:
        encoded = encoded._replace(surprise=encoder.surprise(jax.lax.stop_gradient(latents[0])))
    if len(latents) > 1:
        ratios = [log_ratio(posterior, *pair) for pair in zip(latents, noise, strict=True)]
        encoded = encoded._replace(ratios=jnp.stack(ratios))
        truth = jnp.tile(truth, (1, len(latents), 1))
    predicted, disagreement = _predicted(setup, model, latents, every, constants)
    solved = Solved(truth, batch.states[0], batch.keep, model, predicted, None, setup.law, encoded)
    return solved, disagreement


def _predicted(
    setup: Setup,
    model: LatentODE,
    latents: list[Latent],
    every: Observed,
    constants: Constants,
) -> tuple[Float[Array, "sample component segment"], Float[Array, "segment"]]:
    """Return what would be observed along the paths from each draw, one draw's components behind another's.

    To the solver a draw is a segment of its own.
    """
    start = model.begin(jnp.concatenate(latents, axis=-1))
    times, sites = jnp.tile(every.times, len(latents)), every.sites
    ahead, disagreement = solve(setup, model.flow, start, times, constants)
    sites = None if sites is None else jnp.tile(sites, len(latents))
    decoded = jax.vmap(model.decode)(jnp.concatenate([start[None], ahead]), sites)
    apart = jnp.max(jnp.reshape(disagreement, (len(latents), -1)), axis=0)
    return jnp.concatenate(jnp.split(decoded, len(latents), axis=-1), axis=1), apart
