"""Errors over semi-major axis and eccentricity: one orbit a cell of a grid, propagated one period."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import ScalarArray
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.two_body import two_body_dataset
from keplearn.evaluation.metrics import METRICS, sampled
from keplearn.evaluation.ranking import lost_samples
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.statistics import finite_mean, median
from keplearn.evaluation.table import asked_samples
from keplearn.models.kinds import Model
from keplearn.orbits.elements import SAMPLES

if TYPE_CHECKING:
    import xarray

# How far the grid goes beyond the training orbits: a share of their range of a, but at least this share of
# the greatest a; and so much in e, or halfway to 1 where that is less.
_MARGIN_A, _LEAST_MARGIN_A, _MARGIN_E = 0.25, 0.05, 0.1


@dataclass(frozen=True)
class Cells:
    """A grid in a and e, and the orbit of each cell that misses the body.

    Attributes
    ----------
    a_edges, e_edges
        Edges of the cells, km and 1.
    masked
        (e, a): cells whose orbit, that of the cell's centre, has its periapsis below the body's radius.
    orbits
        The orbits of all other cells, in the order of ``~masked``.
    training
        (orbit, 2): a (km) and e of the training orbits.
    """

    a_edges: Float64[np.ndarray, "a_edge"]
    e_edges: Float64[np.ndarray, "e_edge"]
    masked: Bool[np.ndarray, "e a"]
    orbits: OrbitDataset
    training: Float64[np.ndarray, "orbit 2"]


Limits = tuple[float, float]


def limits_around(training: OrbitDataset) -> tuple[Limits, Limits]:
    """Return from where to where a grid around training orbits reaches, in a (km) and in e.

    It spans their a and a quarter of that range more at both ends (at least 5 % of the greatest a), not below the
    body's radius, or half the least a where that is not known; and e from 0 to 0.1 above their greatest, or halfway
    to 1.

    Raises
    ------
    KeplearnError
        If none is bound.
    """
    bound = _bound(training)
    a, e = bound[:, 0], bound[:, 1]
    margin = max(_MARGIN_A * float(np.ptp(a)), _LEAST_MARGIN_A * float(a.max()))
    least = training.body.radius or a.min() / 2
    return (
        (max(float(a.min()) - margin, float(least)), float(a.max()) + margin),
        (0.0, min(float(e.max()) + _MARGIN_E, (1.0 + float(e.max())) / 2)),
    )


def _bound(training: OrbitDataset) -> Float64[np.ndarray, "orbit 6"]:
    """The elements of the training orbits that are bound."""
    bound = training.elements[(training.elements[:, 0] > 0) & (training.elements[:, 1] < 1)]
    if not len(bound):
        raise KeplearnError(f"{training.name} has no bound orbit to lay a grid of a and e around.")
    return bound


def grid_cells(
    training: OrbitDataset,
    n_a: int = 24,
    n_e: int = 20,
    samples: int = SAMPLES,
    a: Limits | None = None,
    e: Limits | None = None,
) -> Cells:
    """Return a grid over a and e around the training orbits, and one orbit a cell.

    A cell's orbit starts at the periapsis, on +x, ν₀ = 0. It lies in the plane of planar training orbits; else
    its inclination is the median of theirs and its node on +x. The truth is the two-body law.

    Parameters
    ----------
    training
        The orbits a model was trained on; those that are not bound do not count.
    n_a, n_e
        Cells along a and e.
    samples
        Samples of each orbit over its one period, evenly in mean anomaly.
    a, e
        From where to where the grid reaches, km and 1; by default around the training orbits (`limits_around`).

    Raises
    ------
    KeplearnError
        If no training orbit is bound, every cell meets the body, there are no cells, or limits are no range of bound
        orbits.
    """
    if n_a < 1 or n_e < 1:
        raise KeplearnError(f"a grid needs at least one cell each way, not {n_a} by {n_e}.")
    for name, given, beyond in (("a", a, np.inf), ("e", e, 1.0)):
        if given is not None and not 0.0 <= given[0] < given[1] < beyond:
            raise KeplearnError(f"a grid from {name} = {given[0]:g} to {given[1]:g} has no bound orbits.")
    bound, around = _bound(training), limits_around(training)
    a_edges, e_edges = np.linspace(*(a or around[0]), n_a + 1), np.linspace(*(e or around[1]), n_e + 1)
    centre_e, centre_a = np.meshgrid(_centres(e_edges), _centres(a_edges), indexing="ij")
    masked = centre_a * (1.0 - centre_e) < training.body.known_radius
    if masked.all() or a_edges[0] >= a_edges[-1]:
        raise KeplearnError(
            f"no orbit of the grid around those of {training.name} misses {training.body.the}."
        )
    # The inclination that one of them has: between 0 and 180° there is none for orbits in z = 0.
    inclination = float(np.nan_to_num(np.nanquantile(bound[:, 2], 0.5, method="lower")))
    name = f"a-e grid {n_a}x{n_e} around {training.name}"
    orbits = _orbits(training, name, centre_a[~masked], centre_e[~masked], inclination, samples)
    return Cells(a_edges, e_edges, masked, orbits, bound[:, :2].copy())


def _centres(edges: Float64[np.ndarray, "edge"]) -> Float64[np.ndarray, "cell"]:
    return (edges[1:] + edges[:-1]) / 2


def _orbits(
    training: OrbitDataset, name: str, a: ScalarArray, e: ScalarArray, inclination: float, samples: int
) -> OrbitDataset:
    """Kepler orbits of one plane, from their periapsis over one period."""
    node = np.nan if training.planar else 0.0
    rest = np.tile([inclination, node, 0.0, 0.0], (len(a), 1))
    elements = np.concatenate([a[:, None], e[:, None], rest], axis=1)
    return two_body_dataset(
        name,
        elements,
        training.mu,
        [f"a={x:.0f} e={y:.3f}" for x, y in zip(a, e, strict=True)],
        "of a grid of elements",
        planar=training.planar,
        samples=samples,
        problem=training.problem,
        body=training.body,
    )


def on_grid(cells: Cells, evaluation: "xarray.Dataset") -> "xarray.Dataset":
    """Put an evaluation of a grid's orbits back to their cells; see `ae_grid` for what it returns.

    Raises
    ------
    KeplearnError
        If the evaluation is of other orbits.
    """
    import xarray

    if evaluation.attrs.get("dataset_hash") != cells.orbits.content_hash:
        raise KeplearnError("This evaluation is not of the grid's orbits.")
    errors = {key: np.full(cells.masked.shape, np.nan) for key in sampled("wide")}
    lost = {key: np.zeros(cells.masked.shape, int) for key in errors}
    for key, values in errors.items():
        if METRICS[key].of not in evaluation:  # a free latent has no field
            continue
        values[~cells.masked] = [finite_mean(row) for row in evaluation[METRICS[key].of].to_numpy()]
        lost[key][~cells.masked] = lost_samples(
            evaluation[METRICS[key].of].to_numpy(), asked_samples(evaluation, METRICS[key])
        )
    diverged = np.zeros(cells.masked.shape, bool)
    diverged[~cells.masked] = evaluation["diverged"].to_numpy() > 0
    return xarray.Dataset(
        {
            **{key: (("e", "a"), values, {"units": METRICS[key].unit}) for key, values in errors.items()},
            **{f"lost_{key}": (("e", "a"), counts) for key, counts in lost.items()},
            "diverged": (("e", "a"), diverged),
            "masked": (("e", "a"), cells.masked),
            "a_edges": (("a_edge",), cells.a_edges, {"units": "km"}),
            "e_edges": (("e_edge",), cells.e_edges, {"units": "1"}),
            "training_a": (("orbit",), cells.training[:, 0], {"units": "km"}),
            "training_e": (("orbit",), cells.training[:, 1], {"units": "1"}),
        },
        coords={
            "a": ("a", _centres(cells.a_edges), {"units": "km"}),
            "e": ("e", _centres(cells.e_edges), {"units": "1"}),
        },
        attrs={
            "orbits": cells.orbits.name,
            "mu": cells.orbits.mu,
            "segments": int(evaluation.attrs.get("segments", 0)),
            **cells.orbits.body.attributes(),
        },
    )


def ae_grid(
    model: Model,
    training: OrbitDataset,
    n_a: int = 24,
    n_e: int = 20,
    segments: int | None = None,
    a: Limits | None = None,
    e: Limits | None = None,
) -> "xarray.Dataset":
    """Return a model's errors over semi-major axis and eccentricity, a propagated period a cell.

    Parameters
    ----------
    model
        A model with its units.
    training
        The orbits that it was trained on: the grid lies around them (`grid_cells`).
    n_a, n_e
        Cells along a and e.
    segments
        Restart from every so many samples; None propagates a whole period.
    a, e
        As for `grid_cells`.

    Returns
    -------
    found
        Over (``e``, ``a``), the cells' centres (1 and km): ``mean`` and ``field``, the means over the finite
        samples of a cell's orbit in %, NaN where it is masked or nothing was finite; ``lost_mean`` and
        ``lost_field``, how many samples were not; ``diverged``, whether its propagation failed; ``masked``,
        whether its periapsis is below the body's radius. ``a_edges``, ``e_edges`` of the cells; ``training_a``
        (km), ``training_e`` of the training orbits.

    Raises
    ------
    KeplearnError
        If the model has no units, no training orbit is bound, or every cell meets the body.
    """
    cells = grid_cells(training, n_a, n_e, a=a, e=e)
    return on_grid(cells, evaluate(model, cells.orbits, segments=segments))


def summary(found: "xarray.Dataset") -> dict[str, float | int]:
    """Sum up a grid: mean and median over its cells of ``mean`` and ``field`` in %, and numbers of cells.

    Means are over the cells with a finite error; medians count a cell with lost samples as infinite; ``diverged``,
    ``masked``, ``lost`` and ``lost field`` (cells that lost a sample) are counts of ``cells``.
    """
    result: dict[str, float | int] = {}
    for key in sampled("wide"):
        values = found[key].to_numpy()
        result[key] = finite_mean(values)
        result[f"{key} median"] = median(np.where(found[f"lost_{key}"].to_numpy() > 0, np.inf, values))
    counts = {key: int(found[key].sum()) for key in ("diverged", "masked")}
    counts |= {
        "lost": int((found["lost_mean"] > 0).sum()),
        "lost field": int((found["lost_field"] > 0).sum()),
    }
    return {**result, "cells": int(found["masked"].size), **counts}
