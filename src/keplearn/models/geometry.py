"""Norms, unit vectors and the local orbital frame, finite in value and gradient everywhere.

All along the first axis: one vector (3,), or a batch (3, batch).
"""

import jax.numpy as jnp

from keplearn.core.jax_shapes import Scalars, Vector

# Below this length (canonical units) a vector's norm is held at it: no orbit comes near, a bad network may.
SMALL = 1e-6
# ε of û = d/(|d| + ε).
EPSILON = 1e-8


def norm(x: Vector, floor: float = SMALL) -> Scalars:
    """Return max(|x|, floor), with gradient zero where the floor holds."""
    return jnp.sqrt(jnp.maximum(jnp.sum(x * x, axis=0), floor * floor))


def unit(x: Vector) -> Vector:
    """Return x/|x|, and x/SMALL below SMALL."""
    return x / norm(x)


def direction(d: Vector) -> Vector:
    """Return û = d/(|d| + ε), the direction that an output layer makes of three network outputs."""
    return d / (norm(d, EPSILON) + EPSILON)


def cross(a: Vector, b: Vector) -> Vector:
    """Return a × b."""
    return jnp.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def rtn_frame(r: Vector, v: Vector) -> tuple[Vector, Vector, Vector]:
    """Return R̂ = r̂, T̂ = N̂ × R̂ and N̂ = (r × v)/|r × v|, ẑ where r × v vanishes."""
    h = cross(r, v)
    radial_motion = jnp.sum(h * h, axis=0) < SMALL**2
    z_axis = jnp.stack([jnp.zeros_like(r[0]), jnp.zeros_like(r[0]), jnp.ones_like(r[0])])
    normal = jnp.where(radial_motion, z_axis, h / norm(h))
    radial = unit(r)
    return radial, cross(normal, radial), normal
