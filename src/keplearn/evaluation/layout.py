"""What an evaluation holds: an ``xarray.Dataset`` with dimensions orbit, sample, component."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn.data.orbit_dataset import COMPONENTS, VARIABLES, OrbitDataset
from keplearn.evaluation import propagation
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.subject import Subject

if TYPE_CHECKING:
    import xarray

_VECTORS = ("orbit", "sample", "component")
_PREDICTED = {
    "predicted_position": (_VECTORS, "km", "position propagated by the model"),
    "predicted_velocity": (_VECTORS, "km/s", "velocity propagated by the model"),
    "predicted_acceleration": (_VECTORS, "km/s^2", "the model's acceleration at the predicted state"),
    "predicted_deviation": (_VECTORS, "km", "standard deviation of the predicted position"),
    "field_acceleration": (_VECTORS, "km/s^2", "the model's acceleration at the true state"),
}
FACTS = {
    "magnitude": (_VECTORS[:2], "1", "network output m at the predicted state"),
    "observed": (_VECTORS[:2], "1", "1 where the model observes the orbit, 0 where it forecasts"),
    "distance": (_VECTORS[:2], "1", "distance of the true state to the nearest training state"),
    "beyond": (_VECTORS[:2], "1", "1 where the true radius lies outside the training states' range, else 0"),
    "latent_mean": (("orbit", "latent"), "1", "mean of the latent's distribution"),
    "diverged": (("orbit",), "1", "whether the propagation failed or became non-finite"),
}


def layout() -> dict[str, tuple[tuple[str, ...], str, str]]:
    """Return what an evaluation holds beside the true orbits: dimensions, units, meaning."""
    sampled = {m.of: (_VECTORS[:2], m.samples_unit, m.name) for m in METRICS.values() if m.sampled}
    floors = {
        m.floor_key: (("orbit",), m.samples_unit, f"{m.key} of the two-body law itself on this orbit")
        for m in METRICS.values()
        if m.floor
    }
    return {**_PREDICTED, **sampled, **FACTS, **floors}


def to_xarray(
    subject: Subject,
    dataset: OrbitDataset,
    segments: int | None,
    values: dict[str, np.ndarray],
    attributes: dict[str, Any],
) -> "xarray.Dataset":
    """The evaluation with named dimensions, units and all that a reader must know."""
    return assemble(
        dataset,
        values,
        {
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
            "solver": solver_of(subject.smooth),
            **attributes,
        },
    )


def solver_of(smooth: bool) -> str:
    """Say how a field is propagated."""
    method, steps = "Dopri8" if smooth else "Tsit5", propagation.MAX_STEPS
    return f"{method}, rtol {propagation.RTOL:g}, atol {propagation.ATOL:g}, {steps} steps at most"


def assemble(
    dataset: OrbitDataset, values: Mapping[str, np.ndarray], attributes: Mapping[str, Any]
) -> "xarray.Dataset":
    """Put values by the names in `layout` beside the true orbits."""
    import xarray

    truth = dataset.to_xarray()
    variables = {key: truth[key] for key in VARIABLES}
    for key, (dims, units, meaning) in layout().items():
        if key in values:
            variables[key] = xarray.DataArray(
                values[key], dims=dims, attrs={"units": units, "long_name": meaning}
            )
    return xarray.Dataset(
        variables,
        coords={"orbit": list(dataset.orbit_names), "component": list(COMPONENTS)},
        attrs={**dict(attributes), **dataset.body.attributes()},
    )
