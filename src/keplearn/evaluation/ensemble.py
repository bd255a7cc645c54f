"""An ensemble: several models of one field as one, their mean with its spread, sample by sample.

Members that differ by their seeds alone, trained on the same orbits, agree where the data decide and part where they
do not: their spread is a sign of extrapolation that needs no truth (Lakshminarayanan, Pritzel & Blundell, Simple and
scalable predictive uncertainty estimation using deep ensembles, NeurIPS 2017).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.vectors import percent_error

if TYPE_CHECKING:
    import xarray

LEAST = 2
"""Members of an ensemble."""


def ensemble(evaluations: "Sequence[xarray.Dataset]") -> "xarray.Dataset":
    """Return mean, spread and errors of an ensemble's accelerations at the true states of one dataset.

    Parameters
    ----------
    evaluations
        Of each member on the same orbits.

    Returns
    -------
    found
        By (orbit, sample): ``acceleration`` (…, 3), the mean of the members, km/s²; ``spread``, the standard deviation
        of the members about it, √(Σ|a_k − ā|²/(n − 1)), % of |ā|; ``error`` of the mean and ``member_error``, the mean
        of the members' own, % of the true acceleration; ``distance`` to the nearest training state of any member,
        where it is known. NaN where orbits are padded.

    Raises
    ------
    KeplearnError
        If there are fewer than two, their orbits differ, or one has no field.
    """
    if len(evaluations) < LEAST:
        raise KeplearnError(f"An ensemble has at least {LEAST} runs; this is {len(evaluations)}.")
    first = evaluations[0]
    true = first["acceleration"].to_numpy()
    for one in evaluations:
        if "field_acceleration" not in one:
            raise KeplearnError(
                "A member of the ensemble has no field whose acceleration could be asked for."
            )
        if not np.array_equal(one["acceleration"].to_numpy(), true, equal_nan=True):
            raise KeplearnError("The members of the ensemble were tested on different orbits.")
    members = np.stack([one["field_acceleration"].to_numpy() for one in evaluations])
    mean = members.mean(axis=0)
    apart = np.linalg.norm(members - mean, axis=-1)
    with np.errstate(all="ignore"):
        size = np.linalg.norm(mean, axis=-1)
        spread = 100.0 * np.sqrt((apart**2).sum(axis=0) / (len(members) - 1)) / size
    each = np.stack([percent_error(member, true) for member in members])
    at = ("orbit", "sample")
    found = first[["time"]].assign(
        acceleration=((*at, "component"), mean),
        spread=(at, spread),
        error=(at, percent_error(mean, true)),
        member_error=(at, each.mean(axis=0)),
    )
    known = [one["distance"].to_numpy() for one in evaluations if "distance" in one]
    if len(known) == len(evaluations):
        found = found.assign(distance=(at, np.min(known, axis=0)))
    return found.assign_attrs(members=len(members))


def calibration(found: "xarray.Dataset") -> Float64[np.ndarray, "2"]:
    """Return the shares of samples, %, whose error is within once and twice what the spread says of it.

    If the truth is drawn as the members are, the error of their mean has the standard deviation spread · √(1 + 1/n).
    """
    n = int(found.attrs["members"])
    expected = found["spread"].to_numpy() * np.sqrt(1 + 1 / n)
    error = found["error"].to_numpy()
    known = ~np.isnan(error) & ~np.isnan(expected)
    return np.array([100.0 * np.mean(error[known] <= k * expected[known]) for k in (1, 2)])
