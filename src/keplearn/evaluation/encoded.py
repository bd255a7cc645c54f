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

Beginning = Float[Array, "latent"]
Covariance = Float[Array, "latent latent"]

# Damping of the first step of Gauss and Newton, and the factor by which it falls or rises (Levenberg & Marquardt).
_DAMPING, _FACTOR = 1e-3, 10.0


class Path(NamedTuple):
    """A flow at each sample, and its derivative by the beginning."""

    flow: Float[Array, "sample flow"]
    transition: Float[Array, "sample flow latent"]
    success: Bool[Array, ""]


class Fit(NamedTuple):
    """A beginning, and what it leaves of what is observed: residuals over the noise, 0 where nothing is observed."""

    beginning: Beginning
    residuals: Float[Array, "sample component"]
    slopes: Float[Array, "sample component latent"]

    @property
    def cost(self) -> Float[Array, ""]:
        """Minus the log of the posterior's density, to a constant."""
        return (jnp.sum(self.residuals**2) + jnp.sum(self.beginning**2)) / 2

    @property
    def slope(self) -> Beginning:
        """The derivative of the cost."""
        return jnp.einsum("scl,sc->l", self.slopes, self.residuals) + self.beginning

    @property
    def curvature(self) -> Covariance:
        """Its second derivative, without those of the residuals."""
        return jnp.einsum("scl,scm->lm", self.slopes, self.slopes) + jnp.eye(len(self.beginning))


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
        none), the ``covariance`` of what would be observed of the position, the noise included; and ``success``.
    """
    shape = model.architecture
    travel = lambda beginning: _travel(model, beginning, t, steps)  # noqa: E731
    values = given[:, np.array(shape.components)]
    seen = jnp.isfinite(values).all(-1).astype(y.dtype)
    values = jnp.where(seen[:, None] > 0, values, 0)
    posterior = model.posterior(Observed(t, values, seen))
    beginning, covariance = posterior.mean, jnp.diag(jnp.exp(2 * posterior.log_spread))
    if shape.refine:

        def fitted(beginning: Beginning) -> Fit:
            decoded, slopes = _decoded(model, travel(beginning))
            weight = jnp.where(seen > 0, 1 / model.noise, 0)
            # What lies beyond a solution that was given up is no number, and may be where nothing is observed.
            left = jnp.where(seen[:, None] > 0, (decoded - values) * weight[:, None], 0)
            return Fit(beginning, left, jnp.where(seen[:, None, None] > 0, slopes * weight[:, None, None], 0))

        fit = _refined(fitted, beginning, shape.refine)
        beginning, covariance = fit.beginning, jnp.linalg.inv(fit.curvature)
    path = travel(beginning)
    states, accelerations = _predicted(model, path.flow)
    field = model.field
    at_truth = jnp.full((len(t), 3), jnp.nan)
    if field is not None:
        at_truth = jax.vmap(lambda x: field.acceleration(0.0, x[:3], x[3:]))(y)
    _, slopes = _decoded(model, path)
    places = np.array([k for k in shape.components if k < 3])
    at = slopes[:, : len(places)]
    spread = jnp.einsum("sal,lm,sbm->sab", at, covariance, at) + model.noise**2 * jnp.eye(len(places))
    whole = jnp.zeros((len(t), 3, 3)).at[:, places[:, None], places].set(spread)
    found = {"states": states, "accelerations": accelerations, "field": at_truth, "covariance": whole}
    reached = jnp.isfinite(states).all(-1)
    lost = lambda x: jnp.where(reached.reshape(-1, *[1] * (x.ndim - 1)), x, jnp.nan)  # noqa: E731
    return {key: x if key == "field" else lost(x) for key, x in found.items()} | {"success": path.success}


def _travel(model: LatentODE, beginning: Beginning, t: Float[Array, "sample"], steps: dict[str, Any]) -> Path:
    """Integrate the flow from a beginning, and its derivative beside it."""
    start, transition = model.begin(beginning), jax.jacfwd(model.begin)(beginning)
    size, flow = len(start), model.flow

    def rate(t: Any, x: Float[Array, "number"], args: Any) -> Float[Array, "number"]:
        at, push = jax.linearize(lambda y: flow(t, y, None), x[:size])
        return jnp.concatenate([at, jax.vmap(push, 1, 1)(x[size:].reshape(size, -1)).ravel()])

    found, success = adaptive_solve(rate, jnp.concatenate([start, transition.ravel()]), t, **steps)
    return Path(found[:, :size], found[:, size:].reshape(len(t), size, -1), success)


def _decoded(
    model: LatentODE, path: Path
) -> tuple[Float[Array, "sample component"], Float[Array, "sample component latent"]]:
    """What would be observed along a path, and its derivative by the beginning."""
    slopes = jax.vmap(jax.jacfwd(model.decode))(path.flow)
    return jax.vmap(model.decode)(path.flow), slopes @ path.transition


def _refined(fitted: Any, beginning: Beginning, steps: int) -> Fit:
    """Take so many damped steps of Gauss and Newton towards the posterior's mode; one that is worse is not taken."""

    def step(state: tuple[Fit, Array], _: None) -> tuple[tuple[Fit, Array], None]:
        fit, damping = state
        curvature = fit.curvature
        damped = curvature + damping * jnp.diag(jnp.diag(curvature))
        trial = fitted(fit.beginning - jnp.linalg.solve(damped, fit.slope))
        better = trial.cost < fit.cost  # not so where it is no number
        fit = jax.tree.map(lambda new, old: jnp.where(better, new, old), trial, fit)
        return (fit, jnp.where(better, damping / _FACTOR, damping * _FACTOR)), None

    (fit, _), _ = jax.lax.scan(step, (fitted(beginning), jnp.asarray(_DAMPING)), length=steps)
    return fit


def _predicted(
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
