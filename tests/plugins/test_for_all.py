"""Sinks, metrics and figures of one's own, which no config names: they are there in every process that needs them."""

import os
import subprocess
import sys

import pytest
from own_things import FOR_ALL, shown

from keplearn.config import load_config
from keplearn.core import plugins
from keplearn.core.errors import KeplearnWarning
from keplearn.evaluation.registry import METRICS
from keplearn.groups.study import Study
from keplearn.runs.events import SINKS

STUDY = """
plugins: [own.py]
wandb: {group: g}
data: {dataset_name: complex_TBP_planar_1_train, test: []}
parameters: {width: 4, depth: 1, steps_strategy: 2, segment_length_strategy: 4}
"""


@pytest.fixture
def study(tmp_path):
    """A study whose config names a file with a sink and a metric; it is not loaded yet."""
    (tmp_path / "own.py").write_text(FOR_ALL)
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path / "study.yaml"


@pytest.fixture
def kept(study, tmp_path, forget):
    """A group's directory, written where the file was loaded; it is forgotten since."""
    Study.of(load_config(study), tmp_path / "runs").write()
    forget()
    assert not any(name.startswith("diary@") for name in SINKS)
    return tmp_path / "runs" / "g"


def test_a_group_is_scored_without_code_that_the_user_has_not_named(kept, monkeypatch, tmp_path):
    monkeypatch.setenv(plugins.ALLOWED, "")
    monkeypatch.setenv("KEPLEARN_CACHE_DIR", str(tmp_path / "other"))
    (copy,) = (kept / "plugins" / "all").iterdir()
    with pytest.warns(
        KeplearnWarning, match=f"keplearn config allow {copy} Its sinks and metrics are left out"
    ):
        plugins.join([kept])
    assert "speed%" not in METRICS
    plugins.allow_plugin(copy)
    plugins._left_out.clear()  # a later process
    plugins.join([kept])
    assert "speed%" in METRICS


def test_of_several_versions_the_last_counts_and_none_beside_the_one_that_is_loaded(
    kept, study, tmp_path, forget
):
    def versions():
        return {name.partition("@")[2] for name in SINKS if name.startswith("diary@")}

    plugins.join([kept])
    first = versions()
    forget()
    (tmp_path / "own.py").write_text(FOR_ALL.replace("A line in", "Lines of"))
    configs = load_config(study)
    second = versions()
    plugins.join([kept])
    assert versions() == second != first
    Study.of(configs, tmp_path / "runs").write()
    assert len(list((kept / "plugins" / "all").iterdir())) == 2
    forget()
    plugins.join([kept])
    assert versions() == second
    forget()
    # Back to the first.
    (tmp_path / "own.py").write_text(FOR_ALL)
    Study.of(load_config(study), tmp_path / "runs").write()
    forget()
    plugins.join([kept])
    assert versions() == first


def test_a_figure_of_an_installed_package_has_its_command(tmp_path):
    package = tmp_path / "kl_figures"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('a list of commands runs no package')\n")
    (package / "drawn.py").write_text(shown("A figure"))
    info = tmp_path / "kl_figures-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kl-figures\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[keplearn.plugins]\nfigures = kl_figures.drawn\n")

    def plot(*words):
        command = [sys.executable, "-m", "keplearn", "plot", *words]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=60,
            env=os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "200"},
        )  # fmt: skip

    listed = plot("--help")
    assert "Speed against radius, sample by sample." in listed.stdout, listed.stderr
    (package / "__init__.py").write_text("")
    drawn = plot("speeds", "simple_TBP_planar_1_test")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "speeds-simple_TBP_planar_1_test.png").read_bytes()[:4] == b"\x89PNG"
