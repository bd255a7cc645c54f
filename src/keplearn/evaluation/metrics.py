"""The metrics, in the order in which they are shown: each is one record and one function.

A `metric` is computed of a propagation sample by sample, a `statistic` of samples that are there already. Predicted
quantities have a hat: ŷ is the state that the model predicts at the time of the true state y. Longer than most files:
it is a list, and its order is that of all tables.
"""

from functools import partial

import numpy as np

from keplearn.core.shapes import OrbitVectors, ScalarArray
from keplearn.evaluation.baselines import Forecast, kepler_fit, osculating, pieces_of, straight_line
from keplearn.evaluation.distance import FAR, NEAR
from keplearn.evaluation.lead import CIRCULAR, lead_deg, revolutions
from keplearn.evaluation.registry import (
    METRICS,
    TRAINING,
    Measure,
    Metric,
    find_metric,
    floors,
    holds_all,
    keys,
    measure_of,
    metric,
    sampled,
    statistic,
)
from keplearn.evaluation.samples import Samples
from keplearn.evaluation.statistics import (
    Distribution,
    finite_mean,
    half_sample_mode,
    mean_at_end,
    mean_size_at_end,
)
from keplearn.evaluation.vectors import (
    angle_deg,
    inside,
    interval,
    percent_error,
    ranked_probability,
    sign_changes,
)
from keplearn.evaluation.vectors import outward as points_outward

__all__ = [
    "METRICS",
    "TRAINING",
    "Measure",
    "Metric",
    "find_metric",
    "floors",
    "holds_all",
    "keys",
    "measure_of",
    "metric",
    "sampled",
    "statistic",
]

_ORBIT = ("eccentricity vector", "angular momentum")


@statistic(
    "median", "median acceleration error along the propagated path", short="median error", unit="%",
    smaller_is_better=True, shown="wide",
)  # fmt: skip
def median(x: Distribution) -> float:
    """Median of the errors along the propagated path, lost samples the greatest: no few orbits rule it."""
    return x.quartiles[1]


@metric(
    "mean", "acceleration error along the propagated path", short="acceleration error", unit="%",
    shown="wide", floor=True,
)  # fmt: skip
def mean(x: Samples) -> ScalarArray:
    """Error of the predicted acceleration against the true one at the same time, % of the true one: a(ŷ) and a(y)."""
    return percent_error(x.acceleration, x.true_acceleration)


@metric(
    "field", "acceleration error at the true states", short="field error", unit="%", lost="lost-field",
    shown="wide", needs=["field"], floor=True,
)  # fmt: skip
def field(x: Samples) -> ScalarArray:
    """Error of the model's acceleration at the true states, % of the true one: free of the path's own error."""
    return percent_error(x.field, x.true_acceleration)


@statistic(
    "field-near", "acceleration error at true states near the training states", of="field", over="near",
    short="field error near", unit="%", lost="lost-field", smaller_is_better=True, shown="short",
)  # fmt: skip
def field_near(x: Distribution) -> float:
    """Mean error of the acceleration at the true states, near the training states (state distance ≤ 0.1)."""
    return x.mean


@statistic(
    "field-far", "acceleration error at true states far from the training states", of="field", over="far",
    short="field error far", unit="%", lost="lost-field", smaller_is_better=True, shown="short",
)  # fmt: skip
def field_far(x: Distribution) -> float:
    """Mean error of the acceleration at the true states, far from the training states (state distance > 0.3)."""
    return x.mean


@metric(
    "theta-deg",
    "angle between predicted and true acceleration",
    short="angle to the true acceleration",
    unit="°",
    shown="short",
)
def theta_deg(x: Samples) -> ScalarArray:
    """Angle between predicted and true acceleration at the same time."""
    return angle_deg(x.acceleration, x.true_acceleration)


@metric(
    "radial%", "samples whose force points outwards", short="outward force", unit="%", share=True,
    needs=["centre"], shown="short", log=False,
)  # fmt: skip
def outward(x: Samples) -> ScalarArray:
    """Share of samples whose predicted acceleration points away from the centre."""
    return points_outward(x.acceleration, x.position)


@metric(
    "collinear-deg", "angle between predicted acceleration and direction to the centre",
    short="angle to the centre", unit="°", needs=["centre"],
)  # fmt: skip
def collinear_deg(x: Samples) -> ScalarArray:
    """Angle between the predicted acceleration and the direction to the centre."""
    return angle_deg(x.acceleration, -x.position)


@statistic(
    "flips", "changes of sign of the magnitude per orbit", short="changes of sign", of="magnitude",
    smaller_is_better=True,
)  # fmt: skip
def flips(x: Distribution) -> float:
    """Sign changes of the network's magnitude m along an orbit, the mean over orbits."""
    return finite_mean(sign_changes(x.samples))


@statistic("skewness", "skewness of the acceleration errors", short="skewness")
def skewness(x: Distribution) -> float:
    """Skewness of the acceleration errors, E[(x − x̄)³]/σ³: positive where the tail is towards large errors."""
    return finite_mean(((x.finite - x.mean) / x.sigma) ** 3)


@statistic(
    "pearson-sk1", "Pearson's first skewness of the acceleration errors", short="Pearson's first skewness"
)
def pearson_sk1(x: Distribution) -> float:
    """Pearson's first skewness of the acceleration errors, (mean − mode)/σ with the half-sample mode."""
    return float((x.mean - half_sample_mode(x.finite)) / x.sigma)


@statistic(
    "pearson-sk2", "Pearson's second skewness of the acceleration errors", short="Pearson's second skewness"
)
def pearson_sk2(x: Distribution) -> float:
    """Pearson's second skewness of the acceleration errors, 3 (mean − median)/σ."""
    return float(3.0 * (x.mean - x.finite_quartiles[1]) / x.sigma)


@statistic("bowley", "Bowley's skewness of the acceleration errors", short="Bowley's skewness")
def bowley(x: Distribution) -> float:
    """Bowley's skewness of the acceleration errors, (Q3 + Q1 − 2 Q2)/(Q3 − Q1)."""
    q1, middle, q3 = x.finite_quartiles
    between = q3 - q1 if q3 - q1 > x.rounding else np.nan
    return float((q3 + q1 - 2.0 * middle) / between)


@statistic("std", "standard deviation of the acceleration errors", short="standard deviation", unit="%")
def std(x: Distribution) -> float:
    """Standard deviation of the acceleration errors, of the finite ones."""
    return float(x.finite.std()) if x.finite.size else np.nan


@statistic(
    "q1", "lower quartile of the acceleration errors", short="lower quartile", unit="%",
    smaller_is_better=True,
)  # fmt: skip
def q1(x: Distribution) -> float:
    """Lower quartile of the acceleration errors, lost samples the greatest."""
    return x.quartiles[0]


@statistic(
    "q3", "upper quartile of the acceleration errors", short="upper quartile", unit="%",
    smaller_is_better=True,
)  # fmt: skip
def q3(x: Distribution) -> float:
    """Upper quartile of the acceleration errors, lost samples the greatest."""
    return x.quartiles[2]


@statistic("max", "greatest acceleration error", short="greatest error", unit="%", smaller_is_better=True)
def greatest(x: Distribution) -> float:
    """Greatest of the acceleration errors, lost samples the greatest."""
    return float(x.known.max()) if x.known.size else np.nan


@statistic("outliers", "outlying samples", short="outliers", unit="samples", lost=None)
def outliers(x: Distribution) -> int:
    """Samples outside [Q1 − 1.5 IQR, Q3 + 1.5 IQR] of the acceleration errors (Tukey, *Exploratory Data Analysis*)."""
    low, _, high = x.quartiles
    # Where a quarter of the samples is lost nothing lies beyond.
    reach = 1.5 * (high - low) if np.isfinite(high) else np.inf
    return int(((x.known < min(low, high) - reach) | (x.known > high + reach)).sum())


@metric("position%", "position error", unit="%", shown="short")
def position_error(x: Samples) -> ScalarArray:
    """Distance of the predicted from the true position at the same time, % of the true radius."""
    return percent_error(x.position, x.true_position)


@metric(
    "reconstruction", "position error where the orbit is observed", short="reconstruction error", unit="%",
    shown="short", needs=["observed"], over="observed",
)  # fmt: skip
def reconstruction(x: Samples) -> ScalarArray:
    """Distance of the predicted from the true position at the observed samples, % of the true radius."""
    return position_error(x)


@metric(
    "forecast", "position error beyond what is observed", short="forecast error", unit="%", shown="short",
    needs=["observed"], over="forecast",
)  # fmt: skip
def forecast(x: Samples) -> ScalarArray:
    """Distance of the predicted from the true position beyond the observed samples, % of the true radius."""
    return position_error(x)


@statistic(
    "forecast-median", "median position error beyond what is observed", short="median forecast error", unit="%",
    of="forecast", smaller_is_better=True, shown="short",
)  # fmt: skip
def forecast_median(x: Distribution) -> float:
    """Median of the position errors beyond the observed samples, lost samples the greatest."""
    return x.quartiles[1]


@statistic(
    "forecast-end", "position error at the end of the forecast", short="forecast error at the end", unit="%",
    of="forecast", smaller_is_better=True,
)  # fmt: skip
def forecast_end(x: Distribution) -> float:
    """Position error at the last sample of each orbit, mean of orbits: where the forecast reaches farthest."""
    return mean_at_end(x)


@metric(
    "forecast-line", "position error of a straight line beyond what is observed", short="error of a straight line",
    unit="%", shown="short", needs=["observed"], over="forecast",
)  # fmt: skip
def forecast_line(x: Samples) -> ScalarArray:
    """The forecast's error, had the orbit gone straight on from the last observed position: what needs no model."""
    return _without_model(x, straight_line)


@metric(
    "forecast-osculating", "position error of the last osculating orbit beyond what is observed", unit="%",
    short="error of the osculating orbit", shown="short", needs=["observed", "eccentricity vector"], over="forecast",
)  # fmt: skip
def forecast_osculating(x: Samples) -> ScalarArray:
    """The forecast's error of the Kepler orbit fitted to the last tenth of the observations alone: persistence."""
    return _without_model(x, partial(osculating, mu=x.mu))


@metric(
    "forecast-kepler", "position error of a fitted Kepler orbit beyond what is observed", unit="%",
    short="error of a Kepler fit", shown="short", needs=["observed", "eccentricity vector"], over="forecast",
)  # fmt: skip
def forecast_kepler(x: Samples) -> ScalarArray:
    """The forecast's error of a Kepler orbit fitted to the same observations by least squares: the two-body floor."""
    return _without_model(x, partial(kepler_fit, mu=x.mu))


def _without_model(x: Samples, forecast: Forecast) -> ScalarArray:
    """Position error of what needs no model, from what the model has observed, % of the true radius."""
    given = x.true_states * np.nan if x.given is None else x.given
    return percent_error(pieces_of(forecast, x.times, given, x.begins), x.true_position)


@metric(
    "coverage90", "samples inside the 90 % interval", short="coverage of 90 %", unit="%", share=True, shown="short",
    needs=["observed"], over="forecast", smaller_is_better=None, log=False,
)  # fmt: skip
def coverage90(x: Samples) -> ScalarArray:
    """Share of the position's components inside the model's 90 % interval, beyond the observed samples: 90 is right."""
    return inside(_off(x), x.deviation, 0.9)


@metric(
    "sharpness", "width of the 90 % interval", short="sharpness", unit="%", needs=["observed"], over="forecast",
)  # fmt: skip
def sharpness(x: Samples) -> ScalarArray:
    """Width of the model's 90 % interval beyond the observed samples, mean of components, % of the true radius."""
    with np.errstate(all="ignore"):
        return 100.0 * interval(x.deviation, 0.9) / np.linalg.norm(x.true_position, axis=-1)


@metric(
    "crps", "continuous ranked probability score of the position", short="CRPS", unit="%", shown="short",
    needs=["observed"], over="forecast",
)  # fmt: skip
def crps(x: Samples) -> ScalarArray:
    """Continuous ranked probability score beyond the observed samples, mean of components, % of the true radius."""
    with np.errstate(all="ignore"):
        return 100.0 * ranked_probability(_off(x), x.deviation) / np.linalg.norm(x.true_position, axis=-1)


def _off(x: Samples) -> OrbitVectors:
    """How far the true position is from the predicted one, km."""
    return x.true_position - x.position


@metric("energy-drift", "relative drift of the energy", short="energy drift", needs=["energy"])
def energy_drift(x: Samples) -> ScalarArray:
    """Relative change of the energy since the propagation's start."""
    return x.drift("energy")


@metric(
    "momentum-drift", "relative drift of the angular momentum", short="momentum drift",
    needs=["angular momentum"],
)  # fmt: skip
def momentum_drift(x: Samples) -> ScalarArray:
    """Relative change of the angular momentum since the propagation's start."""
    return x.drift("angular momentum")


@metric(
    "drift-deg", "phase drift, lead or lag", short="phase drift", unit="°", total=mean_at_end,
    needs=_ORBIT, smaller_is_better=None, log=False,
)  # fmt: skip
def lead(x: Samples) -> ScalarArray:
    """Lead (+) or lag (−) of the predicted position along the true orbit, in mean anomaly, at the end."""
    return lead_deg(*x.anomalies, x.begins)


@statistic(
    "abs-drift-deg", "size of the phase drift at the end", short="size of the phase drift", unit="°", of="lead",
    smaller_is_better=True,
)  # fmt: skip
def abs_drift(x: Distribution) -> float:
    """Size of the lead or lag at the end, mean of orbits."""
    return mean_size_at_end(x)


@metric(
    "drift-rate", "rate of the phase drift", unit="°/revolution", total=mean_at_end, needs=_ORBIT,
    smaller_is_better=None, log=False,
)  # fmt: skip
def lead_rate(x: Samples) -> ScalarArray:
    """Lead (+) or lag (−) per revolution of the true orbit, at the end."""
    ahead, since = lead(x), revolutions(x.anomalies[1], x.begins)
    with np.errstate(all="ignore"):
        return np.where(since == 0.0, 0.0 * ahead, ahead / since)


@metric("periapsis-deg", "angle to the true periapsis", unit="°", needs=_ORBIT)
def periapsis_deg(x: Samples) -> ScalarArray:
    """Angle between the osculating periapsis of the predicted state and that of the true one; none on a circle."""
    predicted, true = (x.values("eccentricity vector", y) for y in (x.states, x.true_states))
    known = np.linalg.norm(true, axis=-1, keepdims=True) > CIRCULAR
    return angle_deg(predicted, np.where(known, true, np.nan))


@statistic(
    "field-in", "acceleration error at true states inside the training radii", of="field", over="in",
    short="field error inside", unit="%", lost="lost-field", smaller_is_better=True,
)  # fmt: skip
def field_in(x: Distribution) -> float:
    """Mean error of the acceleration at the true states, within the training states' range of radius."""
    return x.mean


@statistic(
    "field-out", "acceleration error at true states outside the training radii", of="field", over="out",
    short="field error outside", unit="%", lost="lost-field", smaller_is_better=True,
)  # fmt: skip
def field_out(x: Distribution) -> float:
    """Mean error of the acceleration at the true states, outside the training states' range of radius."""
    return x.mean


@statistic(
    "mean-near", "acceleration error along the path near the training states", of="mean", over="near",
    short="acceleration error near", unit="%", lost="lost", smaller_is_better=True,
)  # fmt: skip
def mean_near(x: Distribution) -> float:
    """Mean acceleration error along the propagated path, near the training states (state distance ≤ 0.1)."""
    return x.mean


@statistic(
    "mean-far", "acceleration error along the path far from the training states", of="mean", over="far",
    short="acceleration error far", unit="%", lost="lost", smaller_is_better=True,
)  # fmt: skip
def mean_far(x: Distribution) -> float:
    """Mean acceleration error along the propagated path, far from the training states (state distance > 0.3)."""
    return x.mean


@statistic(
    "theta-near", "angle to the true acceleration near the training states", of="theta_deg", over="near",
    short="angle near", unit="°", lost="lost", smaller_is_better=True,
)  # fmt: skip
def theta_near(x: Distribution) -> float:
    """Mean angle between predicted and true acceleration, near the training states (state distance ≤ 0.1)."""
    return x.mean


@statistic(
    "theta-far", "angle to the true acceleration far from the training states", of="theta_deg", over="far",
    short="angle far", unit="°", lost="lost", smaller_is_better=True,
)  # fmt: skip
def theta_far(x: Distribution) -> float:
    """Mean angle between predicted and true acceleration, far from the training states (state distance > 0.3)."""
    return x.mean


@statistic(
    "near%", "samples near the training states", of="distance", short="near", unit="%", lost=None, log=False
)
def near_share(x: Distribution) -> float:
    """Share of the samples whose true state is near the training states (state distance ≤ 0.1)."""
    return _share(x.finite <= NEAR)


@statistic(
    "far%", "samples far from the training states", of="distance", short="far", unit="%", lost=None, log=False
)
def far_share(x: Distribution) -> float:
    """Share of the samples whose true state is far from the training states (state distance > 0.3)."""
    return _share(x.finite > FAR)


@statistic(
    "outside%",
    "samples outside the training radii",
    of="beyond",
    short="outside",
    unit="%",
    lost=None,
    log=False,
)
def outside_share(x: Distribution) -> float:
    """Share of the samples whose true radius is outside the training states' range."""
    return _share(x.finite)


def _share(chosen: np.ndarray) -> float:
    """Percentage of samples for which this is true or 1."""
    return float(100.0 * chosen.mean()) if chosen.size else np.nan


@statistic("active", "numbers of the latent that are used", short="used numbers", of="latent_mean", lost=None)
def active(x: Distribution) -> float:
    """Numbers of the latent whose mean has a variance above 0.01 over orbits (Burda et al., ICLR 2016, section 5.2)."""
    if len(x.samples) < 2:
        return np.nan
    with np.errstate(all="ignore"):
        return float((np.var(x.samples, axis=0) > 0.01).sum())


@statistic(
    "diverged", "diverged test orbits", short="diverged", of="diverged", unit="orbits", lost=None,
    smaller_is_better=True, shown="lost",
)  # fmt: skip
def diverged(x: Distribution) -> int:
    """Orbits whose propagation failed or became non-finite."""
    return int(x.samples.sum())


@statistic(
    "lost", "lost samples along the propagated path", short="lost samples", unit="samples", lost=None,
    smaller_is_better=True, shown="lost",
)  # fmt: skip
def lost(x: Distribution) -> int:
    """Samples along the propagated path that diverged or are not finite."""
    return x.lost


@statistic(
    "lost-field", "lost samples at the true states", short="lost field samples", of="field", unit="samples",
    lost=None, smaller_is_better=True, shown="lost",
)  # fmt: skip
def lost_field(x: Distribution) -> int:
    """Samples at whose true state the field is not finite."""
    return x.lost
