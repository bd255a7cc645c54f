"""The integrators against Kepler's solution, a damped oscillator in closed form, and Diffrax.

Longer than most files: all integrators are held against the same solutions.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from effort import OPTIONS
from jax.test_util import check_grads

from keplearn.core.errors import KeplearnError
from keplearn.integrate import Grid, adaptive_solve, fixed_solve, flow_solve, grid_solve
from keplearn.integrate.nystrom import NYSTROM5, TSIT5, step
from keplearn.orbits.elements import kepler_states

ECCENTRICITIES = np.array([0.0, 0.1, 0.3])
DRAG = 0.3


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def kepler(mean_anomalies: np.ndarray, eccentricities: np.ndarray = ECCENTRICITIES) -> np.ndarray:
    """States (sample, 6, orbit) of inclined orbits with a = μ = 1 from ν₀ = 0.5, at mean anomaly = time."""
    angles = [[1.0, e, 0.4, 0.7, 0.2, 0.5] for e in eccentricities]
    return np.moveaxis(kepler_states(np.array(angles), np.atleast_2d(mean_anomalies), 1.0), 0, -1)


def gravity(t, r, v):
    return -r / jnp.sum(r * r, axis=0) ** 1.5


def damped(t, r, v):
    """A damped oscillator: r'' = -r - c v."""
    return -r - DRAG * v


def damped_states(times: np.ndarray, r0: np.ndarray, v0: np.ndarray) -> np.ndarray:
    """Its solution e^(-ct/2) (A cos ωt + B sin ωt), ω² = 1 - c²/4, as (sample, 6, segment)."""
    decay, omega = DRAG / 2, np.sqrt(1 - DRAG**2 / 4)
    t = times[:, None, None]
    b = (v0 + decay * r0) / omega
    envelope, cos, sin = np.exp(-decay * t), np.cos(omega * t), np.sin(omega * t)
    r = envelope * (r0 * cos + b * sin)
    v = -decay * r + omega * envelope * (b * cos - r0 * sin)
    return np.concatenate([r, v], axis=1)


def solve(acceleration, states, times, grid, depends_on_velocity):
    """Integrate from the first of the true states (sample, 6, segment), all at the same times."""
    batched = jnp.asarray(np.broadcast_to(times[:, None], (len(times), states.shape[-1])))
    run = jax.jit(
        lambda y, t: grid_solve(acceleration, y[:3], y[3:], t, grid, depends_on_velocity),
        compiler_options=OPTIONS,
    )
    return np.asarray(run(jnp.asarray(states[0]), batched).states)


def measured_order(errors: list[float]) -> np.ndarray:
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


@pytest.mark.parametrize("depends_on_velocity", [True, False], ids=["Tsit5", "Nyström"])
def test_steps_converge_to_keplers_orbit_with_order_5(depends_on_velocity):
    at_end, in_between = [], []
    for steps in (48, 96, 192):
        times = np.linspace(0, 2 * np.pi, 4 * steps + 1)
        truth = kepler(times)
        solved = solve(gravity, truth, times, Grid(4 * steps + 1, 4), depends_on_velocity)
        error = np.abs(solved - truth[1:]).max(axis=1)  # (sample, orbit)
        at_end.append(error[-1].max())
        in_between.append(error.max())
    assert at_end[-1] < 1e-7
    np.testing.assert_array_less(4.8, measured_order(at_end))
    np.testing.assert_array_less(measured_order(at_end), 5.4)
    np.testing.assert_array_less(4.8, measured_order(in_between))
    np.testing.assert_array_less(measured_order(in_between), 5.4)


@pytest.mark.parametrize("depends_on_velocity, order", [(True, 5), (False, 4)], ids=["Tsit5", "Nyström"])
def test_dense_output_alone_converges(depends_on_velocity, order):
    """Within one step of a true orbit, where the error of the ends is of order 6.

    Nyström's last stage is the end's acceleration to h³ only, the velocities between the ends to h⁴; at the
    steps taken in training it is the more accurate of the two all the same.
    """
    errors = []
    for width in (0.4, 0.1, 0.05, 0.025, 0.0125):
        times = np.linspace(0, width, 7)
        truth = kepler(times)
        solved = solve(gravity, truth, times, Grid(7, 6), depends_on_velocity)
        errors.append(np.abs(solved - truth[1:])[:-1].max())
    np.testing.assert_array_less(order - 0.2, measured_order(errors[1:]))
    np.testing.assert_array_less(measured_order(errors[1:]), order + 0.4)
    assert errors[0] < 1e-3
    assert errors[1] < 2e-6


def test_a_force_with_velocity_converges_with_order_5():
    r0, v0 = np.array([[1.0], [0.2], [-0.3]]), np.array([[0.1], [-0.5], [0.7]])
    errors = []
    for steps in (16, 32, 64):
        times = np.linspace(0, 4, 2 * steps + 1)
        truth = damped_states(times, r0, v0)
        errors.append(np.abs(solve(damped, truth, times, Grid(2 * steps + 1, 2), True) - truth[1:]).max())
    np.testing.assert_array_less(4.8, measured_order(errors))
    np.testing.assert_array_less(measured_order(errors), 5.6)


def test_tsit5_in_nystrom_form_is_tsit5():
    """The steps' ends agree with Diffrax's Tsit5 on y' = (v, a) to rounding, velocity in the force or not."""
    times = jnp.linspace(0.0, 1.7, 18)
    grid = Grid(18, 6)
    ends = np.cumsum(grid.widths)
    for acceleration in (gravity, damped):

        def field(t, y, args, acceleration=acceleration):
            return jnp.concatenate([y[3:], acceleration(t, y[:3, None], y[3:, None])[:, 0]])

        truth = kepler(np.zeros(1))
        ours = solve(acceleration, truth, np.asarray(times), grid, True)
        for k in range(truth.shape[-1]):
            theirs = np.asarray(fixed_solve(field, jnp.asarray(truth[0, :, k]), times, grid))
            np.testing.assert_allclose(ours[ends - 1, :, k], theirs[ends], rtol=0, atol=2e-14)


def test_numbers_without_a_meaning_go_the_steps_of_tsit5_and_order_4_in_between():
    """At irregular times, of several lengths of the last step; beside Diffrax's steps and the closed form."""

    def flow(t, y):
        return jnp.concatenate([y[3:], damped(t, y[:3], y[3:])])

    r0, v0 = np.array([[1.0], [0.2], [-0.3]]), np.array([[0.1], [-0.5], [0.7]])
    errors = []
    for steps in (8, 16, 32):
        parts = np.random.default_rng(steps).uniform(0.2, 1.0, 3 * steps + 1)
        times = 4 * np.cumsum(parts) / parts.sum()
        times, grid = times - times[0], Grid(3 * steps + 2, 3, uniform=False)
        times = np.append(times, times[-1] + 0.01)
        truth = damped_states(times, r0, v0)
        run = jax.jit(lambda y, t, g=grid: flow_solve(flow, y, t, g), compiler_options=OPTIONS)
        ours = np.asarray(run(jnp.asarray(truth[0]), jnp.asarray(times)[:, None]))
        if steps == 8:
            one = lambda t, y, _: flow(t, y[:, None])[:, 0]  # noqa: E731
            theirs = np.asarray(fixed_solve(one, jnp.asarray(truth[0, :, 0]), jnp.asarray(times), grid))
            ends = np.cumsum(grid.widths)
            np.testing.assert_allclose(ours[ends - 1, :, 0], theirs[ends], rtol=0, atol=1e-13)
        errors.append(np.abs(ours - truth[1:]).max())
    assert errors[-1] < 1e-5
    np.testing.assert_array_less(3.8, measured_order(errors))


@pytest.mark.parametrize("method", [TSIT5, NYSTROM5], ids=["Tsit5", "Nyström"])
def test_both_methods_integrate_constant_accelerations_exactly(method):
    np.testing.assert_allclose(method.velocity_weights.sum(), 1, atol=1e-14)
    np.testing.assert_allclose(method.position_weights.sum(), 1 / 2, atol=1e-14)
    if method is NYSTROM5:  # its stages do too; Tsitouras' satisfy only the first column's assumption
        np.testing.assert_allclose(method.position_stages.sum(axis=1), method.nodes**2 / 2, atol=1e-14)


def test_acceleration_at_the_end_of_a_step_is_of_order_four():
    """So that the quintic between the ends has positions to h⁶ and velocities to h⁵, with drag as without."""
    start = jnp.asarray(kepler(np.zeros(1))[0])
    for acceleration in (gravity, damped):
        errors = []
        for h in (0.1, 0.05, 0.025):
            r1, v1, _, a1, _ = step(
                TSIT5,
                acceleration,
                jnp.zeros(start.shape[-1]),
                start[:3],
                start[3:],
                jnp.full(start.shape[-1], h),
            )
            errors.append(np.abs(np.asarray(a1 - acceleration(h, r1, v1))).max())
        np.testing.assert_array_less(3.8, measured_order(errors))


def test_steps_may_be_of_unequal_width():
    assert Grid.default(18).widths == (6, 6, 5)
    assert Grid.default(4).widths == (3,)
    assert Grid.default(4, 9).widths == (3,)
    assert Grid.default(2).widths == (1,)
    assert Grid(10, 2).widths == (2, 2, 2, 2, 1)
    times = np.linspace(0, 17 * np.pi / 180, 18)
    truth = kepler(times)
    solved = solve(gravity, truth, times, Grid(18, 6), False)
    assert solved.shape == (17, 6, len(ECCENTRICITIES))
    np.testing.assert_allclose(solved, truth[1:], atol=2e-6)
    last = np.concatenate([solved[11:12], truth[13:]])  # the last step alone, from where it started
    alone = solve(gravity, last, times[12:], Grid(6, 5), False)
    np.testing.assert_allclose(solved[12:], alone, atol=1e-14)


def test_steps_of_one_sample_may_follow_any_times():
    times = np.concatenate([[0], np.cumsum(np.random.default_rng(3).uniform(0.01, 0.06, 30))])
    truth = kepler(times)
    for depends_on_velocity in (True, False):
        solved = solve(gravity, truth, times, Grid(31, 1), depends_on_velocity)
        np.testing.assert_allclose(solved, truth[1:], atol=1e-7)


@pytest.mark.parametrize("depends_on_velocity, order", [(True, 5), (False, 4)], ids=["Tsit5", "Nyström"])
def test_steps_over_samples_at_any_times_converge_with_order_5(depends_on_velocity, order):
    """16 steps of any widths, each over four samples anywhere within it, cut into ever smaller ones alike.

    Between their ends the order is that of the dense output, as with equal spacing.
    """
    draw = np.random.default_rng(5)
    widths = draw.exponential(size=16)
    within = np.sort(draw.uniform(size=(16, 4)), axis=1)
    within /= within[:, -1:]
    at_ends, in_between = [], []
    for pieces in (6, 12, 24):
        steps = np.repeat(4.0 * widths / widths.sum() / pieces, pieces)[:, None]
        times = np.append(0.0, np.cumsum(steps)[:, None] - steps + steps * np.repeat(within, pieces, axis=0))
        truth = kepler(times)
        solved = solve(gravity, truth, times, Grid(len(times), 4, uniform=False), depends_on_velocity)
        error = np.abs(solved - truth[1:]).max(axis=(1, 2))
        at_ends.append(error[3::4].max())
        in_between.append(error.max())
    assert in_between[-1] < 1e-6
    np.testing.assert_array_less(4.8, measured_order(at_ends))
    np.testing.assert_array_less(measured_order(at_ends), 5.4)
    np.testing.assert_array_less(order - 0.2, measured_order(in_between))


def test_equal_spacing_is_a_case_of_any_times():
    times = np.linspace(0, 17 * np.pi / 180, 18)
    truth = kepler(times)
    one, other = (solve(gravity, truth, times, Grid(18, 6, uniform), False) for uniform in (True, False))
    np.testing.assert_allclose(one, other, rtol=0, atol=2e-14)


def test_each_segment_has_times_of_its_own():
    widths = np.array([0.01, 0.02, 0.05])
    times = np.arange(8)[:, None] * widths
    truth = np.stack([kepler(times[:, k])[..., k] for k in range(3)], axis=-1)
    solved = grid_solve(
        gravity, jnp.asarray(truth[0, :3]), jnp.asarray(truth[0, 3:]), jnp.asarray(times), Grid(8, 3)
    ).states
    np.testing.assert_allclose(solved, truth[1:], atol=1e-5)


@pytest.mark.parametrize("depends_on_velocity", [True, False], ids=["Tsit5", "Nyström"])
def test_reversed_velocities_lead_back(depends_on_velocity):
    times = np.linspace(0, 1.0, 61)
    truth = kepler(times)
    there = solve(gravity, truth, times, Grid(61, 2), depends_on_velocity)
    turned = np.concatenate([there[-1:, :3], -there[-1:, 3:]], axis=1)
    back = solve(gravity, turned, times, Grid(61, 2), depends_on_velocity)[-1]
    np.testing.assert_allclose(back[:3], truth[0, :3], atol=1e-9)
    np.testing.assert_allclose(-back[3:], truth[0, 3:], atol=1e-9)


@pytest.mark.parametrize("depends_on_velocity", [True, False], ids=["Tsit5", "Nyström"])
def test_gradients_agree_with_finite_differences(depends_on_velocity):
    times = jnp.broadcast_to(jnp.linspace(0, 1.2, 18)[:, None], (18, 2))
    start = jnp.asarray(kepler(np.zeros(1), np.array([0.0, 0.3]))[0])

    @jax.jit
    def final(mu, state):
        def force(t, r, v):
            return mu * gravity(t, r, v) - (0.1 * v if depends_on_velocity else 0.0)

        return grid_solve(force, state[:3], state[3:], times, Grid(18, 6), depends_on_velocity).states

    check_grads(final, (jnp.array(1.1), start), order=1, modes=["rev"], eps=1e-5, rtol=1e-7, atol=1e-7)


def test_a_grid_solution_that_blows_up_is_a_value():
    times = np.linspace(0, 30, 8)
    states = kepler(times)
    solved = solve(lambda t, r, v: r * jnp.exp(jnp.sum(r * r, axis=0)), states, times, Grid(8, 1), False)
    assert not np.isfinite(solved[-1]).all()


@pytest.mark.parametrize("depends_on_velocity", [True, False], ids=["Tsit5", "Nyström"])
def test_disagreement_tells_steps_that_resolve_from_those_that_do_not(depends_on_velocity):
    """It falls at least as fast as h³, and a step that leaves a deep perigee too fast disagrees with itself."""
    times = np.linspace(0, 0.8, 17)
    far, deep = (kepler(times, np.array([e])) for e in (0.1, 0.97))

    def worst(states, stride):
        batched = jnp.asarray(times[:, None])
        start = jnp.asarray(states[0])
        return float(
            grid_solve(
                gravity, start[:3], start[3:], batched, Grid(17, stride), depends_on_velocity
            ).disagreement[0]
        )

    fine = [worst(far, stride) for stride in (8, 4, 2, 1)]
    assert fine[-1] < 1e-4 and (measured_order(fine) > 2.9).all()
    assert worst(deep, 16) > 10 > 1 > worst(far, 16)


def test_grids_that_cannot_step_are_refused():
    with pytest.raises(KeplearnError, match="segment length 1"):
        Grid.default(1)
    with pytest.raises(KeplearnError, match="stride 0"):
        Grid.default(18, 0)


@pytest.fixture(scope="module")
def adaptive():
    """The adaptive solver on two-body orbits, batched, with its step limit: one program."""

    def field(t, y, args):
        return jnp.concatenate([y[3:], gravity(t, y[:3, None], y[3:, None])[:, 0]])

    def run(states, times, rtol, max_steps=4096, high_order=False):
        one = lambda y: adaptive_solve(  # noqa: E731
            field, y, times, rtol=rtol, atol=1e-3 * rtol, max_steps=max_steps, high_order=high_order
        )
        return jax.vmap(one)(states)

    return jax.jit(run, static_argnames=("max_steps", "high_order"), compiler_options=OPTIONS)


@pytest.mark.parametrize("high_order", [False, True], ids=["Tsit5", "Dopri8"])
def test_adaptive_steps_follow_keplers_orbit(adaptive, high_order):
    times = np.linspace(0, 2 * np.pi, 50)
    truth = kepler(times, np.array([0.0, 0.4, 0.8]))
    states, ok = adaptive(jnp.asarray(truth[0].T), jnp.asarray(times), 1e-10, high_order=high_order)
    assert np.all(ok)
    np.testing.assert_allclose(np.moveaxis(np.asarray(states), 0, -1), truth, atol=1e-6)


def test_an_adaptive_solver_that_gives_up_says_so_and_leaves_its_neighbours(adaptive):
    times = np.linspace(0, 2 * np.pi, 50)
    truth = kepler(times, np.array([0.0, 0.99]))
    start = np.vstack([truth[0].T, np.full(6, np.nan)])
    states, ok = adaptive(jnp.asarray(start), jnp.asarray(times), 1e-5, max_steps=60)
    np.testing.assert_array_equal(ok, [True, False, False])
    np.testing.assert_allclose(np.asarray(states)[0], truth[..., 0], atol=1e-2)
    assert not np.isfinite(np.asarray(states)[1, -1]).any()
