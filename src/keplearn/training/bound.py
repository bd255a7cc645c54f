"""The loss of a latent ODE: the evidence lower bound."""

from collections.abc import Mapping
from math import log, pi
from statistics import NormalDist

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import Scalar
from keplearn.training.residuals import mean
from keplearn.training.solved import Solved


def evidence_lower_bound(solved: Solved, weights: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Minus the evidence lower bound, -E[log p(x|z)] + w · KL(q(z₀)|p(z₀)), over the number of samples; one draw of z₀.

    Kingma & Welling, Auto-encoding variational Bayes, ICLR 2014: q is the encoder's distribution, the prior p
    N(0, 1), w ``kl_weight`` (Higgins et al., β-VAE, ICLR 2017) times the step's share of it.

    With several draws it is the bound with importance weights (Burda et al., Importance weighted autoencoders, ICLR
    2016): ``importance`` is by how much that differs from the other two parts.
    Where q is fitted, ``encoder`` is what only the encoder learns by: minus the log density that it gives a draw of q;
    at its mode alone a learned noise is the one that fits the residuals.
    """
    posterior, noise, share, surprise, ratios, observed, fits, _ = solved.encoded
    draws = 1 if ratios is None else len(ratios)
    noise = noise if draws == 1 or noise.ndim == 0 else jnp.tile(noise, (1, draws, 1))
    noise = noise * misfit(solved) if fits else noise
    residual = (solved.predicted - solved.truth) / noise
    density = residual * residual / 2 + jnp.log(noise) + log(2 * pi) / 2
    if observed is not None:
        density = density * observed[:, None]
    apart = (weights["kl_weight"] * share * posterior.divergence / len(residual))[None]
    parts = {
        "reconstruction": mean(jnp.sum(density, axis=1) / draws, solved.keep),
        "kl": mean(apart, solved.keep),
    }
    if ratios is not None:
        each = jnp.sum(jnp.stack(jnp.split(density, draws, axis=1)), axis=(1, 2))
        bound = jax.nn.logsumexp(weights["kl_weight"] * share * ratios - each, axis=0) - log(draws)
        parts["importance"] = mean(-bound[None] / len(residual), solved.keep) - sum(parts.values())
    if surprise is not None:
        parts["encoder"] = mean(surprise[None], solved.keep)
    return parts


def misfit(solved: Solved) -> Scalar:
    """Return the factor by which the likelihood's noise must be greater for what is left to be as large as it says."""
    residual, counted = _residuals(solved)
    squares, count = (mean(jnp.sum(x, axis=1), solved.keep) for x in (counted * residual**2, counted))
    return jnp.sqrt(squares / count)


def calibration(solved: Solved) -> Scalar:
    """Return the factor by which it must be greater for its 90 % interval to hold nine tenths of what is left.

    Of what the model has not observed of the segments, if that is anything: there the errors of its field are too,
    whose few great ones make a mean of squares larger.
    """
    residual, counted = _residuals(solved)
    off = jnp.where(counted * solved.keep > 0, jnp.abs(residual), jnp.nan)
    off = off[min(solved.encoded.observed, len(off) - 1) :]
    return jnp.nanquantile(off, 0.9) / NormalDist().inv_cdf(0.95)


def _residuals(
    solved: Solved,
) -> tuple[Float[Array, "sample component segment"], Float[Array, "sample component segment"]]:
    """Return what is left, over the noise, and 1 where that is observed."""
    _, noise, _, _, ratios, seen, *_ = solved.encoded
    noise = noise if ratios is None or noise.ndim == 0 else jnp.tile(noise, (1, len(ratios), 1))
    residual = (solved.predicted - solved.truth) / noise
    counted = jnp.ones_like(residual)
    return residual, counted if seen is None else counted * seen[:, None]
