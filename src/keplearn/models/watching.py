"""Ground stations: what they see of a trajectory, from where, and when.

Stations turn with the Earth, a sphere, about the z axis of the frame; where a segment or a test orbit begins, the
meridian of Greenwich is in the direction of x. Of the stations that have a satellite above their horizon the one that
sees it highest observes it; where none has, nothing is observed. Canonical units.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from keplearn.core.jax_shapes import Vector
from keplearn.data.units import Units
from keplearn.models.geometry import norm
from keplearn.orbits.constants import EARTH_RADIUS, EARTH_ROTATION, MU_EARTH

WATCHED = {"angles": 3, "range_angles": 4}
"""What stations can observe, and how many numbers that is: the line of sight, a unit vector, and the range first."""


class Watched(NamedTuple):
    """Where the observing station is at each sample, and whether any observes it: 1 or 0."""

    sites: Float[Array, "sample 3 *batch"]
    seen: Float[Array, "sample *batch"]


def earth(units: Units | None) -> Float64[np.ndarray, "2"]:
    """Radius and rate of rotation of the Earth; of no units, those of the Earth's own."""
    units = units or Units(EARTH_RADIUS, MU_EARTH)
    return np.array([EARTH_RADIUS / units.length_km, EARTH_ROTATION * units.time_s])


def watch(
    stations: tuple[tuple[float, float], ...],
    body: Float[Array, "2"],
    positions: Float[Array, "sample 3 *batch"],
    times: Float[Array, "sample *batch"],
) -> Watched:
    """Return which station observes each position; stations by latitude and longitude in degrees."""
    latitude, longitude = np.radians(np.array(stations)).T
    across = (slice(None), *[None] * times.ndim)
    turned = longitude.astype(times.dtype)[across] + body[1] * times
    flat, up = (
        np.broadcast_to(f(latitude).astype(times.dtype)[across], turned.shape) for f in (np.cos, np.sin)
    )
    zenith = jnp.stack([flat * jnp.cos(turned), flat * jnp.sin(turned), jnp.asarray(up)], axis=2)
    sites = body[0] * zenith
    away = positions - sites
    heights = jnp.sum(away * zenith, axis=2) / jnp.sqrt(jnp.sum(away * away, axis=2))
    best = jnp.argmax(heights, axis=0)
    site = jnp.take_along_axis(sites, best[None, :, None], axis=0)[0]
    return Watched(site, (jnp.max(heights, axis=0) > 0).astype(times.dtype))


def sighted(observe: str, position: Vector, site: Vector) -> Float[Array, "component *batch"]:
    """Return what a station at a site observes of a position."""
    away = position - site
    distance = norm(away)
    sight = away / distance
    return sight if observe == "angles" else jnp.concatenate([distance[None], sight])
