"""What an evaluation says of fields that are known exactly."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_fields import kepler, kepler_dataset, one_percent_more, padded

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import Units, units_for
from keplearn.evaluation.rollout import evaluate, evaluate_law, evaluate_together
from keplearn.evaluation.table import orbit_table, summary
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.orbits.constants import MU_EARTH

PLANAR = load_dataset("complex_TBP_planar_10_test")


def test_the_exact_law_scores_zero_and_never_diverges():
    scores = summary(evaluate_law(PLANAR))
    assert scores["mean"] < 2e-6
    assert scores["position%"] < 1e-6
    assert scores["field"] < 1e-12
    assert scores["theta-deg"] < 1e-6
    assert scores["collinear-deg"] < 1e-12
    assert scores["energy-drift"] < 1e-7
    assert scores["momentum-drift"] < 1e-7
    assert scores["radial%"] == 0
    assert scores["diverged"] == 0
    assert np.isnan(scores["flips"])


def test_one_percent_of_mu_reads_one_percent_in_field_and_far_more_in_mean(model_of):
    scores = summary(evaluate(model_of(one_percent_more, PLANAR), PLANAR))
    assert scores["field"] == pytest.approx(1.0, rel=1e-9)
    assert scores["mean"] > 5.0


def test_theta_of_a_field_turned_by_five_degrees_is_five_degrees(model_of):
    angle = np.radians(5.0)
    turn = jnp.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    evaluation = evaluate(model_of(lambda r, v: turn.astype(r.dtype) @ kepler(r, v), PLANAR), PLANAR)
    # Along the path the positions differ; at the start they do not.
    assert evaluation["theta_deg"].values[:, 0] == pytest.approx(5.0, abs=1e-5)
    assert evaluation["collinear_deg"].values[:, :100] == pytest.approx(5.0, abs=1e-5)


def test_a_repelling_force_points_outwards_everywhere(model_of):
    scores = summary(evaluate(model_of(lambda r, v: -kepler(r, v), PLANAR), PLANAR))
    assert scores["radial%"] == 100.0
    assert scores["collinear-deg"] == pytest.approx(180.0)


def test_units_are_the_model_s_and_not_the_test_set_s(model_of):
    other = Units(length_km=7000.0, mu=MU_EARTH)  # those of no test orbit
    scores = summary(evaluate(model_of(kepler, other), PLANAR))
    assert scores["field"] < 1e-12
    assert scores["mean"] < 1e-5


def test_restarting_keeps_errors_small_and_is_exact_at_the_restarts(model_of):
    model = model_of(one_percent_more, PLANAR)
    whole, restarted = evaluate(model, PLANAR), evaluate(model, PLANAR, segments=7)
    assert summary(restarted)["mean"] < 0.2 * summary(whole)["mean"]
    assert (restarted["position_error"].values[:, ::7] < 1e-12).all()
    assert np.allclose(restarted["energy_drift"].values[:, ::7], 0.0)
    assert (restarted["position_error"].values[:, 6::7] > 1e-6).all()
    with pytest.raises(KeplearnError, match="at least 2"):
        evaluate(model, PLANAR, segments=1)


def test_padded_orbits_score_as_they_do_alone(model_of):
    model = model_of(one_percent_more, PLANAR)
    dataset = padded(PLANAR.first(3), [100, 13, 57])
    together = orbit_table(evaluate(model, dataset, segments=7))
    for k in range(3):
        alone = replace(
            dataset,
            times=dataset.times[k : k + 1, : dataset.n_samples[k]],
            states=dataset.states[k : k + 1, : dataset.n_samples[k]],
            accelerations=dataset.accelerations[k : k + 1, : dataset.n_samples[k]],
            elements=dataset.elements[k : k + 1],
            orbit_names=("0",),
        )
        scores = summary(evaluate(model, alone, segments=7))
        assert together["position%"][k] == pytest.approx(scores["position%"], rel=1e-6)
        assert together["samples"][k] == dataset.n_samples[k]


def test_an_orbit_that_blows_up_is_counted_and_its_neighbours_are_not(model_of):
    model = model_of(lambda r, v: jnp.where(r[0] < -0.4, jnp.exp(1e3 * jnp.abs(r)), kepler(r, v)), PLANAR)
    evaluation = evaluate(model, PLANAR)
    lost = evaluation["diverged"].values
    assert 0 < lost.sum() < 10
    assert summary(evaluation)["diverged"] == lost.sum()
    position = evaluation["predicted_position"].values
    assert np.isfinite(position[~lost]).all()
    assert not np.isfinite(position[lost]).all(axis=(1, 2)).any()
    assert np.isfinite(summary(evaluation)["mean"])


def test_a_planar_model_meets_an_inclined_orbit_as_its_planar_twin(model_of):
    node, argument = 0.4, 1.1
    inclined = kepler_dataset([[12000.0, 0.3, 1.2, node, argument, 2.0], [9000.0, 0.1, 2.5, 3.0, 0.2, 0.0]])
    twin = kepler_dataset(
        [[12000.0, 0.3, 0.0, np.nan, node + argument, 2.0], [9000.0, 0.1, 0.0, np.nan, 3.2, 0.0]]
    )
    model = model_of(one_percent_more, twin, planar=True)
    in_space, in_plane = evaluate(model, inclined), evaluate(model, twin)
    for key in ("mean", "field", "theta_deg", "position_error", "energy_drift"):
        assert in_space[key].values == pytest.approx(in_plane[key].values, rel=1e-5, abs=1e-8), key


def test_planar_orbits_are_not_turned_whatever_their_sense(model_of):
    both = kepler_dataset([[12000.0, 0.3, 0.0, np.nan, 0.5, 1.0], [12000.0, 0.3, np.pi, np.nan, 0.5, 1.0]])
    both = replace(both, states=both.states * np.array([1, 1, 0, 1, 1, 0]), planar=True)
    evaluation = evaluate(model_of(kepler, both, planar=True), both)
    assert (evaluation["predicted_position"].values[:, 0] == both.states[:, 0, :3]).all()
    assert summary(evaluation)["mean"] < 1e-5


def test_what_lies_out_of_the_plane_is_error_and_the_floor_has_it_too(model_of):
    orbits = kepler_dataset([[12000.0, 0.3, 1.2, 0.4, 1.1, 2.0]])
    truth = orbits.accelerations.copy()
    normal = np.cross(orbits.states[0, 0, :3], orbits.states[0, 0, 3:])
    across = normal / np.linalg.norm(normal) * np.linalg.norm(truth, axis=-1, keepdims=True)
    measured = replace(orbits, accelerations=truth + 0.01 * across, acceleration_source="differences")
    evaluation = evaluate(model_of(kepler, orbits, planar=True), measured)
    scores = summary(evaluation)
    assert scores["field"] == pytest.approx(1.0, rel=1e-3)
    assert scores["floor_field"] == pytest.approx(scores["field"], rel=1e-9)
    assert scores["floor_mean"] == pytest.approx(scores["mean"], rel=1e-6)
    assert orbit_table(evaluation)["floor_field"][0] == pytest.approx(1.0, rel=1e-3)


def test_evaluation_is_float64_whatever_the_process_setting():
    shape = Architecture("sph_4D_rinv", "mlp_4D_signed_unit", 8, 1, "leaky_relu", planar_constraint=True)
    model = new_model(shape, 1, units=units_for(PLANAR))
    results = []
    for setting in (False, True):
        with jax.enable_x64(setting):
            results.append(evaluate(model, PLANAR.first(2)))
            assert jax.config.jax_enable_x64 is setting  # pyright: ignore[reportAttributeAccessIssue]
    assert all(values.dtype != np.float32 for values in results[0].values())
    assert results[0].identical(results[1])
    assert results[0]["magnitude"].shape == (2, 360)
    assert summary(results[0])["flips"] >= 0


def test_a_model_without_units_is_refused():
    model = new_model(Architecture("sph_4D_rinv", "mlp_4D", 4, 1), 0)
    with pytest.raises(KeplearnError, match="units"):
        evaluate(model, PLANAR)


def test_models_evaluated_together_are_as_evaluated_alone():
    """Two that share a program, one of another architecture, and one in other units."""
    shape = Architecture("sph_4D_rinv", "mlp_4D_signed", 5, 1, "tanh", planar_constraint=True)
    other = Architecture("sph_4D_rinv", "mlp_4D_signed", 4, 1, "tanh", planar_constraint=True)
    orbits, units = PLANAR.first(3), units_for(PLANAR)
    models = [
        new_model(shape, 0, units=units),
        new_model(other, 1, units=units),
        new_model(shape, 2, units=units),
        new_model(shape, 3, units=Units(2 * units.length_km, MU_EARTH)),
    ]
    together = evaluate_together(models, orbits, at_once=2)
    for model, found in zip(models, together, strict=True):
        alone = evaluate(model, orbits)
        assert found.attrs == alone.attrs
        for key in ("mean", "field", "predicted_position", "position_error"):
            np.testing.assert_allclose(found[key], alone[key], rtol=1e-6, err_msg=key)
        assert (found["diverged"] == alone["diverged"]).all()
