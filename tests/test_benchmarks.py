"""The arithmetic of the benchmarks."""

import pytest

from benchmarks.expert import CHUNK, measured


@pytest.mark.parametrize("steps", [4, 5, 6, 7, 10, 60, 120, 203, 300, 10_000])
def test_the_third_quarter_is_whole_chunks_of_steps_and_never_none(steps):
    chunk, first, last = measured(steps)
    assert 1 <= chunk <= CHUNK
    assert 0 < first < last <= steps and first % chunk == last % chunk == 0
    assert abs(first - steps / 2) <= chunk + 2 and abs(last - 3 * steps / 4) <= chunk + 2


def test_the_usual_400_steps_are_measured_from_200_to_300():
    assert measured(400) == (50, 200, 300)
