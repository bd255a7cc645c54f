"""Training a latent ODE: the bound that it is trained by, its gradient, what is drawn in each step, and going on."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from effort import OPTIONS
from jax.flatten_util import ravel_pytree

from keplearn.data.dataset import load_dataset
from keplearn.data.splits import Split, split_segments
from keplearn.data.units import units_for
from keplearn.integrate import Grid
from keplearn.models.latent_architecture import LatentArchitecture
from keplearn.models.latent_ode import LatentODE, new_latent_ode
from keplearn.models.neural_ode import Architecture, Scales
from keplearn.models.posterior import Posterior, log_ratio
from keplearn.systems.field import SystemField
from keplearn.systems.two_body import TwoBody
from keplearn.training.batches import Batches, on_device
from keplearn.training.bound import evidence_lower_bound, misfit
from keplearn.training.curriculum import Phase, normal
from keplearn.training.encoding import seen_encoded
from keplearn.training.events import Checkpoint, PhaseEnded, Rows
from keplearn.training.fit import fit
from keplearn.training.objective import objective, settled
from keplearn.training.problem import Constants, Setup
from keplearn.training.refining import fit_beginnings
from keplearn.training.settings import FitSettings, setup_of
from keplearn.training.solved import Encoded, Solved

LENGTH = 6
NETWORK = Architecture("sph_4D_logr", "mlp_4D_logmag_unit_exp", 4, 1, "tanh", planar_constraint=True)
SECOND = LatentArchitecture(NETWORK, hidden_size=3)
FREE = replace(SECOND, latent_dynamics="free", latent_size=3)
FITTED = replace(SECOND, refine_training=12, observed_fraction=1.0, likelihood_noise=0.01)
WEIGHTS = {"kl_weight": 1.0}
SETTINGS = FitSettings(
    loss="evidence_lower_bound",
    loss_weights=WEIGHTS,
    validate_every=4,
    dtype="float64",
    law=None,
)
ADAM = Phase((0.0, 1.0), 1e-2, 8, LENGTH, batch_size=8, stride=1)


class Lawful(LatentODE):
    """One whose field is the two-body law itself."""

    @property
    def field(self) -> Any:
        """The law."""
        return SystemField.of(TwoBody(1.0))


@pytest.fixture(scope="module")
def split() -> Split:
    """Segments of 6 samples of three orbits."""
    dataset = load_dataset("simple_TBP_planar_3_train")
    return split_segments(dataset, units_for(dataset), (0.0, 0.25), LENGTH, 0.6, "orbits")


@pytest.fixture
def _x64():
    with jax.enable_x64(True):
        yield


def solved(truth, predicted, posterior: Posterior, noise: float, share=1.0) -> Solved:
    """What the bound sees of predictions (sample, component, segment)."""
    segments = np.shape(truth)[-1]
    encoded = Encoded(posterior, jnp.asarray(noise), jnp.full(segments, share))
    any_model = new_latent_ode(SECOND, 0, "float64")
    return Solved(
        jnp.asarray(truth), jnp.zeros((6, segments)), jnp.ones(segments), any_model, jnp.asarray(predicted),
        latent=encoded,
    )  # fmt: skip


@pytest.mark.usefixtures("_x64")
def test_with_the_exact_posterior_of_a_linear_model_the_bound_is_the_evidence():
    """What is observed is z₁ + z₂ t + noise at t = -1, 0, 1, where the posterior's components are independent.

    Its two-point draws ±√2 along each of the two axes have a normal distribution's mean and covariance, and the
    bound asks for no more of them: their mean is the expectation.
    """
    times, noise, x = np.array([-1.0, 0.0, 1.0]), 0.3, np.array([0.7, 0.2, -0.4])
    design = np.stack([np.ones(3), times], axis=1)
    precision = design.T @ design / noise**2 + np.eye(2)
    assert precision[0, 1] == 0
    spread, centre = 1 / np.sqrt(np.diag(precision)), np.linalg.solve(precision, design.T @ x / noise**2)
    draws = np.sqrt(2) * np.array([[1, -1, 0, 0], [0, 0, 1, -1]])
    latent = centre[:, None] + spread[:, None] * draws
    whole = lambda column: jnp.asarray(np.tile(column[:, None], 4))  # noqa: E731
    seen = solved(
        np.tile(x[:, None, None], 4), (design @ latent)[:, None], Posterior(whole(centre), whole(np.log(spread))), noise
    )  # fmt: skip
    parts = evidence_lower_bound(seen, {"kl_weight": jnp.asarray(1.0)})
    covariance = design @ design.T + noise**2 * np.eye(3)
    square = x @ np.linalg.solve(covariance, x)
    evidence = -(square + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2
    assert 3 * float(sum(parts.values())) == pytest.approx(-evidence, rel=1e-12)
    assert list(parts) == ["reconstruction", "kl"]


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize(("weight", "share"), [(1.0, 1.0), (0.5, 0.4)])
def test_the_distance_from_the_prior_is_that_of_two_normal_distributions(weight, share):
    """KL(N(m, s²) | N(0, 1)), integrated; a lost segment does not count."""
    centre, log_spread = np.array([[0.3, 9.0]]), np.array([[-0.5, 9.0]])
    x = np.linspace(-12, 12, 200_001)
    q = np.exp(-((x - 0.3) ** 2) / 2 / np.exp(-1.0)) / np.sqrt(2 * np.pi * np.exp(-1.0))
    p = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    expected = np.trapezoid(np.where(q > 0, q * np.log(np.where(q > 0, q, 1) / p), 0), x)
    posterior = Posterior(jnp.asarray(centre), jnp.asarray(log_spread))
    seen = replace(
        solved(np.zeros((2, 1, 2)), np.zeros((2, 1, 2)), posterior, 1.0, share), keep=jnp.array([1.0, 0.0])
    )
    parts = evidence_lower_bound(seen, {"kl_weight": jnp.asarray(weight)})
    assert float(parts["kl"]) == pytest.approx(weight * share * expected / 2, rel=1e-9)


@pytest.mark.usefixtures("_x64")
def test_with_the_exact_posterior_any_draws_give_the_evidence_by_their_importance():
    """The same model: of each draw prior times likelihood over posterior is the evidence itself."""
    times, noise, x = np.array([-1.0, 0.0, 1.0]), 0.3, np.array([0.7, 0.2, -0.4])
    design = np.stack([np.ones(3), times], axis=1)
    precision = design.T @ design / noise**2 + np.eye(2)
    spread, centre = 1 / np.sqrt(np.diag(precision)), np.linalg.solve(precision, design.T @ x / noise**2)
    posterior = Posterior(jnp.asarray(centre)[:, None], jnp.log(jnp.asarray(spread))[:, None])
    draws = jnp.asarray(np.random.default_rng(0).standard_normal((3, 2, 1)))
    latents = [posterior.draw(one) for one in draws]
    predicted = np.concatenate([(design @ np.asarray(one))[:, None] for one in latents], axis=1)
    seen = solved(np.tile(x[:, None, None], (1, 3, 1)), predicted, posterior, noise)
    assert seen.latent is not None
    ratios = jnp.stack([log_ratio(posterior, *pair) for pair in zip(latents, draws, strict=True)])
    parts = evidence_lower_bound(
        replace(seen, latent=seen.latent._replace(ratios=ratios)), {"kl_weight": jnp.asarray(1.0)}
    )
    covariance = design @ design.T + noise**2 * np.eye(3)
    evidence = -(x @ np.linalg.solve(covariance, x) + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2
    assert 3 * float(sum(parts.values())) == pytest.approx(-evidence, rel=1e-12)
    assert list(parts) == ["reconstruction", "kl", "importance"] and parts["importance"] != 0


@pytest.mark.usefixtures("_x64")
def test_under_the_true_law_fitted_beginnings_are_the_true_ones(split):
    """From positions alone, and as sure as the curvature says; their derivative by the field is the implicit one."""
    shape = replace(SECOND, refine_training=6, likelihood="relative", likelihood_noise=1e-4)
    setup = Setup(shape, Grid(LENGTH, 1), "grid", "evidence_lower_bound", (), "adam", "float64")
    few = split.train.take(np.arange(4))
    states, times = jnp.asarray(few.states), jnp.asarray(few.times)
    made = new_latent_ode(shape, 0, "float64")
    model = Lawful(made.parameters, made.scales, shape)

    @partial(jax.jit, compiler_options=OPTIONS)
    def fitted(states, times):
        observed = model.watch(states, times)
        return fit_beginnings(setup, model, model.posterior(observed).mean, observed)

    found = fitted(states, times)
    true = states[0, np.array(shape.coordinates)]
    np.testing.assert_allclose(found.mean, true, atol=1e-5)
    spread = np.sqrt(np.einsum("lms,lms->ls", found.factor, found.factor))
    assert (np.abs(np.asarray(found.mean - true)) < spread).all()
    assert (spread[2:] > spread[:2]).all()  # velocities are known less well


@pytest.mark.usefixtures("_x64")
def test_fitted_to_all_of_a_segment_what_is_left_under_the_true_law_is_the_noise():
    """Less what four numbers take of it; fitted to the first half, the noise of that grows along the second."""
    dataset = load_dataset("simple_TBP_planar_noise1e-3_20_train").as_observed
    samples = 16
    whole = split_segments(dataset, units_for(dataset), (0.0, 0.2), samples, 1.0, "orbits").train
    shape = replace(SECOND, refine_training=6, likelihood="relative", fitted_to="all")
    setup = Setup(shape, Grid(samples, 1), "grid", "evidence_lower_bound", (), "bfgs", "float64")
    one = jnp.asarray(1.0)
    constants = Constants(Scales(one), {"kl_weight": one}, one, one, one, jnp.asarray(10.0))
    made, batch = new_latent_ode(shape, 0, "float64"), on_device(whole, setup, "float64")
    model = Lawful(made.parameters, made.scales, shape)

    @partial(jax.jit, static_argnums=0, compiler_options=OPTIONS)
    def left(learning):
        solved, _ = seen_encoded(setup, model, batch, constants, learning)
        return misfit(solved) * model.noise

    expected = 1e-3 * np.sqrt(1 - 4 / (2 * samples))
    assert float(left(True)) == pytest.approx(expected, rel=0.05)
    assert float(left(False)) > 1.05 * expected


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("shape", [SECOND, FREE, FITTED], ids=["second_order", "free", "fitted"])
def test_the_gradient_is_that_of_finite_differences(split, shape):
    """Where beginnings are fitted, of what an optimiser that compares values minimises."""
    flat, one = ravel_pytree(new_latent_ode(shape, 0, "float64").parameters)[0], jnp.asarray(1.0)
    optimizer = "bfgs" if shape.refine_training else "adam"
    setup = Setup(shape, Grid(LENGTH, 1), "grid", "evidence_lower_bound", (), optimizer, "float64")
    tight = jnp.asarray(1e-10)
    constants = Constants(Scales(one), {"kl_weight": one}, tight, tight, one, jnp.asarray(10.0))
    batch = on_device(split.train.take(np.arange(3)), setup, "float64")
    both = jax.jit(
        jax.value_and_grad(lambda x: objective(setup, x, batch, constants)[0]), compiler_options=OPTIONS
    )
    value, gradient = lambda x: both(x)[0], np.asarray(both(flat)[1])
    for seed in range(3):
        along = np.random.default_rng(seed).standard_normal(flat.size)
        along[-1] *= shape.likelihood_noise is None  # the log of a noise that is given has no gradient
        step = 1e-5 / np.linalg.norm(along)
        slope = (value(flat + step * along) - value(flat - step * along)) / (2 * step)
        assert float(slope) == pytest.approx(gradient @ along, rel=2e-6)


@pytest.mark.usefixtures("_x64")
def test_at_the_mode_a_learned_noise_is_the_one_that_fits_and_one_is_put_in_place(split):
    """So what an optimiser that compares values minimises does not depend on it."""
    shape = replace(SECOND, refine_training=1)
    flat, one = ravel_pytree(new_latent_ode(shape, 0, "float64").parameters)[0], jnp.asarray(1.0)
    setup = Setup(shape, Grid(LENGTH, 1), "grid", "evidence_lower_bound", (), "bfgs", "float64")
    constants = Constants(Scales(one), {"kl_weight": one}, one, one, one, jnp.asarray(10.0))
    batch = on_device(split.train.take(np.arange(2)), setup, "float64")

    @partial(jax.jit, compiler_options=OPTIONS)
    def found(flat):
        return objective(setup, flat, batch, constants)[0], settled(setup, flat, batch, constants)

    other = flat.at[-1].add(2.0)
    (value, placed), (same, again) = found(flat), found(other)
    assert float(value) == pytest.approx(float(same), rel=1e-10)
    np.testing.assert_allclose(placed, again, rtol=1e-10)
    np.testing.assert_array_equal(placed[:-1], flat[:-1])
    assert placed[-1] != flat[-1]


def test_each_step_has_its_own_draws_and_validation_the_same(split):
    setup = setup_of(ADAM, SECOND, SETTINGS)
    batches = Batches(0, ADAM, setup, split, replace(SETTINGS, kl_annealing=4))
    chance = batches.to_draw(2, 6)[3]
    assert chance is not None
    noise, share = (np.asarray(x) for x in chance)
    np.testing.assert_array_equal(noise[:4, :, :8], [normal(4, 8, 0, 0, step) for step in range(2, 6)])
    np.testing.assert_array_equal(share[:4, 0], [0.5, 0.75, 1.0, 1.0])
    assert len({row.tobytes() for row in noise[:4]}) == 4
    later = Batches(1, ADAM, setup, split, replace(SETTINGS, kl_annealing=4))
    chance = later.to_draw(0, 1)[3]
    assert chance is not None and np.asarray(chance.share)[0, 0] == 1.0
    for one, other in ((batches, batches), (batches, Batches(0, ADAM, setup, split, SETTINGS))):
        assert one.validation.chance is not None and other.validation.chance is not None
        np.testing.assert_array_equal(one.validation.chance.noise, other.validation.chance.noise)


def taken(split: Split, shape: LatentArchitecture, resume: Checkpoint | None = None, **changes):
    """Rows, checkpoints, and the ends of two phases."""
    settings = replace(SETTINGS, **changes)
    phases = [ADAM, replace(ADAM, steps=4)]
    rows, checkpoints, ended = [], [], []
    for event in fit(new_latent_ode(shape, 0, "float64"), phases, [split] * 2, settings, resume):
        if isinstance(event, Rows):
            rows += event.rows
            checkpoints.append(event.checkpoint())
        elif isinstance(event, PhaseEnded):
            ended.append(event)
    return rows, checkpoints, ended


@pytest.mark.parametrize("shape", [SECOND, FREE], ids=["second_order", "free"])
def test_a_training_that_goes_on_from_a_checkpoint_has_the_numbers_it_would_have_had(split, shape):
    rows, checkpoints, ended = taken(split, shape, augment=True, kl_annealing=6)
    assert rows[-1]["loss"] == pytest.approx(rows[-1]["reconstruction"] + rows[-1]["kl"], rel=1e-12)
    assert rows[0]["kl"] == 0 < rows[5]["kl"]
    first = checkpoints[0]
    assert (first.phase, first.step) == (0, 4)
    later, _, again = taken(split, shape, first, augment=True, kl_annealing=6)
    assert later == rows[4:]
    for one, other in zip(ended, again, strict=True):
        for a, b in zip(jax.tree.leaves(one.best), jax.tree.leaves(other.best), strict=True):
            np.testing.assert_array_equal(a, b)
