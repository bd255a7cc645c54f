"""What can be forecast without learning from the same observations: a straight line, and a fitted Kepler orbit.

Arrays are (orbit, sample), km and s; what is observed is (orbit, sample, 6), NaN where nothing is, in the velocity too
where positions alone are.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64, Int

from keplearn.core.shapes import OrbitStates, OrbitTimes, OrbitVectors, StateArray
from keplearn.orbits.elements import elements_from_states, kepler_states
from keplearn.orbits.kepler import period

# Steps of the least squares: they end at rounding well before, from where Gibbs' method puts them.
_STEPS = 12
_DAMPING, _FACTOR = 1e-6, 10.0
_GAIN, _ROUNDING = 1e-6, 1e-22
# Differences for derivatives by a state, of its position and velocity.
_RELATIVE_STEP = 1e-6

Forecast = Callable[[OrbitTimes, OrbitStates], OrbitVectors]


def straight_line(times: OrbitTimes, observed: OrbitStates) -> OrbitVectors:
    """Go on from the last observed position at its velocity, or, if none is observed, that between the last two."""
    last, before = (_nth_last(observed, n) for n in (1, 2))
    rows = np.arange(len(times))
    at, position = times[rows, last], observed[rows, last, :3]
    step = (position - observed[rows, before, :3]) / (at - times[rows, before])[:, None]
    velocity = observed[rows, last, 3:]
    velocity = np.where(np.isfinite(velocity), velocity, step)
    return position[:, None] + (times - at[:, None])[..., None] * velocity[:, None]


def kepler_fit(times: OrbitTimes, observed: OrbitStates, mu: float) -> OrbitVectors:
    """Fit a Kepler orbit to what is observed, by least squares of the relative errors, and go along it.

    From three of the positions by Gibbs' method (Vallado, algorithm 54), damped steps of Gauss and Newton; NaN for an
    orbit to which no bound one comes near. It is what no model of the two-body problem can forecast better.
    """
    rows = np.arange(len(times))
    epoch = times[rows, _spread(observed)[1]]
    radius = np.linalg.norm(observed[..., :3], axis=-1, keepdims=True)
    speed = np.sqrt(mu / radius)
    weights = np.concatenate([1 / np.tile(radius, 3), 1 / np.tile(speed, 3)], axis=-1)
    since = times - epoch[:, None]
    last = int(np.flatnonzero(np.isfinite(observed[..., 0]).any(axis=0))[-1]) + 1
    seen, kept = observed[:, :last], weights[:, :last]

    def residuals(state: StateArray) -> Float64[np.ndarray, "orbit number"]:
        off = (along_kepler(state, since[:, :last], mu) - seen) * kept
        return np.where(np.isfinite(seen), off, 0.0).reshape(len(state), -1)

    with np.errstate(all="ignore"):
        found = _least_squares(residuals, _gibbs(observed, mu))
        return along_kepler(found, since, mu)[..., :3]


def osculating(times: OrbitTimes, observed: OrbitStates, mu: float) -> OrbitVectors:
    """Go on along the Kepler orbit that osculates at the end of the observations: fitted to the last tenth of them."""
    seen = np.isfinite(observed[..., 0])
    after = np.cumsum(seen[:, ::-1], axis=1)[:, ::-1]
    kept = np.maximum(seen.sum(axis=1) // 10, 3)
    return kepler_fit(times, np.where((after <= kept[:, None])[..., None], observed, np.nan), mu)


def pieces_of(
    forecast: Forecast, times: OrbitTimes, observed: OrbitStates, begins: Int[np.ndarray, " sample"]
) -> OrbitVectors:
    """Return the positions that a forecast gives, of each piece of the orbits from what is observed of it."""
    found = np.full((*times.shape, 3), np.nan)
    for begin in np.unique(begins):
        piece = np.flatnonzero(begins == begin)
        enough = np.isfinite(observed[:, piece, 0]).sum(axis=1) >= 3
        if enough.any():
            rows = np.ix_(np.flatnonzero(enough), piece)
            found[rows] = forecast(times[rows], observed[rows])
    return found


def _nth_last(observed: OrbitStates, n: int) -> Int[np.ndarray, " orbit"]:
    """Index of each orbit's n-th last observed sample."""
    seen = np.isfinite(observed[..., 0])
    counted = np.cumsum(seen[:, ::-1], axis=1)
    return seen.shape[1] - 1 - np.argmax(counted == n, axis=1)


def _spread(observed: OrbitStates) -> list[Int[np.ndarray, " orbit"]]:
    """Indices of the observed samples at the beginning, and after an eighth and a quarter of them."""
    seen = np.isfinite(observed[..., 0])
    counted, count = np.cumsum(seen, axis=1), seen.sum(axis=1)
    orders = [1 + np.maximum(count * k // 8, k) for k in (0, 1, 2)]
    return [np.argmax(counted == order[:, None], axis=1) for order in orders]


def _gibbs(observed: OrbitStates, mu: float) -> StateArray:
    """State at the second of three positions in a plane with the centre."""
    rows = np.arange(len(observed))
    r1, r2, r3 = (observed[rows, k, :3] for k in _spread(observed))
    s1, s2, s3 = (np.linalg.norm(r, axis=-1, keepdims=True) for r in (r1, r2, r3))
    z12, z23, z31 = np.cross(r1, r2), np.cross(r2, r3), np.cross(r3, r1)
    n, d = s1 * z23 + s2 * z31 + s3 * z12, z12 + z23 + z31
    s = (s2 - s3) * r1 + (s3 - s1) * r2 + (s1 - s2) * r3
    size = np.sqrt(mu / (np.linalg.norm(n, axis=-1) * np.linalg.norm(d, axis=-1)))[:, None]
    state = np.concatenate([r2, size * (np.cross(d, r2) / s2 + s)], axis=-1)
    # Of points nearly on a line nothing is left: a circular orbit through the second.
    along = r3 - r1
    circular = np.concatenate(
        [r2, np.sqrt(mu / s2) * along / np.linalg.norm(along, axis=-1, keepdims=True)], -1
    )
    bound = (state[:, 3:] ** 2).sum(-1) / 2 < mu / s2[:, 0]  # NaN is not
    return np.where(bound[:, None], state, circular)


def along_kepler(state: StateArray, since: OrbitTimes, mu: float) -> OrbitStates:
    """States along the Kepler orbits of states (orbit, 6); NaN for those that are not bound."""
    elements = elements_from_states(state, mu)
    bound: Bool[np.ndarray, " orbit"] = (elements[:, 0] > 0) & (elements[:, 1] < 1)
    found = np.full((*since.shape, 6), np.nan)
    real = np.isfinite(since)  # not so in padding
    mean = 2 * np.pi * np.where(real, since, 0.0)[bound] / period(elements[bound, :1], mu)
    found[bound] = kepler_states(elements[bound], mean, mu)
    return np.where(real[..., None], found, np.nan)


def _least_squares(
    residuals: Callable[[StateArray], Float64[np.ndarray, "orbit number"]], state: StateArray
) -> StateArray:
    """Levenberg's and Marquardt's method for each orbit by itself; a step that is worse is not taken."""
    damping = np.full(len(state), _DAMPING)
    left = residuals(state)
    for _ in range(_STEPS):
        sizes = np.linalg.norm(state.reshape(-1, 2, 3), axis=-1).repeat(3, axis=1)
        moved = [residuals(state + _RELATIVE_STEP * sizes * unit) for unit in np.eye(6)]
        slopes = np.nan_to_num((np.stack(moved, axis=-1) - left[..., None]) / _RELATIVE_STEP)
        curvature = np.einsum("onk,onl->okl", slopes, slopes)
        diagonal = np.einsum("okk->ok", curvature)
        damped = curvature + (damping[:, None] * diagonal + 1e-300)[:, None] * np.eye(6)
        slope = np.einsum("onk,on->ok", slopes, np.nan_to_num(left))
        trial = state - sizes * np.linalg.solve(damped, slope[..., None])[..., 0]
        of_trial = residuals(trial)
        before, after = (np.nan_to_num((x**2).sum(-1), nan=np.inf) for x in (left, of_trial))
        better = after < before
        state, left = (np.where(better[:, None], *pair) for pair in ((trial, state), (of_trial, left)))
        damping = np.where(better, damping / _FACTOR, damping * _FACTOR)
        # Where a step gains a millionth, or what is left is rounding, the next gains nothing.
        done = (after > (1 - _GAIN) * before) & (damping > _DAMPING / _FACTOR**2) | (before < _ROUNDING)
        if done.all():
            break
    return state
