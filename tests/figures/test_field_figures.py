"""The figures of the field show the numbers that they are given, in km and percent, and say what is masked.

Longer than most files: a test for each figure of the field.
"""

from typing import Any

import numpy as np
import pytest
import xarray
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.quiver import Quiver

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset, training_data
from keplearn.evaluation.field import residual_field
from keplearn.evaluation.grid import ae_grid, limits_around, summary
from keplearn.evaluation.slope import slope as slope_of
from keplearn.figures.parts.style import save_figure
from keplearn.figures.plots.field import field
from keplearn.figures.plots.grid import _measure, grid
from keplearn.figures.plots.slope import slope
from keplearn.groups.choice import choose_runs
from keplearn.orbits.constants import EARTH_RADIUS
from keplearn.runs.find import find_runs


@pytest.fixture(scope="module")
def measured(small_study) -> dict[str, xarray.Dataset]:
    """What a real run's field amounts to; the run uses velocity."""
    run = next(
        run
        for run in find_runs(small_study, "small")
        if run.state == "finished" and run.config.parameters.feature_layer == "sph_4D_rinv_vel"
    )
    model, training = run.model(), training_data(run.config.dataset_name, -1)
    return {
        "slope": slope_of(model, training),
        "field": residual_field(model, training, n=60),
        "grid": ae_grid(model, training, n_a=6, n_e=5),
    }


def artists(figure: Figure, panel: int = 0) -> dict[str, Any]:
    return {str(artist.get_gid()): artist for artist in figure.axes[panel].get_children()}


def count(figure: Figure, gid: str) -> int:
    return sum(artist.get_gid() == gid for artist in figure.axes[0].get_children())


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def scale(figure: Figure) -> str:
    """The label of the colour bar."""
    (bar,) = figure.axes[0].child_axes
    return bar.get_ylabel()


def test_the_slope_is_drawn_at_every_radius(measured):
    found = measured["slope"]
    figure = slope({"a run": found}, title="a run")
    above, below = figure.axes
    assert above.get_xscale() == above.get_yscale() == below.get_xscale() == "log"
    for panel, names in enumerate((("acceleration", "true_acceleration"), ("local_slope",))):
        for name in names:
            line = artists(figure, panel)["true" if name.startswith("true") else name]
            np.testing.assert_array_equal(line.get_xdata(), found["radius"])
            np.testing.assert_array_equal(line.get_ydata(), found[name])
    assert artists(figure, 1)["true"].get_ydata() == [-2.0, -2.0]
    assert above.get_ylabel() == "|a| (km/s²)"
    assert below.get_xlabel() == "radius r (10³ km); curve at the velocity of the circular orbit"
    assert below.xaxis.get_major_formatter()(20000.0, 0) == "20"
    shown = f"slope {found.attrs['fitted_slope']:.4f}".replace("-", "−")
    assert any(shown in label for label in labels(figure))


def test_the_fitted_line_and_the_shade_span_the_training_radii(measured):
    found = measured["slope"]
    ends = [found.attrs["training_low"], found.attrs["training_high"]]
    for panel in (0, 1):
        drawn = artists(slope({"a run": found}), panel)
        np.testing.assert_allclose(drawn["fitted"].get_xdata(), ends)
        shade = drawn["training"]
        np.testing.assert_allclose([shade.get_x(), shade.get_x() + shade.get_width()], ends)
    x, y = (np.log(artists(slope({"a run": found}))["fitted"].get_data()[k]) for k in (0, 1))
    assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(found.attrs["fitted_slope"])


def test_states_of_orbits_stand_beside_the_curve(measured):
    found = measured["slope"]
    drawn = artists(slope({"a run": found}))
    beyond = found["state_beyond"].to_numpy()
    np.testing.assert_array_equal(drawn["states"].get_xdata(), found["state_radius"].to_numpy()[~beyond])
    np.testing.assert_array_equal(drawn["beyond"].get_ydata(), found["state_acceleration"].to_numpy()[beyond])
    (end,) = set(drawn["training_a"].get_xdata())
    assert end == found.attrs["training_a"]


def test_several_slopes_are_drawn_in_one(measured):
    found = measured["slope"]
    other = found.assign(acceleration=2 * found["acceleration"]).assign_attrs(training_high=30000.0)
    figure = slope({"one": found, "two": other}, unit="body")
    drawn = artists(figure)
    for name, one in (("one", found), ("two", other)):
        line = drawn[f"acceleration:{name}"]
        np.testing.assert_allclose(line.get_xdata(), found["radius"] / EARTH_RADIUS)
        np.testing.assert_array_equal(line.get_ydata(), one["acceleration"])
        assert drawn[f"training:{name}"].get_color() == line.get_color()
        assert any(label.startswith(f"{name}: slope") for label in labels(figure))
    assert figure.axes[1].get_xlabel().startswith("radius r (Earth radii)")
    unknown = {"mu": 1234.5, "body": "", "body_radius_km": np.nan}
    with pytest.raises(KeplearnError, match="draw it in km"):
        slope({"one": found.assign_attrs(unknown)}, unit="body")


def test_a_slope_that_no_line_has_is_drawn_without_one(measured):
    figure = slope({"": measured["slope"].assign_attrs(fitted_slope=np.nan)})
    assert "fitted" not in artists(figure)
    assert not any("fit in" in label for label in labels(figure))


def test_the_residual_is_to_scale_with_earth_and_orbits(measured):
    found = measured["field"]
    figure = field(found)
    drawn = artists(figure)
    assert figure.axes[0].get_aspect() == 1.0
    assert isinstance(drawn["body"], Circle)
    assert drawn["body"].radius == EARTH_RADIUS
    assert isinstance(drawn["error"], QuadMesh)
    values = np.ma.asarray(drawn["error"].get_array()).filled(np.nan)
    outside = np.isfinite(found["residual"].to_numpy())
    np.testing.assert_array_equal(values[outside], found["residual"].to_numpy()[outside])
    assert isinstance(drawn["training"], LineCollection)
    assert len(drawn["training"].get_segments()) == found.sizes["orbit"]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("x (10³ km)", "y (10³ km)")
    assert "(%)" in scale(figure)
    assert "circular prograde" in scale(figure)
    assert "circular prograde" not in scale(field(found.assign_attrs(uses_velocity=0)))


def test_arrows_point_along_both_accelerations(measured):
    found = measured["field"]
    assert not any(isinstance(x, Quiver) for x in field(found).axes[0].get_children())
    drawn = artists(field(found, show="vectors"))
    for key in ("true", "learned"):
        arrows = drawn[key]
        assert isinstance(arrows, Quiver)
        assert arrows.N > 50
        at = np.asarray(arrows.get_offsets())
        rows, columns = np.searchsorted(found["y"], at[:, 1]), np.searchsorted(found["x"], at[:, 0])
        wanted = np.arctan2(
            found[f"{key}_y"].to_numpy()[rows, columns], found[f"{key}_x"].to_numpy()[rows, columns]
        )
        np.testing.assert_allclose(np.arctan2(arrows.V, arrows.U), wanted, atol=1e-9)


def test_where_the_learned_field_is_not_finite_the_map_is_hatched_and_the_cells_counted(measured):
    found = measured["field"].copy(deep=True)
    inside = np.isnan(found["true_x"].to_numpy())
    assert "lost" not in artists(field(found))
    beside_the_body = tuple(np.argwhere(~inside & (np.roll(inside, 1, axis=1)))[0])
    for place, value in (((0, 0), np.inf), ((0, 1), np.nan), (beside_the_body, np.nan)):
        found["residual"][place] = value
    drawn = artists(figure := field(found))
    assert len(drawn["lost"].get_paths()) == 3 and drawn["lost"].get_hatch()
    assert "not finite: lost (3 cells)" in labels(figure)
    shown = np.ma.getmaskarray(drawn["error"].get_array()).reshape(inside.shape)
    assert shown[0, 0] and shown[0, 1] and shown[beside_the_body]
    # A hatched cell is where its point is.
    cells = [path.get_extents() for path in drawn["lost"].get_paths()]
    x, y = float(found["x"][0]), float(found["y"][0])
    assert sum(cell.x0 < x < cell.x1 and cell.y0 < y < cell.y1 for cell in cells) == 1


def test_a_field_without_any_residual_can_be_drawn(measured):
    found = measured["field"]
    exact = found.assign(residual=found["residual"] * 0.0)
    assert "error" in artists(field(exact))


def test_the_grid_shows_cells_orbits_and_what_is_masked(measured):
    found = measured["grid"].copy(deep=True)
    found["masked"][4, :2] = True
    found["field"][4, :2] = np.nan
    figure = grid({"a run": found}, "a run", quantity="field")
    drawn = artists(figure)
    values = np.ma.filled(drawn["error"].get_array(), np.nan)
    np.testing.assert_array_equal(values, found["field"])
    np.testing.assert_array_equal(drawn["training"].get_xdata(), found["training_a"])
    np.testing.assert_array_equal(drawn["training"].get_ydata(), found["training_e"])
    assert count(figure, "masked") == int(found["masked"].sum()) == 2
    assert "periapsis below the surface of the Earth" in labels(figure)
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("semi-major axis a (10³ km)", "eccentricity e")
    assert "true states (%)" in scale(figure)
    along = scale(grid({"": found}))
    assert "propagated path (%)" in along and "segments" not in along
    assert scale(grid({"": found.assign_attrs(segments=18)})).endswith("segments of 18")


def test_several_models_have_a_panel_each_over_the_same_cells_and_one_scale(small_study, monkeypatch):
    for cells in ("_CELLS", "_CELLS_OF_SEVERAL"):
        monkeypatch.setattr(f"keplearn.figures.plots.grid.{cells}", (4, 3))
    runs = choose_runs(small_study, ["small"], ["state=finished", "feature_layer=sph_4D_rinv", "seed=0"])
    runs = [next(run for run in runs if f"_{n}_" in run.config.dataset_name) for n in (2, 5)]
    models = [run.model() for run in runs]
    trainings = [training_data(run.config.dataset_name, -1) for run in runs]
    found = _measure(models, trainings, ["two", "five"], "field")
    (low, high), (_, most) = (np.array([one(t) for t in trainings]).T for one in (a_reach, e_reach))
    for one in found.values():
        assert one["a_edges"].to_numpy()[[0, -1]].tolist() == [low.min(), high.max()]
        assert one["e_edges"].to_numpy()[[0, -1]].tolist() == [0.0, most.max()]
    figure = grid(found, quantity="field")
    first, second, _ = figure.axes  # and the one scale
    assert (first.get_title(), second.get_title()) == ("two", "five")
    drawn = [artists(figure, panel)["error"] for panel in (0, 1)]
    assert drawn[0].get_clim() == drawn[1].get_clim()
    for mesh, one in zip(drawn, found.values(), strict=True):
        np.testing.assert_array_equal(np.ma.filled(mesh.get_array(), np.nan), one["field"])
    within = _measure(models[:1], trainings[:1], ["two"], "field", a=["8e3", "20000"], e=["0.1", "0.2"])[
        "two"
    ]
    assert within["a_edges"].to_numpy()[[0, -1]].tolist() == [8e3, 2e4]
    assert within["e_edges"].to_numpy()[[0, -1]].tolist() == [0.1, 0.2]
    shown = artists(grid({"two": within}))["training"]
    assert all(8e3 <= a <= 2e4 for a in shown.get_xdata()) and len(shown.get_xdata()) < len(trainings[0])
    assert labels(grid({"two": within}))[0] == "training orbits, some beyond"
    with pytest.raises(KeplearnError, match=r"--a 7000: give two numbers.* 7000,42000"):
        _measure(models, trainings, ["two", "five"], "field", a=["7000"])


def a_reach(training):
    return limits_around(training)[0]


def e_reach(training):
    return limits_around(training)[1]


def test_cells_that_lost_samples_are_hatched_and_counted_and_have_no_colour_of_the_scale(measured):
    found = measured["grid"].copy(deep=True)
    found["lost_mean"][0, :3] = [1, 20, 360]
    found["mean"][0, 2] = np.nan
    figure = grid({"": found})
    lost = int((found["lost_mean"] > 0).sum())
    assert len(artists(figure)["lost"].get_paths()) == lost
    assert labels(figure)[-1] == f"samples lost ({lost} cells)"
    assert artists(figure)["lost"].get_hatch()
    assert np.ma.getmaskarray(artists(figure)["error"].get_array()).reshape(found["mean"].shape)[0, :3].all()
    # In the summary half of the cells lost make the median infinite, whatever is left of them.
    found["lost_field"][:] = 1
    assert summary(found)["field median"] == np.inf
    assert summary(found)["lost field"] == found["lost_field"].size


def test_orbits_in_space_are_said_to_be_projected(measured):
    assert "training orbits" in labels(field(measured["field"]))
    away = field(measured["field"].assign_attrs(training_planar=0))
    assert "training orbits (projected)" in labels(away)


@pytest.mark.parametrize("draw", [slope, field, grid])
def test_they_are_saved_within_the_page(measured, tmp_path, draw):
    found = measured[draw.__name__]
    figure = draw(found if draw is field else {"a run": found}, title="a title")
    assert figure.get_size_inches()[0] <= 7.2 + 1e-9
    path = save_figure(figure, tmp_path / "figure.png")
    assert path.stat().st_size > 10_000
    whole = figure.get_window_extent()
    tight = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert tight.x0 >= whole.x0 - 1
    assert tight.x1 <= whole.x1 + 1
    assert tight.y0 >= whole.y0 - 1
    assert tight.y1 <= whole.y1 + 1


def test_what_is_not_there_is_an_error(measured):
    with pytest.raises(KeplearnError, match="lacks local_slope"):
        slope({"": measured["slope"].drop_vars("local_slope")})
    with pytest.raises(KeplearnError, match="lacks residual"):
        field(measured["grid"])
    with pytest.raises(KeplearnError, match="Did you mean 'field'"):
        grid({"": measured["grid"]}, quantity="feild")
    with pytest.raises(KeplearnError, match="nowhere finite"):
        slope({"": measured["slope"] * np.nan})


def test_orbits_with_padding_are_drawn_as_far_as_they_go(measured):
    found = measured["field"].copy(deep=True)
    for axis in "xy":
        found[f"training_{axis}"][0, 200:] = np.nan
    lines = artists(field(found))["training"].get_segments()
    assert len(lines[0]) == 200  # half an orbit, open
    assert len(lines[1]) == 361  # a whole one, closed
    assert load_dataset("complex_TBP_planar_2_train").n_samples[0] == 360
