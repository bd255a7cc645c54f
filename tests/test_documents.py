"""The numbers of the documents are what their commands give: cheap ones here, those of trainings where asked for."""

import json
import re

import pytest
import results
from blocks import BLOCKS, HOME, differences
from recipes import REACHED, reached
from trainings import middle

PAGES = sorted({block.page for block in BLOCKS.values()})
TRAINED = [name for name, block in BLOCKS.items() if block.factor > 1.0]


@pytest.mark.parametrize("page", PAGES)
def test_marks_of_a_page_are_those_of_its_blocks(page):
    text = (HOME / page).read_text(encoding="utf-8")
    marks = re.findall(r"<!-- (\w+): written by docs/results.py on .+ -->", text)
    assert sorted(marks) == sorted(name for name, block in BLOCKS.items() if block.page == page)
    assert marks == re.findall(r"<!-- end of (\w+) -->", text)


@pytest.mark.parametrize("page", PAGES)
def test_no_result_stands_outside_the_blocks(page):
    text = (HOME / page).read_text(encoding="utf-8")
    prose = re.sub(r"<!-- (\w+): .*?<!-- end of \1 -->", "", text, flags=re.DOTALL)
    # 100 % is the error of no acceleration at all, 5.4 % what others report, 90 % what an interval is to hold.
    assert set(re.findall(r"[\d.]+ %", prose)) <= {"100 %", "5.4 %", "90 %"}


def test_the_draws_are_as_round_as_the_page_says(tmp_path):
    assert differences(BLOCKS["draws"].written(), results.draws(tmp_path)) == []


def test_the_page_says_where_each_block_was_written(tmp_path):
    assert BLOCKS["machines"].written() == results.machines(tmp_path)


def test_what_trainings_are_told_of_recipes_is_what_the_page_says():
    assert json.loads(REACHED.read_text()) == reached(BLOCKS["ladder"].written())


@pytest.mark.parametrize(
    ("written", "made", "factor", "same"),
    [
        ("`mean` 0.049 %", "`mean` 0.050 %", 1.0, True),
        ("`mean` 0.049 %", "`mean` 0.051 %", 1.0, False),
        ("144 (3 diverged)", "145 (4 diverged)", 1.0, True),
        ("144 (3 diverged)", "135 (3 diverged)", 1.0, False),
        ("144 (3 diverged)", "135", 3.0, True),
        ("14.4", "43.3", 3.0, False),
        ("99", "2210", 3.0, False),
        ("101", "2210", 3.0, True),
        ("101", "2210", 1.0, False),
        ("1.5e-05", "1.6e-05", 1.0, True),
        ("1.5e-05", "2.5e-05", 1.0, False),
        ("| a | 10 |", "| a   | 10 |", 1.0, True),
        ("trained on _10@1_train: 3", "trained on _10@2_train: 3", 3.0, False),
        ("better: 3", "worse: 3", 3.0, False),
        ("3 and 4", "3", 3.0, False),
    ],
)
def test_a_page_is_compared_to_the_last_digit_or_within_a_factor(written, made, factor, same):
    assert (differences(written, made, factor) == []) == same


def test_a_median_ranks_what_lost_orbits_last():
    scores = [{"mean": m, "diverged": n} for m, n in ((50.0, 0), (1.0, 6), (70.0, 0), (2.0, 1), (60.0, 0))]
    assert middle(scores) == "70 (50 to 1; 7 of 500 diverged)"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_trainings_give_what_the_page_says(name, runs):
    block = BLOCKS[name]
    here = block.machine() == results.machine()
    assert differences(block.written(), block.make(runs), 1.0 if here else block.factor) == []
