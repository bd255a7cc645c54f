"""Figures of groups tell seeds, families and test datasets apart: what outlies is named, and nothing is pooled."""

import re
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from keplearn.cli.plot import app
from keplearn.config import run_config
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.store import keep_evaluation
from keplearn.figures.parts.labels import named
from keplearn.figures.plots.box import _errors, box
from keplearn.figures.plots.dots import dots
from keplearn.figures.plots.heatmap import heatmap
from keplearn.figures.plots.importance import importance
from keplearn.groups.choice import choose_runs
from keplearn.groups.error_table import error_table
from keplearn.groups.table import group_table
from keplearn.groups.values import level_texts
from keplearn.runs.find import find_runs
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter

FIRST, SECOND = TESTS = ("complex_TBP_planar_1_test", "complex_TBP_planar_10_test")
FAMILIES = ("complex", "circular", "simple")
BEST = {"median": 3.0, "mean": 4.0}


def write(runs, config, scores):
    """Enter a run as finished with these scores; its model is never loaded."""
    with RunWriter(runs, config) as writer:
        writer.start({}, resume=False)
        writer.path.joinpath("model.eqx").touch()
        writer.end("finished", scores=scores)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Nine ``seeds``, 5 far off and 7 with lost samples; three ``families`` of two segment lengths, twice each."""
    runs = tmp_path_factory.mktemp("recorded")
    for seed in range(9):
        scores = {"median": 10.0 + seed + 50.0 * (seed == 5), "mean": 12.0, "lost": 3 * (seed == 7)}
        config = run_config("complex_TBP_planar_2_train", group="seeds", test=[FIRST], seed=seed)
        write(runs, config, {FIRST: scores, SECOND: scores | {"median": scores["median"] + 20.0}})
    for k, family in enumerate(FAMILIES):
        for length in (4, 18):
            for seed in (0, 1):
                name, keys = (
                    f"{family}_TBP_planar_10_train",
                    {"segment_length_strategy": [[length]], "seed": seed},
                )
                median = 10.0 * (k + 1) + length
                scores = {test: {"median": median + 100.0 * n, "lost": 0} for n, test in enumerate(TESTS)}
                write(runs, run_config(name, group="families", test=[FIRST], **keys), scores)
    return runs


def of_group(recorded, group: str) -> list[Run]:
    """The runs by seed and family: those that started in one second have no order of their own."""

    def place(run: Run) -> tuple[int, int]:
        return run.config.parameters.seed, FAMILIES.index(run.config.dataset_name.partition("_")[0])

    return sorted(find_runs(recorded, group), key=place)


def errors_of(recorded, group: str, on: list[str] | None = None, **options: Any):
    runs = of_group(recorded, group)
    return _errors(runs, group_table(runs, on), **options)


def legend(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.legends[0].get_texts())


def drawn(figure: Figure, gid: str) -> list[list[float]]:
    """The heights of what is called so, panel by panel."""
    return [
        [y for line in axes.lines if line.get_gid() == gid for y in np.atleast_1d(line.get_ydata())]
        for axes in figure.axes
    ]


def cells(figure: Figure) -> list[list[float]]:
    """The numbers in the cells of each panel."""
    return [
        [float(text.get_text()) for text in axes.texts if text.get_gid() == "value"]
        for axes in figure.axes[:-1]
    ]


def test_where_seeds_alone_vary_a_value_is_a_run_and_the_seed_that_outlies_is_named(recorded):
    errors = errors_of(recorded, "seeds")
    assert errors.attrs["per"] == "run" and len(errors) == 9
    figure = box(errors, violin=True)
    (outliers,) = drawn(figure, "outliers")
    assert outliers == [65.0]
    said = legend(figure)
    assert "outlying runs\n1  seed 5: 65 %" in said
    assert re.findall(r"seed \d", said) == ["seed 5", "seed 7"] and "lost runs\nseed 7" in said
    # Every run is a dot, but the one that is lost and counted.
    (dots_of_runs,) = drawn(figure, "runs")
    assert sorted(dots_of_runs) == sorted(10.0 + s + 50.0 * (s == 5) for s in range(9) if s != 7)
    assert [text.get_text() for text in figure.axes[0].texts if text.get_gid() == "lost"] == ["×1"]
    assert figure.axes[0].get_xlabel().endswith("(9 runs)")
    # The median of the nine, the lost one the worst of them.
    assert drawn(figure, "median")[0][0] == np.median([10, 11, 12, 13, 14, 65, 16, np.inf, 18])


def test_several_test_datasets_are_boxes_side_by_side_or_panels_with_their_own_numbers(recorded):
    side_by_side = box(errors_of(recorded, "seeds", list(TESTS)))
    assert drawn(side_by_side, "median")[0][::2] == [14.0, 34.0]
    assert side_by_side.axes[0].get_xlabel() == "test dataset\n(9 runs each)"
    assert side_by_side.get_suptitle() == "group seeds, tested on 2 datasets"
    panels = box(errors_of(recorded, "families", list(TESTS), per="run", parameters=["dataset.family"]))
    assert [axes.get_title() for axes in panels.axes] == [f"test dataset\n{test}" for test in TESTS]
    for n, medians in enumerate(drawn(panels, "median")):
        assert medians[::2] == [10.0 * (k + 1) + 11.0 + 100.0 * n for k in range(3)]
    for axes in panels.axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == list(FAMILIES)
    assert len({axes.get_ylim() for axes in panels.axes}) == 1


def test_other_groups_are_drawn_by_orbit_unless_runs_are_asked_for(small_study):
    some = choose_runs(small_study, ["small"], ["state=finished", "segment_length_strategy=4", "seed=0"])
    table = group_table(some, FIRST)
    assert _errors(some, table).attrs["per"] == "orbit"
    errors = _errors(some, table, per="run", metric="field", parameters=["output_layer"])
    assert sorted(errors["value"]) == sorted(table["field"])
    # Called by what differs within a box.
    assert set(errors["run"].str.replace(r" \(.*", "", regex=True)) == {
        f"complex_TBP_planar_{n}_train, {layer}"
        for n in (2, 5)
        for layer in ("sph_4D_rinv", "sph_4D_rinv_vel")
    }
    with pytest.raises(KeplearnError, match="a row a run is of all orbits"):
        error_table(some, FIRST, ["orbit"], "run")


def test_the_samples_of_one_run_are_broken_down_by_orbit(small_study):
    run = choose_runs(small_study, ["small"], ["state=finished"])[0]
    errors = _errors([run], group_table([run], SECOND), per="sample")
    kept = keep_evaluation(run.path, run.model(), load_dataset(SECOND))
    figure = box(errors)
    assert drawn(figure, "median")[0][::2] == pytest.approx(np.median(kept["mean"], axis=1))
    assert figure.axes[0].get_xlabel() == "orbit\n(360 samples of 1 run each)"


def test_a_groups_table_has_a_row_for_each_run_and_test_dataset(recorded):
    runs = of_group(recorded, "families")
    both = group_table(runs, TESTS, ["dataset.family"])
    assert len(both) == 2 * len(runs) and both.attrs["varying"][-1] == "test"
    for test in TESTS:
        alone = group_table(runs, test, ["dataset.family"])
        assert "test" not in alone.attrs["varying"]
        for column in ("median", "dataset.family", "segment_length_strategy"):
            assert both[both["test"] == test][column].tolist() == alone[column].tolist()


def test_families_and_test_datasets_are_axes_and_panels_of_a_heat_map(recorded):
    table = group_table(of_group(recorded, "families"), TESTS, ["dataset.family", "family"])
    figure = heatmap(table, x="dataset.family", y="test", reduce="mean")
    assert cells(figure) == [[21.0, 31.0, 41.0, 121.0, 131.0, 141.0]]
    assert figure.axes[0].get_xlabel() == "training family"
    by_family = heatmap(table, x="segment_length_strategy", y="test", column="family")
    assert cells(by_family) == [[14.0 + k, 28.0 + k, 114.0 + k, 128.0 + k] for k in (0.0, 10.0, 20.0)]
    # Without a place of their own the test datasets have panels; they are never pooled.
    by_test = heatmap(table, x="dataset.family", y="segment_length_strategy")
    assert cells(by_test) == [
        [14.0, 24.0, 34.0, 28.0, 38.0, 48.0],
        [114.0, 124.0, 134.0, 128.0, 138.0, 148.0],
    ]
    lines = dots(table, x="family", column="segment_length_strategy")
    assert len(lines.axes) == 4
    with pytest.raises(KeplearnError, match=r"scores on 2 datasets would be pooled.*--row test"):
        dots(table, x="seed", column="segment_length_strategy", row="family")


@pytest.mark.parametrize("draw", [dots, heatmap, importance, box])
def test_names_of_datasets_that_do_not_fit_are_shown_without_what_all_share(recorded, draw):
    names = [f"complex_TBP_planar_fixnu0_{n}_train" for n in (1, 2, 5, 10, "10@1", "10@2", 50, 100)]
    table = group_table(of_group(recorded, "families"))
    table = table.loc[np.repeat(table.index, 8)].assign(dataset_name=names * 12)
    table.attrs["varying"] = ["dataset_name", "segment_length_strategy"]
    if draw is box:
        table = table.assign(value=table["median"], orbit="", label=table["dataset_name"])
        table.attrs["by"] = ["dataset_name"]
    figure = draw(table, **({"x": "dataset_name"} if draw in (dots, heatmap) else {}))
    (panel,) = (
        axes for axes in figure.axes if any("10@1" in label.get_text() for label in axes.get_xticklabels())
    )
    assert [label.get_text() for label in panel.get_xticklabels()] == [
        *("1", "2", "5", "10", "10@1", "10@2", "50", "100")
    ]
    if draw is not importance:  # whose panels are the narrowest
        assert {label.get_rotation() for label in panel.get_xticklabels()} == {0.0}
    said = f"{panel.get_xlabel()}{panel.get_title()}"
    assert "training dataset: complex_TBP_planar_fixnu0_…_train" in said.replace("\n", " ").replace("_ ", "_")


def test_what_is_dropped_of_names_stands_in_the_parameters_and_of_each_a_word_is_left():
    assert named("test", ["complex_TBP_planar_1_test", "circular_TBP_planar_1_test"], 8, 1) == (
        "test dataset: …_TBP_planar_1_test",
        {"complex_TBP_planar_1_test": "complex", "circular_TBP_planar_1_test": "circular"},
    )
    nested = ["complex_TBP_planar_10", "complex_TBP_planar_10_train"]
    assert list(named("dataset_name", nested, 8, 1)[1].values()) == ["10", "10_train"]
    # With room they stay whole; one alone, sums, chosen orbits and files share no words.
    for names, letters in (
        (nested, 40),
        (nested[:1], 8),
        ([nested[0], f"{nested[1]}+circular_TBP_planar_4"], 8),
        (["orbit(a=20000,e=0.1)", "orbit(a=20000,e=0.2)"], 8),
        (["my_own_1.nc", "my_own_2.nc"], 8),
    ):
        assert named("dataset_name", names, letters, 1)[1] == level_texts(names)


def test_the_command_takes_several_test_datasets(recorded, tmp_path, capsys):
    picture, numbers = tmp_path / "x.png", tmp_path / "x.csv"
    words = [
        "box",
        "seeds",
        "--runs",
        recorded,
        "--on",
        *TESTS,
        "--violin",
        "--out",
        picture,
        "--data",
        numbers,
    ]
    app(list(map(str, words)), result_action="return_value")
    assert str(picture) in capsys.readouterr().out and picture.stat().st_size > 10_000
    rows = numbers.read_text().splitlines()
    assert sum(",runs," in row for row in rows) == 16
    with pytest.raises(KeplearnError, match="Did you mean 'complex_TBP_planar_10_test'"):
        app(["box", "seeds", "--runs", str(recorded), "--on", FIRST, "complex_TBP_planr_10_test"])
