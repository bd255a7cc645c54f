"""The losses against their formulas, written out in NumPy from the definitions."""

from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.systems.two_body import TwoBody
from keplearn.training.losses import (
    ADDITIVE_TERMS,
    LOSSES,
    least_squares,
    loss,
    needs_of,
    parts_without_squares,
    total_loss,
)
from keplearn.training.residuals import Penalty, Residuals
from keplearn.training.solved import FieldPair, Solved

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
        keep, law = jnp.asarray(KEEP), TwoBody(1.0)
        return Solved(jnp.asarray(truth), start, keep, model, trajectory=jnp.asarray(predicted), system=law)


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
    a = per_sample(lambda y: s.learned.acceleration(0.0, y[:3], y[3:]), p)
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
    poisoned = replace(solved, trajectory=solved.predicted.at[..., 2].set(solved.truth[..., 0]))
    for given in (solved, poisoned):
        parts = total_loss(name, (), given, weights())[1]
        assert {k: float(v) for k, v in parts.items()} == pytest.approx(EXPECTED[name](solved), rel=1e-12)


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
    assert term_values(solved) == pytest.approx(expected, rel=1e-11)


def term_values(solved: Solved) -> dict[str, float]:
    """The additive terms with a weight of 1 each."""
    ones = dict.fromkeys(WEIGHTS, jnp.asarray(1.0))
    parts = total_loss("mean_squared_error", tuple(ADDITIVE_TERMS), solved, ones)[1]
    return {name: float(parts[name]) for name in ADDITIVE_TERMS}


def test_a_segment_of_two_samples_has_finite_terms(solved):
    short = replace(solved, trajectory=solved.predicted[:1], truth=solved.truth[:1])
    assert all(np.isfinite(value) for value in term_values(short).values())


@pytest.mark.parametrize("name", LOSSES)
def test_parts_add_up_to_the_loss(name, solved):
    total, parts = total_loss(name, tuple(ADDITIVE_TERMS), solved, weights())
    assert set(parts) == set(EXPECTED[name](solved)) | set(ADDITIVE_TERMS)
    assert float(total) == pytest.approx(sum(float(x) for x in parts.values()), rel=1e-14)
    assert float(parts["l2"]) == pytest.approx(0.02 * term_values(solved)["l2"], rel=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_has_a_finite_gradient(name, solved):
    def total(predicted):
        perfect = replace(solved, trajectory=predicted, initial=solved.truth[0])
        return total_loss(name, ("energy_drift", "sign_flip"), perfect, weights())[0]

    value, gradient = jax.value_and_grad(total)(solved.truth)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_no_kept_segment_is_0_and_no_division_by_zero(solved):
    for name in LOSSES:
        total, _ = total_loss(name, (), replace(solved, keep=0 * solved.keep), weights())
        assert np.isfinite(total)


@pytest.mark.parametrize(
    ("name", "terms"),
    [("mean_squared_error", ()), ("relative_squared_error", ()), ("relative_squared_error", ("l2",))],
)
def test_a_loss_of_squares_is_half_the_squared_length_of_its_least_squares_vector(name, terms, solved):
    """And so is its gradient, which is what a step of least squares goes by."""

    def scalar(predicted):
        return total_loss(name, terms, replace(solved, trajectory=predicted), weights())[0]

    def half_square(predicted):
        vector = least_squares(name, terms, replace(solved, trajectory=predicted), weights())
        return jnp.sum(vector * vector) / 2

    (value, slope), (expected, gradient) = (
        jax.value_and_grad(f)(solved.predicted) for f in (half_square, scalar)
    )
    assert value == pytest.approx(float(expected), rel=1e-13)
    np.testing.assert_allclose(slope, gradient, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(
    ("name", "terms", "part"),
    [
        ("percent_error", (), "percent_error"),
        ("percent_error_plus_nmse", (), "percent_error, nmse"),
        ("relative_squared_error", ("l1", "energy_drift"), "l1, energy_drift"),
    ],
)
def test_what_is_no_sum_of_squares_is_known_by_name(name, terms, part, solved):
    assert ", ".join(parts_without_squares(name, terms, solved, weights())) == part


def test_weights_and_scales_enter_the_number_and_the_vector_alike():
    """1/2 Σ of (2 w keep r²)/(n s) is w · mean r²/s over two samples of the two segments that are kept."""
    values = jnp.arange(1.0, 7.0).reshape(2, 1, 3)
    scale, keep = jnp.array([[1.0, 2.0, 4.0]] * 2), jnp.array([1.0, 0.0, 1.0])
    part = Residuals(values, scale=scale, weight=3.0)
    expected = 3 * (1 + 9 / 4 + 16 + 36 / 4) / 4
    assert float(part.value(keep)) == pytest.approx(expected)
    vector = part.least_squares(keep)
    assert vector is not None and float(jnp.sum(vector**2) / 2) == pytest.approx(expected)
    assert float(Residuals(values, 1, scale).value(keep)) == pytest.approx((1 + 3 / 4 + 4 + 6 / 4) / 4)
    penalty = Penalty([jnp.array([1.0, -2.0]), jnp.array([[3.0]])], weight=0.5)
    vector = penalty.least_squares(keep)
    assert vector is not None
    assert float(penalty.value(keep)) == float(jnp.sum(vector**2) / 2) == pytest.approx(7)


def test_a_loss_sees_what_it_says_that_it_needs_and_nothing_else(solved):
    assert needs_of("percent_error", ("l2",)) == {"pair"}
    assert needs_of("percent_error", ("energy_drift",)) == {"pair", "trajectory", "law"}
    nothing = replace(solved, trajectory=None, system=None)
    for need, look in (
        ("trajectory", lambda: nothing.predicted),
        ("field", lambda: nothing.field),
        ("law", lambda: nothing.law),
    ):
        with pytest.raises(KeplearnError, match=f"looks at the {need} and does not say so"):
            look()
    pair = FieldPair(solved.truth, solved.truth)
    assert replace(solved, rates=pair).field is pair


@pytest.mark.parametrize(
    ("needs", "said"),
    [("orbit", "needs 'orbit', which is none of"), ("law", "must need pair, trajectory or field")],
)
def test_a_loss_that_compares_nothing_is_refused(needs, said):
    with pytest.raises(KeplearnError, match=f"loss mine: .*{said}"):

        @loss(needs=needs)
        def mine(solved, weights):
            return {}
