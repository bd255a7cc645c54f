"""What is measured is one choice, whole orbits or segments: figures and tables say it, and none mixes the two."""

import json

import pytest
from fuzz import keplearn

from keplearn.config import runs_from_dict
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.scores import keep_scores
from keplearn.figures import box, dots
from keplearn.groups.choice import choose_runs
from keplearn.groups.error_table import error_table
from keplearn.groups.scoring import segments_of
from keplearn.groups.table import group_table
from keplearn.runs.writer import RunWriter

TEST = "complex_TBP_planar_1_test"


@pytest.fixture
def some(small_study):
    return choose_runs(
        small_study, ["small"], ["width=8", "seed=0", "segment_length_strategy=4", "state=finished"]
    )


def test_a_groups_figures_are_of_segments_where_that_is_asked_and_say_so(some):
    table = group_table(some, segments=18)
    scores = [
        found and found.summary["median"] for found in keep_scores(some, load_dataset(TEST), segments=18)
    ]
    assert table["median"].tolist() == scores
    assert (group_table(some)["median"] != table["median"]).all()
    assert group_table(some, segments=0)["median"].tolist() == group_table(some)["median"].tolist()
    figures = [dots(table, x="feature_layer"), box(error_table(some, TEST, ["feature_layer"], segments=18))]
    for figure in figures:
        title = figure.get_suptitle()
        assert title == f"group small, tested on segments of 18 of {TEST}"


def test_runs_are_scored_on_a_dataset_that_they_were_not_scored_on(some):
    other = "circular_TBP_planar_1_test"
    table = group_table(some[:2], other)
    assert table.attrs["dataset"] == other and table["median"].notna().all()


@pytest.fixture
def mixed(tmp_path):
    """A run that was scored over segments of 18, and one over whole orbits."""
    data = {"dataset_name": TEST, "test": [TEST], "score_segments": [18, None]}
    for config in runs_from_dict({"wandb": {"group": "mixed"}, "data": data}):
        segments = config.score_segments
        over = {"segments": segments} if segments else {}
        scores = {"median": 2.0, "mean": 40.0 if segments else 3.0, "field": 1.0, "lost": 0, **over}
        with RunWriter(tmp_path, config) as writer:
            writer.start({}, resume=False)
            writer.path.joinpath("model.eqx").touch()
            writer.end("finished", scores={TEST: scores})
    return tmp_path


def test_no_table_mixes_segments_with_whole_orbits_in_silence(mixed):
    runs = choose_runs(mixed, ["mixed"])
    with pytest.raises(KeplearnError, match=r"were not scored alike .*1 over segments of 18"):
        group_table(runs)
    assert segments_of(choose_runs(mixed, [], ["score_segments=18"]), None) == 18
    assert (segments_of(runs, 9), segments_of(runs, 0)) == (9, None)
    for command in ("evaluate", "report"):
        code, _, err = keplearn(command, "mixed", "--runs", mixed)
        assert code == 2 and "--segments 18" in err and "--segments 0" in err


def test_a_list_of_runs_says_which_scores_are_of_segments_and_which_means_few_orbits_may_rule(mixed):
    _, out, _ = keplearn("runs", "mixed", "--runs", mixed)
    titles, *rows, _, remark = out.splitlines()
    assert titles.split()[-4:] == ["segments", "median", "mean", "field"]
    assert {row.split()[-4] for row in rows} == {"18", "-"}
    assert remark.startswith("the mean of 1 run is more than 5 times the median")
    _, out, _ = keplearn("runs", "mixed", "--runs", mixed, "--format", "json")
    assert {row["segments"] for row in json.loads(out)} == {18, None}
