"""What the field's own numbers say of fields that are known exactly."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_fields import kepler, kepler_dataset, one_percent_more

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import units_for
from keplearn.evaluation.field import accelerations, residual_field, training_radii
from keplearn.evaluation.grid import ae_grid, grid_cells, on_grid, summary
from keplearn.evaluation.law import law
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.slope import slope
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.orbits.constants import EARTH_RADIUS, MU_EARTH
from keplearn.systems.two_body import TwoBody

PLANAR = load_dataset("complex_TBP_planar_10_train")
SPATIAL = load_dataset("complex_TBP_10_train")
BOTH = pytest.mark.parametrize("training", [PLANAR, SPATIAL], ids=["planar", "spatial"])


def steeper(r: jax.Array, v: jax.Array) -> jax.Array:
    """An attraction that falls as r^-2.1."""
    return kepler(r, v) * jnp.sum(r * r) ** -0.05


def sideways(r: jax.Array, v: jax.Array) -> jax.Array:
    """The two-body law plus a tenth of it across, in the x-y plane."""
    pull = kepler(r, v)
    return pull + 0.1 * jnp.cross(jnp.array([0.0, 0.0, 1.0], r.dtype), pull)


def dragged(r: jax.Array, v: jax.Array) -> jax.Array:
    """The two-body law, larger by a hundredth of v² r, which is 1 on circular orbits."""
    return kepler(r, v) * (1.0 + 0.01 * jnp.sum(v * v) * jnp.sqrt(jnp.sum(r * r)))


def prograde_only(r: jax.Array, v: jax.Array) -> jax.Array:
    """The two-body law where the motion goes counterclockwise, nothing where it goes back."""
    return jnp.where(r[0] * v[1] - r[1] * v[0] > 0, 1.0, 0.0) * kepler(r, v)


def leaping(r: jax.Array, v: jax.Array) -> jax.Array:
    """The two-body law within half a unit, and nothing that a number can hold beyond."""
    return jnp.where(jnp.sum(r * r) < 0.25, 1.0, jnp.inf) * kepler(r, v)


@BOTH
def test_of_the_exact_law_the_slope_is_minus_two(model_of, training):
    found = slope(model_of(kepler, training, planar=training.planar), training)
    assert found.attrs["fitted_slope"] == pytest.approx(-2.0, abs=1e-9)
    assert found.attrs["fit_rms_percent"] < 1e-9
    np.testing.assert_allclose(found["local_slope"], -2.0, atol=1e-9)
    for name in ("acceleration", "acceleration_low", "acceleration_high"):
        np.testing.assert_allclose(found[name], found["true_acceleration"], rtol=1e-12)
    assert found["radius"].attrs["units"] == "km"


def falling_with_speed(r: jax.Array, v: jax.Array) -> jax.Array:
    """The two-body law on orbits of one shape alone, for it takes the energy for the radius."""
    return kepler(r, v) * jnp.exp(0.3 * (0.5 * v @ v - 1 / jnp.linalg.norm(r)))


@BOTH
def test_at_states_of_orbits_the_exact_law_has_its_slope(model_of, training):
    found = slope(model_of(kepler, training, planar=training.planar), training)
    assert found.attrs["states_slope"] == pytest.approx(-2.0, abs=1e-9)
    assert found.attrs["beyond_slope"] == pytest.approx(-2.0, abs=1e-9)
    beyond, radius = found["state_beyond"].to_numpy(), found["state_radius"].to_numpy()
    assert (radius[beyond] > found.attrs["training_high"]).all()
    assert (radius[~beyond] <= found.attrs["training_high"]).all()
    assert found.attrs["training_a"] == training.elements[:, 0].max()


def test_what_knows_its_own_orbit_alone_has_the_slope_there_and_not_at_circular_speed(model_of):
    one = kepler_dataset([[20000.0, 0.4, 0.0, np.nan, np.nan, 0.0]])
    found = slope(model_of(falling_with_speed, one), one)
    assert found.attrs["states_slope"] == pytest.approx(
        -2.0, abs=1e-9
    )  # on an orbit the energy is one number
    assert abs(found.attrs["fitted_slope"] + 2.0) > 0.05


def test_the_radii_reach_from_the_ground_to_twice_the_training_orbits(model_of):
    low, high = training_radii(PLANAR)
    found = slope(model_of(kepler, PLANAR), PLANAR, points=50)
    radius = found["radius"].to_numpy()
    assert radius[[0, -1]] == pytest.approx([EARTH_RADIUS, 2.0 * high])
    assert (found.attrs["training_low"], found.attrs["training_high"]) == (low, high)
    assert low == pytest.approx(np.linalg.norm(PLANAR.states[..., :3], axis=-1).min())


@BOTH
def test_of_the_exact_law_mu_and_the_exponent_come_back(model_of, training):
    found = law(model_of(kepler, training, planar=training.planar), training)
    assert found.mu_hat == pytest.approx(MU_EARTH, rel=1e-9)
    assert found.n_hat == pytest.approx(2.0, abs=1e-9)
    assert found.residual_percent < 1e-9
    assert found.direction_deg < 1e-5
    assert found.lost == 0


def test_a_planar_model_meets_orbits_in_space_in_their_planes(model_of):
    model = model_of(kepler, SPATIAL, planar=True)
    assert law(model, SPATIAL).mu_ratio == pytest.approx(1.0, rel=1e-9)
    assert slope(model, SPATIAL).attrs["fitted_slope"] == pytest.approx(-2.0, abs=1e-9)
    assert np.nanmax(ae_grid(model, SPATIAL, n_a=4, n_e=3)["mean"]) < 1e-5


def test_one_percent_of_mu_is_one_percent_of_mu(model_of):
    model = model_of(one_percent_more, PLANAR)
    found = law(model, PLANAR)
    assert found.mu_ratio == pytest.approx(1.01, rel=1e-9)
    assert found.n_hat == pytest.approx(2.0, abs=1e-9)
    residual = residual_field(model, PLANAR, n=40)["residual"].to_numpy()
    np.testing.assert_allclose(residual[np.isfinite(residual)], 1.0, rtol=1e-9)
    assert slope(model, PLANAR).attrs["fitted_slope"] == pytest.approx(-2.0, abs=1e-9)


@BOTH
def test_another_exponent_is_found_by_both(model_of, training):
    model = model_of(steeper, training, planar=training.planar)
    found = slope(model, training)
    assert found.attrs["fitted_slope"] == pytest.approx(-2.1, abs=1e-9)
    np.testing.assert_allclose(found["local_slope"], -2.1, atol=1e-9)
    fitted = law(model, training)
    assert fitted.n_hat == pytest.approx(2.1, abs=1e-9)
    # μ̂ is normalised at the reference radius: there the fitted law is the field.
    length = units_for(training).length_km
    at_reference = (fitted.reference_radius / length) ** -0.1
    assert fitted.mu_ratio == pytest.approx(at_reference, rel=1e-9)


def test_the_direction_s_error_stands_apart(model_of):
    found = law(model_of(sideways, PLANAR), PLANAR)
    assert found.direction_deg == pytest.approx(np.degrees(np.arctan(0.1)), rel=1e-9)
    assert found.n_hat == pytest.approx(2.0, abs=1e-9)
    assert found.mu_ratio == pytest.approx(np.hypot(1.0, 0.1), rel=1e-9)


def test_circles_of_one_radius_define_no_exponent_but_mu(model_of):
    circle = kepler_dataset([[20000.0, 0.0, 0.0, np.nan, np.nan, 0.0]])
    found = law(model_of(one_percent_more, circle), circle)
    assert np.isnan(found.n_hat)
    assert found.mu_ratio == pytest.approx(1.01, rel=1e-9)
    assert np.isnan(slope(model_of(one_percent_more, circle), circle).attrs["fitted_slope"])


@BOTH
def test_velocity_is_that_of_circular_orbits_in_the_training_orbits_planes(model_of, training):
    found = slope(model_of(dragged, training, planar=training.planar), training)
    np.testing.assert_allclose(found["acceleration"] / found["true_acceleration"], 1.01, rtol=1e-9)


def test_the_sense_of_motion_is_the_training_orbits(model_of):
    there = kepler_dataset([[20000.0, 0.2, 0.0, np.nan, 0.0, 0.0]])
    flip = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0])
    back = replace(there, states=there.states * flip, accelerations=there.accelerations * flip[:3])
    for training, expected in ((there, 1.0), (back, 0.0)):
        found = slope(model_of(prograde_only, training), training)
        np.testing.assert_allclose(found["acceleration"] / found["true_acceleration"], expected, atol=1e-9)


def test_where_the_field_is_no_number_the_law_says_how_often(model_of):
    found = law(model_of(leaping, PLANAR), PLANAR)
    radii = np.linalg.norm(PLANAR.states[..., :3], axis=-1) / units_for(PLANAR).length_km
    assert found.lost == (radii >= 0.5).sum() > 0
    assert found.n_hat == pytest.approx(2.0, abs=1e-9)


@BOTH
def test_of_the_exact_law_there_is_no_residual_outside_the_earth(model_of, training):
    found = residual_field(model_of(kepler, training, planar=training.planar), training, n=41)
    x, y = np.meshgrid(found["x"], found["y"])
    residual = found["residual"].to_numpy()
    np.testing.assert_array_equal(np.isnan(residual), np.hypot(x, y) < EARTH_RADIUS)
    assert np.nanmax(residual) < 1e-10
    assert float(found["x"].min()) < np.nanmin(training.states[..., 0])
    assert float(found["y"].max()) > np.nanmax(training.states[..., 1])
    outside = np.isfinite(residual)
    towards = found["true_x"].to_numpy() * x + found["true_y"].to_numpy() * y
    assert (towards[outside] < 0).all()
    np.testing.assert_allclose(found["learned_x"], found["true_x"], rtol=1e-10, atol=1e-12)


def test_accelerations_are_those_of_the_law_for_any_number_of_states(model_of):
    states = np.concatenate(list(SPATIAL.states) * 3)[:7300]
    found = accelerations(model_of(kepler, SPATIAL), states)
    np.testing.assert_allclose(
        found, TwoBody(MU_EARTH).accelerations(np.zeros(len(states)), states), rtol=1e-10
    )


@BOTH
def test_the_grid_of_the_exact_law_has_no_error_and_masks_what_meets_the_earth(model_of, training):
    found = ae_grid(model_of(kepler, training, planar=training.planar), training, n_a=6, n_e=5)
    perigee = found["a"] * (1.0 - found["e"])
    masked = found["masked"].to_numpy()
    np.testing.assert_array_equal(masked, perigee.transpose("e", "a") < EARTH_RADIUS)
    assert masked.any()
    for key in ("mean", "field"):
        values = found[key].to_numpy()
        np.testing.assert_array_equal(np.isnan(values), masked)
        assert np.nanmax(values) < 1e-5
    assert not found["diverged"].any()
    assert summary(found)["masked"] == masked.sum()
    assert summary(found)["cells"] == 30


def test_the_grid_covers_the_training_orbits(model_of):
    cells = grid_cells(PLANAR)
    np.testing.assert_array_equal(cells.training, PLANAR.elements[:, :2])
    for edges, values in ((cells.a_edges, PLANAR.elements[:, 0]), (cells.e_edges, PLANAR.elements[:, 1])):
        assert edges[0] < values.min()
        assert edges[-1] > values.max()
    assert cells.e_edges[-1] < 1.0
    assert cells.masked.shape == (20, 24)
    assert len(cells.orbits) == (~cells.masked).sum()


def test_the_grid_lies_within_the_limits_that_are_asked_for():
    cells = grid_cells(PLANAR, 5, 4, a=(9000.0, 12000.0), e=(0.05, 0.25))
    np.testing.assert_allclose(cells.a_edges, np.linspace(9000.0, 12000.0, 6))
    np.testing.assert_allclose(cells.e_edges, np.linspace(0.05, 0.25, 5))
    a, e = cells.orbits.elements[:, 0], cells.orbits.elements[:, 1]
    assert a.min() > 9000.0 and a.max() < 12000.0 and e.min() > 0.05 and e.max() < 0.25
    for a, e in (((9e3, 8e3), None), ((-1.0, 8e3), None), (None, (0.1, 1.0)), (None, (0.1, np.nan))):
        with pytest.raises(KeplearnError, match="has no bound orbits"):
            grid_cells(PLANAR, 5, 4, a=a, e=e)


def test_cells_that_diverge_are_marked(model_of):
    found = ae_grid(model_of(leaping, PLANAR), PLANAR, n_a=4, n_e=3)
    diverged = found["diverged"].to_numpy()
    assert diverged.any()
    reached = np.broadcast_to(found["a"].to_numpy() > 0.5 * units_for(PLANAR).length_km, diverged.shape)
    assert diverged[reached & ~found["masked"].to_numpy()].all()
    assert not diverged[found["masked"].to_numpy()].any()
    assert summary(found)["diverged"] == diverged.sum()


def test_what_cannot_be_measured_is_said(model_of):
    model = model_of(kepler, PLANAR)
    with pytest.raises(KeplearnError, match="3 points"):
        slope(model, PLANAR, points=2)
    with pytest.raises(KeplearnError, match="at least one cell"):
        grid_cells(PLANAR, n_a=0)
    with pytest.raises(KeplearnError, match="at least 2 points"):
        residual_field(model, PLANAR, n=1)
    with pytest.raises(KeplearnError, match="not of the grid"):
        on_grid(grid_cells(PLANAR, 3, 3), evaluate(model, PLANAR))
    unbound = replace(PLANAR, elements=PLANAR.elements * np.array([-1.0, 1, 1, 1, 1, 1]))
    with pytest.raises(KeplearnError, match="no bound orbit"):
        grid_cells(unbound)
    with pytest.raises(KeplearnError, match="units"):
        law(new_model(Architecture("log_radius", "mlp_rtn", 2, 1, "tanh"), 0), PLANAR)
