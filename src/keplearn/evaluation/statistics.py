"""From errors by sample to the numbers of an orbit or a dataset: means, quantiles, mode.

All functions take samples of any shape and give NaN where nothing is left or the quantity is undefined (the
skewness of equal errors). NaN is no sample; an infinite one is lost (`keplearn.evaluation.ranking`): quantiles count
it as the greatest, means and the skewness family are over the finite ones. None of them warns.
"""

from collections.abc import Sequence
from functools import cached_property
from math import inf, nan

import numpy as np
from jaxtyping import Float64

from keplearn.core.shapes import ScalarArray

Values = Float64[np.ndarray, "value"]


class Distribution:
    """The samples of an orbit or of all orbits of a dataset, lost ones infinite and padding NaN.

    Attributes
    ----------
    samples
        (sample,) or (orbit, sample), or what a propagation told of each orbit.
    """

    def __init__(self, samples: np.ndarray):
        self.samples = samples

    @cached_property
    def known(self) -> Values:
        """The samples that are not padding, lost ones infinite."""
        return self.samples[~np.isnan(self.samples)]

    @cached_property
    def finite(self) -> Values:
        """The samples that are not lost."""
        return self.samples[np.isfinite(self.samples)]

    @cached_property
    def lost(self) -> int:
        """How many samples are lost."""
        return int(np.isinf(self.samples).sum())

    @cached_property
    def quartiles(self) -> list[float]:
        """Q1, median, Q3, lost samples the greatest."""
        return quantiles(self.known, [0.25, 0.5, 0.75])

    @cached_property
    def finite_quartiles(self) -> list[float]:
        """Q1, median, Q3 of the samples that are not lost."""
        return quantiles(self.finite, [0.25, 0.5, 0.75])

    @cached_property
    def mean(self) -> float:
        """Mean of the samples that are not lost."""
        return finite_mean(self.samples)

    @cached_property
    def rounding(self) -> float:
        """Differences below this are rounding."""
        return 8.0 * np.finfo(float).eps * float(np.abs(self.finite).max()) if self.finite.size else nan

    @cached_property
    def sigma(self) -> float:
        """Population standard deviation of the samples that are not lost; NaN where it is 0 to rounding."""
        deviation = float(self.finite.std()) if self.finite.size else nan
        return deviation if deviation > self.rounding else nan


def mean(x: Distribution) -> float:
    """Mean over the finite samples: how most metrics are summed up."""
    return x.mean


def mean_at_end(x: Distribution) -> float:
    """Mean over orbits of the last sample of each, where it is not lost."""
    return finite_mean(_last(x.samples))


def mean_size_at_end(x: Distribution) -> float:
    """Mean over orbits of the size of the last sample of each, where it is not lost."""
    return finite_mean(np.abs(_last(x.samples)))


def _last(samples: np.ndarray) -> np.ndarray:
    """The last sample of each orbit, padding aside."""
    return np.array([row[~np.isnan(row)][-1] for row in samples if not np.isnan(row).all()])


def finite_mean(samples: ScalarArray) -> float:
    """Mean over the finite samples."""
    x = samples[np.isfinite(samples)]
    return float(x.mean()) if x.size else np.nan


def quantiles(values: ScalarArray, levels: Sequence[float]) -> list[float]:
    """Return quantiles with linear interpolation: infinite values are the greatest, NaN are no values."""
    x = np.sort(values[~np.isnan(values)])
    if not x.size:
        return [nan] * len(levels)
    if np.isfinite(x[-1]):
        return [float(q) for q in np.quantile(x, levels)]
    found = []
    for level in levels:
        at = level * (x.size - 1)
        low, part = int(at), at - int(at)
        # No multiple of infinity: 0 times it is not a number.
        found.append(float(x[low] if part == 0 else x[low] + part * (x[low + 1] - x[low]))
                     if np.isfinite(x[low]) else inf)  # fmt: skip
    return found


def median(values: ScalarArray) -> float:
    """Return the median, as `quantiles` does."""
    return quantiles(values, [0.5])[0]


def half_sample_mode(samples: ScalarArray) -> float:
    """The half-sample mode of Bickel and Frühwirth (*Computational Statistics & Data Analysis* 50, 2006).

    Of all runs of half of the sorted samples take the narrowest, and so on in it; of two samples the mean, of
    three the mean of the closer two (the middle one if none is closer). Of equally narrow runs the middle one
    is taken, so that the mode of symmetric samples is their centre.
    """
    x = np.sort(samples[np.isfinite(samples)])
    if not x.size:
        return np.nan
    while x.size > 3:
        half = (x.size + 1) // 2
        widths = x[half - 1 :] - x[: x.size - half + 1]
        narrowest = np.flatnonzero(widths == widths.min())
        first = narrowest[len(narrowest) // 2]
        x = x[first : first + half]
    if x.size == 3:
        lower, upper = x[1] - x[0], x[2] - x[1]
        x = x[:2] if lower < upper else x[1:] if upper < lower else x[1:2]
    return float(x.mean())
