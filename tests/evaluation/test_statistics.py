"""Statements about distributions of errors whose answer is known."""

import numpy as np
import pytest

from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.statistics import Distribution, half_sample_mode
from keplearn.evaluation.table import summarize
from keplearn.evaluation.vectors import angle_deg, outward, percent_error, sign_changes


def skew(samples: np.ndarray) -> dict[str, float]:
    """The four measures of asymmetry of some errors."""
    measures = ("skewness", "pearson-sk1", "pearson-sk2", "bowley")
    return {key: METRICS[key].total(Distribution(samples)) for key in measures}


def spread(samples: np.ndarray) -> dict[str, float]:
    """How some errors are spread."""
    measures = ("median", "std", "q1", "q3", "max", "outliers")
    return {key: METRICS[key].total(Distribution(samples)) for key in measures}


def test_skewness_of_an_exponential_distribution_is_two():
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    measures = skew(-np.log1p(-quantiles))
    assert measures["skewness"] == pytest.approx(2.0, abs=0.01)
    assert measures["pearson-sk1"] == pytest.approx(1.0, abs=0.01)
    assert measures["pearson-sk2"] == pytest.approx(3 * (1 - np.log(2)), abs=1e-3)
    # Quartiles ln(4/3), ln 2, ln 4.
    assert measures["bowley"] == pytest.approx(np.log(4 / 3) / np.log(3), abs=1e-4)


def test_skewness_of_four_numbers_by_hand():
    measures = skew(np.array([1.0, 2.0, 3.0, 10.0]))  # mean 4, σ² 12.5, Σ(x - 4)³ = 180
    sigma = np.sqrt(12.5)
    assert measures["skewness"] == pytest.approx(45 / sigma**3)
    assert measures["pearson-sk2"] == pytest.approx(4.5 / sigma)
    assert measures["bowley"] == pytest.approx((4.75 + 1.75 - 5.0) / 3.0)


def test_symmetric_samples_have_no_skewness():
    for value in skew(np.arange(9.0)).values():
        assert value == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(
    ("samples", "mode"),
    [([3.0], 3.0), ([1.0, 2.0], 1.5), ([1.0, 2.0, 4.0], 1.5), ([0.0, 2.0, 3.0], 2.5), ([1.0, 2.0, 3.0], 2.0)],
)
def test_the_mode_of_few_samples(samples: list[float], mode: float):
    assert half_sample_mode(np.array(samples)) == mode


def test_the_mode_lies_where_the_samples_are_dense():
    draw = np.random.default_rng(0)
    samples = np.concatenate([draw.normal(5.0, 0.1, 800), draw.uniform(0.0, 100.0, 200)])
    assert half_sample_mode(samples) == pytest.approx(5.0, abs=0.2)


def test_outliers_lie_beyond_one_and_a_half_interquartile_ranges():
    found = spread(np.array([*range(1, 10), 100.0]))
    assert found["outliers"] == 1
    assert (found["q1"], found["median"], found["q3"], found["max"]) == (3.25, 5.5, 7.75, 100.0)


@pytest.mark.parametrize("samples", [[], [np.nan, np.inf], [2.0], [0.1] * 7, [0.0, 0.0]])
def test_what_is_undefined_is_nan_and_never_a_warning(samples: list[float]):
    x = np.array(samples)
    assert all(np.isnan(value) for value in skew(x).values())
    spread(x)
    names = ("mean", "field", "theta_deg", "outward", "collinear_deg", "position_error")
    summary = summarize(dict.fromkeys((*names, "energy_drift", "momentum_drift"), x))
    assert list(summary) == list(METRICS)
    assert np.isnan(summary["flips"])


def test_angles_are_exact_near_0_and_180_degrees():
    degrees = np.array([0.0, 1e-9, 5.0, 90.0, 180.0 - 1e-9, 180.0])
    radians = np.radians(degrees)
    turned = np.stack([np.cos(radians), np.sin(radians), 0.0 * radians], axis=-1)
    x = np.tile([1.0, 0.0, 0.0], (6, 1))
    assert angle_deg(x, 1e200 * turned) == pytest.approx(degrees, rel=1e-6, abs=1e-13)
    assert np.isnan(angle_deg(x, 0.0 * x)).all()


def test_errors_too_large_for_a_number_are_no_warnings():
    one = np.ones((1, 3))
    assert percent_error(1e300 * one, one)[0] == np.inf
    assert np.isnan(outward(np.nan * one, one)[0])


def test_sign_changes_pass_over_zeros_and_gaps():
    magnitudes = np.array(
        [[1.0, 0.0, -1.0, np.nan, -2.0, 3.0], [0.0, np.nan, 1.0, 1.0, 0.0, 1.0], [np.nan] * 6]
    )
    assert np.array_equal(sign_changes(magnitudes), [2.0, 0.0, np.nan], equal_nan=True)
