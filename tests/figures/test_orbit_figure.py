"""The orbit figure is to scale, shows truth and prediction apart, and says what it leaves out."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.quiver import Quiver

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.two_body import two_body_dataset
from keplearn.evaluation.rollout import evaluate_law
from keplearn.figures.plots.orbit import orbit
from keplearn.orbits.constants import EARTH_RADIUS


def artists(figure: Figure) -> dict[str, Any]:
    return {str(artist.get_gid()): artist for artist in figure.axes[0].get_children()}


def legend(figure: Figure) -> str:
    found = figure.axes[0].get_legend()
    assert found is not None
    return " | ".join(text.get_text() for text in found.get_texts())


def test_the_curve_passes_through_every_sample(planar):
    found = artists(orbit(planar, 1))
    for gid, name in (("true", "position"), ("predicted", "predicted_position")):
        curve = found[gid].get_xydata()
        samples = planar[name].to_numpy()[1, :, :2]
        np.testing.assert_array_equal(curve[::12], samples)


def test_between_samples_the_curve_stays_on_the_ellipse():
    dataset = load_dataset("complex_TBP_planar_1_test")
    elements = np.array([[70000.0, 0.9, 0.0, np.nan, np.nan, 2.0]])
    extreme = two_body_dataset("e = 0.9", elements, dataset.mu, ["0"], "of given elements", planar=True)
    curve = artists(orbit(evaluate_law(extreme)))["true"].get_xydata()
    x, y = curve.T
    to_both_foci = np.hypot(x, y) + np.hypot(x + 2 * 70000.0 * 0.9, y)
    np.testing.assert_allclose(to_both_foci, 2 * 70000.0, rtol=3e-3)


def test_it_is_to_scale(planar):
    axes = orbit(planar).axes[0]
    assert axes.get_aspect() == 1.0
    (earth,) = (patch for patch in axes.patches if isinstance(patch, Circle))
    assert earth.radius == EARTH_RADIUS
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (10³ km)", "y (10³ km)")
    assert axes.xaxis.get_major_formatter()(-20000.0, 0) == "−20"


def test_arrows_stand_at_samples_and_point_along_the_acceleration(planar):
    found = artists(orbit(planar))
    truth = planar.isel(orbit=0)
    for gid, at in (("acceleration", "position"), ("predicted_acceleration", "predicted_position")):
        arrows = found[gid]
        assert isinstance(arrows, Quiver)
        assert 10 <= arrows.N <= 12
        places = [tuple(row) for row in truth[at].to_numpy()[:, :2]]
        chosen = [places.index(tuple(place)) for place in np.asarray(arrows.get_offsets())]
        a = truth[gid].to_numpy()[chosen, :2]
        drawn = np.stack([arrows.U, arrows.V], axis=1)
        size, length = np.linalg.norm(a, axis=1), np.linalg.norm(drawn, axis=1)
        np.testing.assert_allclose(drawn / length[:, None], a / size[:, None], atol=1e-12)
        np.testing.assert_allclose(length / size**0.25, length[0] / size[0] ** 0.25)


def test_start_and_periapsis_are_marked(planar):
    found = artists(orbit(planar))
    one = planar.isel(orbit=0)
    np.testing.assert_array_equal(found["start"].get_xydata()[0], one["position"].to_numpy()[0, :2])
    a, e = float(one["semi_major_axis"]), float(one["eccentricity"])
    np.testing.assert_allclose(found["periapsis"].get_xydata()[0], [a * (1 - e), 0.0], atol=1e-6)


def test_a_circle_has_no_periapsis():
    circular = evaluate_law(load_dataset("circular_TBP_planar_1_test"))
    figure = orbit(circular)
    assert "periapsis" not in artists(figure)
    assert "periapsis" not in legend(figure)


def test_an_orbit_in_space_is_drawn_in_its_osculating_plane(spatial):
    figure = orbit(spatial, 1)
    assert "osculating plane" in figure.axes[0].get_xlabel()
    assert "out of plane" in legend(figure)
    radius = np.linalg.norm(spatial["position"].to_numpy()[1], axis=1)
    np.testing.assert_allclose(np.hypot(*artists(figure)["true"].get_xydata()[::12].T), radius)


def test_a_diverged_prediction_ends_in_a_mark(diverged):
    figure = orbit(diverged, 2)
    assert "prediction diverged\nafter" in legend(figure)
    end = diverged["predicted_position"].to_numpy()[2, 199, :2]
    np.testing.assert_array_equal(artists(figure)["diverged"].get_xydata()[0], end)


def test_a_prediction_that_runs_away_leaves_the_frame(planar):
    away = planar.copy(deep=True)
    away["predicted_position"][0, 100:] *= 50.0
    figure = orbit(away)
    assert "leaves\nthe frame" in legend(figure)
    low, high = figure.axes[0].get_xlim()
    assert high - low < 4 * float(planar["semi_major_axis"][0])


def test_a_curve_is_broken_where_the_propagation_starts_anew(planar):
    curve = artists(orbit(planar.assign_attrs(segments=18)))["predicted"].get_xydata()
    assert np.isnan(curve[17 * 12 + 1 : 18 * 12]).all()
    assert np.isfinite(curve[::12]).all()


def test_what_is_not_there_is_an_error(planar):
    with pytest.raises(KeplearnError, match="no orbit 10: the evaluation has 10"):
        orbit(planar, 10)
    with pytest.raises(KeplearnError, match="no orbit -1"):
        orbit(planar, -1)
    with pytest.raises(KeplearnError, match="lacks predicted_velocity"):
        orbit(planar.drop_vars("predicted_velocity"))
    with pytest.raises(KeplearnError, match="nothing to draw"):
        orbit(planar.isel(orbit=slice(0)))
