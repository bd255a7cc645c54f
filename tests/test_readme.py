"""What README shows works: its Python, its study file, and the names that it promises."""

import re
from pathlib import Path

import keplearn
from keplearn.config import load_config

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_study_file_has_the_runs_that_readme_says(tmp_path):
    file = tmp_path / "heads.yaml"
    file.write_text(block("yaml"))
    assert "shows the 12 runs" in README
    assert len(load_config(file)) == 12


def test_the_python_runs_and_returns_what_it_says(tmp_path, monkeypatch):
    import equinox
    import pandas
    import xarray

    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(block("python"), "README.md", "exec"), names)
    assert isinstance(names["model"], equinox.Module)
    assert isinstance(names["evaluation"], xarray.Dataset)
    assert isinstance(names["scores"], pandas.DataFrame)
    assert len(names["scores"]) == 100
    assert names["run"].state == "finished"
    assert (tmp_path / "orbit.png").stat().st_size > 10_000
    assert (tmp_path / "loss.png").stat().st_size > 10_000


def test_every_public_name_can_be_had():
    for name in keplearn.__all__:
        assert getattr(keplearn, name) is not None
    assert set(keplearn.__all__) <= set(dir(keplearn))


def test_readme_is_under_two_screens():
    assert len(README.splitlines()) <= 100
