"""``keplearn evaluate`` scores runs and groups; what it cannot score it says in one message, exit code 2."""

import json
import re
import sys
from dataclasses import replace
from functools import partial

import pytest
from gentle import gentle_model

from keplearn.cli import main
from keplearn.config import run_config
from keplearn.data.dataset import load_dataset
from keplearn.data.files import save_dataset
from keplearn.data.units import units_for
from keplearn.evaluation import grid
from keplearn.evaluation.law import law
from keplearn.models.files import load_model
from keplearn.models.neural_ode import Architecture
from keplearn.runs.writer import RunWriter

TRAINED_ON = "complex_TBP_planar_1_train"
TESTED_ON = "simple_TBP_planar_2_test"


@pytest.fixture
def keplearn(monkeypatch, capsys, tmp_path):
    """Run a command in a directory with a group of two runs, one of which failed without a model."""
    monkeypatch.chdir(tmp_path)
    model = gentle_model(
        Architecture("log_radius", "mlp_rtn", 4, 1, "tanh", planar_constraint=True),
        0,
        units=units_for(load_dataset(TRAINED_ON)),
    )
    for width, state in ((4, "finished"), (8, "failed")):
        layers = {"feature_layer": "log_radius", "output_layer": "mlp_rtn", "activation": "tanh"}
        config = run_config(TRAINED_ON, group="study", width=width, **layers)
        with RunWriter(tmp_path / "runs", config) as writer:
            writer.start({}, resume=False)
            if state == "finished":
                writer.model("model", model)
            writer.end(state, reason=None if state == "finished" else "no luck")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["keplearn", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return code, captured.out, captured.err

    return run


def test_a_group_is_scored_and_what_has_no_model_is_named(keplearn, tmp_path):
    code, out, err = keplearn("evaluate", "study", "--on", TESTED_ON, "--format", "json")
    assert code == 0
    (row,) = json.loads(out)
    assert row["dataset"] == TESTED_ON
    assert row["mean"] > 0
    assert "skipped" in err
    assert "failed" in err
    kept = tmp_path / "runs" / "study" / row["run_id"] / "evaluations" / f"{TESTED_ON}.nc"
    assert kept.is_file()

    again = keplearn("evaluate", row["run_id"][:8], "--on", TESTED_ON, "--format", "json")
    assert json.loads(again[1]) == [row]


def test_the_wide_table_shows_config_keys(keplearn):
    arguments = ("--wide", "--columns", "width,output_layer", "--format", "markdown")
    _, out, _ = keplearn("evaluate", "study", "--on", TESTED_ON, *arguments)
    title, _, row = out.splitlines()
    assert title.startswith(f"| run_id | width | output_layer | median {TESTED_ON} | mean {TESTED_ON} |")
    assert "| 4 | mlp_rtn |" in row


def test_metrics_are_chosen_and_segments_are_told_in_both_tables(keplearn):
    asked = ("evaluate", "study", "--on", TESTED_ON, "--segments", "18", "--metrics", "skewness,theta-deg")
    _, out, _ = keplearn(*asked, "--wide", "--columns", "label,dataset.family", "--format", "csv")
    over = f"{TESTED_ON} (segments of 18)"
    assert out.splitlines()[0] == f"run_id,label,dataset.family,skewness {over},theta-deg {over}"
    _, out, _ = keplearn(*asked, "--format", "json")
    (row,) = json.loads(out)
    assert list(row) == ["run_id", "group", "dataset", "segments", "skewness", "theta-deg"]
    assert row["segments"] == 18


def test_datasets_of_one_name_are_told_apart_by_file_and_content(keplearn, tmp_path):
    both = load_dataset("simple_TBP_planar_2_test")
    for k, file in enumerate(("s1.nc", "s2.nc", "deep/s1.nc")):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        save_dataset(replace(both.only(k % 2), name="same"), tmp_path / file)
    on = ("--on", "s1.nc", "s2.nc")
    (row,) = json.loads(keplearn("evaluate", "study", *on, "--wide", "--format", "json")[1])
    means = [row["mean same (s1.nc)"], row["mean same (s2.nc)"]]
    assert means[0] != means[1]
    long = json.loads(keplearn("evaluate", "study", *on, "--format", "json")[1])
    assert [(x["dataset"], x["mean"]) for x in long] == [
        ("same (s1.nc)", means[0]),
        ("same (s2.nc)", means[1]),
    ]
    kept = list((tmp_path / "runs" / "study" / row["run_id"] / "evaluations").glob("*.nc"))
    assert len(kept) == 2
    # The page keeps them apart as well.
    assert keplearn("report", "study", *on)[0] == 0
    page = (tmp_path / "reports" / "study.html").read_text()
    assert '"mean@s1.nc"' in page and '"mean@s2.nc"' in page
    # Files of one name: the content tells.
    save_dataset(replace(both.only(1), name="same"), tmp_path / "deep" / "s1.nc")
    long = json.loads(keplearn("evaluate", "study", "--on", "s1.nc", "deep/s1.nc", "--format", "json")[1])
    assert [x["mean"] for x in long] == means
    assert len({x["dataset"] for x in long}) == 2
    assert all(x["dataset"].startswith("same (s1.nc) (") for x in long)
    # The same orbits twice are one dataset.
    long = json.loads(keplearn("evaluate", "study", "--on", "s2.nc", "deep/s1.nc", "--format", "json")[1])
    assert {x["dataset"] for x in long} == {"same"}


def test_slope_law_and_grid_are_one_row_a_run(keplearn, tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "grid_cells", partial(grid.grid_cells, n_a=4, n_e=3))
    code, out, err = keplearn("evaluate", "study", "--slope", "--law", "--grid", "--format", "json")
    assert code == 0
    assert "skipped" in err
    (row,) = json.loads(out)
    assert row["training"] == TRAINED_ON
    assert {"slope", "slope-rms%", "mu-hat/mu", "n-hat", "residual%", "grid mean", "grid field"} <= set(row)
    assert row["grid cells"] == 12
    (kept,) = (tmp_path / "runs" / "study" / row["run_id"] / "evaluations").iterdir()
    assert re.fullmatch(rf"a-e_grid_4x3_around_{TRAINED_ON}\.[0-9a-f]{{8}}\.nc", kept.name)

    run = tmp_path / "runs" / "study" / row["run_id"]
    found = law(load_model(run / "model.eqx"), load_dataset(TRAINED_ON))
    assert (row["mu-hat/mu"], row["n-hat"]) == pytest.approx((found.mu_ratio, found.n_hat))


@pytest.mark.parametrize("form", ["table", "markdown", "csv"])
def test_the_law_is_shown_in_every_format(keplearn, form):
    code, out, _ = keplearn("evaluate", "study", "--law", "--columns", "width", "--format", form)
    assert code == 0
    assert "n-hat" in out.splitlines()[0]
    assert "grid" not in out
    assert len(out.splitlines()) == (3 if form == "markdown" else 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stduy",), "study"),
        (("study", "--columns", "widht"), "width"),
        (("study", "--metrics", "skewnes"), "skewness"),
        (("study", "--where", "width=5"), "width is 4 (1 run), 8 (1 run)"),
        (("study", "--model", "phase:3"), "none of the 2 runs"),
        (("study", "--on", "simple_TBP_plnar_2_test"), TESTED_ON),
        (("study", "--segments", "1"), "at least 2"),
        (("study", "--law", "--on", TESTED_ON), "--on"),
        (("study", "--slope", "--model", "phase:3"), "none of the runs"),
    ],
)
def test_what_cannot_be_scored_is_said_in_one_message(keplearn, arguments, message):
    code, out, err = keplearn("evaluate", *arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err
