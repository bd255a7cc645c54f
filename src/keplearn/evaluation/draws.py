"""Paths of a latent ODE from draws of where an orbit begins: what figures of its uncertainty and its latent show.

Beginnings are normally distributed, as in the scores (`keplearn.evaluation.encoded`); that the field errs is not in
them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from keplearn.core.errors import KeplearnError
from keplearn.core.programs import compiled
from keplearn.core.shapes import OrbitTimes, OrbitVectors
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.encoded import infer, observed_of, states_along
from keplearn.evaluation.planes import into_planes, osculating_planes, rotate_back
from keplearn.evaluation.propagation import ATOL, MAX_STEPS, RTOL
from keplearn.evaluation.subject import Subject
from keplearn.integrate import adaptive_solve
from keplearn.models.kinds import Model
from keplearn.models.latent_ode import LatentODE


class Paths(NamedTuple):
    """What a latent ODE makes of some orbits.

    ``times`` of the true orbits, s, and ``true`` positions, km; ``observed`` where they are; ``positions`` (draw,
    orbit, sample, 3), km, and ``latents`` (draw, orbit, sample, latent) along the paths from each draw, of which the
    first begins at the mean. NaN where an orbit is padded, or a path has not come to.
    """

    times: OrbitTimes
    true: OrbitVectors
    observed: np.ndarray
    positions: Float64[np.ndarray, "draw orbit sample 3"]
    latents: Float64[np.ndarray, "draw orbit sample latent"]


def paths_of(
    model: Model, dataset: OrbitDataset, orbits: Sequence[int], draws: int = 0, seed: int = 0
) -> Paths:
    """Return the paths from the mean of the beginning of each of some orbits, and from so many draws of it.

    Raises
    ------
    KeplearnError
        If the model is none that observes, has no units, or there is no such orbit.
    """
    if not isinstance(model, LatentODE):
        raise KeplearnError(
            "This model starts from a true state: it has no latent, and draws no beginnings (model: latent_ode does)."
        )
    if not orbits or not all(0 <= k < len(dataset) for k in orbits):
        raise KeplearnError(f"{dataset.name} has {len(dataset)} orbits, from #0: there is no #{max(orbits)}.")
    subject, chosen = Subject.predictor(model), list(orbits)
    seen = subject.observed(dataset, None)
    assert seen is not None
    seen, states, times = seen[chosen], dataset.states[chosen], dataset.times[chosen]
    turns = osculating_planes(states[:, 0]) if subject.planar else None
    given = seen if turns is None else into_planes(turns, seen)
    last = np.nanmax(times, axis=1, keepdims=True)
    with jax.enable_x64(True):
        arguments = (
            jax.tree.leaves(subject.dynamics),
            jnp.asarray(subject.units.to_canonical_times(np.where(np.isfinite(times), times, last))),
            jnp.asarray(subject.units.to_canonical_states(given)),
            jnp.asarray(np.random.default_rng(seed).normal(size=(draws + 1, _size(model)))).at[0].set(0.0),
        )
        structure = jax.tree.structure(subject.dynamics)
        found = compiled(_paths, (structure, subject.smooth), *arguments).call(*arguments)
    positions, latents = (np.swapaxes(np.asarray(x), 0, 1) for x in found)
    positions, latents = (np.where(np.isfinite(times)[..., None], x, np.nan) for x in (positions, latents))
    positions = subject.units.length_km * positions
    if turns is not None:
        positions = np.stack([rotate_back(turns, one) for one in positions])
    return Paths(times, states[..., :3], np.isfinite(seen[..., 0]), positions, latents)


def _size(model: LatentODE) -> int:
    return len(model.architecture.coordinates)


def _paths(
    static: tuple[Any, bool],
    leaves: list[Array],
    times: Float[Array, "orbit sample"],
    given: Float[Array, "orbit sample 6"],
    noise: Float[Array, "draw latent"],
) -> tuple[Float[Array, "orbit draw sample 3"], Float[Array, "orbit draw sample latent"]]:
    """Return positions and latents along the paths, canonical, NaN where a path has not come to."""
    structure, smooth = static
    model: LatentODE = jax.tree.unflatten(structure, leaves)
    steps = {"rtol": RTOL, "atol": ATOL, "max_steps": MAX_STEPS, "high_order": smooth}

    def orbit(t: Float[Array, "sample"], given: Float[Array, "sample 6"]):
        beginning, covariance = infer(model, steps, observed_of(model, given, t))
        drawn = beginning + noise @ jnp.linalg.cholesky(covariance).T
        return jax.vmap(partial(path, t))(drawn)

    def path(t: Float[Array, "sample"], beginning: Float[Array, "latent"]):
        flow, _ = adaptive_solve(model.flow, model.begin(beginning), t, **steps)
        flow = jnp.where(jnp.isfinite(flow).all(-1, keepdims=True), flow, jnp.nan)
        latent = flow[:, np.array(model.architecture.coordinates)]
        return states_along(model, flow)[0][:, :3], latent

    return jax.vmap(orbit)(times, given)
