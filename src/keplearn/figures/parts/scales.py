"""When an axis is logarithmic, and from where to where it reaches: one rule for all figures and the page.

Sizes along a path or a training (losses, errors, accelerations over time) are logarithmic in any case, for they are
looked at for their decades (`keplearn.figures.parts.style.log_axis`). Everything else is where its values ask for it.
"""

import numpy as np
from jaxtyping import Float

from keplearn.evaluation.metrics import METRICS

RANGE = 20.0
"""Positive values whose greatest is this many times the least stand on a logarithmic axis."""


def wants_log(values: Float[np.ndarray, "..."], metric: str = "") -> bool:
    """Whether finite values ask for a logarithmic axis: none negative, most above 0, a wide range.

    Parameters
    ----------
    values
        What the axis shows; what is not finite is lost or missing, and does not count.
    metric
        What they are, by its key; one whose record says so (`Metric.log`) never has such an axis.
    """
    values = values[np.isfinite(values)]
    positive = values[values > 0]
    if metric in METRICS and not METRICS[metric].log:
        return False
    if len(positive) < max(2, 0.5 * len(values)) or (values < 0).any():
        return False
    return bool(positive.max() >= RANGE * positive.min())


def limits(values: Float[np.ndarray, "..."], log: bool, above: float = 0.06) -> tuple[float, float]:
    """Return the range of an axis for all finite values, with room below and a share ``above``."""
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not values.size:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = (np.log10([values.min(), values.max()])) if log else (values.min(), values.max())
    span = high - low or (0.5 if log else abs(high) or 1.0)
    low, high = low - 0.05 * span, high + above * span
    return (float(10**low), float(10**high)) if log else (float(low), float(high))
