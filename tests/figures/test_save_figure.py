"""Figures are written whole, in the house style, and leave nothing else behind."""

import matplotlib
import pytest
from matplotlib import pyplot

from keplearn.core.errors import KeplearnError
from keplearn.figures.parts.style import save_figure
from keplearn.figures.plots.acceleration import acceleration
from keplearn.figures.plots.errors import errors
from keplearn.figures.plots.loss import loss
from keplearn.figures.plots.orbit import orbit

STARTS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.mark.parametrize("kind", STARTS)
def test_a_figure_is_written_whole_and_alone(kind, planar, tmp_path):
    path = tmp_path / "new" / f"orbit.{kind}"
    assert save_figure(orbit(planar), path) == path
    assert path.read_bytes().startswith(STARTS[kind])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_every_figure_can_be_drawn(metrics, diverged, tmp_path):
    figures = [loss(metrics), orbit(diverged, 2), acceleration(diverged, 2), errors({"law": diverged})]
    for k, figure in enumerate(figures):
        assert save_figure(figure, tmp_path / f"{k}.png").stat().st_size > 20_000


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_the_same_figure_is_the_same_file(kind, planar, tmp_path):
    first, second = (
        save_figure(orbit(planar), tmp_path / f"{k}.{kind}").read_bytes() for k in ("first", "second")
    )
    assert first == second


def test_a_failure_leaves_the_old_file(planar, tmp_path, monkeypatch):
    path = tmp_path / "orbit.png"
    path.write_text("old")
    figure = orbit(planar)

    def fail(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(KeplearnError, match="cannot be written"):
        save_figure(figure, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["orbit.png"]


def test_an_unknown_ending_is_refused(planar, tmp_path):
    with pytest.raises(KeplearnError, match=r"saved as \.png, \.pdf, \.svg, not as '\.jpg'"):
        save_figure(orbit(planar), tmp_path / "orbit.jpg")


def test_no_global_state_is_touched(planar):
    before = dict(matplotlib.rcParams)
    errors({"law": planar})
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []
