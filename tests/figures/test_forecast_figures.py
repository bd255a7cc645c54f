"""The figures of forecasts draw the interval, and the error by time ahead, of what a model has observed alone."""

import numpy as np
import pytest
import xarray

from keplearn.core.errors import KeplearnError
from keplearn.figures.parts.numbers import figure_numbers
from keplearn.figures.plots.ahead import ahead
from keplearn.figures.plots.forecast import forecast


@pytest.fixture(scope="module")
def observing(planar) -> xarray.Dataset:
    """A model that has observed the first half of each orbit, sure to 10 km, with errors that grow from there on."""
    shape, dims = planar["time"].shape, ("orbit", "sample")
    seen = np.broadcast_to(np.arange(shape[1]) < shape[1] // 2, shape)
    grown = np.maximum(np.arange(shape[1]) / (shape[1] // 2), 0.01) * np.ones(shape)
    deviation = np.where(np.arange(3) < 2, 10.0, 0.0) * np.ones((*shape, 3))
    return planar.assign(
        observed=(dims, seen.astype(float)), forecast=(dims, grown), forecast_line=(dims, 100.0 * grown),
        forecast_osculating=(dims, 2.0 * grown), forecast_kepler=(dims, 1e-9 * grown),
        predicted_deviation=((*dims, "component"), deviation),
    )  # fmt: skip


def series(figure, name: str):
    numbers = figure_numbers(figure)
    return numbers[numbers["series"] == name]


def test_the_interval_holds_nine_tenths_of_a_normal_distribution(observing):
    figure = forecast(observing, orbit=3)
    true = observing["position"].values[3, :, 0] / 1e3
    np.testing.assert_allclose(series(figure, "x:true")["y"], true)
    corners, middle = series(figure, "x:off:interval")["y"], series(figure, "x:off")["y"]
    assert corners.max() - middle.max() == pytest.approx(16.449, abs=1e-3)
    assert len(figure.axes) == 4  # nothing is known of z, in which nothing moves


def test_errors_stand_at_their_time_ahead_and_what_is_far_below_is_said_to_be(observing):
    figure = ahead({"model": observing})
    median = series(figure, "model:median")
    at_end = median[median["x"] > 0.9]["y"]
    assert at_end.to_numpy() == pytest.approx(2.0, rel=0.1)
    (axes,) = figure.axes
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["model", "straight line", "last osculating orbit", "Kepler fit, below"]
    assert axes.get_ylim()[0] > 1e-6
    grown = series(figure, "forecast_osculating:median")
    np.testing.assert_allclose(grown["y"], 2.0 * median["y"], rtol=1e-9)


def test_a_model_that_observes_nothing_is_refused(planar):
    for draw in (lambda: forecast(planar), lambda: ahead({"law": planar})):
        with pytest.raises(KeplearnError, match="observe"):
            draw()
