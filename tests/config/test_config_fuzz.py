"""Whatever a file contains, reading it gives runs or one KeplearnError."""

import json
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keplearn.config import RunConfig, runs_from_dict
from keplearn.config.expand import expand
from keplearn.config.loading import read_text
from keplearn.config.schema import TABLES
from keplearn.core.errors import KeplearnError

CONFIGS = Path(__file__).parents[2] / "configs"
VALID = """
data: {dataset_name: complex_TBP_planar_1_train}
parameters: {seed: [1, 2], lr_strategy: [[1e-3, 1e-4]]}
variants: [{width: 3}, {depth: 1}]
"""
KEYS = [*TABLES, "variants", *(key for keys in TABLES.values() for key in keys)]

words = st.text(max_size=8) | st.sampled_from(["adam", "none"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
keys = st.sampled_from(KEYS) | st.text(max_size=5)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
fast = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def runs_or_refusal(read):
    """Return the runs, or None if they are refused in one message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            runs = read()
        except KeplearnError as error:
            assert str(error)
            return None
    assert runs
    assert all(isinstance(run, RunConfig) for run in runs)
    return runs


@fast
@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*<!|>'\"?%@\n\t #,.0", max_size=60))
def test_any_text(text):
    runs_or_refusal(lambda: expand(read_text(text, "x.yaml")))


@fast
@given(st.dictionaries(keys, trees, max_size=4))
def test_any_tables(tables):
    runs_or_refusal(lambda: runs_from_dict(tables))


@fast
@given(st.dictionaries(st.sampled_from(TABLES["parameters"]), trees, max_size=3))
def test_any_parameters(parameters):
    tables = {"data": {"dataset_name": "complex_TBP_planar_1_train"}, "parameters": parameters}
    for run in runs_or_refusal(lambda: runs_from_dict(tables)) or []:
        assert RunConfig.from_dict(json.loads(json.dumps(run.to_dict()))) == run


@fast
@given(st.dictionaries(keys, trees, max_size=4))
def test_any_record(record):
    runs_or_refusal(lambda: [RunConfig.from_dict(record)])


@fast
@given(st.data())
def test_valid_files_with_a_few_changes(data):
    text = VALID
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 4))
        text = text[:at] + data.draw(st.text(alphabet="01.e[]{}:,-' \nax&*", max_size=3)) + text[at + cut :]
    runs_or_refusal(lambda: expand(read_text(text, "x.yaml")))


@fast
@given(st.text(max_size=30), st.sampled_from(KEYS) | st.text(max_size=8))
def test_any_override(value, key):
    runs_or_refusal(lambda: runs_from_dict({"data": {"dataset_name": "simple_TBP_3"}}, [f"{key}={value}"]))


@pytest.mark.parametrize("name", ["first", "segment_lengths", "best_recipe"])
def test_every_line_of_a_shipped_file_can_go_missing(name):
    lines = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    for number in range(len(lines)):
        text = "\n".join(lines[:number] + lines[number + 1 :])
        runs_or_refusal(lambda text=text: expand(read_text(text, "x.yaml")))
