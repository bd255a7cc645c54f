"""Every declared figure, drawn of a real small study by one command: pictures, numbers, and the page of them."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from fuzz import keplearn
from matplotlib.image import imread

from keplearn.cli.plot import app
from keplearn.cli.plot_all import OF
from keplearn.core.errors import KeplearnError
from keplearn.figures.declarations import declarations
from keplearn.figures.parts.numbers import COLUMNS
from keplearn.figures.registry import Need

METRICS = ("median", "mean", "theta-deg", "drift-deg", "periapsis-deg")
LABELS = {
    "acceleration": "mean anomaly",
    "box": "%",
    "distance": "state distance to the nearest training state",
    "dots": "segment length (samples)",
    "elements": "eccentricity",
    "ensemble": "state distance to the nearest training state",
    "errors": "eccentricity",
    "features": "time (h)",
    "field": "10³ km",
    "grid": "semi-major axis a (10³ km)",
    "heatmap": "segment length (samples)",
    "importance": "importance",
    "linear": "segment length (samples",
    "loss": "optimiser step",
    "orbit": "10³ km",
    "orbits": "10³ km",
    "outputs": "time (h)",
    "phases": "time (h)",
    "slope": "radius r (10³ km)",
    "states": "time (h)",
}
"""An axis of each figure: a new figure gets its line here."""


TABLES = {
    "runs --where seed=0 state=finished --columns seconds.train,best_loss,convergence_steps,segment_ratio,family": (
        16, ("median", "mean", "field", "seconds.train", "best_loss", "convergence_steps", "segment_ratio", "family"),
    ),
    "evaluate small --where seed=0 segment_length_strategy=4 --on complex_TBP_planar_10_test --wide "
    "--metrics median,mean,theta-deg,drift-deg,periapsis-deg --columns output_layer,dataset.orbits": (
        8, ("output_layer", "dataset.orbits", *(f"{metric} complex_TBP_planar_10_test" for metric in METRICS)),
    ),
    "evaluate small --where seed=0 segment_length_strategy=4 output_layer=mlp_4D_signed --slope --law": (
        4, ("slope", "slope-rms%", "slope at r-max", "mu-hat/mu", "n-hat", "residual%", "direction-deg"),
    ),
}  # fmt: skip
"""Commands of tables, how many runs they show, and what of each."""


def draw(*words: str) -> None:
    app(["all", *words], result_action="return_value")


@pytest.fixture(scope="module")
def folder(small_study, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    draw("small", "--runs", str(small_study), "--out", str(folder), "--data")
    return folder


FORECASTS = ("ahead", "forecast", "gaps", "latent", "samples")
"""What is drawn only of models that observe a part of each orbit (tests/figures/test_forecast_figures.py)."""


@pytest.mark.parametrize("name", [name for name in declarations() if name not in FORECASTS])
def test_every_figure_is_drawn_with_its_numbers(name, folder):
    assert imread(folder / f"{name}.png").std() > 0.01
    table = pd.read_csv(folder / f"{name}.csv")
    assert tuple(table.columns) == COLUMNS
    assert len(table) > 1
    axes = {str(text) for label in ("x_label", "y_label") for text in table[label]}
    assert any(LABELS[name] in text for text in axes), axes


def test_the_page_shows_each_picture_with_its_title_and_the_command_that_draws_it(folder, monkeypatch):
    text = (folder / "index.html").read_text(encoding="utf-8")
    files = {path.name for path in folder.iterdir()}
    shown = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', text)
    assert {picture for picture, _ in shown} == {name for name in files if name.endswith(".png")}
    assert files == {*re.findall(r'<a href="([^"#]+)"', text), "index.html"}
    assert {title for _, title in shown} <= {
        x.about.rstrip(".").replace("'", "&#x27;") for x in declarations().values()
    }
    assert "http" not in text
    assert "<script" not in text
    commands = [shlex.split(line) for line in re.findall(r"<pre>(.*)</pre>", text)]
    assert len(commands) == len(shown)
    (dots,) = (command for command in commands if command[2] == "dots")
    again = folder.parent / "again.png"
    app([*dots[2:], "--out", str(again)], result_action="return_value")
    assert again.read_bytes() == (folder / "dots.png").read_bytes()


def test_figures_of_forecasts_are_listed_as_not_drawn_where_no_model_observes(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert all(f"<li><code>{name}</code>: " in text for name in FORECASTS)


@pytest.mark.parametrize("words", TABLES)
def test_tables_show_the_runs_that_are_meant_and_what_is_asked_of_each(words, small_study):
    code, out, err = keplearn(*words.split(), "--runs", small_study)
    assert code == 0, err
    count, columns = TABLES[words]
    titles, *rows = (re.split(r"  +", line) for line in out.splitlines())
    assert set(columns) <= set(titles)
    assert len(rows) == count
    shown = [titles.index(column) for column in columns]
    assert all(row[place] not in ("", "-", "nan") for row in rows for place in shown)


def test_what_each_figure_is_drawn_of_follows_from_what_it_needs():
    assert set(OF) == set(Need.__args__)


def test_what_cannot_be_drawn_is_listed_and_what_was_drawn_before_goes(small_study, folder, tmp_path, capsys):
    """Of a run that failed there are its data and no model; a user's own picture in the folder stays."""
    before = tmp_path / "index.html"
    before.write_bytes((folder / "index.html").read_bytes())
    for name in ("loss.png", "mine.png"):
        (tmp_path / name).write_bytes(b"picture")
    draw("small", "--where", "state=failed", "--runs", str(small_study), "--out", str(tmp_path))
    told = capsys.readouterr()
    text = before.read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html",
        "mine.png",
        "orbits.png",
        "elements.png",
    }
    for name in set(declarations()) - {"orbits", "elements"}:
        assert f"not drawn: {name}: none of the runs has scores" in told.err
        assert f"<li><code>{name}</code>: none of the runs has scores" in text
    assert "(2 figures" in told.out
    assert re.search(r"9/\d+ figures, [\d.]+ figures/s, \d+ s left", told.err)


def test_a_page_of_another_program_is_left(small_study, tmp_path):
    page = tmp_path / "index.html"
    page.write_text("<title>My thesis</title>")
    with pytest.raises(KeplearnError, match="another program's"):
        draw("small", "--runs", str(small_study), "--out", str(tmp_path))
    assert page.read_text() == "<title>My thesis</title>"
