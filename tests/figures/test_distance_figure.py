"""The figure of errors against state distance draws what the samples are, and hides none that is lost."""

import numpy as np
import pytest
import xarray

from keplearn.core.errors import KeplearnError
from keplearn.figures.parts.numbers import figure_numbers
from keplearn.figures.plots.distance import distance


def at(evaluation: xarray.Dataset, distances: np.ndarray) -> xarray.Dataset:
    """The evaluation with each orbit, or each sample, at a state distance."""
    every = np.broadcast_to(distances, evaluation["time"].shape)
    dims = ("orbit", "sample")
    return evaluation.assign(distance=(dims, every), beyond=(dims, np.zeros_like(every)))


@pytest.fixture
def known(planar):
    """Ten orbits at two distances: the error of the field is 1 % near and 5 % far."""
    near = np.where(np.arange(10) < 6, 0.02, 0.5)[:, None]
    found = at(planar, near)
    return found.assign(field=found["field"] * np.where(near < 0.1, 1.0, 5.0))


def series(figure, name: str):
    numbers = figure_numbers(figure)
    return numbers[numbers["series"] == name]


def test_medians_and_shares_stand_at_their_distance(known):
    figure = distance({"law": known})
    medians, shares = series(figure, "law:median").dropna(subset="y"), series(figure, "samples")
    assert medians["y"].to_numpy() == pytest.approx([1.0, 5.0])
    # In bins of a tenth of a decade.
    assert np.abs(np.log10(medians["x"].to_numpy() / [0.02, 0.5])) == pytest.approx(0.0, abs=0.1)
    assert sorted(set(shares["y"].round(9))) == [0.0, 40.0, 60.0]
    assert [text.get_text() for text in figure.axes[0].texts] == ["near: up to 0.1", "far: beyond 0.3"]


def test_runs_of_one_training_set_share_their_samples_and_others_have_their_own(known):
    same = distance({"one": known, "other": known.assign(field=2.0 * known["field"])})
    assert len(series(same, "samples")) and not len(series(same, "one:samples"))
    apart = distance({"one": known, "other": at(known, np.array(0.2))})
    assert len(series(apart, "one:samples")) and len(series(apart, "other:samples"))


def test_lost_samples_stand_in_the_band_on_top_and_count_as_the_worst(diverged):
    # Orbit 2 has lost 160 of its 360 samples: less than half, more than a tenth.
    figure = distance(
        {"bad": at(diverged, np.where(np.arange(10) == 2, 0.5, 0.02)[:, None])}, quantity="mean"
    )
    top = figure.axes[0].get_ylim()[1]
    corners = series(figure, "bad:quantiles")
    finite = series(figure, "bad:median")["y"].dropna()
    assert finite.max() < corners["y"].max() < top
    assert any(text.get_text() == "lost" for text in figure.axes[0].texts)


def test_what_cannot_be_drawn_is_said(planar, known):
    with pytest.raises(KeplearnError, match="law: it is not known what it was trained on"):
        distance({"law": planar})
    with pytest.raises(KeplearnError, match="no evaluation was given"):
        distance({})
    with pytest.raises(KeplearnError, match=r"quantity is 'filed'.*field"):
        distance({"law": known}, quantity="filed")
