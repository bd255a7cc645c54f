"""The families draw what their definitions say, the same numbers everywhere."""

import numpy as np
import pytest

from keplearn.orbits.constants import EARTH_RADIUS, GEO_RADIUS
from keplearn.orbits.families import FAMILIES, draw_elements, uniform_stream

SEVERAL = 4000
PINNED_DRAW = [0.8985410018930278, 0.0007972047763784573]
PINNED_A = [0.9127598663860436, 0.3631716112461588, 0.24447440673016518]
PINNED_E = [0.3707472153698731, 0.0742231253604001]
PINNED_ORBIT = [25750.055483130473, 0.6195909151495395, 5.476213022961121]


def draw(family="complex", n=SEVERAL, **options):
    return draw_elements(family, "TBP", n, **options)


def test_the_streams_give_these_numbers_for_ever():
    found = uniform_stream("complex", "TBP", "train", "a", 3)
    assert found.tolist() == PINNED_A
    assert uniform_stream("simple", "TBP", "", "e", 2).tolist() == PINNED_E
    assert draw(n=1, split="test", planar=True)[0, [0, 1, 5]].tolist() == pytest.approx(
        PINNED_ORBIT, rel=1e-15
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_no_orbit_meets_the_earth_or_leaves_the_range(family):
    a, e = draw(family)[:, :2].T
    assert a.min() >= EARTH_RADIUS + 200
    assert a.max() <= GEO_RADIUS
    assert (a * (1 - e)).min() >= EARTH_RADIUS * (1 - 1e-12)
    assert e.max() <= {"complex": 0.99, "simple": 0.1, "circular": 0.0}[family]


def test_elements_are_spread_evenly():
    a, e, i, node, argument, nu = draw().T
    e_max = np.minimum(0.99, 1 - EARTH_RADIUS / a)
    low = EARTH_RADIUS + 200
    shares = [(a - low) / (GEO_RADIUS - low), e / e_max, (1 - np.cos(i)) / 2]
    shares += [angle / (2 * np.pi) for angle in (node, argument, nu)]
    for share in shares:
        # Kolmogorov-Smirnov: 1.95/sqrt(n) is exceeded by chance once in a thousand draws.
        ranks = np.arange(1, SEVERAL + 1) / SEVERAL
        assert np.abs(np.sort(share) - ranks).max() < 1.95 / np.sqrt(SEVERAL)
    assert np.abs(np.corrcoef(shares) - np.eye(6)).max() < 0.06


def test_draws_are_independent_of_one_another():
    assert uniform_stream("complex", "TBP", "train", "a", 2, draw=1).tolist() == PINNED_DRAW
    draws = [draw(split="train", draw=k) for k in range(5)]
    for element in (0, 1, 2, 5):
        assert np.abs(np.corrcoef([orbits[:, element] for orbits in draws]) - np.eye(5)).max() < 0.06


@pytest.mark.parametrize("planar", [True, False])
def test_the_orbits_of_a_draw_are_nested(planar):
    few, many = (draw(n=n, split="train", draw=3, planar=planar) for n in (10, 100))
    np.testing.assert_array_equal(few, many[:10])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("planar", [True, False])
def test_fewer_orbits_are_the_first_of_more(family, planar):
    np.testing.assert_array_equal(draw(family, 10, planar=planar), draw(family, 100, planar=planar)[:10])


def test_splits_and_families_are_independent():
    anomalies = [draw(split=s)[:, 5] for s in ("train", "val", "test", "")] + [draw("simple")[:, 5]]
    assert np.abs(np.corrcoef(anomalies) - np.eye(5)).max() < 0.06


def test_planar_and_modifiers_change_only_what_they_name():
    plain, planar = draw(), draw(planar=True)
    np.testing.assert_array_equal(planar[:, [0, 1, 5]], plain[:, [0, 1, 5]])
    fixed = draw(planar=True, modifiers=("fixnu0",))
    np.testing.assert_array_equal(fixed[:, :5], planar[:, :5])
    assert (fixed[:, 5] == 0).all()
    rotated = draw(planar=True, modifiers=("rotated",))
    np.testing.assert_array_equal(rotated[:, [0, 1, 2, 3, 5]], planar[:, [0, 1, 2, 3, 5]])
    assert np.isfinite(rotated[:, 4]).all()


def test_undefined_elements_are_nan():
    np.testing.assert_array_equal(np.isnan(draw(n=1, planar=True)[0]), [0, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(np.isnan(draw("circular", n=1)[0]), [0, 0, 0, 0, 1, 0])
    assert np.isfinite(draw(n=1)).all()
