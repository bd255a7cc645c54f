"""Figures by their commands with options, from a real small study: a file that is a picture, and its numbers.

Without options `test_plot_all` draws every figure.
"""

import json

import pandas as pd
import pytest
from matplotlib.image import imread

from keplearn.cli.plot import app
from keplearn.core.errors import KeplearnError
from keplearn.figures.parts.numbers import COLUMNS
from keplearn.runs.find import find_runs

OF_DATASETS = {
    "orbits": (["complex_TBP_planar_2_train", "complex_TBP_3_test"], "10³ km"),
}
OF_A_RUN = {
    "orbit": (["--orbit", "complex_TBP_planar_10_test#3"], "10³ km"),
    "states": (["--orbit", "a=20000,e=0.4,nu0=20deg"], "time (h)"),
    "acceleration --all": (["--on", "complex_TBP_planar_10_test"], "true anomaly (°)"),
    "features": (["--against", "anomaly"], "true anomaly"),
    "errors": (["--on", "complex_TBP_planar_10_test", "--quantity", "field"], "eccentricity"),
    "field": (["--show", "vectors"], "10³ km"),
}
OF_A_GROUP = {
    "box": (["--by", "output_layer,feature_layer"], "%"),
    "heatmap": (["--x", "segment_ratio", "--y", "num_train_orbits"], "orbits"),
    "dots": (
        [
            "--x",
            "segment_length_strategy",
            "--column",
            "dataset_name",
            "--colour",
            "output_layer",
            "--marker",
            "feature_layer",
        ],
        "segment length (samples)",
    ),
}


def check(kind, words, label, tmp_path, capsys):
    """A figure is made, is more than an empty sheet, and its numbers are those of its axes."""
    picture, numbers = tmp_path / "figure.png", tmp_path / "numbers.csv"
    app([*kind.split(), *words, "--out", str(picture), "--data", str(numbers)], result_action="return_value")
    assert str(picture) in capsys.readouterr().out
    assert imread(picture).std() > 0.01
    table = pd.read_csv(numbers)
    assert tuple(table.columns) == COLUMNS
    assert len(table) > 1
    axes = {str(text) for name in ("x_label", "y_label") for text in table[name]}
    assert any(label in text for text in axes), axes
    return table


@pytest.mark.parametrize("kind", OF_DATASETS)
def test_figures_of_datasets(kind, tmp_path, capsys):
    words, label = OF_DATASETS[kind]
    check(kind, words, label, tmp_path, capsys)


@pytest.mark.parametrize("kind", OF_A_RUN)
def test_figures_of_a_run(kind, small_study, tmp_path, capsys):
    words, label = OF_A_RUN[kind]
    run = next(run for run in find_runs(small_study, "small", "finished") if run.config.parameters.seed == 1)
    check(kind, [run.run_id, "--runs", str(small_study), *words], label, tmp_path, capsys)


@pytest.mark.parametrize("kind", OF_A_GROUP)
def test_figures_of_a_group(kind, small_study, tmp_path, capsys):
    words, label = OF_A_GROUP[kind]
    check(kind, ["small", "--runs", str(small_study), *words], label, tmp_path, capsys)


def test_the_numbers_of_dots_are_the_scores_of_all_runs(small_study, tmp_path, capsys):
    table = check("dots", ["small", "--runs", str(small_study), "--x", "seed"], "seed", tmp_path, capsys)
    runs = find_runs(small_study, "small", "finished")
    scores = {run.record["scores"]["complex_TBP_planar_1_test"]["median"] for run in runs}
    drawn = {float(y) for y in table["y"]}
    assert all(any(abs(score - y) < 1e-9 * abs(score) for y in drawn) for score in scores)


def test_errors_by_distance_are_those_of_the_test_set_with_most_orbits(small_study, tmp_path, capsys):
    run = find_runs(small_study, "small", "finished")[0].run_id
    (most, chosen, one) = (
        check("distance", [run, "--runs", str(small_study), *on], "state distance", tmp_path, capsys)
        for on in ([], ["--on", "complex_TBP_planar_10_test"], ["--on", "complex_TBP_planar_1_test"])
    )
    pd.testing.assert_frame_equal(most, chosen)
    assert not most.equals(one)


def test_what_cannot_be_drawn_is_said(small_study, tmp_path):
    run = find_runs(small_study, "small", "finished")[0].run_id
    runs = ["--runs", str(small_study), "--out", str(tmp_path / "x.png")]
    for words, message in {
        ("orbit", run, "--orbit", "complex_TBP_planar_1_test#7"): "has the orbits #0 to #0",
        ("orbit", run, "--orbit", "a=7000,e=0.9"): "Earth",
        ("orbit", "nothing"): "no run 'nothing'",
        ("heatmap", "small", "--x", "widht"): "Did you mean 'width'",
        ("dots", "small", "--metric", "meen"): "Did you mean 'mean'",
        ("box", "smal"): "Did you mean 'small'",
        ("loss", run, "--data", "x.txt"): "saved as .csv",
    }.items():
        with pytest.raises(KeplearnError, match=message):
            app([*words, *runs], result_action="return_value")
    with pytest.raises(KeplearnError, match=r"saved as \.png"):
        app(["loss", run, "--runs", str(small_study), "--out", "x.gif"], result_action="return_value")
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["x.png"]'
