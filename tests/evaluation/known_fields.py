"""Orbits and fields that are known exactly."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.two_body import two_body_dataset
from keplearn.orbits.constants import MU_EARTH


def kepler(r: jax.Array, v: jax.Array) -> jax.Array:
    """The two-body law in canonical units."""
    return -r / jnp.sum(r * r) ** 1.5


def one_percent_more(r: jax.Array, v: jax.Array) -> jax.Array:
    """The two-body law with μ one percent too large."""
    return 1.01 * kepler(r, v)


def kepler_dataset(elements: list[list[float]], samples: int = 60) -> OrbitDataset:
    """Kepler orbits about the Earth of given elements (km, rad)."""
    rows = np.array(elements)
    planar = bool((rows[:, 2] == 0).all())
    names = [str(k) for k in range(len(rows))]
    return two_body_dataset(
        "known orbits", rows, MU_EARTH, names, "of given elements", planar=planar, samples=samples
    )


def padded(dataset: OrbitDataset, counts: list[int]) -> OrbitDataset:
    """The dataset with its orbits cut to so many samples, padded with NaN to the longest."""
    keep = np.arange(max(counts)) < np.array(counts)[:, None]
    cut = {"times": keep, "states": keep[..., None], "accelerations": keep[..., None]}
    arrays = {
        key: np.where(mask, getattr(dataset, key)[:, : max(counts)], np.nan) for key, mask in cut.items()
    }
    return replace(dataset, name="padded orbits", **arrays)


def too_strong(r: jax.Array, v: jax.Array) -> jax.Array:
    """The two-body law times 1 + 0.02/r²: the nearer the centre, the more too strong."""
    return (1.0 + 0.02 / jnp.sum(r * r)) * kepler(r, v)


def infinite_near_perigee(r: jax.Array, v: jax.Array) -> jax.Array:
    """The same, but infinite within 0.3 length units of the centre, where it would be worst."""
    return jnp.where(jnp.linalg.norm(r) < 0.3, jnp.inf, too_strong(r, v))
