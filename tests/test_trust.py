"""Every test that the page of promises names is there: a promise without its test is none."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PAGE = PROJECT / "docs" / "trust.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE.read_text(encoding="utf-8"))))


def test_every_promise_names_its_tests():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise")]
    assert len(promises) > 15
    assert [row for row in promises if "`tests/" not in row] == []


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_is_there(name):
    file, _, function = name.partition("::")
    text = (PROJECT / file).read_text(encoding="utf-8")
    assert not function or re.search(rf"^def {function}\(", text, re.MULTILINE)
