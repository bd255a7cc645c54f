"""The drift of the phase is what Kepler's equation says it is."""

import numpy as np
import pytest

from keplearn.data.single import single_orbit
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.samples import Samples
from keplearn.evaluation.statistics import Distribution
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.elements import kepler_states
from keplearn.systems.two_body import TwoBody

ELLIPSES = [
    {"a": 9000.0, "e": 0.0},
    {"a": 9000.0, "e": 0.0, "i": 1.2, "raan": 4.0, "planar": False},
    {"a": 30000.0, "e": 0.3, "nu0": 2.0},
    {"a": 30000.0, "e": 0.7, "argp": 1.0, "nu0": 5.0},
    {"a": 30000.0, "e": 0.7, "i": 2.8, "raan": 3.0, "argp": 5.0, "nu0": 1.0, "planar": False},
]


def samples(orbit, states, segments=None):
    """A prediction of one orbit as metrics see it."""
    law = TwoBody(orbit.mu)
    sample = np.arange(states.shape[1])
    accelerations = law.accelerations(orbit.times, states)
    return Samples(
        orbit.times, states, accelerations, orbit.states, orbit.accelerations, orbit.accelerations,
        sample - sample % (segments or len(sample)),
        {one.name: lambda y, name=one.name: law.values(name, y) for one in law.invariants},
        frozenset({"centre"}),
    )  # fmt: skip


def score(key, seen):
    metric = METRICS[key]
    assert metric.sampled is not None
    values = metric.sampled(seen)
    return values, metric.total(Distribution(values))


@pytest.mark.parametrize("elements", ELLIPSES)
@pytest.mark.parametrize("speed", [1.01, 0.98, 3.0])
def test_a_prediction_that_runs_faster_leads_by_what_it_has_run_more(elements, speed):
    orbit = single_orbit(MU_EARTH, **elements)
    degrees = np.arange(360.0)
    ahead = kepler_states(orbit.elements, np.radians(speed * degrees)[None], MU_EARTH)
    found, total = score("drift-deg", samples(orbit, ahead))
    np.testing.assert_allclose(found[0], (speed - 1) * degrees, atol=1e-6)
    assert total == pytest.approx((speed - 1) * 359)
    rates, rate = score("drift-rate", samples(orbit, ahead))
    np.testing.assert_allclose(rates[0, 1:], (speed - 1) * 360, rtol=1e-6)
    assert rate == pytest.approx((speed - 1) * 360)
    assert METRICS["abs-drift-deg"].total(Distribution(found)) == pytest.approx(abs(speed - 1) * 359)
    assert score("periapsis-deg", samples(orbit, ahead))[1] == (
        pytest.approx(0, abs=1e-6) if elements["e"] else pytest.approx(np.nan, nan_ok=True)
    )


def test_a_stronger_pull_leads_by_twice_its_share():
    # From the same state on a circle: a' = a (1 − δ), so n' = n (1 + 2 δ).
    orbit, delta = single_orbit(MU_EARTH, 10000.0, 0.0), 1e-5
    pulled = TwoBody((1 + delta) * MU_EARTH).flow(orbit.states[:, :1].repeat(360, 1), orbit.times)
    _, total = score("drift-deg", samples(orbit, pulled))
    assert total == pytest.approx(2 * delta * 359, rel=0.01)


def test_each_segment_begins_without_a_lead():
    orbit = single_orbit(MU_EARTH, 30000.0, 0.5)
    since = np.arange(360.0) % 90
    states = kepler_states(orbit.elements, np.radians(np.arange(360.0) + 5 * since)[None], MU_EARTH)
    found, _ = score("drift-deg", samples(orbit, states, segments=90))
    np.testing.assert_allclose(found[0], 5 * since, atol=1e-6)  # up to 445° ahead within a segment


def test_the_periapsis_is_off_by_the_angle_by_which_it_is_turned():
    orbit, turned = (single_orbit(MU_EARTH, 30000.0, 0.5, argp=w) for w in (1.0, 1.1))
    _, total = score("periapsis-deg", samples(orbit, turned.states))
    assert total == pytest.approx(np.degrees(0.1))


def test_what_is_lost_or_padded_has_no_lead_and_warns_of_nothing():
    orbit = single_orbit(MU_EARTH, 30000.0, 0.5)
    states = orbit.states.copy()
    states[0, 200:] = np.nan
    found, _ = score("drift-deg", samples(orbit, states))
    assert np.isfinite(found[0, :200]).all()
    assert np.isnan(found[0, 200:]).all()
    lost = np.where(np.isnan(found), np.inf, found)
    assert np.isnan(METRICS["drift-deg"].total(Distribution(lost)))
