"""Distributions of the beginning of a trajectory: the encoder's, and the one that steps of Gauss and Newton fit.

Both are normal; the fitted one is Laplace's approximation at the mode of the posterior, to which residuals of what is
observed and the prior, the standard normal distribution, add up (Bishop, Pattern Recognition and Machine Learning,
section 4.4).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import Scalars

Latent = Float[Array, "latent *batch"]
Beginning = Float[Array, "latent"]
Covariance = Float[Array, "latent latent"]

# Damping of the first step of Gauss and Newton, and the factor by which it falls or rises (Levenberg & Marquardt).
_DAMPING, _FACTOR = 1e-3, 10.0
# Steps after the first that is fitted to all that is observed, and the fewest samples that one is fitted to.
_WHOLE, _FEWEST = 4, 8


class Posterior(NamedTuple):
    """A normal distribution of the beginning, its components independent."""

    mean: Latent
    log_spread: Latent

    def draw(self, noise: Latent) -> Latent:
        """Return the draw that a standard normal one makes."""
        return self.mean + jnp.exp(self.log_spread) * noise

    @property
    def divergence(self) -> Scalars:
        """Kullback and Leibler's divergence from the standard normal distribution."""
        centre, log_spread = self
        return jnp.sum((centre * centre + jnp.exp(2 * log_spread) - 1) / 2 - log_spread, axis=0)

    @property
    def log_volume(self) -> Scalars:
        """The log of what a unit of volume of standard normal draws becomes."""
        return jnp.sum(self.log_spread, axis=0)

    def surprise(self, latent: Latent) -> Scalars:
        """Return minus the log of the density at a latent, to a constant."""
        off = (latent - self.mean) * jnp.exp(-self.log_spread)
        return jnp.sum(off * off / 2 + self.log_spread, axis=0)


class Fitted(NamedTuple):
    """A normal distribution of the beginning with covariance F Fᵀ; F is triangular."""

    mean: Latent
    factor: Float[Array, "latent latent *batch"]

    def draw(self, noise: Latent) -> Latent:
        """Return the draw that a standard normal one makes."""
        return self.mean + jnp.einsum("lm...,m...->l...", self.factor, noise)

    @property
    def divergence(self) -> Scalars:
        """Kullback and Leibler's divergence from the standard normal distribution."""
        sizes = jnp.sum(self.mean**2, axis=0) + jnp.sum(self.factor**2, axis=(0, 1))
        return (sizes - len(self.mean)) / 2 - self.log_volume

    @property
    def log_volume(self) -> Scalars:
        """The log of what a unit of volume of standard normal draws becomes."""
        return jnp.sum(jnp.log(jnp.abs(jnp.einsum("ll...->l...", self.factor))), axis=0)


class Mode(NamedTuple):
    """The mode of the posterior alone: what the log of its density there needs, of its distance from the prior."""

    mean: Latent

    def draw(self, noise: Latent) -> Latent:
        """Return the mode, whatever the draw."""
        return self.mean

    @property
    def divergence(self) -> Scalars:
        """Minus the log of the prior's density, to a constant."""
        return jnp.sum(self.mean**2, axis=0) / 2

    @property
    def log_volume(self) -> Scalars:
        """None."""
        return jnp.zeros_like(self.mean[0])


def log_ratio(posterior: Posterior | Fitted | Mode, latent: Latent, noise: Latent) -> Scalars:
    """Return the log of the prior's density over the posterior's at the draw that a standard normal one makes."""
    return jnp.sum(noise * noise - latent * latent, axis=0) / 2 + posterior.log_volume


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
        return jnp.einsum("scl,scm->lm", self.slopes, self.slopes) + jnp.eye(
            len(self.beginning), dtype=self.beginning.dtype
        )


def refined(
    fitted: Callable[[Beginning], Fit],
    beginning: Beginning,
    steps: int,
    sizes: tuple[int, ...],
    seen: Float[Array, "sample"] | None = None,
) -> Fit:
    """Take so many damped steps of Gauss and Newton towards the posterior's mode; one that is worse is not taken.

    ``sizes``: of the residuals. Where the fit is no number from the beginning on, its residuals are infinite.
    ``seen``: 1 where a sample is observed. Then only the last `_WHOLE` + 1 steps are fitted to all of them, and each
    before to half as many as the next, the first ones: along a whole orbit a path from a rough beginning is soon so
    far off that a step says nothing of where to go.
    """

    def within(fit: Fit, number: Array) -> Fit:
        """What counts in the step of this number."""
        if seen is None or steps <= _WHOLE:
            return fit
        rank = jnp.cumsum(seen)
        share = 2.0 ** jnp.minimum(0, number - (steps - _WHOLE))
        counted = rank <= jnp.maximum(_FEWEST, jnp.ceil(share * rank[-1]))
        residuals, slopes = fit.residuals, fit.slopes
        return fit._replace(
            residuals=jnp.where(counted[:, None], residuals, 0),
            slopes=jnp.where(counted[:, None, None], slopes, 0),
        )

    def step(state: tuple[Fit, Array, Beginning], number: Array) -> tuple[tuple[Fit, Array, Beginning], None]:
        fit, damping, point = state
        trial, cost = fitted(point), within(fit, number).cost
        # A trial that is no number is not better; any other is better than one that is none.
        better = within(trial, number).cost < jnp.where(jnp.isnan(cost), jnp.inf, cost)
        fit = jax.tree.map(lambda new, old: jnp.where(better, new, old), trial, fit)
        damping = jnp.where(better, damping / _FACTOR, damping * _FACTOR)
        ahead = within(fit, number + 1)
        curvature = ahead.curvature
        damped = curvature + damping * jnp.diag(jnp.diag(curvature))
        return (fit, damping, fit.beginning - jnp.linalg.solve(damped, ahead.slope)), None

    # The first is where it begins, and any is better than this: one program of the fit for all.
    dtype = beginning.dtype
    start = Fit(beginning, jnp.full(sizes, jnp.inf, dtype), jnp.zeros((*sizes, len(beginning)), dtype))
    damping = jnp.asarray(_DAMPING * _FACTOR, dtype)
    (fit, *_), _ = jax.lax.scan(step, (start, damping, beginning), jnp.arange(steps + 1))
    return fit
