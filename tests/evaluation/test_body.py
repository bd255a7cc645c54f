"""Orbits about the Moon, and about a body of unknown radius: balls, masks and radii are those of the dataset."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from known_fields import kepler
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from keplearn import figures
from keplearn.config import run_config, runs_from_dict
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import OrbitDataset, load_dataset, save_dataset
from keplearn.data.description import describe
from keplearn.data.files import open_netcdf, write_netcdf
from keplearn.data.importing import import_dataset
from keplearn.data.single import mean_orbit, single_orbit
from keplearn.data.units import mu_problem, units_for
from keplearn.evaluation.field import residual_field, training_radii
from keplearn.evaluation.grid import grid_cells, on_grid
from keplearn.evaluation.law import law
from keplearn.evaluation.layout import assemble
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.slope import slope
from keplearn.evaluation.store import load_evaluation, save_evaluation
from keplearn.experiment.plan import prepare
from keplearn.figures.plots.orbits import orbits as draw_datasets
from keplearn.figures.plots.phases import phases
from keplearn.models.kinds import kind_of
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.orbits.bodies import Body
from keplearn.report.orbits import choose_orbits
from keplearn.runs.writer import RunWriter

LUNAR = import_dataset(Path(__file__).parents[1] / "cases" / "lunar.csv", mu=4902.800118)
MOON = Body("Moon", 1737.4)
UNKNOWN = replace(LUNAR, body=Body())
EACH = pytest.mark.parametrize("data", [LUNAR, UNKNOWN], ids=["moon", "unknown"])


def ball(figure: Figure) -> list[float]:
    """The radii of what is drawn as a body, km."""
    circles = [x for x in figure.axes[0].get_children() if isinstance(x, Circle) and x.get_gid() == "body"]
    return [circle.radius for circle in circles]


def words(figure: Figure) -> str:
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return "; ".join(text.get_text() for legend in legends for text in legend.get_texts())


def flawless(data: OrbitDataset) -> xarray.Dataset:
    """An evaluation of what is right everywhere."""
    right = {
        "predicted_position": data.states[..., :3],
        "predicted_velocity": data.states[..., 3:],
        "predicted_acceleration": data.accelerations,
        "diverged": np.zeros(len(data)),
        **dict.fromkeys(("mean", "field"), np.where(np.isfinite(data.times), 1.0, np.nan)),
    }
    return assemble(data, right, {"mu": data.mu, "dataset_hash": data.content_hash, "dataset": data.name})


def drawn_ball(data: OrbitDataset) -> list[float]:
    return [] if data.body.radius is None else [data.body.radius]


def test_a_dataset_keeps_its_body_and_its_hash_in_its_file(tmp_path):
    assert LUNAR.body == MOON
    assert describe(LUNAR)["body"] == {"name": "Moon", "radius_km": 1737.4}
    for body in (MOON, Body("Bennu"), Body("Bennu", 0.245)):
        given = replace(LUNAR, body=body)
        assert given.content_hash == LUNAR.content_hash
        assert load_dataset(str(save_dataset(given, tmp_path / "some.nc"))).body == body


def test_a_file_of_before_has_the_body_that_its_mu_tells(tmp_path):
    for data, name in ((LUNAR, "Moon"), (load_dataset("simple_TBP_2"), "Earth")):
        path = save_dataset(data, tmp_path / f"old{name}.nc")
        content = open_netcdf(path)
        del content.attrs["body"], content.attrs["body_radius_km"]
        write_netcdf(content, path)
        assert load_dataset(str(path)).body.name == name


def test_a_named_dataset_goes_round_the_earth():
    assert load_dataset("complex_TBP_planar_1_test").body == Body("Earth", 6378.137)


@EACH
def test_the_field_is_masked_and_framed_by_the_body(model_of, data):
    found = residual_field(model_of(kepler, data), data, n=41)
    x, y = np.meshgrid(found["x"], found["y"])
    inside = np.hypot(x, y) < data.body.known_radius
    np.testing.assert_array_equal(np.isnan(found["residual"]), inside | (np.hypot(x, y) == 0.0))
    assert np.abs(found["x"]).max() < 1.2 * training_radii(data)[1]
    figure = figures.field(found)
    assert ball(figure) == drawn_ball(data)
    assert ("Moon, to scale" in words(figure)) == (data is LUNAR)
    assert "Earth" not in words(figure)


@EACH
def test_the_grid_is_masked_by_the_body(data):
    cells = grid_cells(data, n_a=4, n_e=4)
    found = on_grid(cells, flawless(cells.orbits))
    periapsis = (found["a"] * (1.0 - found["e"])).transpose("e", "a")
    np.testing.assert_array_equal(found["masked"], periapsis < data.body.known_radius)
    assert found["masked"].any() == (data is LUNAR)
    assert found["a_edges"][0] > data.elements[:, 0].min() / 2
    assert ("below the surface of the Moon" in words(figures.grid({"": found}))) == (data is LUNAR)


def test_the_slope_says_where_the_surface_is(model_of):
    low, high = training_radii(LUNAR)
    found = slope(model_of(kepler, LUNAR), LUNAR, points=20)
    assert found["radius"].to_numpy()[[0, -1]] == pytest.approx([1737.4, 2 * high])
    assert found.attrs["local_slope_surface"] == pytest.approx(-2.0)
    found = slope(model_of(kepler, UNKNOWN), UNKNOWN, points=20)
    assert found["radius"].to_numpy()[0] == pytest.approx(low / 2)
    assert np.isnan(found.attrs["local_slope_surface"])
    assert found.attrs["local_slope_training_low"] == pytest.approx(-2.0)


@EACH
def test_orbits_are_drawn_with_the_body_of_the_data(data):
    found = flawless(data)
    model = new_model(Architecture("log_radius", "mlp_rtn", 2, 1, "tanh"), 0)
    for figure in (figures.orbit(found), phases([model], ["phase 0"], [found])):
        assert ball(figure) == drawn_ball(data)
        assert np.abs(figure.axes[0].get_ylim()).max() < 1.5 * training_radii(data)[1]
    assert ("Moon, to scale" in words(figures.orbit(found))) == (data is LUNAR)
    flat = replace(single_orbit(data.mu, 1850.0, 0.01), body=data.body)
    assert ball(draw_datasets([flat])) == drawn_ball(data)
    assert len(draw_datasets([data]).axes[0].collections) == 1 + (data is LUNAR)


def test_a_kept_evaluation_is_drawn_with_the_body_that_the_data_have_now(tmp_path):
    save_evaluation(flawless(LUNAR), tmp_path / "kept.nc")
    assert ball(figures.orbit(load_evaluation(tmp_path / "kept.nc", UNKNOWN))) == []


def test_a_single_orbit_crosses_the_body_that_is_known():
    with pytest.raises(KeplearnError, match=r"crosses the Moon: its periapsis.*below the radius of 1,737 km"):
        single_orbit(LUNAR.mu, 1840.0, 0.2)
    assert single_orbit(LUNAR.mu, 1840.0, 0.2, body=Body()).body == Body()
    assert mean_orbit(LUNAR).body == MOON
    assert mean_orbit(UNKNOWN).body == Body()


def test_the_page_has_the_body_of_each_drawn_orbit():
    drawn = [
        data.head()["drawn"][0]
        for data in (*choose_orbits({"lunar": LUNAR}), *choose_orbits({"unknown": UNKNOWN}))
    ]
    assert [(orbit["body"], orbit["radius"]) for orbit in drawn] == [
        ("the Moon", 1737.4),
        ("the central body", None),
    ]


def test_a_model_is_refused_on_data_of_another_mu(model_of):
    earth = load_dataset("complex_TBP_1_test")
    model = model_of(kepler, earth)
    message = (
        r"lunar has mu = 4902\.8 km³/s² \(the Moon\), but the model has learned the pull of mu = 398600\.4 "
        r"\(the Earth\)"
    )
    for measure in (evaluate, slope, law, residual_field):
        with pytest.raises(KeplearnError, match=message):
            measure(model, LUNAR)


@pytest.mark.parametrize(
    ("factor", "serves"), [(1 + 1e-6, True), (1 + 9e-5, True), (1.01, False), (0.0123, False)]
)
def test_values_of_mu_from_different_sources_are_of_one_body(factor, serves):
    units = units_for(LUNAR)
    assert bool(mu_problem(units, factor * LUNAR.mu, "other")) != serves


def lunar_config(directory: Path, **entries: object) -> dict[str, object]:
    """A config of the lunar orbits, saved in a directory."""
    path = save_dataset(LUNAR, directory / "lunar.nc")
    data = {"dataset_name": str(path)}
    parameters = {"width": 2, "steps_strategy": 1, **entries}
    return {"wandb": {"group": "moon"}, "data": data, "parameters": parameters}


def test_a_config_is_refused_that_tests_on_another_mu_or_rotates_orbits_of_an_unknown_law(tmp_path):
    tables = lunar_config(tmp_path)
    assert runs_from_dict(tables)[0].test == ()
    with pytest.raises(
        KeplearnError, match=r"complex_TBP_1_test has mu = 398600\.4 .* a model knows the pull of one"
    ):
        runs_from_dict(tables, ["data.test=[complex_TBP_1_test]"])
    with pytest.raises(KeplearnError, match=r"augment: rotation, but the law of .*lunar\.nc is not known"):
        runs_from_dict(tables, ["augment=rotation"])
    assert run_config("complex_TBP_1_train", augment="rotation").parameters.augment == "rotation"


def test_a_run_is_refused_before_it_trains_on_another_mu_or_turns_orbits_of_an_unknown_law(
    tmp_path, monkeypatch
):
    (config,) = runs_from_dict(lunar_config(tmp_path))
    plan = prepare(config)
    assert (plan.facts["body"], plan.facts["body_radius_km"]) == ("Moon", 1737.4)

    earth = run_config("complex_TBP_1_train", group="earth")
    units = units_for(load_dataset("complex_TBP_1_train"))
    with RunWriter(tmp_path / "runs", earth) as writer:
        writer.start({}, resume=False)
        writer.model("model", kind_of(shape := plan.model.architecture).new(shape, 0, units=units))
    onward = config.model_copy(update={"from_run": f"earth/{earth.run_id}"})
    with pytest.raises(KeplearnError, match="the model has learned the pull of mu = 398600"):
        prepare(onward, tmp_path / "runs")
    turned = config.parameters.model_copy(update={"augment": "rotation"})
    with pytest.raises(KeplearnError, match="augment: rotation, but the law of lunar is not known"):
        prepare(config.model_copy(update={"parameters": turned}))
