"""Figures of a group draw every run, say what is missing, and their numbers are those of the table.

Longer than most files: a test for each figure of a group, and the runs that all of them draw.
"""

import itertools
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.ranking import drawn_values
from keplearn.evaluation.statistics import quantiles
from keplearn.evaluation.store import keep_evaluation
from keplearn.figures.parts.cells import readable
from keplearn.figures.parts.labels import colour_of, metric_label, number, parameter_label, wrap
from keplearn.figures.parts.scales import wants_log
from keplearn.figures.parts.swarm import beeswarm
from keplearn.figures.plots.box import box
from keplearn.figures.plots.dots import dots
from keplearn.figures.plots.heatmap import heatmap
from keplearn.figures.plots.importance import importance
from keplearn.groups.error_table import _labels, error_table
from keplearn.groups.importance import dependence_table, importance_table
from keplearn.groups.table import group_table
from keplearn.groups.values import level_texts, levels, shorten
from keplearn.runs.find import find_runs

TEST = "complex_TBP_planar_10_test"


@pytest.fixture(scope="module")
def runs(small_study):
    return find_runs(small_study, "small")


@pytest.fixture(scope="module")
def small(runs) -> pd.DataFrame:
    return group_table(runs)


@pytest.fixture(scope="module")
def large() -> pd.DataFrame:
    """A full factorial of 576 runs over five parameters, errors over four decades, some failed or not finite."""
    random = np.random.default_rng(0)
    axes: dict[str, list[Any]] = {
        "dataset_name": ["ten_train", "fifty_train", "hundred_train"],
        "segment_length_strategy": [18, 4, 10],
        "feature_layer": ["sph_4D_rinv", "sph_4D_rinv_vel"],
        "output_layer": ["mlp_4D_signed", "mlp_4D_logmag_unit_exp", "mlp_simple_hybrid", "mlp_4D_unit"],
        "seed": list(range(8)),
    }
    table = pd.DataFrame(list(itertools.product(*axes.values())), columns=pd.Index(axes))
    length = table["segment_length_strategy"].to_numpy()
    table["mean"] = 10 ** (0.2 * length - 1 + 0.4 * random.normal(size=len(table)))
    table["state"] = "finished"
    table["diverged"] = (random.random(len(table)) < 0.1).astype(float)
    table.loc[table.sample(20, random_state=0).index, "mean"] = np.nan
    table.loc[table["mean"].isna().to_numpy().nonzero()[0][:5], "state"] = "failed"
    none = (
        (table["output_layer"] == "mlp_4D_unit") & (table["feature_layer"] == "sph_4D_rinv") & (length == 18)
    )
    table.loc[none & (table["dataset_name"] == "ten_train"), "mean"] = np.inf
    table["run_id"] = [f"{k:016x}" for k in range(len(table))]
    table.attrs = {"varying": list(axes), "metrics": ["mean"], "group": "layers", "dataset": "a_test"}
    return table


PLACES = {"x": "output_layer", "row": "feature_layer", "column": "dataset_name"}


def series(figure: Figure, gid: str) -> list[Any]:
    return [line for axes in figure.axes for line in axes.lines if str(line.get_gid()).startswith(gid)]


def texts(figure: Figure, gid: str) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_gid() == gid]


def legend(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.legends[0].get_texts())


@pytest.mark.parametrize("which", ["small", "large"])
def test_every_run_is_one_dot_or_counted_and_those_that_lost_samples_stand_above_all_numbers(which, request):
    table = request.getfixturevalue(which)
    figure = dots(table, "mean", colour="segment_length_strategy", **PLACES)
    drawn = np.concatenate([line.get_ydata() for line in series(figure, "dots:")])
    standing = drawn_values(table, "mean")
    np.testing.assert_array_equal(np.sort(drawn), np.sort(standing[np.isfinite(standing)]))
    lost = np.concatenate([[], *(line.get_ydata() for line in series(figure, "lost:"))])
    assert len(lost) == np.isposinf(standing).sum()
    assert (lost > np.max(drawn)).all()
    counted = sum(int(text.removeprefix("×")) for text in texts(figure, "lost"))
    assert counted == (~np.isfinite(standing)).sum()
    assert f"{(table['state'] != 'finished').sum()} not finished" in legend(figure)


def test_lines_are_the_medians_with_lost_runs_as_the_worst(large):
    figure = dots(large, "mean", colour="segment_length_strategy", **PLACES)
    standing = large.assign(mean=drawn_values(large, "mean"))
    groups = standing[~np.isnan(standing["mean"])].groupby([*PLACES.values(), "segment_length_strategy"])
    expected = groups["mean"].agg(lambda values: quantiles(values.to_numpy(), [0.5])[0]).to_numpy()
    assert np.isposinf(expected).any()
    drawn = np.concatenate([line.get_ydata()[::3] for line in series(figure, "median:")])
    numbers = drawn[drawn < np.nanmax(standing["mean"][np.isfinite(standing["mean"])])]
    np.testing.assert_allclose(np.sort(numbers), np.sort(expected[np.isfinite(expected)]))
    # The one that is infinite lies where the lost runs do.
    assert np.setdiff1d(drawn, numbers) == pytest.approx(series(figure, "lost:")[0].get_ydata()[0])


def test_a_run_with_lost_samples_is_hollow_and_the_rest_is_full(large):
    figure = dots(large, "mean", **PLACES)
    assert {line.get_markerfacecolor() for line in series(figure, "lost:")} == {"white"}
    assert "white" not in {line.get_markerfacecolor() for line in series(figure, "dots:")}
    # The same runs at the true states, where nothing was lost.
    field = dots(large.rename(columns={"mean": "field"}), "field", **PLACES)
    assert sum(len(x.get_xdata()) for x in series(field, "lost:")) == np.isposinf(large["mean"]).sum()


def test_dots_keep_their_distance_and_every_figure_places_them_alike():
    heights = np.random.default_rng(1).normal(size=200) * 20
    offsets = beeswarm(heights, 3.0)
    apart = np.hypot(np.subtract.outer(heights, heights), np.subtract.outer(offsets, offsets))
    assert apart[~np.eye(200, dtype=bool)].min() >= 3.0 - 1e-6
    np.testing.assert_array_equal(offsets, beeswarm(heights, 3.0))


def test_five_parameters_in_one_figure(large):
    figure = dots(large, "mean", colour="segment_length_strategy", marker="seed", **PLACES)
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        f"training dataset\n{name}" for name in ("ten_train", "fifty_train", "hundred_train")
    ]
    assert texts(figure, "row") == ["feature layer\nsph_4D_rinv", "feature layer\nsph_4D_rinv_vel"]
    assert "segment length (samples)\n4\n10\n18\n" in legend(figure)
    assert "seed\n0\n1\n" in legend(figure)
    assert {line.get_marker() for line in series(figure, "dots:")} == set("os^DvPXh")
    labels = {axes.get_xlabel() for axes in figure.axes} | {axes.get_ylabel() for axes in figure.axes}
    assert labels == {"", "output layer", "mean acceleration error along the propagated path (%)"}
    assert {axes.get_yscale() for axes in figure.axes} == {"log"}
    title = figure.get_suptitle()
    assert title == "group layers, tested on a_test"


def test_a_value_has_the_same_colour_in_every_figure():
    both = colour_of(["mlp_4D_signed", "mlp_4D_logmag_unit_exp"])
    assert colour_of(["mlp_4D_logmag_unit_exp"])["mlp_4D_logmag_unit_exp"] == both["mlp_4D_logmag_unit_exp"]
    assert colour_of([4, 10, 18, 4]) == colour_of([18, 10, 4])
    assert len(set(colour_of(range(16)).values())) == 16


@pytest.mark.parametrize("reduce", ["median", "mean", "min", "max"])
def test_cells_are_annotated_with_the_reduction_of_the_runs_and_lost_ones_are_the_worst(large, reduce):
    figure = heatmap(large, "mean", x="segment_length_strategy", y="output_layer", reduce=reduce)
    standing = large.assign(mean=drawn_values(large, "mean"))
    groups = standing.groupby(["output_layer", "segment_length_strategy"])["mean"]
    cells = groups.agg(lambda x: getattr(np, reduce)(x[~np.isnan(x)].to_numpy()))
    names = levels(large["output_layer"])
    found = [float(cells[name, length]) for name in names for length in (4, 10, 18)]
    assert all(np.isfinite(found)) == (reduce in ("median", "min"))
    assert texts(figure, "value") == [number(x) if np.isfinite(x) else "lost" for x in found]
    assert (
        len([patch for patch in figure.axes[0].patches if patch.get_gid() == "lost"]) == np.isinf(found).sum()
    )
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["4", "10", "18"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    assert figure.axes[0].get_xlabel() == "segment length (samples)"
    assert "(%)" in figure.axes[-1].get_ylabel()
    assert "48 runs a cell" in legend(figure)


def test_cells_of_lost_runs_and_without_a_value_are_hatched_and_those_without_a_run_empty(small, large):
    figure = heatmap(large, "mean", x="segment_length_strategy", y="output_layer",
                     row="feature_layer", column="dataset_name")  # fmt: skip
    # A cell is lost where the median of its runs is, a run with diverged orbits counting as infinite.
    ranked = large["mean"].where(large["diverged"] == 0, np.inf).where(large["mean"].notna())
    cells = [
        large[key] for key in ("segment_length_strategy", "output_layer", "feature_layer", "dataset_name")
    ]
    lost = int(np.isinf(ranked.groupby(cells).median()).sum())
    assert lost >= 1
    hatched = [patch for axes in figure.axes for patch in axes.patches if patch.get_gid() == "lost"]
    assert len(hatched) == lost
    assert all(patch.get_hatch() for patch in hatched)
    assert texts(figure, "value").count("lost") == lost
    assert "◇8 of 8" in texts(figure, "runs")
    figure = heatmap(small, "mean", x="segment_length_strategy", y="output_layer")
    assert len(texts(figure, "value")) == 5
    assert texts(figure, "value").count("×1 of 1") == 1
    assert texts(figure, "runs") == ["n = 8"] * 4
    assert "1 not finished" in legend(figure)
    assert "empty: no run" in legend(figure)


def test_numbers_in_cells_are_read_on_every_colour(large):
    assert (readable((1.0, 1.0, 0.0)), readable((0.2, 0.0, 0.3))) == ("black", "white")
    colours = {text.get_color() for text in heatmap(large, "mean").axes[0].texts}
    assert colours == {"black", "white"}


def test_colours_are_logarithmic_where_the_range_asks(small, large):
    def norm(figure: Figure) -> str:
        meshes = [mesh for mesh in figure.axes[0].collections if mesh.get_gid() == "cells"]
        return type(meshes[0].norm).__name__

    assert norm(heatmap(large, "mean", x="segment_length_strategy", y="output_layer")) == "LogNorm"
    assert norm(heatmap(small, "mean")) == "Normalize"
    assert wants_log(np.array([1.0, 100.0, np.nan]))
    assert not wants_log(np.array([1.0, 100.0, -1.0]))


@pytest.fixture(scope="module")
def by_orbit(runs) -> pd.DataFrame:
    return error_table(runs, TEST, ["segment_length_strategy", "output_layer"])


def test_box_table_has_every_orbit_of_every_finished_run(runs, by_orbit):
    assert len(by_orbit) == 32 * 10
    assert by_orbit.attrs["unit"] == "%"
    assert by_orbit.attrs["left_out"] == 1
    assert levels(by_orbit["label"]) == [
        f"{length}, {name}" for length in (4, 10) for name in levels(by_orbit["output_layer"])
    ]
    run = next(run for run in runs if run.state == "finished")
    kept = keep_evaluation(run.path, run.model(), load_dataset(TEST))
    mine = by_orbit[by_orbit["run_id"] == run.run_id]
    np.testing.assert_allclose(mine["value"], kept["mean"].mean("sample"))
    assert mine["orbit"].tolist() == kept["orbit"].to_numpy().astype(str).tolist()


def test_box_table_by_sample_and_its_errors(runs):
    some = [run for run in runs if run.state == "finished"][:2]
    table = error_table(some, "complex_TBP_planar_1_test", ["output_layer"], "sample", "theta-deg")
    assert len(table) == 2 * 360
    assert table.attrs["unit"] == "°"
    with pytest.raises(KeplearnError, match="Did you mean 'theta-deg'"):
        error_table(some, TEST, ["output_layer"], "sample", "theta")
    with pytest.raises(KeplearnError, match="Did you mean 'output_layer'"):
        error_table(some, TEST, ["output_layr"])
    with pytest.raises(KeplearnError, match="none of 1 runs has finished"):
        error_table([run for run in runs if run.state == "failed"], TEST, ["seed"])


def test_boxes_show_median_mean_and_all_outliers(by_orbit):
    figure = box(by_orbit)
    grouped = by_orbit.groupby("label", sort=False)["value"]
    assert [line.get_ydata()[0] for line in series(figure, "median")] == pytest.approx(list(grouped.median()))
    assert [line.get_ydata()[0] for line in series(figure, "mean")] == pytest.approx(list(grouped.mean()))
    q1, q3 = grouped.transform("quantile", 0.25), grouped.transform("quantile", 0.75)
    beyond = (by_orbit["value"] < q1 - 1.5 * (q3 - q1)) | (by_orbit["value"] > q3 + 1.5 * (q3 - q1))
    assert sum(len(line.get_ydata()) for line in series(figure, "outliers")) == beyond.sum()
    worst = by_orbit[beyond].sort_values("value").iloc[-1]
    assert f"1  {worst['run_id'][:8]}/{worst['orbit']}: {number(worst['value'])} %" in legend(figure)
    assert {"median", "mean", "outliers"} <= set(legend(figure).split("\n"))
    assert figure.axes[0].get_xlabel() == (
        "segment length (samples), output layer\n(80 orbits of 8 runs each)"
    )
    assert figure.axes[0].get_ylabel().endswith("(%)")


def test_names_of_the_worst_do_not_overlap(by_orbit):
    figure = box(by_orbit, violin=True)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_gid() == "worst"]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert len([c for c in figure.axes[0].collections if c.get_gid() == "violin"]) == 4


def test_values_that_are_lost_are_the_greatest_and_counted(by_orbit):
    broken = by_orbit.copy()
    broken.loc[:2, "value"] = [np.inf, np.nan, np.inf]
    figure = box(broken)
    assert texts(figure, "lost") == ["×3"]
    assert "not finite (3 in all)" in legend(figure)
    first = broken[broken["label"] == broken["label"][0]]["value"].to_numpy()
    counted = np.where(np.isfinite(first), first, np.inf)
    assert series(figure, "median")[0].get_ydata()[0] == pytest.approx(np.median(counted))
    # The mean of a box that lost values stands in the band, above the greatest number of all.
    means = [line.get_ydata()[0] for line in series(figure, "mean")]
    assert means[0] > broken["value"][np.isfinite(broken["value"])].max() > max(means[1:])
    # With two thirds lost so do median and upper quartile.
    most = broken.assign(value=np.where(np.arange(len(broken)) % 80 < 54, np.inf, broken["value"]))
    figure = box(most)
    band = series(figure, "mean")[0].get_ydata()[0]
    assert [line.get_ydata()[0] for line in series(figure, "median")] == [band] * 4
    nothing = box(broken.assign(value=np.nan))
    assert texts(nothing, "lost") == ["×80"] * 4


def test_the_one_parameter_that_matters_is_found(large):
    # Runs that are lost at random would be noise: here none is.
    large = large.assign(diverged=0.0, mean=large["mean"].replace(np.inf, np.nan))
    table = importance_table(large, "mean")
    assert table.index[0] == "segment_length_strategy"
    assert table["correlation"].iloc[0] > 0.8
    assert table["permutation"].iloc[0] > 0.5
    assert table["permutation"].iloc[1:].abs().max() < 0.1
    assert table["correlation"].iloc[1:].abs().max() < 0.2
    assert table["measure"].to_dict()["output_layer"] == table["measure"].to_dict()["seed"] == "eta"
    assert 0.6 < table.attrs["oob_r2"] < 1.0
    assert table.attrs["runs"] + table.attrs["left_out"] == len(large)
    pd.testing.assert_frame_equal(table, importance_table(large, "mean"))


def test_rank_correlations_are_those_of_the_ranks_with_lost_runs_as_the_last(large):
    scored = large[large["mean"].notna()]
    ranks = scored["mean"].where(scored["diverged"] == 0, np.inf).rank()
    table = importance_table(large, "mean", ["segment_length_strategy", "feature_layer"])
    spearman = ranks.corr(scored["segment_length_strategy"].rank())
    assert table["correlation"]["segment_length_strategy"] == pytest.approx(spearman)
    # With two values η is the size of the correlation with either.
    two = (scored["feature_layer"] == "sph_4D_rinv").astype(float)
    assert table["correlation"]["feature_layer"] == pytest.approx(abs(ranks.corr(two)))


def test_best_at_best_is_the_least_run_of_each_value(small):
    dependence = dependence_table(small, "mean")
    finite = small[np.isfinite(small["mean"])]
    for row in dependence.to_dict("records"):
        here = finite[finite[row["parameter"]] == row["value"]]
        assert row["best"] == here["mean"].min()
        assert row["best_run"] == here.loc[here["mean"].idxmin(), "run_id"]
        assert row["runs"] == len(here)
        assert here["mean"].min() < row["partial"] < here["mean"].max()


def test_importance_is_drawn_with_its_quality(small):
    figure = importance(small)
    table, dependence = importance_table(small), dependence_table(small)
    left, right, *panels = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == [parameter_label(n) for n in table.index]
    assert [patch.get_width() for patch in left.patches] == pytest.approx(list(table["correlation"].abs()))  # type: ignore[attr-defined]
    assert [patch.get_width() for patch in right.patches] == pytest.approx(list(table["permutation"]))  # type: ignore[attr-defined]
    assert len(panels) == len(table)
    for name in table.index:
        rows = dependence[dependence["parameter"] == name]
        for key in ("partial", "best"):
            (line,) = series(figure, f"{key}:{name}")
            np.testing.assert_allclose(line.get_ydata(), rows[key])
    assert f"R² = {table.attrs['oob_r2']:.2f}, 32 runs, 1 left out" in legend(figure)
    assert "correlation ratio" in legend(figure)


def test_without_scikit_learn_the_cure_is_named(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(KeplearnError, match=r"pip install 'keplearn\[study\]'"):
        importance(small)


def test_labels_have_plain_words_and_units():
    assert metric_label("mean") == "mean acceleration error along the propagated path (%)"
    assert metric_label("theta-deg").endswith("(°)")
    assert metric_label("position%", of_runs=False) == "position error (%)"
    assert metric_label("skewness") == "skewness of the acceleration errors"
    assert parameter_label("width") == "width (neurons)"
    assert parameter_label("harmonics_degree") == "harmonics degree"
    assert [number(v) for v in (0.01234, 12.34, 1234.4, 1.2e7, 0.0)] == [
        "0.0123",
        "12.3",
        "1230",
        "1.2e7",
        "0",
    ]
    assert wrap("mlp_4D_logmag_unit_exp", 15) == "mlp_4D_logmag_\nunit_exp"
    assert wrap("sph_4D_rinv, [4, 18]", 12) == "sph_4D_rinv,\n[4, 18]"
    assert levels([10, 4, None, 18]) == [4, 10, 18, None]
    assert levels(["b", "a", "b"]) == ["b", "a"]


def test_a_run_that_lost_samples_has_the_last_rank_and_is_never_the_best(large):
    lost = large.assign(lost=0.0, diverged=0.0)
    # The best runs of one value lose a sample each.
    best = lost[lost["segment_length_strategy"] == 4].nsmallest(100, "mean").index
    lost.loc[best, "lost"] = 1.0
    table = importance_table(lost, "mean", ["segment_length_strategy"])
    assert table.attrs["lost"] == 100 + np.isposinf(large["mean"]).sum()
    assert (
        table["correlation"].iloc[0]
        < importance_table(large.assign(diverged=0), "mean")["correlation"].iloc[0]
    )
    rows = dependence_table(lost, "mean", ["segment_length_strategy"]).set_index("value")
    standing = lost[(lost["lost"] == 0) & (lost["segment_length_strategy"] == 4)]["mean"]
    assert rows["best"][4] == standing.min()
    lost.loc[lost["segment_length_strategy"] == 4, "lost"] = 1.0
    figure = importance(lost, "mean", ["segment_length_strategy", "feature_layer"])
    (bests,) = series(figure, "best:segment_length_strategy")
    assert bests.get_ydata()[0] > lost["mean"][np.isfinite(lost["mean"])].max() > bests.get_ydata()[1]
    assert "that lost samples count as the worst" in legend(figure)


def boxes_of_datasets(table: pd.DataFrame, metric: str, **options: Any) -> Figure:
    """The boxes of a table of runs, each of whose orbits has a long name too; lost runs as lost orbits."""
    names = _labels([(name,) for name in table["dataset_name"]])
    errors = table[["run_id", "dataset_name"]].assign(
        label=[names[(name,)] for name in table["dataset_name"]],
        orbit=table["dataset_name"],
        value=table[metric],
    )
    errors.attrs = table.attrs | {"unit": "%", "by": ["dataset_name"], "per": "orbit"}
    return box(errors, metric, **options)


@pytest.mark.parametrize("draw", [dots, heatmap, importance, boxes_of_datasets])
def test_names_of_240_letters_leave_the_panels_their_room(large, draw):
    named = large.assign(
        dataset_name=[f"{'a' * 230}/{name}_{'b' * 230}.nc" for name in large["dataset_name"]]
    )
    named.attrs = large.attrs | {"dataset": "c" * 240}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(named, "mean", **({"x": "dataset_name"} if draw is dots else {}))
        figure.draw_without_rendering()
    assert all(axes.get_window_extent().height > 40 for axes in figure.axes)
    words = [
        text.get_text() for axes in figure.axes for text in axes.get_xticklabels() + axes.get_yticklabels()
    ]
    assert max(map(len, words)) <= 44
    assert any("…" in text and text.endswith("bbb.nc") for text in words)
    assert len(figure.get_suptitle()) < 80
    assert max((len(line) for line in legend(figure).split("\n")), default=0) < 80


ALIKE = "a" * 100 + "{}" + "b" * 97 + ".nc"


@pytest.mark.parametrize(
    ("draw", "places"),
    [
        (dots, {"x": "dataset_name"}),
        (dots, {"x": "seed", "colour": "dataset_name"}),
        (dots, {"x": "seed", "marker": "dataset_name"}),
        (heatmap, {"x": "dataset_name", "y": "seed"}),
        (heatmap, {"x": "seed", "y": "dataset_name"}),
        (heatmap, {"x": "seed", "y": "feature_layer", "row": "dataset_name"}),
        (importance, {"parameters": ["dataset_name", "seed"]}),
        (boxes_of_datasets, {}),
        (boxes_of_datasets, {"by": "dataset_name"}),
    ],
)
def test_names_that_are_cut_alike_show_where_they_differ(large, draw, places):
    named = large.assign(dataset_name=[ALIKE.format(name) for name in large["dataset_name"]])
    named.attrs = large.attrs
    figure = draw(named, "mean", **places)
    words = [
        text.get_text() for axes in figure.axes for text in axes.get_xticklabels() + axes.get_yticklabels()
    ]
    words += [text.get_text() for axes in figure.axes for text in [axes.title, *axes.texts]]
    whole = "".join([*words, legend(figure)]).replace("\n", "")
    assert all(f"aaa{name}" in whole for name in ("ten_train", "fifty_train", "hundred_train"))


def test_values_that_would_be_alike_are_named_apart():
    assert level_texts([0.1, 0.2, None]) == {0.1: "0.1", 0.2: "0.2", None: "none"}
    assert level_texts([1.00001, 1.00002, 3.0]) == {1.00001: "1.00001", 1.00002: "1.00002", 3.0: "3"}
    paths = [f"{place}/{'x' * 60}.nc" for place in ("here", "there")]
    assert len({shorten(path) for path in paths}) == 1
    found = list(level_texts(paths).values())
    assert found[0].startswith("here/") and found[1].startswith("there/")
    # Names that differ in more than one place, beyond what can be shown.
    many = ["a" * 50 + one + "b" * 50 + two + "c" * 50 for one in "xy" for two in "pq"]
    found = list(level_texts(many).values())
    assert len(set(found)) == 4 and max(map(len, found)) < 44


def test_boxes_of_names_that_are_cut_alike_stay_apart():
    long = "a" * 30 + "{}" + "b" * 30
    assert len({shorten(long.format(k * 9)) for k in "xyz"}) == 1
    known = _labels(
        [(long.format("x" * 9), 4), (long.format("y" * 9), 4), (long.format("x" * 9), 4), ("short", 4)]
    )
    assert len(known) == len(set(known.values())) == 3
    assert known["short", 4] == "short, 4"


@pytest.mark.parametrize("draw", [dots, heatmap, importance])
def test_what_a_table_lacks_is_named(small, draw):
    with pytest.raises(KeplearnError, match="Did you mean 'mean'"):
        draw(small, "meen")
    with pytest.raises(KeplearnError, match="no run"):
        draw(small.iloc[:0])


def test_a_parameter_has_one_place(small):
    with pytest.raises(KeplearnError, match="given twice"):
        dots(small, x="seed", row="seed")
    with pytest.raises(KeplearnError, match="Did you mean 'output_layer'"):
        dots(small, x="output_layr")
    with pytest.raises(KeplearnError, match="Did you mean 'median'"):
        heatmap(small, reduce="medium")
    with pytest.raises(KeplearnError, match="no metric"):
        dots(small, "state", x="seed")
