"""Vectors compared sample by sample: pure functions of NumPy arrays in float64, last axis = component.

Vectors are (…, 3), results (…,). NaN in gives NaN out, and no function warns: a diverged orbit is an ordinary
case. The metrics in `keplearn.evaluation.metrics` are made of them.
"""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from jaxtyping import Float64

from keplearn.core.shapes import ScalarArray, VectorArray


def percent_error(predicted: VectorArray, true: VectorArray) -> ScalarArray:
    """100 |**p** − **t**| / |**t**|, in %."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return 100.0 * np.linalg.norm(predicted - true, axis=-1) / np.linalg.norm(true, axis=-1)


def angle_deg(a: VectorArray, b: VectorArray) -> ScalarArray:
    """Angle between two vectors in degrees: atan2(|**a** × **b**|, **a**·**b**), accurate at 0° and 180° too.

    NaN where either vector vanishes.
    """
    a, b = unit(a), unit(b)
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))


def outward(acceleration: VectorArray, position: VectorArray) -> ScalarArray:
    """1 where **a**·ρ̂ > 0, a force away from the centre, else 0; NaN where either is not finite."""
    along = (unit(acceleration) * unit(position)).sum(-1)
    known = np.isfinite(acceleration).all(-1) & np.isfinite(position).all(-1)
    return np.where(known, (along > 0.0).astype(float), np.nan)


def sign_changes(magnitudes: Float64[np.ndarray, "*orbit sample"]) -> Float64[np.ndarray, "*orbit"]:
    """Sign changes of m along each orbit. Zeros and NaN are passed over; NaN where no sample is finite."""
    signs = np.nan_to_num(np.sign(magnitudes))
    # The sign of the last sample before each that has one.
    last = np.maximum.accumulate(np.where(signs != 0, np.arange(signs.shape[-1]), 0), axis=-1)
    held = np.take_along_axis(signs, last, axis=-1)
    changes = (held[..., 1:] * held[..., :-1] < 0).sum(axis=-1)
    return np.where(np.isfinite(magnitudes).any(axis=-1), changes, np.nan)


def relative_drift(values: ScalarArray, starts: ScalarArray) -> ScalarArray:
    """|x − x₀| / |x₀|; NaN where x₀ = 0."""
    return np.abs(values - starts) / np.where(starts == 0.0, np.nan, np.abs(starts))


def unit(x: VectorArray) -> VectorArray:
    """x/|x|, NaN where x vanishes or is not finite; scaled first, so that nothing overflows."""
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x / np.abs(x).max(axis=-1, keepdims=True)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)


def reach(share: float) -> float:
    """Return the standard deviations to either side that hold a share of a normal distribution."""
    return NormalDist().inv_cdf((1 + share) / 2)


def inside(off: VectorArray, deviation: VectorArray | None, share: float) -> ScalarArray:
    """Share of components within the central interval of a normal distribution; those without a deviation aside."""
    most = reach(share)
    return _over_components(lambda z, s: np.where(np.abs(z) <= most, 1.0, 0.0), off, deviation)


def interval(deviation: VectorArray | None, share: float) -> ScalarArray:
    """Width of the central interval of normal distributions, mean of the components that have a deviation."""
    width = 2 * reach(share)
    if deviation is None:
        return np.array(np.nan)
    return _over_components(lambda z, s: width * s, np.zeros_like(deviation), deviation)


def ranked_probability(off: VectorArray, deviation: VectorArray | None) -> ScalarArray:
    """Continuous ranked probability score of normal distributions, mean of the components that have a deviation.

    s (z (2Φ(z) − 1) + 2φ(z) − 1/√π) with z = off/s (Gneiting & Raftery, Strictly proper scoring rules, J. Am. Stat.
    Assoc. 102, 2007).
    """
    from scipy.special import erf  # a tenth of what a training imports, and neural ODEs have no deviations

    def score(z: ScalarArray, s: ScalarArray) -> ScalarArray:
        density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
        return s * (z * erf(z / np.sqrt(2)) + 2 * density - 1 / np.sqrt(np.pi))

    return _over_components(score, off, deviation)


def _over_components(
    function: Callable[[ScalarArray, ScalarArray], ScalarArray],
    off: VectorArray,
    deviation: VectorArray | None,
) -> ScalarArray:
    """Mean of a function of off/deviation and deviation over components with one; NaN where one is not finite."""
    if deviation is None:
        return np.full(off.shape[:-1], np.nan)
    with np.errstate(all="ignore"):
        counted = deviation != 0
        z = np.where(counted, off / deviation, 0.0)
        value = np.where(np.isfinite(z), function(z, deviation), np.nan)
        return np.where(counted, value, 0.0).sum(-1) / counted.sum(-1)
