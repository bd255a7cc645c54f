"""The optimisers on functions whose minima are known."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
import pytest

from keplearn.core import tables
from keplearn.core.errors import KeplearnError
from keplearn.training.optimizers import OPTIMIZERS, LeastSquares, Minimiser, Pace, optimizer


@pytest.fixture(autouse=True)
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


ADAM = OPTIMIZERS["adam"]
SCALES = np.logspace(-2, 2, 8)
MINIMUM = np.linspace(-1, 1, 8)


def quadratic(x):
    loss = 0.5 * jnp.sum(jnp.asarray(SCALES, x.dtype) * (x - jnp.asarray(MINIMUM, x.dtype)) ** 2)
    return loss, {"quadratic": loss}


def rosenbrock(x):
    loss = jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    return loss, {"rosenbrock": loss}


def run(optimizer, function, start, steps, rate=0.0, max_norm=np.inf, decay=0.0):
    """Steps of an optimiser in one compiled loop: the last point, the losses, the gradient norms."""
    optimizer = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    rate, max_norm = jnp.asarray(rate, start.dtype), jnp.asarray(max_norm, start.dtype)

    def body(carry, _):
        step = optimizer.step(function, carry[0], carry[1], Pace(rate, max_norm, decay))
        return (step.parameters, step.state), (step.loss, step.gradient_norm, step.finite)

    begin = (start, optimizer.init(function, start))
    (x, _), (losses, norms, finite) = jax.jit(lambda c: jax.lax.scan(body, c, None, length=steps))(begin)
    assert np.all(finite)
    return np.asarray(x), np.asarray(losses), np.asarray(norms)


@pytest.mark.parametrize(
    ("function", "start", "minimum", "steps"),
    [(quadratic, np.zeros(8), MINIMUM, 150), (rosenbrock, np.array([-1.2, 1.0, -0.5]), np.ones(3), 150)],
    ids=["quadratic", "Rosenbrock"],
)
def test_bfgs_finds_known_minima_and_its_loss_never_rises(function, start, minimum, steps):
    x, losses, norms = run("bfgs", function, jnp.asarray(start), steps)
    np.testing.assert_allclose(x, minimum, atol=1e-7)
    assert np.all(np.diff(losses) <= 0)
    assert norms[-1] < 1e-7 * norms[0]


def test_bfgs_goes_on_where_losses_are_tiny():
    """A loss of 1e-14 is as good as any: only ratios count."""
    tiny = lambda x: jax.tree.map(lambda loss: 1e-14 * loss, rosenbrock(x))  # noqa: E731
    x, _, _ = run("bfgs", tiny, jnp.array([-1.2, 1.0, -0.5]), 6000)
    np.testing.assert_allclose(x, 1.0, atol=1e-4)


def test_bfgs_rejects_a_point_where_the_loss_is_not_finite():
    def walled(x):
        loss = jnp.sum((x - 0.9) ** 2) * 50
        return jnp.where(jnp.all(jnp.abs(x) < 1), loss, jnp.nan), {"loss": loss}

    x, losses, _ = run("bfgs", walled, jnp.zeros(2), 60)
    np.testing.assert_allclose(x, 0.9, atol=1e-6)
    assert np.isfinite(losses).all()


def test_bfgs_keeps_the_dtype():
    x, losses, _ = run("bfgs", quadratic, jnp.zeros(8, jnp.float32), 100)
    assert x.dtype == losses.dtype == np.float32
    np.testing.assert_allclose(x, MINIMUM, atol=1e-3)


def test_lbfgs_finds_a_known_minimum_and_its_loss_never_rises():
    x, losses, _ = run("lbfgs", rosenbrock, jnp.array([-1.2, 1.0, -0.5]), 200)
    np.testing.assert_allclose(x, 1.0, atol=1e-6)
    assert np.all(np.diff(losses) <= 0)


def test_adamw_is_adam_and_a_decay_apart_and_lion_goes_by_signs():
    """By their papers; a decay of 0 makes adamw adam."""
    start, decay = jnp.full(8, 3.0), 0.1
    plain = run("adam", quadratic, start, 1, rate=0.01)[0]
    np.testing.assert_array_equal(run("adamw", quadratic, start, 1, rate=0.01)[0], plain)
    decayed = run("adamw", quadratic, start, 1, rate=0.01, decay=decay)[0]
    np.testing.assert_allclose(decayed, plain - 0.01 * decay * 3.0, rtol=1e-12)
    signs = np.sign(SCALES * (3.0 - MINIMUM))
    found = run("lion", quadratic, start, 1, rate=0.01, decay=decay)[0]
    np.testing.assert_allclose(found, 3.0 - 0.01 * (signs + decay * 3.0), rtol=1e-12)


def test_damping_has_a_floor_below_which_what_the_data_leave_free_is_not_moved():
    """Of a residual that is 1e-7 as steep along y as along x, y stays where undamped steps would send it to 1e7."""

    def nearly_free(x):
        residuals = jnp.stack([x[0] - 1.0, 1e-7 * x[1] - 1.0])
        return residuals, (jnp.sum(residuals**2) / 2, {})

    x, losses, _ = run("levenberg_marquardt", nearly_free, jnp.zeros(2), 40)
    assert x[0] == pytest.approx(1.0, abs=1e-6) and losses[-1] == pytest.approx(0.5, rel=0.1)
    assert 0 < x[1] < 1e6


def test_adam_takes_the_steps_of_its_paper():
    m = v = np.zeros(8)
    x = np.zeros(8)
    for t in range(1, 6):
        gradient = SCALES * (x - MINIMUM)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        x = x - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    found, _, _ = run("adam", quadratic, jnp.zeros(8), 5, rate=0.01)
    np.testing.assert_allclose(found, x, rtol=1e-12)


def test_a_long_gradient_is_shortened_to_the_bound_and_keeps_its_direction():
    """Adam's first moment after one step is a tenth of the gradient that it took."""
    x = jnp.zeros(8)
    gradient = -SCALES * MINIMUM
    length = np.linalg.norm(gradient)
    for bound in (0.01 * length, 100 * length):
        step = jax.jit(lambda b: ADAM.step(quadratic, x, ADAM.init(quadratic, x), Pace(jnp.asarray(0.1), b)))(
            bound
        )
        taken = np.asarray(step.state[0].mu) / 0.1
        np.testing.assert_allclose(taken, gradient * min(1.0, bound / length), rtol=1e-12)
        assert step.gradient_norm == pytest.approx(length)


def test_a_bound_that_no_gradient_reaches_changes_no_bit():
    free, bounded = (run("adam", quadratic, jnp.zeros(8), 20, rate=0.01, max_norm=m) for m in (np.inf, 1e3))
    for one, other in zip(free, bounded, strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_huge_gradient_does_not_stall_what_comes_after():
    """A first gradient 1e12 times as long: the second moment remembers it for a thousand steps."""

    def trained(bound):
        def body(carry, i):
            steep = jnp.where(i == 0, 1e12, 1.0)
            function = lambda x: jax.tree.map(lambda loss: steep * loss, quadratic(x))  # noqa: E731
            step = ADAM.step(function, carry[0], carry[1], Pace(jnp.asarray(0.05), bound))
            return (step.parameters, step.state), None

        x = jnp.full(8, 3.0)
        (x, _), _ = jax.lax.scan(body, (x, ADAM.init(quadratic, x)), jnp.arange(300))
        return quadratic(x)[0]

    start = quadratic(jnp.full(8, 3.0))[0]
    unclipped, clipped = map(jax.jit(trained), jnp.array([np.inf, 100.0]))
    assert unclipped > 0.5 * start and clipped < 0.01 * start


def test_adam_does_not_go_where_parameters_are_not_finite():
    x = jnp.zeros(8)
    step = ADAM.step(quadratic, x, ADAM.init(quadratic, x), Pace(jnp.asarray(np.inf), jnp.asarray(100.0)))
    assert not step.finite and np.isfinite(step.loss)
    np.testing.assert_array_equal(step.parameters, x)


def test_adam_stays_where_a_gradient_is_not_finite():
    def broken(x):
        return jnp.sum(jnp.sqrt(x)), {}

    x = jnp.array([0.0, 1.0])
    state = ADAM.init(broken, x)
    step = ADAM.step(broken, x, state, Pace(jnp.asarray(0.1), jnp.asarray(jnp.inf)))
    assert not step.finite
    np.testing.assert_array_equal(step.parameters, x)
    for new, old in zip(jax.tree.leaves(step.state), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(new, old)


def rosenbrock_residuals(x):
    """Half of whose squared length is Rosenbrock's function, beside that and its parts."""
    return jnp.sqrt(2.0) * jnp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]]), rosenbrock(x)


@pytest.mark.parametrize(
    "adapter",
    [LeastSquares(optimistix.Dogleg(0.0, 0.0)), OPTIMIZERS["levenberg_marquardt"]],
    ids=["Dogleg", "levenberg_marquardt"],
)
def test_least_squares_finds_a_known_minimum_and_its_loss_never_rises(adapter):
    x, losses, norms = run(adapter, rosenbrock_residuals, jnp.array([-1.2, 1.0, -0.5]), 40)
    np.testing.assert_allclose(x, 1.0, atol=1e-7)
    assert np.all(np.diff(losses) <= 0)
    assert losses[0] == pytest.approx(float(rosenbrock(jnp.array([-1.2, 1.0, -0.5]))[0]))
    gradient = jax.grad(lambda x: rosenbrock(x)[0])(jnp.array([-1.2, 1.0, -0.5]))
    assert norms[0] == pytest.approx(float(jnp.linalg.norm(gradient)))


def test_least_squares_reject_a_point_where_residuals_are_not_finite():
    def walled(x):
        residuals = jnp.where(jnp.all(jnp.abs(x) < 1), 10 * (jnp.exp(x) - jnp.exp(0.9)), jnp.nan)
        return residuals, (jnp.sum(residuals**2) / 2, {})

    x, losses, _ = run(
        LeastSquares(optimistix.LevenbergMarquardt(0.0, 0.0)), walled, jnp.array([-0.9, 0.2]), 60
    )
    np.testing.assert_allclose(x, 0.9, atol=1e-6)
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    ("adapter", "function"),
    [
        (OPTIMIZERS["adam"], rosenbrock),
        (OPTIMIZERS["bfgs"], rosenbrock),
        (LeastSquares(optimistix.LevenbergMarquardt(0.0, 0.0)), rosenbrock_residuals),
    ],
    ids=["adam", "bfgs", "least squares"],
)
def test_the_state_of_every_adapter_is_arrays_alone_for_programs_and_checkpoints(adapter, function):
    """`jax.eval_shape` takes nothing else."""
    before, after = (
        jax.eval_shape(state, jnp.zeros(3))
        for state in (
            lambda x: adapter.init(function, x),
            lambda x: adapter.step(function, x, adapter.init(function, x), Pace(x[0], x[0])).state,
        )
    )
    assert jax.tree.leaves(before) == jax.tree.leaves(after) != []


def test_a_minimiser_of_optimistix_and_a_transformation_of_optax_need_no_code_of_their_own():
    conjugate = Minimiser(optimistix.NonlinearCG(0.0, 0.0))
    x, losses, _ = run(conjugate, quadratic, jnp.zeros(8), 400)
    assert losses[-1] < 1e-3 * losses[0] and np.all(np.diff(losses) <= 0)
    with entered(lambda learning_rate: optax.sgd(learning_rate, momentum=0.9), "momentum") as momentum:
        x, _, _ = run(momentum, quadratic, jnp.zeros(8), 3, rate=0.01)
    expected, trace = np.zeros(8), np.zeros(8)
    for _ in range(3):
        trace = SCALES * (expected - MINIMUM) + 0.9 * trace
        expected = expected - 0.01 * trace
    np.testing.assert_allclose(x, expected, rtol=1e-12)


@contextmanager
def entered(function, name):
    """The entry of a function in the table, as a plugin would make it; it is gone afterwards."""
    function.__name__ = name
    before = set(OPTIMIZERS)
    optimizer(function)
    (added,) = set(OPTIMIZERS) - before
    yield OPTIMIZERS[added]
    tables.remove(added.partition("@")[2])


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: optax.sgd(0.1), "one of nothing that returns GradientTransformation"),
        (lambda rate: optimistix.BFGS(0.0, 0.0), "one of the rate that returns BFGS"),
        (lambda: optimistix.NelderMead(0.0, 0.0), "one of nothing that returns NelderMead"),
    ],
)
def test_what_is_none_of_the_three_kinds_is_refused(function, said):
    before = dict(OPTIMIZERS)
    with pytest.raises(KeplearnError, match=rf"optimizer <lambda>: it must be .*; it is {said}"):
        optimizer(function)
    assert dict(OPTIMIZERS) == before
