"""The fit of a power law: sizes over radii."""

from typing import NamedTuple

import numpy as np

from keplearn.core.shapes import ScalarArray

# Radii that differ by less than this, relatively, define no slope: circles, to rounding.
_ONE_RADIUS = 1e-6


class PowerLaw(NamedTuple):
    """The fit size(r) = ``scale`` (r/reference)^``exponent``, and the rms of size/fit − 1 in percent."""

    exponent: float
    scale: float
    rms_percent: float


def fit_power_law(radii: ScalarArray, sizes: ScalarArray, reference: float) -> PowerLaw:
    """Least squares of log size on log radius; exponent NaN where there is only one radius.

    Sizes that are not positive and finite are left out; all NaN where none is left.
    """
    good = np.isfinite(sizes) & (sizes > 0.0)
    if not good.any():
        return PowerLaw(np.nan, np.nan, np.nan)
    x, y = np.log(radii[good] / reference), np.log(sizes[good])
    away = x - x.mean()
    exponent = float((away @ y) / (away @ away)) if np.ptp(x) > _ONE_RADIUS else np.nan
    line = y.mean() + np.nan_to_num(exponent) * away
    scale = float(np.exp(y.mean() - np.nan_to_num(exponent) * x.mean()))
    return PowerLaw(exponent, scale, 100.0 * float(np.sqrt((np.expm1(y - line) ** 2).mean())))
