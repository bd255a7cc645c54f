"""Scoring a latent ODE: from the observed samples of an orbit to a prediction of all, and how sure it is of each.

The beginning is normally distributed: as the encoder says, or, after steps of Gauss and Newton that fit it to what
is observed, as the curvature of the posterior at its mode says (Laplace's approximation). The covariance goes along
the path to first order, by the variational equations (Montenbruck & Gill, Satellite Orbits, section 7.2).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from keplearn.integrate import adaptive_solve
from keplearn.models.encoders import Observed
from keplearn.models.latent_ode import LatentODE
from keplearn.models.posterior import Beginning, Fit, refined


class Path(NamedTuple):
    """A flow at each sample, and its derivative by the beginning."""

    flow: Float[Array, "sample flow"]
    transition: Float[Array, "sample flow latent"]
    success: Bool[Array, ""]


def solve_encoded(
    model: LatentODE,
    steps: dict[str, Any],
    y: Float[Array, "sample 6"],
    t: Float[Array, "sample"],
    given: Float[Array, "sample 6"],
) -> dict[str, Array]:
    """Predict one orbit from its observed samples.

    Parameters
    ----------
    model
        The model, float64.
    steps
        How its flow is integrated: what `keplearn.integrate.adaptive_solve` takes by name.
    y, t
        The true states and their times, canonical.
    given
        What is observed of the states, NaN where nothing is.

    Returns
    -------
    found
        By sample ``states`` and ``accelerations`` as predicted, the ``field`` at the true states (NaN where there is
        none), the ``covariance`` of what would be observed of the position, the noise included; the ``latent`` at the
        beginning, and ``success``.
    """
    shape = model.architecture
    observed = observed_of(model, given, t)
    beginning, covariance = infer(model, steps, observed)
    sites = observed.sites
    path = _travel(model, beginning, t, steps)
    states, accelerations = states_along(model, path.flow)
    field = model.field
    at_truth = jnp.full((len(t), 3), jnp.nan)
    if field is not None:
        at_truth = jax.vmap(lambda x: field.acceleration(0.0, x[:3], x[3:]))(y)
    places = np.array([k for k in shape.components if k < 3])
    position = model.decode if field is None else lambda flow, _: flow[places]
    at = _decoded(position, path, None)[1][:, : len(places)]
    spread = jnp.einsum("sal,lm,sbm->sab", at, covariance, at)
    if sites is None:  # the noise of what a station observes is none of the position
        sizes = (
            jnp.linalg.norm(states[:, :3], axis=-1) if shape.likelihood == "relative" else jnp.ones(len(t))
        )
        spread = spread + (model.noise * sizes)[:, None, None] ** 2 * jnp.eye(len(places))
    whole = jnp.zeros((len(t), 3, 3)).at[:, places[:, None], places].set(spread)
    found = {"states": states, "accelerations": accelerations, "field": at_truth, "covariance": whole}
    found = {key: _where_reached(states, x) if key != "field" else x for key, x in found.items()}
    return found | {"latent": beginning, "success": path.success}


def infer(
    model: LatentODE, steps: dict[str, Any], observed: Observed
) -> tuple[Beginning, Float[Array, "latent latent"]]:
    """Return mean and covariance of where an orbit begins, of what is observed of it: the encoder's, or the fit's."""
    times, values, seen, sites = observed
    posterior = model.posterior(observed)
    beginning, covariance = posterior.mean, jnp.diag(jnp.exp(2 * posterior.log_spread))
    if model.architecture.refine:

        def fitted(beginning: Beginning) -> Fit:
            decoded, slopes = _decoded(model.decode, _travel(model, beginning, times, steps), sites)
            deviations = _deviations(model, values)
            # What lies beyond a solution that was given up is no number, and may be where nothing is observed.
            left = jnp.where(seen[:, None] > 0, (decoded - values) / deviations, 0)
            return Fit(beginning, left, jnp.where(seen[:, None, None] > 0, slopes / deviations[..., None], 0))

        fit = refined(fitted, beginning, model.architecture.refine, values.shape, seen)
        beginning, covariance = fit.beginning, jnp.linalg.inv(fit.curvature)
    return beginning, covariance


def _where_reached(states: Float[Array, "sample 6"], values: Array) -> Array:
    """Values by sample, NaN where the path has not come to."""
    reached = jnp.isfinite(states).all(-1)
    return jnp.where(reached.reshape(-1, *[1] * (values.ndim - 1)), values, jnp.nan)


def _travel(model: LatentODE, beginning: Beginning, t: Float[Array, "sample"], steps: dict[str, Any]) -> Path:
    """Integrate the flow from a beginning, and its derivative beside it."""
    start, transition = model.begin(beginning), jax.jacfwd(model.begin)(beginning)
    size, flow = len(start), model.flow

    def rate(t: Any, x: Float[Array, "number"], args: Any) -> Float[Array, "number"]:
        at, push = jax.linearize(lambda y: flow(t, y, None), x[:size])
        return jnp.concatenate([at, jax.vmap(push, 1, 1)(x[size:].reshape(size, -1)).ravel()])

    found, success = adaptive_solve(rate, jnp.concatenate([start, transition.ravel()]), t, **steps)
    return Path(found[:, :size], found[:, size:].reshape(len(t), size, -1), success)


def observed_of(model: LatentODE, given: Float[Array, "sample 6"], t: Float[Array, "sample"]) -> Observed:
    """What is observed of the states that are given, and where; 0 where nothing is."""
    known = jnp.isfinite(given[:, np.array(model.architecture.components)]).all(-1)
    observed = model.watch(given, t)
    seen = jnp.where(known, observed.seen, 0)
    return observed._replace(values=jnp.where(seen[:, None] > 0, observed.values, 0), seen=seen)


def _decoded(
    decode: Any, path: Path, sites: Float[Array, "sample 3"] | None
) -> tuple[Float[Array, "sample component"], Float[Array, "sample component latent"]]:
    """What would be observed along a path, and its derivative by the beginning."""
    slopes = jax.vmap(jax.jacfwd(decode))(path.flow, sites)
    return jax.vmap(decode)(path.flow, sites), slopes @ path.transition


def _deviations(
    model: LatentODE, values: Float[Array, "sample component"]
) -> Float[Array, "sample component"]:
    """Standard deviations of what is observed."""
    return jnp.broadcast_to(jnp.reshape(jax.vmap(model.deviation)(values), (len(values), -1)), values.shape)


def states_along(
    model: LatentODE, path: Float[Array, "sample flow"]
) -> tuple[Float[Array, "sample 6"], Float[Array, "sample 3"]]:
    """States and accelerations along a path; those of a free latent by derivatives of its decoder along its flow."""
    field, components = model.field, np.array(model.architecture.components)
    if field is not None:
        return path, jax.vmap(lambda x: field.acceleration(0.0, x[:3], x[3:]))(path)

    def along(function: Any) -> Any:
        return lambda z: jax.jvp(function, (z,), (model.flow(0.0, z),))[1]

    def whole(z: Float[Array, "latent"]) -> Float[Array, "6"]:
        return jnp.zeros(6).at[components].set(model.decode(z))

    velocity = whole if components[-1] > 2 else along(whole)
    offset = 3 if components[-1] > 2 else 0
    at = jax.vmap(lambda z: (whole(z)[:3], velocity(z)[offset : offset + 3], along(velocity)(z)[offset:][:3]))
    position, speed, acceleration = at(path)
    return jnp.concatenate([position, speed], axis=-1), acceleration
