"""The demo: its table and figures from short runs."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

import keplearn.demo
from keplearn.cli.demo import demo
from keplearn.demo import _cell
from keplearn.runs.find import find_runs

ROUND = "complex_TBP_planar_10_train"
TEST = "complex_TBP_planar_1_test"


@pytest.fixture(scope="module")
def short_demo(tmp_path_factory):
    """The command, for recipes with twenty steps a phase, on two draws and one test orbit: its runs, what it prints."""
    runs = tmp_path_factory.mktemp("demo")
    text = re.sub(r"(steps_strategy): .*", r"\1: 20", keplearn.demo.CONFIG.read_text())
    text = re.sub(r"(dataset_name): .*", rf"\1: [{ROUND}, {keplearn.demo.TYPICAL}]", text)
    file = runs / keplearn.demo.CONFIG.name
    file.write_text(text.replace("complex_TBP_planar_100_test", TEST))
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(StringIO()) as printed:
        patched.setattr(keplearn.demo, "CONFIG", file)
        patched.setattr(keplearn.demo, "DRAWN", TEST)
        demo(runs=runs / "runs")
        found = {run.run_id: run for run in find_runs(runs / "runs", "demo", "finished")}
        yield [found[config.run_id] for config in keplearn.demo.demo_configs()], printed.getvalue()


@pytest.fixture(scope="module")
def short_runs(short_demo):
    return short_demo[0]


RECIPES = ["(a) earlier studies", "(b) neutral", "(c) conference", "(d) skip", "(e) central"]


def test_the_tables_have_every_recipe_and_the_floor_beside_the_satellites(short_runs):
    said = []
    unseen, satellites = keplearn.demo.demo_tables(keplearn.demo.score_demo(short_runs, said.append))
    assert unseen[0] == [TEST, "near", "far", "mean"]
    assert satellites[0] == ["satellites", "field", "mean"]
    assert [row[0] for row in unseen[1]] == RECIPES
    assert [row[0] for row in satellites[1]] == [*RECIPES, "the two-body law itself"]
    # Another draw is another training: of the two, the lesser and the greater.
    for row in unseen[1]:
        least, greatest = re.findall(r"\((\S+) to ([^;)]+)", row[-1])[0]
        assert float(least) < float(greatest)
    assert 0.01 < float(satellites[1][-1][1]) < 0.2
    assert "20 orbits" in said[0]
    assert "13 entries left out" in said[0]


def test_a_recipe_that_failed_on_a_draw_is_told_by_the_other(short_runs):
    (_, rows), _ = keplearn.demo.demo_tables(keplearn.demo.score_demo(short_runs[1:], lambda text: None))
    assert [row[0] for row in rows] == RECIPES
    assert "to" not in rows[0][-1]
    assert "to" in rows[1][-1]


def test_the_command_prints_the_table_and_draws_next_to_the_runs(short_demo):
    runs, printed = short_demo
    files = [
        Path(line.removeprefix("figure: ")) for line in printed.splitlines() if line.startswith("figure: ")
    ]
    assert keplearn.demo.TITLE in printed
    assert len(files) == 3 * len(RECIPES) + 2
    assert all(file.stat().st_size > 10_000 for file in files)
    typical = [run for run in runs if run.config.dataset_name == keplearn.demo.TYPICAL]
    assert {file.parent.parent for file in files[:-2]} == {run.path for run in typical}


def test_a_cell_tells_what_is_lost_in_all_draws():
    draws = [
        {"mean": 1.0, "field-near": 0.1, "diverged": 1, "lost": 9, "lost-field": 2},
        {"mean": 3.0, "field-near": 0.3, "diverged": 0, "lost": 0, "lost-field": 0},
        {"mean": 2.0, "field-near": 0.2, "diverged": 2, "lost": 7, "lost-field": 40},
    ]
    assert _cell(draws, "mean") == "2 (3 to 1; 3 orbits diverged)"
    assert _cell(draws, "field-near") == "0.1 (0.3 to 0.2; 42 samples lost)"
    assert _cell(draws[:1], "field-near") == "0.1 (2 samples lost)"
    assert _cell(draws[1:2], "mean") == "3"
