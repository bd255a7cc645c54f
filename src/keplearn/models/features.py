"""Feature layers: what the network sees of a state. Adding one is adding one function here.

A feature layer maps a position r and velocity v (canonical units) and the layer settings to a vector of features.
Everything goes along the first axis, so that what is written for one state (3,) takes a batch (3, batch) as it
stands. The decorator's words are facts about the layer that the acceptance tests check.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial, pi, sqrt

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from keplearn.core.jax_shapes import Features, Vector
from keplearn.core.tables import Table
from keplearn.models.geometry import cross, norm, unit


@dataclass(frozen=True)
class LayerSettings:
    """The settings that a few feature layers read."""

    harmonics_degree: int = 2
    fourier_count: int = 16
    fourier_scale: float = 1.0


@dataclass(frozen=True)
class FeatureLayer:
    """A feature layer: ``uses_velocity``, and whether its features are the same in a rotated frame.

    ``names``: what each feature is called in figures, of the settings; None if nobody said.
    """

    function: Callable[[Vector, Vector, LayerSettings], Features]
    uses_velocity: bool
    rotation_invariant: bool
    names: Callable[[LayerSettings], list[str]] | None = None


FEATURE_LAYERS: Table[FeatureLayer] = Table("feature layer")


def feature_layer(
    names: str | Callable[[LayerSettings], list[str]] | None = None,
    *,
    uses_velocity: bool,
    rotation_invariant: bool = False,
):
    """Enter a function into the table under its own name; ``names`` of its features, separated by commas."""
    listed = (lambda settings: names.split(", ")) if isinstance(names, str) else names

    def enter(function: Callable[[Vector, Vector, LayerSettings], Features]):
        layer = FeatureLayer(function, uses_velocity, rotation_invariant, listed)
        FEATURE_LAYERS.enter(function, layer)
        return function

    return enter


def feature_names(name: str, settings: LayerSettings) -> list[str]:
    """Name every feature of a layer, in order; ``v_x`` means x below v. Numbers, if the layer says nothing."""
    layer = FEATURE_LAYERS[name]
    if layer.names is not None:
        return layer.names(settings)
    zeros = jax.ShapeDtypeStruct((3,), np.float32)
    size = jax.eval_shape(lambda r, v: layer.function(r, v, settings), zeros, zeros).shape[0]
    return [f"feature {k}" for k in range(1, size + 1)]


def _harmonics_names(settings: LayerSettings) -> list[str]:
    degrees = range(1, settings.harmonics_degree + 1)
    harmonics = [
        f"Y({degree}, {m})".replace("-", "−") for degree in degrees for m in range(-degree, degree + 1)
    ]
    return ["1/r", *harmonics, "v_x", "v_y", "v_z"]


def _fourier_names(settings: LayerSettings) -> list[str]:
    return [f"{wave} {k}" for wave in ("cos", "sin") for k in range(1, settings.fourier_count + 1)]


def _join(*parts: Array) -> Features:
    """Join scalars and at least one vector, of one state or of a batch."""
    rank = max(part.ndim for part in parts)
    return jnp.concatenate([part if part.ndim == rank else part[None] for part in parts])


@feature_layer("1/r, x/r, y/r, z/r, v_x, v_y, v_z", uses_velocity=True)
def sph_4D_rinv_vel(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """1/r, r̂, v (7)."""
    return _join(1 / norm(r), unit(r), v)


@feature_layer("1/r, x/r, y/r, z/r, 1/v, v_x/v, v_y/v, v_z/v", uses_velocity=True)
def sph_4D_rinv_vinv(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """1/r, r̂, 1/v, v̂ (8), with v held above 1e-6."""
    return _join(1 / norm(r), unit(r), 1 / norm(v), unit(v))


@feature_layer(_harmonics_names, uses_velocity=True)
def sph_4D_rinv_vel_harmonics(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """1/r, the real spherical harmonics of r̂ of degree 1 to ``harmonics_degree``, v."""
    return _join(1 / norm(r), spherical_harmonics(unit(r), settings.harmonics_degree), v)


@feature_layer("1/r, x/r, y/r, z/r", uses_velocity=False)
def sph_4D_rinv(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """1/r, r̂ (4)."""
    return _join(1 / norm(r), unit(r))


@feature_layer("log r, x/r, y/r, z/r", uses_velocity=False)
def sph_4D_logr(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Log r, r̂ (4)."""
    return _join(jnp.log(norm(r)), unit(r))


@feature_layer("log r, x/r, y/r, z/r, v_x, v_y, v_z", uses_velocity=True)
def sph_4D_logr_vel(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Log r, r̂, v (7)."""
    return _join(jnp.log(norm(r)), unit(r), v)


@feature_layer("log r, x/r, y/r, z/r, log v, v_x/v, v_y/v, v_z/v", uses_velocity=True)
def sph_4D_logr_logv(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Log r, r̂, log v, v̂ (8), with v held above 1e-6: a power of r or v is linear in its logarithm."""
    return _join(jnp.log(norm(r)), unit(r), jnp.log(norm(v)), unit(v))


@feature_layer("log r, x/r, y/r, z/r, v_x √r, v_y √r, v_z √r", uses_velocity=True)
def sph_4D_logr_vscaled(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Log r, r̂, v/√(μ/r), the velocity in units of that of a circular orbit (7); canonical units have μ = 1."""
    radius = norm(r)
    return _join(jnp.log(radius), unit(r), v * jnp.sqrt(radius))


@feature_layer("1/r, x/r, y/r, z/r, v_r, v_t, h", uses_velocity=True)
def sph_4D_rinv_rtn(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """1/r, r̂, v_r = r̂·v, v_t = |r̂×v|, h = |r×v| (7)."""
    radial, transverse = _radial_transverse(r, v)
    return _join(1 / norm(r), unit(r), radial, transverse, norm(cross(r, v)))


@feature_layer("1/r, x/r, y/r, z/r, v, cos γ, sin γ", uses_velocity=True)
def sph_4D_rinv_speed(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """1/r, r̂, v, cos γ = v_t/v and sin γ = v_r/v of the flight path angle γ (7)."""
    radial, transverse = _radial_transverse(r, v)
    speed = norm(v)
    return _join(1 / norm(r), unit(r), speed, transverse / speed, radial / speed)


@feature_layer("log r, v_r, v_t", uses_velocity=True, rotation_invariant=True)
def radial_transverse(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Log r, v_r = r̂·v, v_t = |r̂×v| (3): no direction, for heads in a local frame."""
    return jnp.stack([jnp.log(norm(r)), *_radial_transverse(r, v)])


@feature_layer("log r", uses_velocity=False, rotation_invariant=True)
def log_radius(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Log r (1): no direction, for heads in a local frame."""
    return jnp.log(norm(r))[None]


@feature_layer("log r, log v", uses_velocity=True, rotation_invariant=True)
def log_speed(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Log r, log v (2), with v held above 1e-6: no direction, for heads in a local frame."""
    return jnp.log(jnp.stack([norm(r), norm(v)]))


@feature_layer("x, y, z", uses_velocity=False)
def position(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Position r as it is (3)."""
    return r


@feature_layer("x, y, z, v_x, v_y, v_z", uses_velocity=True)
def cartesian(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Position r and velocity v as they are (6)."""
    return _join(r, v)


@feature_layer(_fourier_names, uses_velocity=False)
def fourier(r: Vector, v: Vector, settings: LayerSettings) -> Features:
    """Cosines and sines of 2πBr, with ``fourier_count`` rows of B drawn once from N(0, ``fourier_scale``²).

    Tancik et al., Fourier features let networks learn high frequency functions (2020). B does not depend on
    the run's seed: it belongs to the layer.
    """
    draws = np.random.default_rng(0).standard_normal((settings.fourier_count, 3))
    phase = jnp.asarray(2 * pi * settings.fourier_scale * draws, r.dtype) @ r
    return _join(jnp.cos(phase), jnp.sin(phase))


def _radial_transverse(r: Vector, v: Vector) -> tuple[Array, Array]:
    """v_r = r̂·v and v_t = |r̂×v|."""
    radial = unit(r)
    return jnp.sum(radial * v, axis=0), norm(cross(radial, v))


def spherical_harmonics(u: Vector, degree: int) -> Features:
    """Real orthonormal spherical harmonics of a unit vector: degrees l = 1 … ``degree``, orders -l … l.

    In Cartesian form: the associated Legendre functions without their factor sin^m θ by the usual recursion
    in the degree, times the real and imaginary part of (x + iy)^m (Press et al., Numerical Recipes, 6.7; no
    Condon-Shortley phase).
    """
    x, y, z = u
    one = jnp.ones_like(z)
    real, imaginary = [one], [jnp.zeros_like(z)]
    for m in range(degree):
        real.append(x * real[m] - y * imaginary[m])
        imaginary.append(x * imaginary[m] + y * real[m])
    legendre: dict[tuple[int, int], Array] = {}
    for m in range(degree + 1):
        legendre[m, m] = float(np.prod(np.arange(1, 2 * m, 2))) * one
        for degree_l in range(m + 1, degree + 1):
            below = legendre.get((degree_l - 2, m), 0.0 * one)
            higher = (2 * degree_l - 1) * z * legendre[degree_l - 1, m] - (degree_l + m - 1) * below
            legendre[degree_l, m] = higher / (degree_l - m)
    harmonics = []
    for degree_l in range(1, degree + 1):
        for m in range(-degree_l, degree_l + 1):
            k = abs(m)
            scale = sqrt((2 * degree_l + 1) / (4 * pi) * factorial(degree_l - k) / factorial(degree_l + k))
            angular = imaginary[k] if m < 0 else real[k]
            harmonics.append((scale if m == 0 else sqrt(2) * scale) * legendre[degree_l, k] * angular)
    return jnp.stack(harmonics)
