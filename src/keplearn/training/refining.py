"""Beginnings that are fitted in training: steps of Gauss and Newton from the encoder's answer, as at inference.

The encoder alone puts a beginning in place to a percent or so, and a field can be learned no better than what its paths
begin from. With ``refine_training`` the distribution of the beginning is the one fitted to what is observed of the
segment under the present field; it follows the field to first order (the implicit function theorem), and the
encoder learns to answer with it.
"""

from math import log

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.integrate import Grid, grid_solve
from keplearn.models.encoders import Observed
from keplearn.models.latent_ode import LatentODE
from keplearn.models.posterior import Beginning, Fit, Fitted, Latent, refined
from keplearn.training.problem import Setup

# A noise beside which the prior does not count.
SURE = 1e-6


def fit_beginnings(
    setup: Setup, model: LatentODE, mean: Latent, observed: Observed, at_mode: bool = False
) -> Fitted:
    """Return the distribution of each segment's beginning, fitted from an encoder's mean to what is observed of it.

    ``at_mode``: only the mode is asked for, and it must not depend on a noise that is learned: least squares.
    """
    grid = Grid.default(len(observed.times), setup.grid.stride, setup.grid.uniform)
    frozen, mean = jax.lax.stop_gradient((model, mean))
    if at_mode and model.architecture.likelihood_noise is None:
        sure = jnp.full_like(frozen.parameters.log_noise, log(SURE))
        frozen = eqx.tree_at(lambda x: x.parameters.log_noise, frozen, sure)

    def one(mean: Beginning, observed: Observed) -> tuple[Beginning, Float[Array, "latent latent"]]:
        times, values, seen, sites = observed
        deviations = jnp.reshape(jax.vmap(frozen.deviation)(values), (len(values), -1))

        def left(model: LatentODE, beginning: Beginning) -> Float[Array, "sample component"]:
            off = _observed_along(setup, model, beginning, times, grid, sites) - values
            return jnp.where(seen[:, None] > 0, off / deviations, 0)

        def fitted(beginning: Beginning) -> Fit:
            residuals, push = jax.linearize(lambda x: left(frozen, x), beginning)
            slopes = jax.vmap(push, out_axes=-1)(jnp.eye(len(beginning), dtype=beginning.dtype))
            return Fit(beginning, residuals, slopes)

        fit = refined(fitted, mean, model.architecture.refine_training, values.shape, seen)
        curvature = jnp.linalg.cholesky(fit.curvature)
        inverse = jax.scipy.linalg.solve_triangular(
            curvature, jnp.eye(len(mean), dtype=mean.dtype), lower=True
        )
        fit, inverse = jax.lax.stop_gradient((fit, inverse))
        # One more step, whose residuals follow the field.
        slope = fit._replace(residuals=left(model, fit.beginning)).slope
        return fit.beginning - inverse.T @ (inverse @ slope), inverse.T

    return Fitted(*jax.vmap(one, in_axes=-1, out_axes=-1)(mean, observed))


def _observed_along(
    setup: Setup,
    model: LatentODE,
    beginning: Beginning,
    times: Float[Array, "sample"],
    grid: Grid,
    sites: Float[Array, "sample 3"] | None,
) -> Float[Array, "sample component"]:
    """Return what would be observed at each sample of a path from a beginning."""
    start, flow = model.begin(beginning)[:, None], model.flow
    uses_velocity = setup.architecture.uses_velocity
    path = grid_solve(flow.acceleration, start[:3], start[3:], times[:, None], grid, uses_velocity).states
    return jax.vmap(model.decode)(jnp.concatenate([start[None], path])[..., 0], sites)
