"""How linear segments are: the flow over a segment, beside that of the field's linearisation about its start.

Both in canonical units, float64, for the learned field and for the law. Where a segment is so short that its flow is
that of the linearisation, training on it sees the field and its gradient at the start, and nothing else.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array, Float, Float64
from scipy.linalg import expm

from keplearn.core.errors import KeplearnError
from keplearn.core.programs import compiled
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import check_mu
from keplearn.evaluation.planes import into_planes, osculating_planes
from keplearn.evaluation.propagation import propagate
from keplearn.evaluation.statistics import quantiles
from keplearn.evaluation.subject import Subject
from keplearn.models.kinds import Model
from keplearn.systems.field import Field

if TYPE_CHECKING:
    import xarray

STARTS = 64
"""Segments of each length, evenly over the training samples."""
_FIELDS = ("law", "model")
_LEVELS = (0.1, 0.5, 0.9)


def linearity(model: Model, training: OrbitDataset, segment_lengths: Sequence[int]) -> "xarray.Dataset":
    """Return how far flows over segments are from those of the field linearised about the segment's start.

    The linearised flow from **y**₀ is that of **z**' = **f**(**y**₀) + **J**(**y**₀) (**z** − **y**₀), in closed form
    the exponential of a matrix (Higham, *Functions of Matrices*, section 10.7: φ₁ by an augmented matrix).

    Parameters
    ----------
    model
        A model with its units.
    training
        The orbits that it was trained on; segments start from their true states.
    segment_lengths
        Samples of a segment in training, a number a phase: among those that are measured.

    Returns
    -------
    found
        Over ``field`` (law, model) and ``length`` (samples of a segment): ``deviation``, the median over segments of
        100 |**y** − **z**| / |**y**| at the segment's last sample, ``deviation_low`` and ``deviation_high``, their 10th
        and 90th percentile; %; infinite where more segments are lost than that leaves. In ``attrs``:
        ``segment_lengths``, ``samples``, those of the longest orbit, and ``segments``, how many of each length.

    Raises
    ------
    KeplearnError
        If the model has no units or another mu, or no orbit has 3 samples.
    """
    import xarray

    check_mu(model.units, training)
    subject = Subject.model(model)
    samples = int(training.n_samples.max())
    if samples < 3:
        raise KeplearnError(f"{training.name} has no orbit of 3 samples: there is no segment to look at.")
    lengths = _lengths(segment_lengths, samples)
    states, times = _segments(training, lengths[-1], subject)
    law = Subject.law(training.reference, subject.units, subject.planar)
    found = propagate([law, subject], [states] * 2, [times] * 2, np.full(len(states), lengths[-1]), None)
    ends = np.array(lengths) - 1
    quantities = []
    for one, flow in zip((law, subject), found, strict=True):
        linear = _linear_flow(one, states[:, 0], times[:, ends])
        true = flow.states[:, ends]
        with np.errstate(all="ignore"):
            apart = 100 * np.linalg.norm(true - linear, axis=-1) / np.linalg.norm(true, axis=-1)
        apart = np.where(np.isfinite(apart), apart, np.inf)
        quantities.append([quantiles(row, _LEVELS) for row in apart.T])
    values = np.array(quantities)
    names = ("deviation_low", "deviation", "deviation_high")
    return xarray.Dataset(
        {name: (("field", "length"), values[..., k], {"units": "%"}) for k, name in enumerate(names)},
        coords={"field": list(_FIELDS), "length": ("length", lengths, {"units": "samples"})},
        attrs={
            "training": training.name,
            "segment_lengths": [int(length) for length in segment_lengths],
            "samples": samples,
            "segments": len(states),
        },
    )


def _lengths(trained: Sequence[int], samples: int) -> list[int]:
    """Lengths from 2 samples to those of half an orbit or twice the longest in training, those among them."""
    longest = min(samples - 1, max(samples // 2, 2 * max(trained)))
    spread = np.geomspace(2, longest, 16).round().astype(int).tolist()
    return sorted({*spread, *(length for length in trained if length <= longest)})


def _segments(
    training: OrbitDataset, length: int, subject: Subject
) -> tuple[Float64[np.ndarray, "segment sample 6"], Float64[np.ndarray, "segment sample"]]:
    """True states and times of segments that start evenly over all samples, canonical units, in planes if planar."""
    states = training.states
    if subject.planar:
        states = into_planes(osculating_planes(states[:, 0]), states)
    starts = [(k, s) for k, n in enumerate(training.n_samples) for s in range(int(n) - length + 1)]
    chosen = np.array(starts)[np.linspace(0, len(starts) - 1, min(STARTS, len(starts))).astype(int)]
    orbit, sample = chosen[:, :1], chosen[:, 1:] + np.arange(length)
    times = subject.units.to_canonical_times(training.times[orbit, sample])
    return subject.units.to_canonical_states(states[orbit, sample]), times - times[:, :1]


def _linear_flow(
    subject: Subject, starts: Float64[np.ndarray, "segment 6"], times: Float64[np.ndarray, "segment length"]
) -> Float64[np.ndarray, "segment length 6"]:
    """The flow of the linearised field: **y**₀ + t φ₁(t **J**) **f**(**y**₀)."""
    leaves, structure = jax.tree.flatten(subject.dynamics)
    filled = np.resize(starts, (STARTS, 6))  # one program, however many there are
    with jax.enable_x64(True):
        arguments = (leaves, filled)
        solved = compiled(_linearise, structure, *arguments).call(*arguments)
    rates, slopes = (np.array(x)[: len(starts)] for x in solved)
    if subject.planar:  # z and v_z stay 0, whatever the field's slopes across the plane
        slopes[:, [2, 5]] = 0.0
        rates[:, [2, 5]] = 0.0
    augmented = np.zeros((len(starts), 7, 7))
    augmented[:, :6, :6], augmented[:, :6, 6] = slopes, rates
    known = np.isfinite(augmented).all(axis=(1, 2))
    moved = np.full((*times.shape, 6), np.nan)
    moved[known] = expm(augmented[known, None] * times[known, :, None, None])[..., :6, 6]
    return starts[:, None] + moved


def _linearise(
    structure: Any, leaves: list[Array], y: Float[Array, "state 6"]
) -> tuple[Float[Array, "state 6"], Float[Array, "state 6 6"]]:
    dynamics: Field = jax.tree.unflatten(structure, leaves)

    def rate(x: Float[Array, "6"]) -> Float[Array, "6"]:
        return dynamics(0.0, x)

    return jax.vmap(rate)(y), jax.vmap(jax.jacfwd(rate))(y)
