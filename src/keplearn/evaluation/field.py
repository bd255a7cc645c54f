"""The learned field itself, without propagation: its slope over radius, the law it amounts to, its residual.

All numbers are float64, in km and s. The truth is the two-body law with the training dataset's μ. Maps of
propagated errors over a and e are in `keplearn.evaluation.grid`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Float64

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.errors import KeplearnError
from keplearn.evaluation.metrics import angle_deg, percent_error
from keplearn.evaluation.planes import into_planes, osculating_planes, rotate_back
from keplearn.evaluation.statistics import finite_mean
from keplearn.evaluation.subject import Subject
from keplearn.models.neural_ode import NeuralODE
from keplearn.orbits.constants import EARTH_RADIUS
from keplearn.orbits.systems import TwoBody
from keplearn.programs import compiled
from keplearn.shapes import ScalarArray, StateArray, VectorArray

if TYPE_CHECKING:
    import xarray

Directions = Float64[np.ndarray, "direction 3"]

# States in one call, the last one filled up: all calls of all figures share one program an architecture.
_AT_ONCE = 7200
# Radii that differ by less than this, relatively, define no slope: circles, to rounding.
_ONE_RADIUS = 1e-6
# Room around the training orbits on the map of the residual, as a share of its longer side.
_MARGIN = 0.08


def accelerations(model: NeuralODE, states: StateArray) -> VectorArray:
    """Return a model's acceleration at states, whatever precision it was trained in.

    Parameters
    ----------
    model
        A model with its units. A planar one sees z = 0 and v_z = 0, and gives no acceleration along z.
    states
        (…, 6): x, y, z in km, vx, vy, vz in km/s.

    Returns
    -------
    accelerations
        (…, 3), km/s².

    Raises
    ------
    KeplearnError
        If the model has no units.
    """
    subject = Subject.model(model)
    leaves, structure = jax.tree.flatten(subject.dynamics)
    flat = subject.units.to_canonical_states(states).reshape(-1, 6)
    if subject.planar:
        flat[:, [2, 5]] = 0.0
    found = np.empty((len(flat), 3))
    with jax.enable_x64(True):
        for k in range(0, len(flat), _AT_ONCE):
            chunk = flat[k : k + _AT_ONCE]
            arguments = (leaves, np.resize(chunk, (_AT_ONCE, 6)))
            solved = compiled(_accelerate, structure, *arguments).call(*arguments)
            found[k : k + _AT_ONCE] = np.asarray(solved)[: len(chunk)]
    return subject.units.from_canonical_accelerations(found).reshape(*states.shape[:-1], 3)


def _accelerate(structure: Any, leaves: list[Array], y: Float[Array, "state 6"]) -> Float[Array, "state 3"]:
    dynamics: NeuralODE = jax.tree.unflatten(structure, leaves)
    return jax.vmap(lambda x: dynamics.acceleration(x[:3], x[3:]))(y)


def training_radii(training: OrbitDataset) -> tuple[float, float]:
    """Return the least and the greatest radius of any sample of a dataset, km."""
    radii = np.linalg.norm(training.states[..., :3], axis=-1)
    return float(np.nanmin(radii)), float(np.nanmax(radii))


class _PowerLaw(NamedTuple):
    """The fit size(r) = ``scale`` (r/reference)^``exponent``, and the rms of size/fit − 1 in percent."""

    exponent: float
    scale: float
    rms_percent: float


def _power_law(radii: ScalarArray, sizes: ScalarArray, reference: float) -> _PowerLaw:
    """Least squares of log size on log radius; exponent NaN where there is only one radius.

    Sizes that are not positive and finite are left out; all NaN where none is left.
    """
    good = np.isfinite(sizes) & (sizes > 0.0)
    if not good.any():
        return _PowerLaw(np.nan, np.nan, np.nan)
    x, y = np.log(radii[good] / reference), np.log(sizes[good])
    away = x - x.mean()
    exponent = float((away @ y) / (away @ away)) if np.ptp(x) > _ONE_RADIUS else np.nan
    line = y.mean() + np.nan_to_num(exponent) * away
    scale = float(np.exp(y.mean() - np.nan_to_num(exponent) * x.mean()))
    return _PowerLaw(exponent, scale, 100.0 * float(np.sqrt((np.expm1(y - line) ** 2).mean())))


def slope(
    model: NeuralODE, training: OrbitDataset, points: int = 200, directions: int = 36
) -> "xarray.Dataset":
    """Return how the learned acceleration falls with radius: |a_θ| over r, its slope, a straight line's (SPEC 4).

    At each radius the field is asked in several directions, evenly around the osculating plane of a training
    orbit each (that of planar data is z = 0), at the velocity of the circular orbit there, sqrt(μ/r), in that
    orbit's sense. The curve is the median over directions; its spread are the least and the greatest.

    Parameters
    ----------
    model
        A model with its units.
    training
        The orbits that it was trained on.
    points
        Radii, evenly in log r, from the Earth's radius (or the least training radius, where that is smaller)
        to twice the greatest training radius; as many again inside the training range, for the fit.
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
        ``local_slope_training_low`` and ``…_high``, the local slope there.

    Raises
    ------
    KeplearnError
        If the model has no units, or there are fewer than 3 points or no direction.
    """
    import xarray

    if points < 3 or directions < 1:
        raise KeplearnError(f"a slope needs 3 points and 1 direction, not {points} and {directions}.")
    low, high = training_radii(training)
    radii = np.geomspace(min(EARTH_RADIUS, low), 2.0 * high, points)
    fitted_at = np.geomspace(low, high, points)
    outward, along = _directions(training, directions, Subject.model(model).planar)
    sizes, fitted_sizes = (_sizes(model, r, outward, along, training.mu) for r in (radii, fitted_at))
    reference = float(np.sqrt(low * high))
    line = _power_law(fitted_at, np.median(fitted_sizes, axis=1), reference)
    median = np.median(sizes, axis=1)
    local, each = _local_slope(radii, median), _local_slope(radii, sizes)
    columns = {
        "acceleration": (median, "km/s^2"),
        "acceleration_low": (sizes.min(axis=1), "km/s^2"),
        "acceleration_high": (sizes.max(axis=1), "km/s^2"),
        "true_acceleration": (training.mu / radii**2, "km/s^2"),
        "local_slope": (local, "1"),
        "local_slope_low": (each.min(axis=1), "1"),
        "local_slope_high": (each.max(axis=1), "1"),
    }
    at_ends = np.interp(np.log([low, high]), np.log(radii), local)
    return xarray.Dataset(
        {key: (("radius",), values, {"units": units}) for key, (values, units) in columns.items()},
        coords={"radius": ("radius", radii, {"units": "km"})},
        attrs={
            "training": training.name,
            "mu": training.mu,
            "fitted_slope": line.exponent,
            "fitted_acceleration": line.scale,
            "reference_radius": reference,
            "fit_rms_percent": line.rms_percent,
            "training_low": low,
            "training_high": high,
            "local_slope_training_low": float(at_ends[0]),
            "local_slope_training_high": float(at_ends[1]),
            "directions": directions,
            "uses_velocity": int(model.architecture.uses_velocity),
        },
    )


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
    model: NeuralODE, radii: Float64[np.ndarray, "radius"], outward: Directions, along: Directions, mu: float
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


@dataclass(frozen=True)
class Law:
    """The law a = −(``mu_hat``/R²) (r/R)^(−``n_hat``) that a field amounts to, R = ``reference_radius``.

    Attributes
    ----------
    mu_hat
        km³/s², whatever the exponent: R² times the fitted acceleration at R. For n̂ = 2 it is μ.
    n_hat
        The exponent; the truth's is 2. NaN for circles of one radius, where μ̂ stands alone.
    mu
        The truth's μ, km³/s².
    reference_radius
        R, km: the geometric mean of the training states' radii, where the fit knows μ̂ best.
    residual_percent
        Rms of |a_θ| over the fitted law less 1, in %: how far the field is from any law of this form.
    direction_deg
        Mean angle between a_θ and the direction to the centre, degrees: no part of the fit, which is of sizes.
    lost
        Training states at which a_θ is not finite, or 0: left out.
    """

    mu_hat: float
    n_hat: float
    mu: float
    reference_radius: float
    residual_percent: float
    direction_deg: float
    lost: int

    @property
    def mu_ratio(self) -> float:
        """μ̂/μ."""
        return self.mu_hat / self.mu


def law(model: NeuralODE, training: OrbitDataset) -> Law:
    """Fit a = −μ̂ r^(−n̂) to the learned field over the training states: what law was learned (SPEC 4).

    Least squares of log|a_θ(**y**)| on log r over all samples of all training orbits, each of equal weight. A
    planar model meets orbits in space as in `keplearn.evaluation.rollout.evaluate`.

    Parameters
    ----------
    model
        A model with its units.
    training
        The orbits that it was trained on.

    Returns
    -------
    law
        μ̂ (km³/s²) and n̂, the residual (%), and the direction's error (degrees).

    Raises
    ------
    KeplearnError
        If the model has no units.
    """
    real = np.isfinite(training.times)
    states = training.states[real]
    found = _in_their_planes(model, training)[real]
    radii, sizes = np.linalg.norm(states[:, :3], axis=-1), np.linalg.norm(found, axis=-1)
    reference = float(np.exp(np.log(radii).mean()))
    fit = _power_law(radii, sizes, reference)
    return Law(
        mu_hat=fit.scale * reference**2,
        n_hat=-fit.exponent,
        mu=training.mu,
        reference_radius=reference,
        residual_percent=fit.rms_percent,
        direction_deg=finite_mean(angle_deg(found, -states[:, :3])),
        lost=int((~(np.isfinite(sizes) & (sizes > 0.0))).sum()),
    )


def _in_their_planes(model: NeuralODE, training: OrbitDataset) -> VectorArray:
    """A model's acceleration (orbit, sample, 3) at all states of a dataset; a planar one's in each orbit's plane."""
    if not Subject.model(model).planar:
        return accelerations(model, training.states)
    planes = osculating_planes(training.states[:, 0])
    return rotate_back(planes, accelerations(model, into_planes(planes, training.states)))


def residual_field(model: NeuralODE, training: OrbitDataset, n: int = 200) -> "xarray.Dataset":
    """Return the residual of the learned vector field in the plane z = 0, in percent of the truth.

    The frame holds the Earth and the training orbits, those in space projected on the plane. Where the model
    uses velocity, it is given that of the circular prograde orbit through each point: sqrt(μ/r) along ẑ × r̂.

    Parameters
    ----------
    model
        A model with its units.
    training
        The orbits that it was trained on.
    n
        Points along x and along y.

    Returns
    -------
    found
        Over (``y``, ``x``) in km, NaN inside the Earth: ``residual``, 100 |**a**_θ − **a**|/|**a**| in %, the
        components ``learned_x``, ``learned_y``, ``true_x``, ``true_y`` in km/s²; and
        ``training_x``, ``training_y`` (orbit, sample) in km. In ``attrs``: ``uses_velocity``,
        ``training_planar``, names.

    Raises
    ------
    KeplearnError
        If the model has no units, or n is below 2.
    """
    import xarray

    if n < 2:
        raise KeplearnError(f"a map of the field needs at least 2 points a side, not {n}.")
    low, high = _frame(training)
    x, y = (np.linspace(low[k], high[k], n) for k in range(2))
    position = np.stack([*np.meshgrid(x, y), np.zeros((n, n))], axis=-1)
    radius = np.linalg.norm(position, axis=-1)
    outside = radius >= EARTH_RADIUS
    ahead = np.cross([0.0, 0.0, 1.0], position[outside])
    velocity = np.sqrt(training.mu / radius[outside] ** 3)[:, None] * ahead
    learned, true = np.full((n, n, 3), np.nan), np.full((n, n, 3), np.nan)
    learned[outside] = accelerations(model, np.concatenate([position[outside], velocity], axis=-1))
    true[outside] = np.asarray(TwoBody(training.mu).acceleration(position[outside]))
    values = {"residual": (percent_error(learned, true), "%")}
    for key, vectors in (("learned", learned), ("true", true)):
        values |= {f"{key}_{axis}": (vectors[..., k], "km/s^2") for k, axis in enumerate("xy")}
    found = {key: (("y", "x"), array, {"units": units}) for key, (array, units) in values.items()}
    for k, axis in enumerate("xy"):
        found[f"training_{axis}"] = (("orbit", "sample"), training.states[..., k], {"units": "km"})
    return xarray.Dataset(
        found,
        coords={"x": ("x", x, {"units": "km"}), "y": ("y", y, {"units": "km"})},
        attrs={
            "training": training.name,
            "training_planar": int(training.planar),
            "uses_velocity": int(model.architecture.uses_velocity),
        },
    )


def _frame(training: OrbitDataset) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """Least and greatest x and y of the Earth and the training orbits, with a margin; km."""
    places = training.states[..., :2].reshape(-1, 2)
    low = np.minimum(np.nanmin(places, axis=0), -EARTH_RADIUS)
    high = np.maximum(np.nanmax(places, axis=0), EARTH_RADIUS)
    margin = _MARGIN * float((high - low).max())
    return low - margin, high + margin
