"""A latent ODE along orbits: what it sees, how it is refined, how sure it is, and what is forecast without learning."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_fields import kepler_dataset, padded
from scipy.integrate import quad
from scipy.stats import norm

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import units_for
from keplearn.evaluation.baselines import kepler_fit, osculating, pieces_of, straight_line
from keplearn.evaluation.draws import paths_of
from keplearn.evaluation.encoded import _travel, solve_encoded
from keplearn.evaluation.law import law
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.store import load_evaluation, save_evaluation
from keplearn.evaluation.subject import Subject
from keplearn.evaluation.table import summary
from keplearn.evaluation.vectors import inside, interval, ranked_probability
from keplearn.models import posterior
from keplearn.models.latent_architecture import LatentArchitecture
from keplearn.models.latent_ode import LOG_SPREAD, LatentODE, new_latent_ode
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.orbits.constants import MU_EARTH
from keplearn.systems.field import SystemField
from keplearn.systems.two_body import TwoBody

NETWORK = Architecture("sph_4D_logr", "mlp_4D_logmag_unit_exp", 4, 1, "tanh", planar_constraint=True)
SECOND = LatentArchitecture(NETWORK, hidden_size=3, likelihood_noise=1e-3)
FREE = replace(SECOND, latent_dynamics="free", latent_size=3)
ORBITS = kepler_dataset([[9e3, 0.2, 0.0, 0.0, 0.0, 1.0], [20e3, 0.5, 0.0, 0.0, 0.0, 4.0]], samples=60)
STEPS = {"rtol": 1e-9, "atol": 1e-11, "max_steps": 4096, "high_order": True}


class Lawful(LatentODE):
    """One whose field is the two-body law itself."""

    @property
    def field(self) -> Any:
        """The law."""
        return SystemField.of(TwoBody(1.0))


def lawful(refine: int) -> Lawful:
    """An untrained encoder, and the true law."""
    shape = replace(SECOND, refine=refine)
    made = new_latent_ode(shape, 0, "float64")
    return Lawful(made.parameters, made.scales, shape)


def test_refined_on_half_an_orbit_the_true_law_forecasts_the_rest():
    """From positions alone, to what the prior pulls it off, the square of the noise or so."""
    units = units_for(ORBITS)
    with jax.enable_x64(True):
        y = jnp.asarray(units.to_canonical_states(ORBITS.states[0]))
        t = jnp.asarray(units.to_canonical_times(ORBITS.times[0]))
        given = jnp.where((jnp.arange(60) < 30)[:, None] & (jnp.arange(6) < 3), y, jnp.nan)
        found = {k: eqx.filter_jit(solve_encoded)(lawful(k), STEPS, y, t, given) for k in (0, 8)}
    off = {k: np.linalg.norm((x["states"] - y)[:, :3], axis=-1) for k, x in found.items()}
    assert off[0][30:].min() > 1e-3 and off[8].max() < 2e-5
    deviation = np.sqrt(np.diagonal(found[8]["covariance"], axis1=1, axis2=2))
    assert (deviation[:, :2] > 1e-3).all() and (deviation[:, 2] == 0).all()
    # What is not observed is known less well the farther it is.
    assert deviation[-1].max() > 1.2 * deviation[:30].max()


def test_eccentric_orbits_seen_with_noise_and_gaps_are_found_whole(monkeypatch):
    """From the first samples to all that is observed: along half an orbit at once a step leads astray."""
    dataset = load_dataset("complex_TBP_planar_missing50_noise1e-3_100_test")
    eccentric = np.argsort(dataset.elements[:, 1])[-2:]
    units, given, true = units_for(dataset), dataset.as_observed, dataset.observed_truth
    half, loose = given.times.shape[1] // 2, STEPS | {"rtol": 1e-6, "atol": 1e-8}

    def worst() -> float:
        with jax.enable_x64(True):
            y = jnp.asarray(units.to_canonical_states(true.states[eccentric]))
            t = jnp.asarray(units.to_canonical_times(given.times[eccentric]))
            seen = jnp.asarray(units.to_canonical_states(given.states[eccentric]))
            seen = seen.at[:, half:].set(jnp.nan).at[..., 3:].set(jnp.nan)
            found = eqx.filter_jit(
                jax.vmap(lambda y, t, g: solve_encoded(lawful(8), loose, y, t, g)["states"])
            )
            off = jnp.linalg.norm((found(y, t, seen) - y)[:, :half, :3], axis=-1)
            return float(jnp.max(jnp.nanmean(off / jnp.linalg.norm(y[:, :half, :3], axis=-1), axis=1)))

    assert worst() < 2e-3
    monkeypatch.setattr(posterior, "_WHOLE", 8)
    assert worst() > 0.05


def test_the_derivative_along_a_path_is_that_of_finite_differences():
    with jax.enable_x64(True):
        model, start = lawful(0), jnp.array([0.6, 0.1, -0.2, 1.2])
        t = jnp.linspace(0, 2, 5)
        travel = eqx.filter_jit(lambda z: _travel(model, z, t, STEPS | {"rtol": 1e-12, "atol": 1e-13}))
        path = travel(start)
        for k, along in enumerate(np.eye(4)):
            step = 1e-5 * along
            slope = (travel(start + step).flow - travel(start - step).flow) / 2e-5
            np.testing.assert_allclose(path.transition[..., k], slope, atol=1e-7)


def test_an_evaluation_holds_what_is_observed_and_every_score(tmp_path):
    orbits = padded(ORBITS, [60, 41])
    model = new_latent_ode(replace(SECOND, observed_fraction=0.25), 0, units=units_for(ORBITS))
    evaluation = evaluate(model, orbits)
    np.testing.assert_array_equal(evaluation["observed"].sum("sample"), [15, 10])
    summed, scores = summary(evaluation), evaluation["forecast"].values
    assert summed["forecast"] == pytest.approx(np.mean([*scores[0, 15:], *scores[1, 10:41]]))
    assert summed["reconstruction"] == pytest.approx(np.mean([*scores[0, :15], *scores[1, :10]]))
    assert summed["forecast-kepler"] < 1e-9 < summed["forecast-line"] and 0 <= summed["coverage90"] <= 100
    assert summed["sharpness"] > 0 and summed["forecast-end"] == pytest.approx(
        np.mean([scores[0, 59], scores[1, 40]])
    )
    # The beginnings of two orbits, and which of their four numbers differ.
    mean = evaluation["latent_mean"].values
    assert mean.shape == (2, 4) and summed["active"] == (mean.var(axis=0) > 0.01).sum() > 0
    assert summed["lost"] == 0 and np.isfinite([summed[key] for key in ("crps", "mean", "field")]).all()
    save_evaluation(evaluation, tmp_path / "kept.nc")
    assert summary(load_evaluation(tmp_path / "kept.nc", orbits))["active"] == summed["active"]


def test_of_segments_each_is_observed_where_it_begins():
    subject = Subject.predictor(new_latent_ode(SECOND, 0, units=units_for(ORBITS)))
    seen = subject.observed(padded(ORBITS, [60, 41]), segments=20)
    assert seen is not None
    place = np.arange(60) % 20
    np.testing.assert_array_equal(np.isfinite(seen[0, :, 0]), place < 10)
    # The last piece of the second orbit has one sample.
    np.testing.assert_array_equal(np.isfinite(seen[1, :, 0]), (place < 10) & (np.arange(60) < 41))
    assert np.isnan(seen[..., 3:]).all()


def test_a_model_sees_noise_and_gaps_and_is_scored_against_the_truth():
    name = "simple_TBP_planar_missing50_noise1e-2_2_test"
    orbits = load_dataset(name)
    subject = Subject.predictor(new_latent_ode(SECOND, 0, units=units_for(orbits)))
    seen = subject.observed(orbits, None)
    assert seen is not None
    assert (np.isfinite(seen[..., 0]).sum(axis=1) < 120).all()
    off = np.linalg.norm(seen[..., :3] - orbits.states[..., :3], axis=-1)
    assert 3e-3 < np.nanmedian(off / np.linalg.norm(orbits.states[..., :3], axis=-1)) < 3e-2


def test_a_free_latent_is_scored_and_has_no_field():
    """Its velocity and acceleration are derivatives of what it decodes along its flow."""
    model = new_latent_ode(FREE, 0, units=units_for(ORBITS))
    evaluation = evaluate(model, ORBITS)
    summed = summary(evaluation)
    assert np.isnan(summed["field"]) and np.isnan(summed["lost-field"])
    assert np.isfinite([summed[key] for key in ("forecast", "mean", "coverage90")]).all()
    for name, derivative in (("position", "velocity"), ("velocity", "acceleration")):
        values, slopes = (evaluation[f"predicted_{key}"].values[0] for key in (name, derivative))
        times = ORBITS.times[0]
        middle = (values[2:] - values[:-2]) / (times[2:] - times[:-2])[:, None]
        np.testing.assert_allclose(middle, slopes[1:-1], rtol=0, atol=0.03 * np.abs(slopes).max())
    with pytest.raises(KeplearnError, match="no field of positions and velocities"):
        law(model, ORBITS)


def test_draws_of_a_beginning_spread_as_the_encoder_says_and_go_on_by_the_field():
    """In the planes of orbits in space, which a planar model takes for its own; padding stays empty."""
    turned = kepler_dataset([[9e3, 0.2, 0.6, 1.0, 0.3, 1.0], [20e3, 0.5, 0.6, 2.0, 1.0, 4.0]], samples=60)
    orbits, model = padded(turned, [60, 50]), replace(lawful(0), units=units_for(turned))
    paths = paths_of(model, orbits, [0, 1], draws=200)
    off = (paths.positions - orbits.states[..., :3])[:, :, 0] / units_for(turned).length_km
    assert np.abs(off[0]).max() < 0.01  # an untrained encoder answers with the cubic's beginning
    spread = np.sqrt(off[1:].var(axis=0).sum(axis=-1) / 2)
    np.testing.assert_allclose(spread, np.exp(LOG_SPREAD), rtol=0.1)
    normal = np.cross(orbits.states[:, 0, :3], orbits.states[:, 0, 3:])
    across = np.einsum("dosk,ok->dos", paths.positions, normal / np.linalg.norm(normal, axis=-1)[:, None])
    assert np.nanmax(np.abs(across)) < 1e-6
    r, v = np.split(paths.latents, 2, axis=-1)
    energy = (v**2).sum(-1) / 2 - 1 / np.linalg.norm(r, axis=-1)
    assert np.nanmax(np.abs(energy - energy[..., :1])) < 1e-6  # between steps the solver is of lower order
    assert np.array_equal(np.isnan(energy[5]), np.isnan(orbits.times))
    with pytest.raises(KeplearnError, match="there is no #2"):
        paths_of(model, orbits, [1, 2])
    with pytest.raises(KeplearnError, match="starts from a true state"):
        paths_of(new_model(NETWORK, 0, units=units_for(turned)), orbits, [0])


def test_the_kepler_fit_finds_the_orbit_and_the_line_leaves_it():
    """From positions on a tenth of an orbit, in the plane and in space, near a circle and far from it."""
    orbits = kepler_dataset(
        [[9e3, 0.0, 0.3, 0.4, 0.0, 1.0], [30e3, 0.75, 1.2, 1.0, 2.0, 6.2], [20e3, 0.4, 0.0, 0.0, 0.0, 2.0]],
        samples=90,
    )
    seen = np.where((np.arange(90) < 9)[:, None] & (np.arange(6) < 3), orbits.states, np.nan)
    error = lambda r: np.linalg.norm(r - orbits.states[..., :3], axis=-1) / 9e3  # noqa: E731
    assert error(kepler_fit(orbits.times, seen, MU_EARTH)).max() < 1e-6
    line = straight_line(orbits.times, seen)
    np.testing.assert_allclose(line[:, 7:9], orbits.states[:, 7:9, :3], rtol=1e-12, atol=1e-6)
    assert error(line)[:, -1].min() > 0.5
    last = osculating(
        orbits.times, np.where((np.arange(90) < 60)[:, None], seen_half(orbits), np.nan), MU_EARTH
    )
    assert error(last).max() < 1e-6
    with_speed = np.where((np.arange(90) < 9)[:, None], orbits.states, np.nan)
    slope = np.diff(straight_line(orbits.times, with_speed)[0], axis=0) / np.diff(orbits.times[0])[:, None]
    np.testing.assert_allclose(slope, np.tile(orbits.states[0, 8, 3:], (89, 1)), atol=1e-9)
    few = np.where((np.arange(90) < 2)[:, None], orbits.states, np.nan)
    assert np.isnan(pieces_of(straight_line, orbits.times, few, np.zeros(90, int))).all()


def seen_half(orbits: Any) -> np.ndarray:
    """The positions, of the first half wrong but for its end."""
    states = np.where(np.arange(6) < 3, orbits.states, np.nan)
    return np.where((np.arange(90) < 50)[:, None], 1.1 * states, states)


def test_intervals_and_scores_are_those_of_normal_distributions():
    off, deviation = (
        np.array([[0.3, -2.0, 0.0], [1.0, np.nan, 0.0]]),
        np.array([[0.5, 1.0, 0.0], [1.0, 1.0, 0.0]]),
    )
    np.testing.assert_array_equal(inside(off, deviation, 0.9), [0.5, np.nan])
    expected = [
        quad(lambda x, s=s, z=z: (norm.cdf(x, 0, s) - (x >= z)) ** 2, -9, 9, points=[z], limit=200)[0]
        for z, s in ((0.3, 0.5), (-2.0, 1.0))
    ]
    np.testing.assert_allclose(
        ranked_probability(off, deviation), np.array([np.mean(expected), np.nan]), rtol=1e-6
    )
    drawn = np.random.default_rng(0).standard_normal((20_000, 3))
    assert interval(np.array([[0.5, 1.0, 0.0]]), 0.9) == pytest.approx(2 * 1.6448536 * 0.75)
    assert inside(drawn, np.ones(3) * np.ones((20_000, 3)), 0.9).mean() == pytest.approx(0.9, abs=0.005)
