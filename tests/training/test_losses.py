"""The losses against their formulas, written out in NumPy from the definitions."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from keplearn.models.neural_ode import Architecture, new_model
from keplearn.systems.two_body import TwoBody
from keplearn.training.losses import ADDITIVE_TERMS, LOSSES, Solved, total_loss

WEIGHTS = {
    "mse_weight": 0.7,
    "attraction_weight": 0.3,
    "l1": 0.01,
    "l2": 0.02,
    "energy_drift": 0.4,
    "sign_flip": 0.5,
}
KEEP = np.array([1.0, 1.0, 0.0, 1.0, 1.0])


@pytest.fixture(autouse=True)
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def solved() -> Solved:
    """Three samples of five segments, the third of them lost."""
    draw = np.random.default_rng(0)
    truth = draw.standard_normal((3, 6, 5)) + 1
    predicted = truth + 0.3 * draw.standard_normal(truth.shape)
    with jax.enable_x64(True):
        model = new_model(Architecture("sph_4D_rinv_vel", "mlp_4D_signed", width=6), 2, "float64")
        start = jnp.asarray(truth[0] * 1.1)
        return Solved(
            jnp.asarray(predicted), jnp.asarray(truth), start, jnp.asarray(KEEP), model, TwoBody(1.0)
        )


def kept(x) -> np.ndarray:
    """Without the lost segment."""
    return np.asarray(x)[..., KEEP > 0]


def weights():
    return {name: jnp.asarray(w) for name, w in WEIGHTS.items()}


def percent_error(s: Solved) -> float:
    y, p = kept(s.truth), kept(s.predicted)
    return np.mean(100 * np.linalg.norm(p - y, axis=1) / np.linalg.norm(y, axis=1))


def nmse(s: Solved) -> float:
    y, p = kept(s.truth), kept(s.predicted)
    return 0.7 * 100 * np.sqrt(np.mean((p - y) ** 2) / (np.mean(y**2) + 1e-8) + 1e-8)


def per_sample(function, states) -> np.ndarray:
    """A function of one state over (sample, 6, segment)."""
    states = np.asarray(states)
    rows = [[np.asarray(function(jnp.asarray(y))) for y in sample.T] for sample in states]
    return np.array(rows)


def attraction(s: Solved) -> float:
    p = kept(s.predicted)
    a = per_sample(lambda y: s.model.acceleration(0.0, y[:3], y[3:]), p)
    r = np.moveaxis(p[:, :3], 1, -1)
    cosine = np.sum(a * r, axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(r, axis=-1)
    return 0.3 * 100 * np.mean(np.maximum(cosine, 0))


def relative_squared(s: Solved) -> float:
    y, p = kept(s.truth), kept(s.predicted)
    return np.mean(np.sum((p - y) ** 2, axis=1) / np.sum(y**2, axis=1))


EXPECTED = {
    "percent_error": lambda s: {"percent_error": percent_error(s)},
    "mean_squared_error": lambda s: {"mean_squared_error": np.mean((kept(s.predicted) - kept(s.truth)) ** 2)},
    "percent_error_plus_nmse": lambda s: {"percent_error": percent_error(s), "nmse": nmse(s)},
    "percent_error_with_attraction": lambda s: {
        "percent_error": percent_error(s),
        "attraction": attraction(s),
    },
    "relative_squared_error": lambda s: {"relative_squared_error": relative_squared(s)},
}


def test_every_loss_has_its_formula_here():
    assert set(EXPECTED) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_their_formulas_and_skip_lost_segments(name, solved):
    parts = LOSSES[name](solved, weights())
    assert {k: float(v) for k, v in parts.items()} == pytest.approx(EXPECTED[name](solved), rel=1e-12)
    poisoned = solved._replace(predicted=solved.predicted.at[..., 2].set(solved.truth[..., 0]))
    assert {k: float(v) for k, v in LOSSES[name](poisoned, weights()).items()} == pytest.approx(
        EXPECTED[name](solved), rel=1e-12
    )


def energy(y: np.ndarray) -> np.ndarray:
    return np.sum(y[..., 3:, :] ** 2, axis=-2) / 2 - 1 / np.linalg.norm(y[..., :3, :], axis=-2)


def test_additive_terms_are_their_formulas(solved):
    weight_arrays = [np.asarray(w) for w in solved.model.parameters.weights]
    p, start = kept(solved.predicted), kept(solved.initial)
    along = np.concatenate([start[None], p])
    m = per_sample(lambda y: solved.model.network(y[:3], y[3:])[0], along)
    sign = np.tanh(10 * m)
    expected = {
        "l1": sum(np.abs(w).sum() for w in weight_arrays),
        "l2": sum((w**2).sum() for w in weight_arrays),
        "energy_drift": np.mean(np.abs((energy(p) - energy(start)) / energy(start))),
        "sign_flip": np.mean((1 - sign[1:] * sign[:-1]) / 2),
    }
    assert {k: float(f(solved)) for k, f in ADDITIVE_TERMS.items()} == pytest.approx(expected, rel=1e-11)


def test_a_segment_of_two_samples_has_finite_terms(solved):
    short = solved._replace(predicted=solved.predicted[:1], truth=solved.truth[:1])
    assert all(np.isfinite(term(short)) for term in ADDITIVE_TERMS.values())


@pytest.mark.parametrize("name", LOSSES)
def test_parts_add_up_to_the_loss(name, solved):
    total, parts = total_loss(name, tuple(ADDITIVE_TERMS), solved, weights())
    assert set(parts) == set(EXPECTED[name](solved)) | set(ADDITIVE_TERMS)
    assert float(total) == pytest.approx(sum(float(x) for x in parts.values()), rel=1e-14)
    assert float(parts["l2"]) == pytest.approx(0.02 * float(ADDITIVE_TERMS["l2"](solved)), rel=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_has_a_finite_gradient(name, solved):
    def loss(predicted):
        perfect = solved._replace(predicted=predicted, initial=solved.truth[0])
        return total_loss(name, ("energy_drift", "sign_flip"), perfect, weights())[0]

    value, gradient = jax.value_and_grad(loss)(solved.truth)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_no_kept_segment_is_0_and_no_division_by_zero(solved):
    for name in LOSSES:
        total, _ = total_loss(name, (), solved._replace(keep=0 * solved.keep), weights())
        assert np.isfinite(total)
