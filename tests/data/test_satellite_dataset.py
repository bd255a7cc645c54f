"""Real satellites become a dataset of unknown law that says where it came from."""

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.data.description import describe, element_ranges, regime_table, two_body_distance
from keplearn.data.satellites import satellites_dataset


@pytest.fixture(scope="module")
def found():
    return satellites_dataset()


def test_the_dataset_says_what_it_is(found):
    dataset, left_out = found
    assert (dataset.problem, dataset.acceleration_source, dataset.planar) == ("unknown", "differences", False)
    assert dataset.provenance["frame"].startswith("TEME")
    assert all(reason in dataset.provenance["left_out"] for reason in left_out)
    assert "25954 AMC-4" in dataset.orbit_names


def test_every_satellite_stands_in_the_table_of_regimes(found):
    rows = regime_table(found[0])
    assert {row.regime: row.count for row in rows} == {"LEO": 3, "MEO": 4, "GEO": 5, "HEO": 8}
    means = {row.regime: row.mean for row in rows}
    assert means["LEO"] == pytest.approx(0.16, abs=0.01)
    assert means["GEO"] == pytest.approx(0.002, abs=0.001)


def test_satellites_may_not_take_a_grammar_name():
    with pytest.raises(KeplearnError, match="satellites need another"):
        satellites_dataset(name="complex_TBP_3")


def test_the_description_tells_ranges_and_distance(found):
    content = describe(found[0])
    assert content["orbits"] == 20
    assert content["distance_from_two_body_law_percent"] == pytest.approx(two_body_distance(found[0]).mean())
    bounds = element_ranges(found[0])["eccentricity"]
    assert bounds is not None
    assert np.isfinite(bounds).all()
