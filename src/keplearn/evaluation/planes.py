"""Osculating planes: how a planar model, which knows z = 0 alone, meets an orbit in space.

The orbit is turned about its line of nodes by its inclination, so that the plane of its first state becomes
z = 0. The node keeps its direction: longitudes in the plane count from +x, through the node, and orbits of
small inclination go over into planar ones without a jump. Orbits in z = 0, of either sense, stay as they are.
"""

import numpy as np
from jaxtyping import Float64

from keplearn.core.shapes import StateArray, VectorArray

Rotations = Float64[np.ndarray, "orbit 3 3"]


def osculating_planes(first_states: Float64[np.ndarray, "orbit 6"]) -> Rotations:
    """Rotations Q with Q **r** in the frame of each orbit's osculating plane, Q (**r**₀ × **v**₀) along +z.

    Rodrigues' formula about the ascending node û = ẑ × **n** / |ẑ × **n**| by −i, with **n** the unit normal:
    Q = cos i · 1 − sin i [û]× + (1 − cos i) û ûᵀ. The identity where **r**₀ × **v**₀ is along ±z or vanishes.
    """
    momentum = np.cross(first_states[:, :3], first_states[:, 3:])
    horizontal = np.hypot(momentum[:, 0], momentum[:, 1])
    rotations = np.tile(np.eye(3), (len(first_states), 1, 1))
    for k in np.flatnonzero(horizontal > 0.0):
        length = np.linalg.norm(momentum[k])
        cos_i, sin_i = momentum[k, 2] / length, horizontal[k] / length
        node_x, node_y = -momentum[k, 1] / horizontal[k], momentum[k, 0] / horizontal[k]
        node = np.array([node_x, node_y, 0.0])
        cross = np.array([[0.0, 0.0, node_y], [0.0, 0.0, -node_x], [-node_y, node_x, 0.0]])
        rotations[k] = cos_i * np.eye(3) - sin_i * cross + (1.0 - cos_i) * np.outer(node, node)
    return rotations


def into_planes(rotations: Rotations, states: StateArray) -> StateArray:
    """States (orbit, sample, 6) as a planar model sees them: turned into their planes, z and v_z dropped."""
    turned = np.concatenate([rotate(rotations, states[..., :3]), rotate(rotations, states[..., 3:])], axis=-1)
    turned[..., [2, 5]] *= 0.0  # 0, and NaN where padded
    return turned


def rotate(rotations: Rotations, vectors: VectorArray) -> VectorArray:
    """Q **x** for vectors (orbit, sample, 3)."""
    return np.einsum("oij,osj->osi", rotations, vectors)


def rotate_back(rotations: Rotations, vectors: VectorArray) -> VectorArray:
    """Qᵀ **x**: from the planes back to space."""
    return np.einsum("oji,osj->osi", rotations, vectors)


def deviations(
    covariances: Float64[np.ndarray, "orbit sample 3 3"], rotations: Rotations | None
) -> VectorArray:
    """Standard deviations by component, of covariances in the planes or, without rotations, in space."""
    if rotations is not None:
        covariances = np.einsum("oki,oskl,olj->osij", rotations, covariances, rotations)
    return np.sqrt(np.maximum(np.diagonal(covariances, axis1=2, axis2=3), 0.0))
