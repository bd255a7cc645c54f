"""Mutated files of every kind that is kept, through the commands that read them (`tests/fuzz.py` runs more)."""

from fuzz import TARGETS, fuzz


def test_no_mutated_file_ends_in_a_traceback_or_another_number_or_is_lost(tmp_path):
    said = []
    outcomes = fuzz(240, 1, tmp_path, said.append)
    assert said == []
    assert {target for target, _ in outcomes} == set(TARGETS)
    # It is damage: hardly anything is as before.
    assert sum(n for (_, outcome), n in outcomes.items() if outcome in ("refused", "left out")) > 120
