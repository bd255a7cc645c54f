"""A mean that a few orbits rule is told as such, with how many of them carry how much of it."""

import numpy as np

from keplearn.evaluation.remarks import is_ruled, remarks, ruled_by

COUNTS = np.full(100, 360.0)


def scores(means):
    samples = np.repeat(means, 360)
    return {"mean": float(samples.mean()), "median": float(np.median(samples))}


def test_orbits_that_carry_most_of_a_mean_are_counted():
    means = np.full(100, 40.0)
    means[[3, 71]] = 2e6, 1.7e6
    said = ruled_by(scores(means), means, COUNTS)
    assert said == "one of 100 orbits carries 54 % of the mean of 37040 %, beside a median of 40 %"
    means[[3, 71]] = 1e6
    assert ruled_by(scores(means), means, COUNTS).startswith("2 of 100 orbits carry 100 % of the mean")
    # What is lost of an orbit is no part of the mean.
    means[3] = np.nan
    assert ruled_by({"mean": 1e4, "median": 40.0}, means, COUNTS).startswith("one of 100 orbits carries")


def test_a_mean_of_most_orbits_is_not_remarked_on():
    means = np.linspace(1.0, 3.0, 100)
    assert not is_ruled(scores(means)) and ruled_by(scores(means), means, COUNTS) == ""
    means = np.where(np.arange(100) < 40, 1000.0, 1.0)  # far above the median, and of many orbits
    assert is_ruled(scores(means)) and ruled_by(scores(means), means, COUNTS) == ""
    assert not is_ruled({"mean": None, "median": 1.0}) and not is_ruled({})


def test_of_many_such_means_some_are_listed_and_the_rest_counted():
    assert remarks([("a", ""), ("b", "few")]) == ["b: few"]
    assert remarks([(str(k), "few") for k in range(8)])[-1] == "and 3 more such means"
