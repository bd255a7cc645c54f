"""Integrals of sampled curves from each sample to the next, on any increasing times."""

import numpy as np
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import ScalarArray

POINTS = 6
"""Samples that the integral over one step is made of; the order is as high."""
BEFORE, AFTER = POINTS - 2, POINTS - 1
"""How far before and after a step's first sample they may lie: at the ends of a curve they are all on one side."""


def step_weights(times: ScalarArray) -> Float64[np.ndarray, "step offset"]:
    """Weights of the samples k - `BEFORE` … k + `AFTER` in the integral from sample k to k + 1.

    It is that of the polynomial through the six samples around the step (the first or last six near the ends); all
    other weights are 0. The weights solve that the powers 0 … 5 of the time have their integrals.

    Parameters
    ----------
    times
        Shape (n,), strictly increasing, n ≥ 6.

    Returns
    -------
    weights
        Shape (n - 1, 10), in units of time.
    """
    n = len(times)
    if n < POINTS:
        raise KeplearnError(
            f"Quadrature of order {POINTS} needs at least {POINTS} samples an orbit, not {n}."
        )
    first = np.arange(n - 1)
    start = np.clip(first - BEFORE // 2, 0, n - POINTS)
    members = start[:, None] + np.arange(POINTS)
    centre = (times[members[:, 0]] + times[members[:, -1]]) / 2
    half = (times[members[:, -1]] - times[members[:, 0]]) / 2
    powers = np.arange(POINTS)
    nodes = (times[members] - centre[:, None]) / half[:, None]
    ends = [((times[k] - centre) / half)[:, None] ** (powers + 1) / (powers + 1) for k in (first, first + 1)]
    matrix = nodes[:, None, :] ** powers[:, None]
    solved = np.linalg.solve(matrix, (ends[1] - ends[0])[..., None])[..., 0] * half[:, None]
    weights = np.zeros((n - 1, BEFORE + AFTER + 1))
    np.put_along_axis(weights, members - first[:, None] + BEFORE, solved, axis=1)
    return weights
