"""Scoring models on the orbits of a dataset: propagate, and compare with the truth sample by sample.

The result is an ``xarray.Dataset`` (`keplearn.evaluation.layout`). `keplearn.evaluation.table` makes
summaries and tables of it, `keplearn.evaluation.store` files; the figures draw from it.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import OrbitStates, OrbitVectors, ScalarArray
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import check_mu, units_for
from keplearn.evaluation.layout import to_xarray
from keplearn.evaluation.metrics import METRICS, floors
from keplearn.evaluation.planes import Rotations, deviations, into_planes, osculating_planes, rotate_back
from keplearn.evaluation.propagation import Propagated, propagate
from keplearn.evaluation.samples import Samples
from keplearn.evaluation.statistics import finite_mean
from keplearn.evaluation.subject import Subject, model_hash
from keplearn.models.kinds import Model, name_of

if TYPE_CHECKING:
    import xarray

# Floors by content of the dataset, planar, segments and their names: each takes a propagation and serves all runs of a
# process.
_floors: dict[tuple[str, bool, int | None, tuple[str, ...]], dict[str, ScalarArray]] = {}


def evaluate(model: Model, dataset: OrbitDataset, *, segments: int | None = None) -> "xarray.Dataset":
    """Propagate a model along every orbit of a dataset and compare it with the truth.

    Always in float64 and with tight adaptive steps, whatever the run's or the process's settings. A planar
    model meets an orbit in space in the osculating plane of the orbit's first sample; what lies out of it
    counts as error.

    Parameters
    ----------
    model
        A model with its units.
    dataset
        The orbits; padded ones too.
    segments
        Restart from every so many samples, over so many samples; None propagates whole orbits.

    Returns
    -------
    evaluation
        The truth, the predictions, and the metrics by sample; see `keplearn.evaluation.layout.layout` for
        names, units and meaning. Diverged orbits have NaN where they were not reached. Where accelerations
        are finite differences, the two-body law's own scores stand beside (``floor_mean``, ``floor_field``).

    Raises
    ------
    KeplearnError
        If the model has no units, the dataset has another mu, or ``segments`` is below 2.
    """
    return evaluate_together([model], dataset, segments=segments)[0]


def evaluate_together(
    models: Sequence[Model],
    dataset: OrbitDataset,
    *,
    segments: int | None = None,
    at_once: int | None = None,
) -> "list[xarray.Dataset]":
    """`evaluate` for many models: those that share a program are propagated in one call where that is faster.

    ``at_once`` is how many models a call may hold; by default one on a CPU, many on a GPU.
    """
    subjects = [Subject.predictor(model) for model in models]
    for subject in subjects:
        check_mu(subject.units, dataset)
    evaluations = []
    for model, subject, values in zip(
        models, subjects, _score(subjects, dataset, segments, at_once), strict=True
    ):
        attributes: dict[str, Any] = {"model_hash": model_hash(model), "model": name_of(model.architecture)}
        attributes |= zip(("feature_layer", "output_layer"), model.architecture.layers, strict=True)
        if dataset.acceleration_source == "differences":
            found = floor(dataset, planar=subject.planar, segments=segments)
            values |= {f"floor_{key}": np.array([finite_mean(row) for row in x]) for key, x in found.items()}
            attributes |= {f"floor_{key}": finite_mean(x) for key, x in found.items()}
        evaluations.append(to_xarray(subject, dataset, segments, values, attributes))
    return evaluations


def evaluate_law(
    dataset: OrbitDataset, *, planar: bool = False, segments: int | None = None
) -> "xarray.Dataset":
    """Score the two-body law itself by the same code, and as a planar model is if ``planar``."""
    subject = Subject.law(dataset.reference, units_for(dataset), planar)
    (values,) = _score([subject], dataset, segments)
    return to_xarray(subject, dataset, segments, values, {"output_layer": "two-body law"})


def floor(
    dataset: OrbitDataset, *, planar: bool = False, segments: int | None = None
) -> dict[str, ScalarArray]:
    """``mean`` and ``field`` of the two-body law by (orbit, sample): what no model of that law can go below.

    Computed once per dataset and process.
    """
    key = (dataset.content_hash, planar, segments, tuple(floors()))
    if key not in _floors:
        (values,) = _score([Subject.law(dataset.reference, units_for(dataset), planar)], dataset, segments)
        _floors[key] = {m.of: values[m.of] for m in METRICS.values() if m.floor}
    return _floors[key]


def _score(
    subjects: Sequence[Subject], dataset: OrbitDataset, segments: int | None, at_once: int | None = None
) -> list[dict[str, np.ndarray]]:
    """The variables of each subject's evaluation, floors and truth apart."""
    if segments is not None and segments < 2:
        raise KeplearnError(f"segments is {segments}; a propagation needs at least 2 samples.")
    planes = osculating_planes(dataset.states[:, 0]) if any(x.planar for x in subjects) else None
    in_planes = dataset.states if planes is None else into_planes(planes, dataset.states)
    of_planes = [planes if x.planar else None for x in subjects]
    seen = [x.observed(dataset, segments) for x in subjects]
    given = [
        dataset.states if x is None else x if turns is None else into_planes(turns, x)
        for x, turns in zip(seen, of_planes, strict=True)
    ]
    found = propagate(
        subjects,
        [x.units.to_canonical_states(in_planes if x.planar else dataset.states) for x in subjects],
        [x.units.to_canonical_times(dataset.times) for x in subjects],
        dataset.n_samples,
        segments,
        at_once,
        [x.units.to_canonical_states(y) for x, y in zip(subjects, given, strict=True)],
    )
    return [
        _values(x, turns, one, dataset, segments, observed)
        for x, turns, one, observed in zip(subjects, of_planes, found, seen, strict=True)
    ]


def _values(
    subject: Subject,
    planes: Rotations | None,
    found: Propagated,
    dataset: OrbitDataset,
    segments: int | None,
    seen: OrbitStates | None,
) -> dict[str, np.ndarray]:
    """The variables of one subject's evaluation, in the dataset's units and frame; ``seen``: what it has observed."""
    units = subject.units

    def back(vectors: OrbitVectors) -> OrbitVectors:
        return vectors if planes is None else rotate_back(planes, vectors)

    predicted = units.from_canonical_states(found.states)
    values = {
        "predicted_position": back(predicted[..., :3]),
        "predicted_velocity": back(predicted[..., 3:]),
        "predicted_acceleration": back(units.from_canonical_accelerations(found.accelerations)),
        "field_acceleration": back(units.from_canonical_accelerations(found.field_accelerations)),
    }
    facts = {"field"} if subject.has_field else set[str]()
    if found.covariances is not None and seen is not None:
        facts.add("observed")
        values["predicted_deviation"] = units.length_km * deviations(found.covariances, planes)
        values["observed"] = np.where(subject.stretch(dataset, segments), 1.0, 0.0)
    return values | _errors(values, dataset, segments, facts, seen) | _facts(found)


def _errors(
    values: dict[str, np.ndarray],
    dataset: OrbitDataset,
    segments: int | None,
    facts: set[str],
    seen: OrbitStates | None,
) -> dict[str, np.ndarray]:
    """The metrics of every sample, those that the dataset's system and the model have."""
    states = np.concatenate([values["predicted_position"], values["predicted_velocity"]], axis=-1)
    sample = np.arange(states.shape[1])
    system = dataset.reference
    samples = Samples(
        times=dataset.times,
        states=states,
        acceleration=values["predicted_acceleration"],
        true_states=dataset.states,
        true_acceleration=dataset.accelerations,
        field=values["field_acceleration"],
        begins=sample - sample % (segments or states.shape[1]),
        invariants={one.name: partial(system.values, one.name) for one in system.invariants},
        facts=frozenset(facts | {"centre"} if system.centred else facts),
        deviation=values.get("predicted_deviation"),
        given=seen,
        mu=dataset.mu,
    )
    return {m.of: m.sampled(samples) for m in METRICS.values() if m.sampled and samples.offers(m.needs)}


def _facts(found: Propagated) -> dict[str, np.ndarray]:
    """What is passed on as it is."""
    magnitude = {} if found.magnitudes is None else {"magnitude": found.magnitudes}
    latents = {} if found.latents is None else {"latent_mean": found.latents}
    return {**magnitude, **latents, "diverged": found.failed}
