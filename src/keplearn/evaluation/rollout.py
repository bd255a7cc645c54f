"""Scoring a model on the orbits of a dataset: propagate, compare with the truth sample by sample, keep everything.

The result is an ``xarray.Dataset`` with dimensions orbit, sample, component. `keplearn.evaluation.table` makes summaries
and tables of it, `keplearn.evaluation.store` files, the figures draw from it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn.data.orbit_dataset import COMPONENTS, VARIABLES, OrbitDataset
from keplearn.data.units import units_for
from keplearn.errors import KeplearnError
from keplearn.evaluation import metrics
from keplearn.evaluation.planes import into_planes, osculating_planes, rotate_back
from keplearn.evaluation.propagation import ATOL, MAX_STEPS, RTOL, Propagated, Subject, propagate
from keplearn.evaluation.statistics import finite_mean
from keplearn.models.neural_ode import NeuralODE
from keplearn.shapes import OrbitVectors, ScalarArray

if TYPE_CHECKING:
    import xarray

_VECTORS = ("orbit", "sample", "component")
LAYOUT: dict[str, tuple[tuple[str, ...], str, str]] = {
    "predicted_position": (_VECTORS, "km", "position propagated by the model"),
    "predicted_velocity": (_VECTORS, "km/s", "velocity propagated by the model"),
    "predicted_acceleration": (_VECTORS, "km/s^2", "the model's acceleration at the predicted state"),
    "field_acceleration": (_VECTORS, "km/s^2", "the model's acceleration at the true state"),
    "mean": (_VECTORS[:2], "%", "error of the predicted acceleration, same time"),
    "field": (_VECTORS[:2], "%", "error of the field's acceleration, same state"),
    "theta_deg": (_VECTORS[:2], "degree", "angle between predicted and true acceleration"),
    "collinear_deg": (
        _VECTORS[:2],
        "degree",
        "angle between predicted acceleration and the direction to the centre",
    ),
    "outward": (_VECTORS[:2], "1", "1 where the predicted acceleration points away from the centre"),
    "position_error": (_VECTORS[:2], "%", "error of the predicted position"),
    "energy_drift": (_VECTORS[:2], "1", "relative change of v^2/2 - mu/r since the propagation's start"),
    "momentum_drift": (_VECTORS[:2], "1", "relative change of |r x v| since the propagation's start"),
    "magnitude": (_VECTORS[:2], "1", "network output m at the predicted state"),
    "diverged": (("orbit",), "1", "whether the propagation failed or became non-finite"),
    "floor_mean": (("orbit",), "%", "mean of the two-body law itself on this orbit"),
    "floor_field": (("orbit",), "%", "field of the two-body law itself on this orbit"),
}
"""What an evaluation holds beside the true orbits: dimensions, units, meaning."""

# Floors by content of the dataset, planar and segments: each takes a propagation, and serves all runs of a process.
_floors: dict[tuple[str, bool, int | None], dict[str, ScalarArray]] = {}


def evaluate(model: NeuralODE, dataset: OrbitDataset, *, segments: int | None = None) -> "xarray.Dataset":
    """Propagate a model along every orbit of a dataset and compare it with the truth (SPEC 4).

    Always in float64 and with tight adaptive steps, whatever the run's or the process's settings. A planar model meets
    an orbit in space in the osculating plane of the orbit's first sample; what lies out of it counts as error.

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
        The truth, the predictions, and the metrics by sample; see `LAYOUT` for names, units and meaning. Diverged orbits
        have NaN where they were not reached. Where accelerations are finite differences, the two-body law's own
        scores stand beside (``floor_mean``, ``floor_field``).

    Raises
    ------
    KeplearnError
        If the model has no units, or ``segments`` is below 2.
    """
    subject = Subject.model(model)
    values = _score(subject, dataset, segments)
    attributes: dict[str, Any] = {
        "feature_layer": model.architecture.feature_layer,
        "output_layer": model.architecture.output_layer,
    }
    if dataset.acceleration_source == "differences":
        floors = floor(dataset, planar=subject.planar, segments=segments)
        values |= {f"floor_{key}": np.array([finite_mean(orbit) for orbit in x]) for key, x in floors.items()}
        attributes |= {f"floor_{key}": finite_mean(x) for key, x in floors.items()}
    return _to_xarray(subject, dataset, segments, values, attributes)


def evaluate_law(
    dataset: OrbitDataset, *, planar: bool = False, segments: int | None = None
) -> "xarray.Dataset":
    """Score the two-body law itself, by the same code and, if ``planar``, in the same planar way as a model."""
    subject = Subject.law(dataset.mu, units_for(dataset), planar)
    return _to_xarray(
        subject, dataset, segments, _score(subject, dataset, segments), {"output_layer": "two-body law"}
    )


def floor(
    dataset: OrbitDataset, *, planar: bool = False, segments: int | None = None
) -> dict[str, ScalarArray]:
    """``mean`` and ``field`` of the two-body law by (orbit, sample): what no model of that law can go below.

    Computed once per dataset and process.
    """
    key = (dataset.content_hash, planar, segments)
    if key not in _floors:
        values = _score(Subject.law(dataset.mu, units_for(dataset), planar), dataset, segments)
        _floors[key] = {name: values[name] for name in ("mean", "field")}
    return _floors[key]


def _score(subject: Subject, dataset: OrbitDataset, segments: int | None) -> dict[str, np.ndarray]:
    """The variables of `LAYOUT`, floors apart."""
    if segments is not None and segments < 2:
        raise KeplearnError(f"segments is {segments}; a propagation needs at least 2 samples.")
    planes = osculating_planes(dataset.states[:, 0]) if subject.planar else None
    states = dataset.states if planes is None else into_planes(planes, dataset.states)
    units = subject.units
    found = propagate(
        subject,
        units.to_canonical_states(states),
        units.to_canonical_times(dataset.times),
        dataset.n_samples,
        segments,
    )

    def back(vectors: OrbitVectors) -> OrbitVectors:
        return vectors if planes is None else rotate_back(planes, vectors)

    predicted = units.from_canonical_states(found.states)
    values = {
        "predicted_position": back(predicted[..., :3]),
        "predicted_velocity": back(predicted[..., 3:]),
        "predicted_acceleration": back(units.from_canonical_accelerations(found.accelerations)),
        "field_acceleration": back(units.from_canonical_accelerations(found.field_accelerations)),
    }
    return values | _errors(values, dataset, segments) | _facts(found)


def _errors(
    values: dict[str, np.ndarray], dataset: OrbitDataset, segments: int | None
) -> dict[str, np.ndarray]:
    """The metrics of every sample."""
    position, acceleration = values["predicted_position"], values["predicted_acceleration"]
    states = np.concatenate([position, values["predicted_velocity"]], axis=-1)
    sample = np.arange(states.shape[1])
    starts = states[:, sample - sample % (segments or states.shape[1])]
    return {
        "mean": metrics.percent_error(acceleration, dataset.accelerations),
        "field": metrics.percent_error(values["field_acceleration"], dataset.accelerations),
        "theta_deg": metrics.angle_deg(acceleration, dataset.accelerations),
        "collinear_deg": metrics.collinear_deg(acceleration, position),
        "outward": metrics.outward(acceleration, position),
        "position_error": metrics.percent_error(position, dataset.states[..., :3]),
        "energy_drift": metrics.energy_drift(states, starts, dataset.mu),
        "momentum_drift": metrics.momentum_drift(states, starts),
    }


def _facts(found: Propagated) -> dict[str, np.ndarray]:
    """What is passed on as it is."""
    magnitude = {} if found.magnitudes is None else {"magnitude": found.magnitudes}
    return {**magnitude, "diverged": found.failed}


def _to_xarray(
    subject: Subject,
    dataset: OrbitDataset,
    segments: int | None,
    values: dict[str, np.ndarray],
    attributes: dict[str, Any],
) -> "xarray.Dataset":
    """The evaluation with named dimensions, units and all that a reader must know."""
    import xarray

    truth = dataset.to_xarray()
    variables = {key: truth[key] for key in VARIABLES}
    for key, array in values.items():
        dims, units, meaning = LAYOUT[key]
        variables[key] = xarray.DataArray(array, dims=dims, attrs={"units": units, "long_name": meaning})
    return xarray.Dataset(
        variables,
        coords={"orbit": list(dataset.orbit_names), "component": list(COMPONENTS)},
        attrs={
            "dataset": dataset.name,
            "dataset_hash": dataset.content_hash,
            "problem": dataset.problem,
            "acceleration_source": dataset.acceleration_source,
            "mu": dataset.mu,
            "mu_units": "km^3/s^2",
            "planar_model": int(subject.planar),
            "length_unit_km": subject.units.length_km,
            "time_unit_s": subject.units.time_s,
            "segments": segments or 0,
            "solver": f"{'Dopri8' if subject.smooth else 'Tsit5'}, rtol {RTOL:g}, atol {ATOL:g}, {MAX_STEPS} steps at most",
            **attributes,
        },
    )
