"""What each step of a phase takes: its learning rate, its batch, its rotations."""

import jax
import numpy as np
import optax
import pytest

from keplearn.training.curriculum import Phase, batch_order, random_rotations
from keplearn.training.schedules import SCHEDULES


def test_rates_warm_up_and_fall_as_named():
    rates = {
        name: Phase((0.0, 1.0), 0.01, 100, 18, schedule=name).learning_rates(0, 100)
        for name in ("exponential", "warmup_cosine")
    }
    np.testing.assert_allclose(rates["exponential"], 0.01 * 10.0 ** (-2 * np.arange(100) / 100), rtol=1e-12)
    warm = rates["warmup_cosine"]
    np.testing.assert_allclose(warm[:6], 0.01 * np.array([1, 2, 3, 4, 5, 6]) / 6, rtol=1e-12)
    np.testing.assert_allclose(warm[5:], 0.005 * (1 + np.cos(np.pi * np.arange(95) / 95)), rtol=1e-12)
    pieces = [
        Phase((0.0, 1.0), 0.01, 100, 18, schedule="warmup_cosine").learning_rates(*x)
        for x in ((0, 3), (3, 100))
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), warm)


def test_an_epoch_takes_each_segment_at_most_once_and_drops_the_incomplete_batch():
    order = batch_order(7, 0, 0, 9, n_segments=11, batch_size=3)
    assert order.shape == (9, 3) and order.dtype == np.int32
    for epoch in order.reshape(3, 9):
        assert len(set(epoch)) == 9 and set(epoch) <= set(range(11))
    assert not np.array_equal(order[:3], order[3:6])


def test_a_full_batch_is_a_permutation_of_all():
    order = batch_order(0, 0, 0, 4, n_segments=5, batch_size=5)
    np.testing.assert_array_equal(np.sort(order), [range(5)] * 4)


def test_the_order_is_a_function_of_seed_phase_and_step():
    whole = batch_order(3, 1, 0, 40, 23, 4)
    pieces = [batch_order(3, 1, a, b, 23, 4) for a, b in ((0, 1), (1, 7), (7, 29), (29, 40))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    for other in (batch_order(4, 1, 0, 40, 23, 4), batch_order(3, 0, 0, 40, 23, 4)):
        assert not np.array_equal(other, whole)


def test_learning_rates_are_constant_or_half_a_cosine():
    phase = Phase((0.0, 1.0), 0.01, 100, 18)
    np.testing.assert_array_equal(phase.learning_rates(3, 6), [0.01] * 3)
    cosine = Phase((0.0, 1.0), 0.01, 100, 18, schedule="cosine").learning_rates(0, 100)
    assert cosine[0] == 0.01
    np.testing.assert_allclose(cosine[50], 0.005, rtol=1e-12)
    assert 0 < cosine[-1] < 1e-5 and np.all(np.diff(cosine) < 0)
    with jax.enable_x64(True):
        of_optax = optax.cosine_decay_schedule(0.01, 100)(np.arange(100))
    np.testing.assert_allclose(cosine, of_optax, rtol=0, atol=1e-17)


def test_the_rate_is_halved_where_validations_get_no_better():
    """After five in a row of which none is a ten thousandth better, and after five more again."""
    phase = Phase((0.0, 1.0), 0.01, 100, 18, schedule="reduce_on_plateau")
    losses = [3.0, 2.0, 2.1, 2.0, 1.9999, 2.0, 2.5, *[2.0] * 5, 1.0, *[1.0] * 4]
    validated = [(10 * k, loss) for k, loss in enumerate(losses, 1)]
    rates = [phase.learning_rates(10 * k, 10 * k + 2, validated[:k]) for k in range(len(losses) + 1)]
    assert all(len(rate) == 2 and rate[0] == rate[1] for rate in rates)
    assert [rate[0] for rate in rates] == [0.01] * 7 + [0.005] * 5 + [0.0025] * 6
    # Losses may be negative: better is less.
    assert phase.learning_rates(0, 1, [(1, -1.0), *[(k, -1.1) for k in range(2, 7)]]) == 0.01
    assert phase.learning_rates(0, 1, [(1, -1.0), *[(k, -0.9) for k in range(2, 7)]]) == 0.005


def test_rates_are_the_same_to_the_last_bit_however_many_are_asked_for_at_once():
    phase = Phase((0.0, 1.0), 0.003, 3000, 18, schedule="cosine")
    whole = phase.learning_rates(0, 3000)
    pieces = [phase.learning_rates(first, first + 100) for first in range(0, 3000, 100)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    np.testing.assert_array_equal(whole, 0.003 * (1 + np.cos(np.pi * np.arange(3000) / 3000)) / 2)


def test_a_schedule_of_optax_is_one_line(monkeypatch):
    """It is asked for with the steps already taken, in double precision."""
    monkeypatch.setitem(
        SCHEDULES, "warmup", lambda rate, steps: optax.warmup_cosine_decay_schedule(0.0, rate, 10, steps)
    )
    rates = Phase((0.0, 1.0), 0.01, 100, 18, schedule="warmup").learning_rates(0, 100)
    assert rates.dtype == np.float64 and rates[0] == 0 and np.argmax(rates) == 10
    np.testing.assert_allclose(rates[:11], np.linspace(0, 0.01, 11), rtol=1e-14)


@pytest.mark.parametrize("planar", [True, False])
def test_rotations_are_proper_and_a_function_of_the_step(planar):
    turns = random_rotations(0, 0, 0, 3, 500, planar)
    assert turns.shape == (3, 3, 3, 500)
    product = np.einsum("sijb,skjb->sikb", turns, turns)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3)[:, :, None], product.shape), atol=1e-14)
    np.testing.assert_allclose(np.linalg.det(np.moveaxis(turns, -1, 1)), 1, rtol=1e-13)
    np.testing.assert_array_equal(random_rotations(0, 0, 2, 3, 500, planar)[0], turns[2])
    assert not np.array_equal(turns[0], turns[1])
    mean = turns.mean(axis=(0, 3))  # uniform: no direction is preferred
    expected = np.diag([0.0, 0.0, 1.0]) if planar else np.zeros((3, 3))
    np.testing.assert_allclose(mean, expected, atol=0.07)
    if planar:
        np.testing.assert_array_equal(turns[:, 2, :2], 0.0)
        np.testing.assert_array_equal(turns[:, :2, 2], 0.0)
