"""An ensemble: what the mean and the spread of several fields are, and how its figure shows them."""

import numpy as np
import pytest
import xarray

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.ensemble import calibration, ensemble
from keplearn.evaluation.rollout import evaluate_law
from keplearn.figures.parts.numbers import figure_numbers
from keplearn.figures.plots.ensemble import ensemble as draw

AT = ("orbit", "sample")


@pytest.fixture(scope="module")
def truth() -> xarray.Dataset:
    """The law's own evaluation on three orbits, each sample at a state distance that grows along its orbit."""
    found = evaluate_law(load_dataset("complex_TBP_planar_3_test"))
    distance = np.broadcast_to(np.linspace(0.01, 0.5, found.sizes["sample"]), found["time"].shape)
    return found.assign(distance=(AT, distance))


def scaled(truth: xarray.Dataset, factor: float | np.ndarray) -> xarray.Dataset:
    """A member whose acceleration is the true one times a factor."""
    field = truth["acceleration"].to_numpy() * np.asarray(factor)[..., None]
    return truth.assign(field_acceleration=((*AT, "component"), field))


def test_errors_of_both_signs_cancel_in_the_mean_and_make_the_spread(truth):
    found = ensemble([scaled(truth, 1.02), scaled(truth, 0.98), scaled(truth, 1.0)])
    np.testing.assert_allclose(found["error"], 0.0, atol=1e-12)
    np.testing.assert_allclose(found["member_error"], 4.0 / 3.0, rtol=1e-9)
    np.testing.assert_allclose(found["spread"], 2.0, rtol=1e-9)  # √((2² + 2² + 0²)/2)
    assert list(calibration(found)) == [100.0, 100.0]


def test_an_error_that_all_members_share_is_no_spread(truth):
    found = ensemble([scaled(truth, 1.05), scaled(truth, 1.05)])
    np.testing.assert_allclose(found["error"], 5.0, rtol=1e-9)
    np.testing.assert_allclose(found["spread"], 0.0, atol=1e-9)
    assert list(calibration(found)) == [0.0, 0.0]
    with pytest.raises(KeplearnError, match="has no spread anywhere"):
        draw(ensemble([scaled(truth, 1.0), scaled(truth, 1.0)]))


def test_where_the_truth_is_drawn_as_the_members_are_two_thirds_are_within_the_spread(truth):
    """Four members and the truth, normal about one field: of Student's t with 3 degrees of freedom within 1, 61 %."""
    draws = 1.0 + 0.01 * np.random.default_rng(0).standard_normal((5, *truth["time"].shape))
    true = truth.assign(acceleration=scaled(truth, draws[4])["field_acceleration"])
    found = ensemble(
        [true.assign(field_acceleration=scaled(truth, d)["field_acceleration"]) for d in draws[:4]]
    )
    once, twice = calibration(found)
    assert once == pytest.approx(60.9, abs=5.0)
    assert twice == pytest.approx(86.1, abs=4.0)


def test_the_figure_shows_both_against_the_distance(truth):
    growing = 0.2 * truth["distance"].to_numpy()
    found = ensemble([scaled(truth, 1.0 + growing), scaled(truth, 1.0 - 0.5 * growing)])
    numbers = figure_numbers(draw(found))
    for name, of in (("error", 0.05), ("spread", 0.2 * 1.5 / np.sqrt(2) / (1 + 0.25 * 0.2 * 0.3))):
        line = numbers[numbers["series"] == f"{name} by distance:median"]
        assert len(line) >= 5
        np.testing.assert_allclose(line["y"], 100 * of * line["x"], rtol=0.25)


def test_one_run_or_other_orbits_are_no_ensemble(truth):
    one = scaled(truth, 1.0)
    with pytest.raises(KeplearnError, match="at least 2 runs; this is 1"):
        ensemble([one])
    with pytest.raises(KeplearnError, match="tested on different orbits"):
        ensemble([one, one.assign(acceleration=2.0 * one["acceleration"])])
    with pytest.raises(KeplearnError, match="has no field"):
        ensemble([one, truth.drop_vars("field_acceleration")])
