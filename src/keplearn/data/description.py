"""What is in a dataset, in words and numbers: for people, for JSON, and beside scores."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keplearn.core.shapes import ScalarArray
from keplearn.data.observing import scales
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import units_for
from keplearn.orbits.bodies import KNOWN, same_mu
from keplearn.orbits.elements import ELEMENT_NAMES
from keplearn.orbits.satellites import REGIMES, regime


def two_body_distance(dataset: OrbitDataset) -> ScalarArray:
    """Each orbit's distance from the two-body law, %: its mean of 100 |**a** − **a**_law| / |**a**|."""
    distance = dataset.reference.distance_percent(dataset.times, dataset.states, dataset.accelerations)
    return np.nanmean(distance, axis=1)


def fitted_mu(dataset: OrbitDataset) -> float | None:
    """The gravitational parameter that a known body has and the accelerations fit: the median of −(**a**·**r**) r.

    None where it is that of no body in `keplearn.orbits.bodies.KNOWN`, or the samples differ by more than 1 %.
    """
    position, acceleration = dataset.states[..., :3], dataset.accelerations
    values = -(acceleration * position).sum(-1) * np.linalg.norm(position, axis=-1)
    lower, middle, upper = np.nanpercentile(values, [25, 50, 75])
    known = any(same_mu(float(middle), body.mu) for body in KNOWN.values())
    return float(middle) if known and abs(upper - lower) < 0.01 * middle else None


@dataclass(frozen=True)
class RegimeRow:
    """Satellites of one regime, and their distances from the two-body law, %."""

    regime: str
    count: int
    mean: float
    least: float
    largest: float


def regime_table(dataset: OrbitDataset) -> list[RegimeRow]:
    """Count the orbits by regime (LEO, MEO, GEO, HEO) with their distances from the two-body law."""
    regimes = np.array([regime(float(a), float(e)) for a, e in dataset.elements[:, :2]])
    distance = two_body_distance(dataset)
    rows = []
    for name in REGIMES:
        found = distance[regimes == name]
        if found.size:
            mean, least, largest = float(found.mean()), float(found.min()), float(found.max())
            rows.append(RegimeRow(name, int(found.size), mean, least, largest))
    return rows


def element_ranges(dataset: OrbitDataset) -> dict[str, tuple[float, float] | None]:
    """Least and largest value of each element; None where it is undefined in every orbit."""
    ranges: dict[str, tuple[float, float] | None] = {}
    for k, name in enumerate(ELEMENT_NAMES):
        known = dataset.elements[:, k][np.isfinite(dataset.elements[:, k])]
        ranges[name] = (float(known.min()), float(known.max())) if known.size else None
    return ranges


def notes(dataset: OrbitDataset) -> list[str]:
    """What a user of the dataset must know: where it was cut at gaps, what was left out, what is doubtful."""
    told = {"gaps": "cut at gaps in time", "left_out": "left out", "doubts": "doubtful"}
    return [
        f"{words}, {dataset.provenance[key]}" for key, words in told.items() if dataset.provenance.get(key)
    ]


def sampling(dataset: OrbitDataset) -> dict[str, Any]:
    """How the orbits are sampled: spacing (s), whether it is equal within each orbit, and the motion between samples.

    ``largest_step_deg`` is the largest angle that the circular orbit at a sample's radius, of rate √(μ/r³), turns by
    until the next.
    """
    steps = np.diff(dataset.times, axis=1)
    rates = np.sqrt(dataset.mu) * np.linalg.norm(dataset.states[:, :-1, :3], axis=-1) ** -1.5
    least, largest = np.nanmin(steps, axis=1), np.nanmax(steps, axis=1)
    return {
        "spacing_s": [float(least.min()), float(largest.max())],
        "median_spacing_s": float(np.nanmedian(steps)),
        "equal_spacing": bool((largest - least <= 1e-6 * largest).all()),
        "largest_step_deg": float(np.degrees(np.nanmax(steps * rates))),
        "gaps": dataset.provenance.get("gaps"),
    }


def observation(dataset: OrbitDataset) -> dict[str, Any] | None:
    """What is observed of a dataset; None where that is all of it, as it is.

    How many samples each orbit has left, how many are missing in all, and the error of the observed states: the rms
    over samples and components, % of the radius for positions, of the speed for velocities.
    """
    if dataset.observations is None:
        return None
    seen = dataset.is_observed.sum(axis=1)
    gap = (dataset.observations - dataset.states) / scales(dataset.states)
    kept = [0, 1, 3, 4] if dataset.planar else slice(None)
    rms = 100.0 * np.sqrt(np.nanmean(np.square(gap), axis=(0, 1)))
    position, velocity = np.split(np.square(rms[kept]), 2)
    return {
        "samples_per_orbit": [int(seen.min()), int(seen.max())],
        "missing": int((dataset.n_samples - seen).sum()),
        "position_error_percent": float(np.sqrt(position.mean())),
        "velocity_error_percent": float(np.sqrt(velocity.mean())),
        "acceleration_source": dataset.as_observed.acceleration_source,
    }


def describe(dataset: OrbitDataset) -> dict[str, Any]:
    """Return everything that ``keplearn data show`` tells, in km, s, rad and plain types."""
    radii = np.linalg.norm(dataset.states[..., :3], axis=-1)
    units = units_for(dataset.as_observed, "max_radius")
    return {
        "name": dataset.name,
        "problem": dataset.problem,
        "planar": dataset.planar,
        "mu_km3_s2": dataset.mu,
        "body": {"name": dataset.body.name, "radius_km": dataset.body.radius},
        "orbits": len(dataset),
        "samples_per_orbit": [int(dataset.n_samples.min()), int(dataset.n_samples.max())],
        "elements": element_ranges(dataset),
        "radius_km": [float(np.nanmin(radii)), float(np.nanmax(radii))],
        "duration_s": [float(np.nanmax(dataset.times, axis=1).min()), float(np.nanmax(dataset.times))],
        "sampling": sampling(dataset),
        "observed": observation(dataset),
        "acceleration_source": dataset.acceleration_source,
        "distance_from_two_body_law_percent": float(two_body_distance(dataset).mean()),
        "max_radius_units": {"length_km": units.length_km, "time_s": units.time_s},
        "content_hash": dataset.content_hash,
        "provenance": dataset.provenance,
    }
