"""The slope of the learned field: how its acceleration falls with the radius.

All numbers are float64, in km and s. The truth is the two-body law with the training dataset's μ.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from keplearn.core.errors import KeplearnError
from keplearn.core.shapes import OrbitStates, ScalarArray
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import check_mu
from keplearn.evaluation.field import accelerations, training_radii
from keplearn.evaluation.law import accelerations_in_planes
from keplearn.evaluation.planes import osculating_planes
from keplearn.evaluation.power_law import fit_power_law
from keplearn.evaluation.subject import Subject
from keplearn.models.kinds import Model, field_of

if TYPE_CHECKING:
    import xarray

Directions = Float64[np.ndarray, "direction 3"]


def slope(model: Model, training: OrbitDataset, points: int = 200, directions: int = 36) -> "xarray.Dataset":
    """Return how the learned acceleration falls with radius: |a_θ| over r, its slope, a straight line's.

    At each radius the field is asked in several directions, evenly around the osculating plane of a training
    orbit each (that of planar data is z = 0), at the velocity of the circular orbit there, sqrt(μ/r), in that
    orbit's sense. The curve is the median over directions; its spread are the least and the greatest. For a model
    that uses velocity, this may be far from any training state at radii where the training orbits are slower or
    faster, inside their range of radii too. So the field is asked at states of orbits besides: the training states
    themselves, and beyond them those of the training orbits made larger, with the same shape (**r** → s **r**,
    **v** → **v**/√s, which Kepler's orbits allow).

    Parameters
    ----------
    model
        A model with its units.
    training
        The orbits that it was trained on.
    points
        Radii, evenly in log r, from the body's radius (or the least training radius, where that is smaller; or
        half of that, where the body's is not known) to twice the greatest training radius; as many again inside
        the training range, for the fit.
    directions
        Directions at each radius.

    Returns
    -------
    found
        Over ``radius`` (km): ``acceleration``, ``acceleration_low``, ``acceleration_high`` and the truth's,
        ``true_acceleration`` (km/s²); ``local_slope``, d log|a_θ| / d log r of the median by central
        differences, and ``local_slope_low``, ``local_slope_high`` of the directions. In ``attrs``:
        ``fitted_slope``, least squares of log|a_θ| (median) on log r inside the training range (truth: −2; NaN
        for circles of one radius), ``fitted_acceleration`` (km/s²) of that line at ``reference_radius`` (km),
        ``fit_rms_percent``, the rms of |a_θ| over the line less 1, ``training_low`` and ``training_high`` (km),
        ``local_slope_training_low`` and ``…_high``, the local slope there, and ``local_slope_surface`` at the body's
        radius, NaN where that is not known. Over ``state``, some states of orbits: ``state_radius`` (km),
        ``state_acceleration`` (km/s²), and ``state_beyond``, whether it is beyond the training radii; of all
        these states, ``states_slope`` and ``beyond_slope``, with ``states_rms_percent`` and ``beyond_rms_percent``.
        ``training_a``: the greatest semi-major axis, km, NaN if no orbit is bound.

    Raises
    ------
    KeplearnError
        If the model has no units or another mu, or there are fewer than 3 points or no direction.
    """
    import xarray

    if points < 3 or directions < 1:
        raise KeplearnError(f"a slope needs 3 points and 1 direction, not {points} and {directions}.")
    check_mu(model.units, training)
    low, high = training_radii(training)
    surface = training.body.radius
    radii = np.geomspace(min(surface or low / 2, low), 2.0 * high, points)
    fitted_at = np.geomspace(low, high, points)
    outward, along = _directions(training, directions, Subject.model(model).planar)
    sizes, fitted_sizes = (_sizes(model, r, outward, along, training.mu) for r in (radii, fitted_at))
    reference = float(np.sqrt(low * high))
    line = fit_power_law(fitted_at, np.median(fitted_sizes, axis=1), reference)
    median = np.median(sizes, axis=1)
    local, each = _local_slope(radii, median), _local_slope(radii, sizes)
    columns = {
        "acceleration": (median, "km/s^2"),
        "acceleration_low": (sizes.min(axis=1), "km/s^2"),
        "acceleration_high": (sizes.max(axis=1), "km/s^2"),
        "true_acceleration": (_true_sizes(training, radii), "km/s^2"),
        "local_slope": (local, "1"),
        "local_slope_low": (each.min(axis=1), "1"),
        "local_slope_high": (each.max(axis=1), "1"),
    }
    places = np.log([low, high, surface or np.nan])
    at_low, at_high, at_surface = np.interp(places, np.log(radii), local).tolist()
    states, of_states = _at_states(model, training, high)
    return xarray.Dataset(
        {key: (("radius",), values, {"units": units}) for key, (values, units) in columns.items()} | states,
        coords={"radius": ("radius", radii, {"units": "km"})},
        attrs={
            "training": training.name,
            "mu": training.mu,
            **training.body.attributes(),
            "fitted_slope": line.exponent,
            "fitted_acceleration": line.scale,
            "reference_radius": reference,
            "fit_rms_percent": line.rms_percent,
            "training_low": low,
            "training_high": high,
            "local_slope_training_low": at_low,
            "local_slope_training_high": at_high,
            "local_slope_surface": at_surface,
            "directions": directions,
            "uses_velocity": int(field_of(model).architecture.uses_velocity),
            "training_a": _greatest_a(training),
            **of_states,
        },
    )


def _greatest_a(training: OrbitDataset) -> float:
    a = training.elements[:, 0]
    bound = a[np.isfinite(a) & (a > 0)]
    return float(bound.max()) if bound.size else np.nan


def _at_states(model: Model, training: OrbitDataset, high: float) -> tuple[dict[str, Any], dict[str, float]]:
    """Return |a_θ| at states of orbits, those that are drawn, and the slopes of all within and beyond the training."""
    drawn: dict[str, list[ScalarArray]] = {"state_radius": [], "state_acceleration": [], "state_beyond": []}
    facts: dict[str, float] = {}
    for name, scales in (("states", _SAME), ("beyond", _LARGER)):
        scaled = np.concatenate([_scaled(training.states, scale) for scale in scales])
        sizes = np.linalg.norm(accelerations_in_planes(model, scaled), axis=-1)
        radii = np.linalg.norm(scaled[..., :3], axis=-1)
        kept = np.isfinite(radii) if name == "states" else (radii > high) & (radii <= 2.0 * high)
        radii, sizes = radii[kept], sizes[kept]
        line = fit_power_law(radii, sizes, high)
        facts |= {f"{name}_slope": line.exponent, f"{name}_rms_percent": line.rms_percent}
        some = np.linspace(0, len(radii) - 1, min(_DRAWN, len(radii))).astype(int)
        for key, values in zip(drawn, (radii, sizes, np.full(len(radii), name == "beyond")), strict=True):
            drawn[key].append(values[some])
    units = {"state_radius": "km", "state_acceleration": "km/s^2", "state_beyond": "1"}
    return {
        key: (("state",), np.concatenate(parts), {"units": units[key]}) for key, parts in drawn.items()
    }, facts


_SAME, _LARGER = (1.0,), tuple(2.0 ** (k / 4) for k in range(1, 9))
"""By how much training orbits are scaled."""
_DRAWN = 150


def _scaled(states: OrbitStates, scale: float) -> OrbitStates:
    """Kepler orbits of the same shape, larger."""
    return states * np.array([scale] * 3 + [scale**-0.5] * 3)


def _directions(training: OrbitDataset, count: int, planar: bool) -> tuple[Directions, Directions]:
    """Unit vectors outward, and 90° ahead in the sense of motion: the k-th at k/count of a turn in a plane.

    The planes are those of training orbits, evenly chosen; a planar model's is always z = 0.
    """
    chosen = training.states[np.arange(count) * len(training) // count, 0]
    turns = osculating_planes(chosen)
    momentum = np.cross(chosen[:, :3], chosen[:, 3:])
    # In the planes' own frames all motion is counterclockwise, but for retrograde orbits in z = 0.
    sense = np.where(np.einsum("oi,oi->o", turns[:, 2], momentum) < 0.0, -1.0, 1.0)
    if planar:
        turns = np.tile(np.eye(3), (count, 1, 1))
    angle = 2.0 * np.pi * np.arange(count) / count
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros(count)
    outward = np.stack([cos, sin, zero], axis=-1)
    along = sense[:, None] * np.stack([-sin, cos, zero], axis=-1)
    return np.einsum("oji,oj->oi", turns, outward), np.einsum("oji,oj->oi", turns, along)


def _sizes(
    model: Model, radii: Float64[np.ndarray, "radius"], outward: Directions, along: Directions, mu: float
) -> Float64[np.ndarray, "radius direction"]:
    """|a_θ| in km/s² on circular orbits of these radii (km)."""
    position = radii[:, None, None] * outward
    velocity = np.sqrt(mu / radii)[:, None, None] * along
    return np.linalg.norm(accelerations(model, np.concatenate([position, velocity], axis=-1)), axis=-1)


def _local_slope(
    radii: Float64[np.ndarray, "radius"], sizes: Float64[np.ndarray, "radius *rest"]
) -> Float64[np.ndarray, "radius *rest"]:
    """Slope d log size / d log r along the first axis, by differences of second order; NaN where a size is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.gradient(np.log(sizes), np.log(radii), axis=0, edge_order=2)


def _true_sizes(training: OrbitDataset, radii: ScalarArray) -> ScalarArray:
    """The size of the law's acceleration along +x, at rest."""
    states = np.zeros((len(radii), 6))
    states[:, 0] = radii
    return np.linalg.norm(training.reference.accelerations(np.zeros(len(radii)), states), axis=-1)
