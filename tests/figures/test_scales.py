"""Whether an axis is logarithmic is decided once, for figures and for the columns of the page."""

import numpy as np
import pytest

from keplearn.figures.parts.scales import RANGE, limits, wants_log
from keplearn.report.content import column


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([1.0, RANGE], True),
        ([1.0, 0.99 * RANGE], False),
        ([0.0, 1.0, 100.0], True),
        ([0.0, 0.0, 0.0, 1.0, 100.0], False),
        ([-1.0, 1.0, 100.0], False),
        ([1.0, np.inf, np.nan], False),
        ([5.0], False),
        ([], False),
    ],
)
def test_positive_values_over_a_wide_range_are_logarithmic(values, log):
    assert wants_log(np.array(values)) is log
    # None is what the page has for what is missing, and it has no other numbers that are not finite.
    shown = [value if np.isfinite(value) else None for value in values]
    assert column("lr", "lr", "parameter", shown).get("log", False) is log


def test_a_metric_whose_record_says_so_never_is():
    assert wants_log(np.array([1.0, 100.0]), "mean")
    assert not wants_log(np.array([1.0, 100.0]), "radial%")
    assert "log" not in column("radial%@a_test", "radial%", "metric", [1.0, 100.0])


def test_what_lost_samples_does_not_count():
    assert column("mean@a_test", "mean", "metric", [1.0, 100.0], lost=[0, 0])["log"]
    assert "log" not in column("mean@a_test", "mean", "metric", [1.0, 100.0], lost=[0, 5])


def test_zeros_lie_on_the_lower_edge_of_a_logarithmic_axis():
    low, high = limits(np.array([0.0, 1.0, 100.0]), log=True)
    assert 0.5 < low < 1.0 and 100.0 < high < 200.0
