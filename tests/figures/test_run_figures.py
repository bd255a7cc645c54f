"""Figures of datasets, states, accelerations, layers and phases draw the data, each in its place.

Longer than most files: a test for each figure of a run or dataset, and what all of them draw.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.single import mean_orbit, single_orbit
from keplearn.evaluation.rollout import evaluate, evaluate_law
from keplearn.figures.parts.anomaly import GRID, acceleration_all
from keplearn.figures.parts.inputs import true_anomalies
from keplearn.figures.parts.style import save_figure
from keplearn.figures.plots.elements import elements
from keplearn.figures.plots.features import features
from keplearn.figures.plots.orbit import orbit
from keplearn.figures.plots.orbits import MOST_ORBITS, SUBSTEPS, orbits
from keplearn.figures.plots.outputs import outputs
from keplearn.figures.plots.phases import phases
from keplearn.figures.plots.states import states
from keplearn.models.features import FEATURE_LAYERS, feature_names
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.models.outputs import OUTPUT_LAYERS
from keplearn.orbits.constants import EARTH_RADIUS
from keplearn.orbits.elements import elements_from_states
from keplearn.runs.find import find_runs


def drawn(figure: Figure, gid: str) -> list[Any]:
    """Every artist of this name, panel by panel."""
    return [child for axes in figure.axes for child in axes.get_children() if child.get_gid() == gid]


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def shown(figure: Figure) -> list[Any]:
    return [axes for axes in figure.axes if axes.get_visible()]


@pytest.fixture(scope="module")
def run(small_study):
    """A real run whose model ends in exp(m) û and sees velocities."""
    wanted = {"feature_layer": "sph_4D_rinv_vel", "output_layer": "mlp_4D_logmag_unit_exp"}
    runs = find_runs(small_study, "small")
    return next(
        run
        for run in runs
        if run.state == "finished"
        and all(getattr(run.config.parameters, key) == value for key, value in wanted.items())
    )


@pytest.fixture(scope="module")
def evaluation(run):
    return evaluate(run.model(), load_dataset("complex_TBP_planar_3_test"))


# Datasets


def test_every_orbit_is_drawn_through_its_samples_and_closed():
    datasets = [load_dataset("complex_TBP_planar_3_train"), load_dataset("complex_TBP_planar_5_test")]
    collections = drawn(orbits(datasets), "orbits")
    for dataset, collection in zip(datasets, collections, strict=True):
        curves = [path.vertices for path in collection.get_paths()]
        assert len(curves) == len(dataset)
        for curve, positions in zip(curves, dataset.states[..., :2], strict=True):
            np.testing.assert_array_equal(curve[::SUBSTEPS], [*positions, positions[0]])


def test_dots_are_the_observed_samples_beside_the_true_orbits():
    dataset = load_dataset("complex_TBP_planar_irregular_missing30_noise1e-2_3_train")
    plain, figure = orbits([load_dataset("complex_TBP_planar_3_train")]), orbits([dataset])
    dots = np.asarray(drawn(figure, "observed")[0].get_xydata())
    seen = dots[np.isfinite(dots[:, 0])]
    np.testing.assert_array_equal(seen, dataset.observed_states[dataset.is_observed][:, :2])
    assert "3 orbits, dots: what is observed" in figure.texts[0].get_text()
    assert not drawn(plain, "observed")
    for path, positions in zip(drawn(figure, "orbits")[0].get_paths(), dataset.states[..., :2], strict=True):
        np.testing.assert_array_equal(np.asarray(path.vertices)[[0, -1]], positions[[0, 0]])


def test_panels_of_orbits_have_one_scale_and_say_what_they_show():
    datasets = [load_dataset(name) for name in ("complex_TBP_planar_3_train", "complex_TBP_planar_100_test")]
    figure = orbits(datasets)
    first, second = figure.axes[:2]
    assert first.get_xlim() == second.get_xlim() and first.get_ylim() == second.get_ylim()
    assert first.get_aspect() == 1.0
    assert (first.get_xlabel(), first.get_ylabel()) == ("x (10³ km)", "y (10³ km)")
    earths: list[Any] = [axes.patches[0] for axes in (first, second)]
    assert [earth.radius for earth in earths] == [EARTH_RADIUS] * 2
    titles = [text.get_text() for text in figure.texts if text.get_gid() == "panel title"]
    a, e = datasets[1].elements[:, 0], datasets[1].elements[:, 1]
    assert titles[1].split("\n") == [
        "complex_TBP_planar_100_test",
        "100 orbits",
        f"a from {a.min():,.0f} to {a.max():,.0f} km",
        f"e from {e.min():.2f} to {e.max():.2f}",
    ]
    assert figure.axes[-1].get_xlabel() == "eccentricity"


def test_an_orbit_in_space_is_drawn_in_three_dimensions():
    datasets = [load_dataset("complex_TBP_planar_3_train"), load_dataset("complex_TBP_3_test")]
    figure = orbits(datasets)
    assert [axes.name for axes in figure.axes[:2]] == ["rectilinear", "3d"]
    space: Any = figure.axes[1]
    assert np.ptp(space.get_xlim()) == pytest.approx(np.ptp(space.get_zlim()))
    assert space.get_zlabel() == "z (10³ km)"


def test_of_very_many_orbits_some_are_drawn_and_the_title_says_so():
    figure = orbits([load_dataset(f"complex_TBP_planar_{MOST_ORBITS + 10}_train")])
    assert len(drawn(figure, "orbits")[0].get_paths()) == MOST_ORBITS
    assert f"{MOST_ORBITS + 10} orbits ({MOST_ORBITS} drawn)" in figure.texts[0].get_text()


def test_histograms_count_every_orbit_in_percent():
    datasets = [load_dataset("complex_TBP_10_train"), load_dataset("simple_TBP_40_test")]
    figure = elements(datasets)
    assert len(shown(figure)) == 6
    columns = {"semi_major_axis": 0, "eccentricity": 1, "inclination": 2, "node_longitude": 3}
    columns |= {"periapsis_argument": 4, "true_anomaly": 5}
    for name, column in columns.items():
        for k, dataset in enumerate(datasets):
            values, edges, _ = drawn(figure, f"{name}:{k}")[0].get_data()
            values_of = dataset.elements[:, column]
            scaled = {0: values_of / 1000, 1: values_of}.get(column, np.degrees(values_of))
            np.testing.assert_allclose(values, 100 * np.histogram(scaled, edges)[0] / len(dataset))
            assert values.sum() == pytest.approx(100.0)
    looks = {(stairs.get_edgecolor(), stairs.get_linestyle()) for stairs in drawn(figure, "inclination:0")}
    looks |= {(stairs.get_edgecolor(), stairs.get_linestyle()) for stairs in drawn(figure, "inclination:1")}
    assert len({colour for colour, _ in looks}) == len({str(dash) for _, dash in looks}) == 2
    assert labels(figure) == ["complex_TBP_10_train (10 orbits)", "simple_TBP_40_test (40 orbits)"]


def test_what_does_not_vary_has_no_panel():
    named = [axes.get_xlabel() for axes in shown(elements([load_dataset("complex_TBP_planar_fixnu0_9")]))]
    assert named == ["semi-major axis (10³ km)", "eccentricity"]
    planar = [axes.get_xlabel() for axes in shown(elements([load_dataset("complex_TBP_planar_9_train")]))]
    assert planar[2:] == ["true anomaly of\nthe first sample (°)"]


@pytest.mark.parametrize("name", ["circular_TBP_planar_1_train", "complex_TBP_planar_rotated_4_train"])
def test_datasets_of_any_kind_can_be_drawn_and_saved(name, tmp_path):
    for k, figure in enumerate([orbits([load_dataset(name)] * 4), elements([load_dataset(name)])]):
        assert save_figure(figure, tmp_path / f"{k}.png").stat().st_size > 10_000


def test_no_dataset_is_an_error():
    for figure in (orbits, elements):
        with pytest.raises(KeplearnError, match="no dataset"):
            figure([])


# States


def test_components_and_errors_are_those_of_the_samples(spatial):
    figure = states(spatial, 1)
    one = spatial.isel(orbit=1)
    hours = one["time"] / 3600
    assert len(figure.axes) == 8
    for name, scale in (("position", 1000.0), ("velocity", 1.0)):
        for k in range(3):
            for variable in (name, f"predicted_{name}"):
                (line,) = drawn(figure, f"{variable}:{k}")
                np.testing.assert_array_equal(line.get_xdata(), hours)
                np.testing.assert_allclose(line.get_ydata(), one[variable][:, k] / scale)
        error = drawn(figure, f"{name}_error")[0].get_ydata()
        gap = np.linalg.norm(one[f"predicted_{name}"] - one[name], axis=1)
        np.testing.assert_array_equal(error[1:], gap[1:])


def test_a_planar_orbit_has_no_row_for_z_and_every_axis_its_unit(planar):
    names = [axes.get_ylabel() for axes in states(planar).axes]
    assert names == [
        *["x (10³ km)", "$v_x$ (km/s)", "y (10³ km)", "$v_y$ (km/s)"],
        *["position error\n(km)", "velocity error\n(km/s)"],
    ]
    assert [axes.get_xlabel() for axes in states(planar).axes[-2:]] == ["time (h)"] * 2


def test_states_mark_the_periapsis_where_the_radius_is_least(planar):
    for k in range(planar.sizes["orbit"]):
        least = int(np.linalg.norm(planar["position"][k], axis=1).argmin())
        step = float(planar["time"][k, 1]) / 3600
        marks = {line.get_xdata()[0] for line in drawn(states(planar, k), "periapsis")}
        assert all(abs(at / step - least) < 1.0 or abs(at / step - least) > 359.0 for at in marks)


def test_states_shade_where_the_prediction_has_diverged(diverged):
    figure = states(diverged, 2)
    shades = drawn(figure, "diverged")
    assert len(shades) == 6
    hours = diverged["time"].to_numpy()[2] / 3600
    np.testing.assert_allclose(shades[0].get_x(), hours[199])
    assert labels(figure)[-1] == "prediction diverged"
    assert not drawn(states(diverged, 1), "diverged")


def test_where_the_training_states_are_near_or_far_is_marked_along_an_orbit(planar):
    """A strip spans the samples up to the one distance, another those beyond the other; unknown, there is none."""
    distance = np.linspace(0.0, 0.4, planar.sizes["sample"])[None].repeat(planar.sizes["orbit"], 0)
    known = planar.assign(distance=(("orbit", "sample"), distance))
    hours = planar["time"].to_numpy()[0] / 3600.0
    figure = states(known, 0)
    for name, marked in (("near", distance[0] <= 0.1), ("far", distance[0] > 0.3)):
        strip = drawn(figure, f"{name} training states")[0].get_paths()[0].vertices[:, 0]
        between = np.diff(hours).max()
        assert abs(strip.min() - hours[marked].min()) <= between
        assert abs(strip.max() - hours[marked].max()) <= between
        line = drawn(orbit(known, 0), f"{name} training states")[0]
        assert np.isfinite(line.get_xdata()).sum() == marked.sum()
    assert "near the training states" in labels(figure)
    assert not drawn(states(planar, 0), "near training states")


def test_a_prediction_that_runs_away_does_not_shrink_the_truth(planar):
    away = planar.copy(deep=True)
    away["predicted_position"][0, 100:] *= 50.0
    low, high = states(away).axes[0].get_ylim()
    x = planar["position"].to_numpy()[0, :, 0] / 1000
    assert high - low == pytest.approx(2 * np.ptp(x))


# Acceleration over true anomaly


def test_true_anomalies_are_those_of_the_osculating_elements(planar, spatial):
    for evaluation in (planar, spatial):
        vectors = [evaluation[name].to_numpy() for name in ("position", "velocity")]
        found = elements_from_states(np.concatenate(vectors, axis=-1), evaluation.attrs["mu"])
        gap = true_anomalies(evaluation) - np.degrees(found[..., 5])
        known = evaluation["eccentricity"].to_numpy() > 1e-3
        np.testing.assert_allclose((gap[known] + 180) % 360 - 180, 0.0, atol=1e-6)
        assert (np.diff(true_anomalies(evaluation), axis=1) > 0).all()


def test_the_exact_law_has_no_error_anywhere():
    figure = acceleration_all(evaluate_law(load_dataset("complex_TBP_planar_10_test")))
    for name in ("mean", "field"):
        (line,) = drawn(figure, f"{name}:error:median")
        np.testing.assert_array_equal(line.get_xdata(), GRID)
        assert np.nanmax(line.get_ydata()) < 1e-4
        for band in ("5-95", "25-75"):
            (area,) = drawn(figure, f"{name}:error:{band}")
            assert np.nanmax(area.get_paths()[0].vertices[:, 1]) < 1e-4


def test_a_wrong_mu_is_one_percent_wrong_at_every_anomaly(planar):
    figure = acceleration_all(planar)
    for band in ("5-95", "25-75"):
        (area,) = drawn(figure, f"field:error:{band}")
        np.testing.assert_allclose(area.get_paths()[0].vertices[:, 1], 1.0, atol=1e-6)
    np.testing.assert_allclose(drawn(figure, "field:error:median")[0].get_ydata(), 1.0, atol=1e-6)
    assert np.nanmax(drawn(figure, "field:angle:median")[0].get_ydata()) < 1e-4


def test_the_median_magnitude_is_that_of_the_orbits(planar):
    """At the periapsis and apoapsis of every orbit |a| is known: μ/(a (1 ∓ e))²."""
    (line, _) = drawn(acceleration_all(planar), "true:median")
    a, e = planar["semi_major_axis"].to_numpy(), planar["eccentricity"].to_numpy()
    for angle, sign in ((0.0, -1.0), (180.0, 1.0), (-180.0, 1.0)):
        wanted = np.median(planar.attrs["mu"] / (a * (1 + sign * e)) ** 2)
        at = int(np.flatnonzero(angle == GRID)[0])
        assert line.get_ydata()[at] == pytest.approx(wanted, rel=2e-3)
    assert {mark.get_xdata()[0] for mark in drawn(acceleration_all(planar), "periapsis")} == {0.0}


def test_diverged_samples_are_counted_and_the_orbits_at_each_angle_shown(diverged, planar):
    figure = acceleration_all(diverged)
    assert figure.get_suptitle().endswith("1 orbit diverged: on the left 160 of 3,600 samples are missing")
    (counts,) = drawn(figure, "mean:orbits")
    anomaly = true_anomalies(diverged)[2]
    lost = (np.array([anomaly[250]]) + 180) % 360 - 180
    at = int(np.abs(GRID - lost).argmin())
    assert counts.get_ydata()[at] == 9 and counts.get_ydata().max() == 10
    assert (drawn(figure, "field:orbits")[0].get_ydata() == 10).all()
    assert not drawn(acceleration_all(planar), "mean:orbits")
    # One of ten is below the 95th percentile: the band of 5 to 95 % leaves the numbers there, the median does not.
    (axes,) = [a for a in figure.axes if any(line.get_gid() == "mean:error:median" for line in a.lines)]
    assert [text.get_text() for text in axes.texts] == ["lost"]
    (outer,) = [band for band in axes.collections if band.get_gid() == "mean:error:5-95"]
    finite = float(np.nanmax(diverged["mean"].where(np.isfinite(diverged["mean"]))))
    heights = np.asarray(outer.get_paths()[0].vertices)
    assert heights[np.abs(heights[:, 0] - GRID[at]) < 1e-9, 1].max() > finite
    assert np.nanmax(drawn(figure, "mean:error:median")[0].get_ydata()) <= finite


def test_axes_do_not_go_below_rounding(planar):
    exact = evaluate_law(load_dataset("complex_TBP_planar_10_test"))
    mixed = exact.copy(deep=True)
    # The field at the true states is right to the last digits but for one orbit.
    for name in ("mean", "field"):
        mixed[name][0] = 3.0
    figure = acceleration_all(mixed)
    low, high = figure.axes[4].get_ylim()
    assert 1e-10 <= low < 1e-9 and high > 3.0
    figure.draw_without_rendering()
    assert not len(figure.axes[4].yaxis.get_minorticklocs())
    # Where all is rounding three decades of it are seen.
    for axes in acceleration_all(exact).axes[2:6]:
        low, high = axes.get_ylim()
        assert high / low < 1e5
    # What is above is not touched.
    low, high = acceleration_all(planar).axes[4].get_ylim()
    assert 1e-10 < low < 1.0 < high


def test_axes_over_true_anomaly_have_units(planar):
    figure = acceleration_all(planar)
    left = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes[::2]]
    assert left == ["|a| (km/s²)", "angle to the true acceleration (°)", "acceleration error (%)"]
    assert figure.axes[-1].get_xlabel() == "true anomaly (°)"
    assert figure.axes[0].get_xlim() == (-180.0, 180.0)


# Layers


def test_features_are_those_of_the_layer_at_the_true_states(run, evaluation):
    model = run.model()
    figure = features(model, evaluation, 1)
    names = feature_names("sph_4D_rinv_vel", model.architecture.settings)
    assert len(shown(figure)) == len(names) == model.architecture.layer_sizes[0]
    assert [axes.get_title() for axes in shown(figure)][:5] == ["1/r", "x/r", "y/r", "z/r", "$v_{x}$"]
    position = evaluation["position"].to_numpy()[1]
    radius = np.linalg.norm(position, axis=1)
    np.testing.assert_allclose(drawn(figure, "feature:0")[0].get_ydata(), model.units.length_km / radius)
    np.testing.assert_allclose(drawn(figure, "feature:1")[0].get_ydata(), position[:, 0] / radius, atol=1e-12)
    np.testing.assert_array_equal(drawn(figure, "feature:1")[0].get_xdata(), evaluation["time"][1] / 3600)
    assert shown(figure)[-1].get_xlabel() == "time (h)"


def test_over_true_anomaly_the_periapsis_is_in_the_middle(run, evaluation):
    figure = features(run.model(), evaluation, 1, "anomaly")
    line = drawn(figure, "feature:0")[0]
    assert (np.diff(line.get_xdata()) > 0).all()
    assert abs(line.get_xdata()[line.get_ydata().argmax()]) < 2.0
    assert {mark.get_xdata()[0] for mark in drawn(figure, "periapsis")} == {0.0}
    assert shown(figure)[-1].get_xlabel() == "true anomaly (°)"


@pytest.mark.parametrize("name", sorted(FEATURE_LAYERS))
def test_every_feature_layer_has_as_many_panels_as_features(name, evaluation, run):
    model = new_model(Architecture(name, "mlp_simple", 4, 1, "tanh"), 0, units=run.model().units)
    assert len(shown(features(model, evaluation))) == model.architecture.layer_sizes[0]


def test_outputs_are_those_of_the_network_and_the_acceleration_is_the_models(run, evaluation):
    model = run.model()
    figure = outputs(model, evaluation, 1)
    assert len(shown(figure)) == 12
    units = model.units
    r, v = (evaluation[name].to_numpy()[1].T for name in ("position", "velocity"))
    with jax.enable_x64(True):
        exact = model.astype(jnp.float64)
        emitted = np.asarray(exact.network(jnp.asarray(r / units.length_km), jnp.asarray(v / units.velocity)))
    for k in range(4):
        np.testing.assert_allclose(drawn(figure, f"output:{k}")[0].get_ydata(), emitted[k])
    np.testing.assert_allclose(drawn(figure, "made:0")[0].get_ydata(), np.exp(emitted[0]))
    for k in range(3):
        field = evaluation["field_acceleration"].to_numpy()[1, :, k] / units.acceleration
        np.testing.assert_allclose(drawn(figure, f"acceleration:{k}")[0].get_ydata(), field, atol=1e-9)
        true = evaluation["acceleration"].to_numpy()[1, :, k] / units.acceleration
        np.testing.assert_allclose(drawn(figure, f"true:acceleration:{k}")[0].get_ydata(), true, atol=1e-9)
    titles = [axes.get_title() for axes in shown(figure)]
    assert titles[:2] == ["m", "$d_{x}$"] and "magnitude exp(m)" in titles


@pytest.mark.parametrize("head", sorted(OUTPUT_LAYERS))
def test_every_output_layer_can_be_drawn(head, run):
    dataset = load_dataset("complex_TBP_2_test")
    model = new_model(Architecture("sph_4D_rinv", head, 4, 1, "tanh"), 0, units=run.model().units)
    figure = outputs(model, dataset, 1)
    assert len([axes for axes in figure.axes if drawn_in(axes, "output:")]) == OUTPUT_LAYERS[head].size
    beside = [line for axes in figure.axes for line in axes.lines if str(line.get_gid()).startswith("true:")]
    assert len(beside) == {6: 6, 3: 3, 1: 4}.get(OUTPUT_LAYERS[head].size, 4)


def drawn_in(axes: Any, start: str) -> bool:
    return any(str(line.get_gid()).startswith(start) for line in axes.lines)


def test_a_planar_model_sees_an_orbit_in_space_in_its_plane(run):
    shape = Architecture("sph_4D_rinv", "mlp_4D", 4, 1, "tanh", planar_constraint=True)
    model = new_model(shape, 0, units=run.model().units)
    figure = features(model, load_dataset("complex_TBP_2_test"), 1)
    assert (drawn(figure, "feature:3")[0].get_ydata() == 0).all()


def test_what_layers_cannot_be_drawn_of_is_an_error(run, evaluation):
    with pytest.raises(KeplearnError, match="Did you mean 'anomaly'"):
        features(run.model(), evaluation, 0, "anomly")
    with pytest.raises(KeplearnError, match="units"):
        outputs(run.model().without_units(), evaluation)
    with pytest.raises(KeplearnError, match="no orbit 3"):
        outputs(run.model(), evaluation, 3)


# Phases


@pytest.fixture(scope="module")
def trained(run):
    """Models after both phases, and their evaluations on the mean orbit."""
    models = [run.model("phase:0"), run.model("phase:1")]
    dataset = mean_orbit(load_dataset(run.config.dataset_name))
    return models, [evaluate(model, dataset) for model in models]


def test_phases_draw_every_path_and_error_in_order(trained):
    models, evaluations = trained
    figure = phases(models, ["half an orbit", "whole orbits"], evaluations)
    left, right = figure.axes
    assert left.get_aspect() == 1.0
    assert (left.get_xlabel(), right.get_ylabel()) == ("x (10³ km)", "acceleration error (%)")
    np.testing.assert_array_equal(
        drawn(figure, "true")[0].get_xydata()[::12], evaluations[0]["position"][0, :, :2]
    )
    for k, evaluation in enumerate(evaluations):
        path, error = drawn(figure, f"predicted:{k}")[0], drawn(figure, f"mean:{k}")[0]
        np.testing.assert_array_equal(path.get_xydata()[::12], evaluation["predicted_position"][0, :, :2])
        np.testing.assert_array_equal(error.get_ydata(), evaluation["mean"][0])
        np.testing.assert_array_equal(error.get_xdata(), evaluation["time"][0] / 3600)
        assert path.get_color() == error.get_color()
    assert len({drawn(figure, f"mean:{k}")[0].get_color() for k in range(2)}) == 2
    assert labels(figure)[1].startswith(f"half an orbit: mean {float(evaluations[0]['mean'].mean()):.3g} %")
    a, e = (float(evaluations[0][name][0]) for name in ("semi_major_axis", "eccentricity"))
    (place,) = [mark for mark in drawn(figure, "periapsis") if mark.axes is left]
    np.testing.assert_allclose(place.get_xydata()[0], [a * (1 - e), 0.0], atol=1e-6)


def test_phases_say_which_one_diverged(trained):
    models, evaluations = trained
    broken = evaluations[0].copy(deep=True)
    for name in ("predicted_position", "predicted_velocity", "predicted_acceleration", "mean"):
        broken[name][0, 200:] = np.nan
    broken["diverged"][0] = True
    hours = float(broken["time"][0, 199]) / 3600
    entry = labels(phases(models, ["one", "two"], [broken, evaluations[1]]))[1]
    assert entry.endswith(f"diverged after {hours:.3g} h")


def test_phases_that_do_not_belong_together_are_an_error(trained):
    models, evaluations = trained
    with pytest.raises(KeplearnError, match="2 models, 1 labels, 2 evaluations"):
        phases(models, ["one"], evaluations)
    with pytest.raises(KeplearnError, match="no phase"):
        phases([], [], [])
    with pytest.raises(KeplearnError, match="'one' is not of that phase's model"):
        phases(models, ["one", "two"], evaluations[::-1])
    other = evaluate(models[1], single_orbit(evaluations[0].attrs["mu"], 20000.0, 0.3))
    with pytest.raises(KeplearnError, match="'one' and 'two' are on different orbits"):
        phases(models, ["one", "two"], [evaluations[0], other])


def test_every_figure_of_a_run_can_be_saved(run, evaluation, trained, tmp_path):
    models, evaluations = trained
    figures = [
        states(evaluation), acceleration_all(evaluation), features(run.model(), evaluation),
        outputs(run.model(), evaluation), phases(models, ["one", "two"], evaluations),
    ]  # fmt: skip
    for k, figure in enumerate(figures):
        assert save_figure(figure, tmp_path / f"{k}.png").stat().st_size > 20_000
