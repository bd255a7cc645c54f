"""A model that loses samples ranks below one that does not, whatever the mean of what is left."""

import numpy as np
import pytest

from keplearn.data.units import units_for
from keplearn.evaluation.ranking import best, drawn_value, lost_text, order, places
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.statistics import quantiles
from keplearn.evaluation.store import load_evaluation, save_evaluation
from keplearn.evaluation.table import orbit_table, summary
from tests.evaluation.known_fields import infinite_near_perigee, kepler_dataset, too_strong

# Perigees from 0.12 to 0.9 length units: five of eight orbits come near the centre.
ORBITS = [[30_000.0, e, 0.0, np.nan, np.nan, np.pi] for e in (0.05, 0.1, 0.2, 0.6, 0.65, 0.7, 0.72, 0.75)]


@pytest.fixture(scope="module")
def dataset():
    return kepler_dataset(ORBITS, samples=60)


@pytest.fixture(scope="module")
def scored(models_of, dataset):
    """The summaries of a field that is infinite near perigee, and of the same without that."""
    units = units_for(kepler_dataset([[40_000.0, 0.0, 0.0, np.nan, np.nan, 0.0]]))
    return {
        law.__name__: evaluate(models_of(law, units), dataset) for law in (infinite_near_perigee, too_strong)
    }


def test_a_field_that_is_infinite_near_perigee_ranks_below_the_same_without(scored):
    scores = {name: summary(one) for name, one in scored.items()}
    losing, whole = scores["infinite_near_perigee"], scores["too_strong"]
    # Its hardest samples are those that it lost: the mean of the others is smaller.
    assert losing["mean"] < 0.8 * whole["mean"]
    assert (losing["diverged"], whole["diverged"]) == (5, 0)
    assert losing["lost"] > 5 * 20
    assert (whole["lost"], whole["lost-field"]) == (0, 0)
    assert losing["lost-field"] > 0
    for metric in ("mean", "field", "median", "q3", "max", "position%"):
        assert best(scores.items(), metric) == "too_strong"
        assert order(losing, metric) > order(whole, metric)
    assert drawn_value(losing, "mean") == np.inf
    assert drawn_value(whole, "mean") == whole["mean"]
    assert lost_text(losing) == f"{losing['lost']} samples lost"
    # A summary as it was kept before samples were counted.
    before = {key: losing[key] for key in ("mean", "field", "diverged")}
    assert best([("losing", before), ("whole", whole)]) == "whole"
    assert lost_text(before) == "5 orbits diverged"


def test_quantiles_count_what_is_lost_as_infinite(scored):
    losing = scored["infinite_near_perigee"]
    scores, orbits = summary(losing), orbit_table(losing)
    lost = ~np.isfinite(losing["mean"].values)
    assert scores["lost"] == lost.sum() == orbits["lost"].sum()
    assert scores["max"] == np.inf
    assert scores["median"] >= np.median(losing["mean"].values[~lost])
    assert (orbits["max"] == np.inf).tolist() == [k >= 3 for k in range(8)]
    assert quantiles(np.array([3.0, np.inf, 1.0, 2.0, np.inf]), [0.0, 0.5, 0.6, 0.75]) == [
        1,
        3,
        np.inf,
        np.inf,
    ]
    assert quantiles(np.array([2.0, 1.0, np.nan]), [0.5]) == [1.5]
    assert np.isnan(quantiles(np.array([np.nan]), [0.5])).all()


def test_summaries_are_ordered_by_what_is_lost_and_then_by_value():
    few, many = {"median": 90.0, "lost": 1}, {"median": 1.0, "lost": 7}
    nothing_left, unscored = {"median": None, "lost": 9}, {}
    poor, good = {"median": 80.0, "lost": 0}, {"median": 2.0, "lost": 0}
    listed = [unscored, many, poor, nothing_left, few, good]
    assert sorted(listed, key=order) == [good, poor, few, many, nothing_left, unscored]
    assert places(listed, "median") == [None, 3, 1, 4, 2, 0]
    assert best(enumerate([unscored, nothing_left])) is None
    # Seconds are no score: nothing is lost of them.
    assert order({"seconds": 3.0, "lost": 7}, "seconds") == (0, 3.0)


def test_infinite_errors_stay_infinite_in_their_file(scored, dataset, tmp_path):
    save_evaluation(scored["infinite_near_perigee"], tmp_path / "kept.nc")
    kept = summary(load_evaluation(tmp_path / "kept.nc", dataset))
    made = summary(scored["infinite_near_perigee"])
    assert kept["lost-field"] == made["lost-field"]
    assert kept["field"] == pytest.approx(made["field"], rel=1e-5)
