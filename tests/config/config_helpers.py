"""What the tests of the config share."""

from pathlib import Path

import pytest

from keplearn.config import RunConfig, load_config
from keplearn.core.errors import KeplearnError

DATA = "data: {dataset_name: complex_TBP_planar_10_train}\n"
PLANAR_TESTS = ("complex_TBP_planar_1_test", "complex_TBP_planar_10_test", "complex_TBP_planar_100_test")


def runs_of(tmp_path: Path, text: str, *overrides: str) -> list[RunConfig]:
    """Return the runs of a config file with this text."""
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides)


def refusal(tmp_path: Path, text: str, *overrides: str) -> str:
    """Return the message with which a config file with this text is refused, without its directory."""
    with pytest.raises(KeplearnError) as caught:
        runs_of(tmp_path, text, *overrides)
    return str(caught.value).replace(f"{tmp_path}/", "")


def values(runs: list[RunConfig], key: str) -> list[object]:
    """Return the runs' values of one parameter, in order."""
    return [getattr(run.parameters, key) for run in runs]
