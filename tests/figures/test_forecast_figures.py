"""The figures of forecasts draw the interval, and the error by time ahead, of what a model has observed alone."""

import numpy as np
import pytest
import xarray

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.draws import Paths
from keplearn.figures.parts.numbers import figure_numbers
from keplearn.figures.plots.ahead import ahead
from keplearn.figures.plots.forecast import forecast
from keplearn.figures.plots.gaps import SHARES, gaps, in_gap
from keplearn.figures.plots.latent import latent
from keplearn.figures.plots.samples import samples
from keplearn.models.latent_architecture import LatentArchitecture
from keplearn.models.latent_ode import new_latent_ode
from keplearn.models.neural_ode import Architecture

NETWORK = Architecture("sph_4D_logr", "mlp_4D_logmag_unit_exp", 4, 1, "tanh", planar_constraint=True)
SECOND = LatentArchitecture(NETWORK, hidden_size=3)
FREE = LatentArchitecture(NETWORK, "free", 3, hidden_size=3)


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


@pytest.mark.parametrize("share", [0, 10, 50, 100])
def test_a_gap_is_in_the_middle_of_what_is_observed_and_never_at_its_ends(share):
    stretch = np.arange(40) < np.array([[20], [31], [40]])
    gap = in_gap(stretch, share)
    for row, missing in zip(stretch, gap, strict=True):
        places = np.flatnonzero(missing)
        observed = row.sum()
        assert abs(len(places) - min(observed * share / 100, observed - 2)) <= 0.5
        assert not missing[0] and not missing[observed - 1 :].any()
        if len(places):
            assert np.ptp(places) + 1 == len(places)
            assert abs(places.mean() - (observed - 1) / 2) <= 1


def test_errors_stand_at_the_length_of_their_gap():
    rows = np.outer(np.arange(1.0, 1 + len(SHARES)), [0.5, 1.0, 2.0])
    figure = gaps({"model": {"forecast": 10 * rows, "reconstruction": rows}})
    np.testing.assert_array_equal(series(figure, "model:forecast")["y"], 10 * rows[:, 1])
    np.testing.assert_array_equal(series(figure, "model:reconstruction")["x"], SHARES)


@pytest.fixture(scope="module")
def some() -> OrbitDataset:
    return load_dataset("complex_TBP_planar_3_test")


def made(dataset: OrbitDataset, count: int, draws: int, latent: int) -> Paths:
    """Paths 1 km off for each draw, of orbits whose first half is observed."""
    true = dataset.states[:count, :, :3]
    seen = np.broadcast_to(np.arange(true.shape[1]) < 180, true.shape[:2])
    off = np.arange(1.0, draws + 2)[:, None, None, None] * np.array([1.0, 1.0, 0.0])
    numbers = np.ones((draws + 1, count, true.shape[1], latent)) * np.arange(latent)
    return Paths(dataset.times[:count], true, seen, true + off, numbers)


def test_each_draw_stands_off_the_truth_by_what_its_path_is(some):
    figure = samples(made(some, 1, 3, 4), some, 0)
    assert len(figure.axes) == 4
    for name, off in (("mean", 1.0), ("1", 2.0), ("3", 4.0)):
        np.testing.assert_allclose(series(figure, f"y:{name}:off")["y"], off, rtol=1e-6)


@pytest.mark.parametrize(("shape", "names"), [(SECOND, ("x", "v_x")), (FREE, ("z1", "z3"))])
def test_numbers_of_a_latent_are_called_what_they_are(some, shape, names):
    model = new_latent_ode(shape, 0)
    figure = latent({"0": made(some, 1, 0, 4 if shape is SECOND else 3)}, model, some, numbers=3)
    for number, name in zip((0, 2), names, strict=True):
        before, after = (series(figure, f"0:{name}{part}") for part in ("", ":forecast"))
        assert (before["x"] <= 0).all() and (after["x"] >= 0).all()
        assert (before["y"] == number).all()
    with pytest.raises(KeplearnError, match="at least one orbit"):
        latent({}, model, some)


def test_a_model_that_observes_nothing_is_refused(planar):
    for draw in (lambda: forecast(planar), lambda: ahead({"law": planar}), lambda: gaps({})):
        with pytest.raises(KeplearnError, match="observe"):
            draw()
