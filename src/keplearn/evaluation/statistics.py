"""From errors by sample to the numbers of an orbit or a dataset: means, spread, asymmetry.

All functions take samples of any shape and give NaN where nothing is left or the quantity is undefined (the
skewness of equal errors). NaN is no sample; an infinite one is lost (`keplearn.evaluation.ranking`): quantiles count
it as the greatest, means and the skewness family are over the finite ones. None of them warns.
"""

from collections.abc import Mapping

import numpy as np

from keplearn.core.shapes import ScalarArray
from keplearn.evaluation.keys import KEYS, MEANS
from keplearn.evaluation.metrics import sign_changes
from keplearn.evaluation.ranking import quantiles


def summarize(samples: Mapping[str, ScalarArray], diverged: int) -> dict[str, float | int]:
    """Sum up the samples of an orbit, or of all orbits of a dataset, under the keys in `KEYS`.

    Parameters
    ----------
    samples
        The per-sample variables of an evaluation by name, (sample,) or (orbit, sample), lost ones infinite
        and padding NaN; ``magnitude`` may be missing.
    diverged
        The number of diverged orbits among them, passed through.

    Returns
    -------
    summary
        Means are over the finite samples of all orbits; ``flips`` is the mean over orbits, NaN for a head
        without m; the spread and the skewness family are of the ``mean`` errors; ``outliers``, ``lost`` (of
        ``mean``) and ``lost-field`` are numbers of samples.
    """
    values = {key: finite_mean(samples[name]) for key, name in MEANS.items()}
    values["radial%"] *= 100.0
    magnitude = samples.get("magnitude")
    values["flips"] = np.nan if magnitude is None else finite_mean(sign_changes(magnitude))
    values |= spread(samples["mean"]) | skew(samples["mean"])
    values |= {"diverged": diverged, "lost": _lost(samples["mean"]), "lost-field": _lost(samples["field"])}
    return {key: values[key] for key in KEYS}


def _lost(samples: ScalarArray) -> int:
    return int(np.isinf(samples).sum())


def finite_mean(samples: ScalarArray) -> float:
    """Mean over the finite samples."""
    x = samples[np.isfinite(samples)]
    return float(x.mean()) if x.size else np.nan


def spread(samples: ScalarArray) -> dict[str, float]:
    """Median, population standard deviation, quartiles (linear interpolation), maximum, outliers.

    Lost samples are the greatest in all but the standard deviation, which is of the finite ones. ``outliers``
    counts the samples outside [Q1 − 1.5 IQR, Q3 + 1.5 IQR] (Tukey, *Exploratory Data Analysis*, 1977).
    """
    x, finite = samples[~np.isnan(samples)], samples[np.isfinite(samples)]
    if not x.size:
        return dict.fromkeys(("median", "std", "q1", "q3", "max"), np.nan) | {"outliers": 0}
    q1, middle, q3 = quantiles(x, [0.25, 0.5, 0.75])
    # Where a quarter of the samples is lost nothing lies beyond.
    reach = 1.5 * (q3 - q1) if np.isfinite(q3) else np.inf
    outliers = int(((x < min(q1, q3) - reach) | (x > q3 + reach)).sum())
    deviation = float(finite.std()) if finite.size else np.nan
    return {
        "median": middle, "std": deviation, "q1": q1, "q3": q3, "max": float(x.max()), "outliers": outliers
    }  # fmt: skip


def skew(samples: ScalarArray) -> dict[str, float]:
    """Four measures of asymmetry, positive where the tail is towards large errors.

    ``skewness`` E[(x − x̄)³]/σ³; ``pearson-sk1`` (mean − mode)/σ with the half-sample mode; ``pearson-sk2``
    3 (mean − median)/σ; ``bowley`` (Q3 + Q1 − 2 Q2)/(Q3 − Q1). NaN where the denominator is 0 to rounding.
    """
    x = samples[np.isfinite(samples)]
    if not x.size:
        return dict.fromkeys(("skewness", "pearson-sk1", "pearson-sk2", "bowley"), np.nan)
    mean, deviation = x.mean(), x.std()
    q1, median, q3 = np.quantile(x, [0.25, 0.5, 0.75])
    rounding = 8.0 * np.finfo(float).eps * np.abs(x).max()
    sigma = deviation if deviation > rounding else np.nan
    between = q3 - q1 if q3 - q1 > rounding else np.nan
    return {
        "skewness": float((((x - mean) / sigma) ** 3).mean()),
        "pearson-sk1": float((mean - half_sample_mode(x)) / sigma),
        "pearson-sk2": float(3.0 * (mean - median) / sigma),
        "bowley": float((q3 + q1 - 2.0 * median) / between),
    }


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
