"""Runs are chosen by names and conditions, and all that is recorded of them has a name."""

import json
from typing import Any

import pytest
from fuzz import keplearn

from keplearn.config import run_config
from keplearn.core.errors import KeplearnError
from keplearn.core.files import read_sealed
from keplearn.groups.choice import choose_runs
from keplearn.groups.error_table import error_table
from keplearn.groups.facts import Facts, run_names
from keplearn.groups.legend import legend
from keplearn.groups.study import Study
from keplearn.groups.table import group_table
from keplearn.runs.find import find_runs, open_run
from keplearn.runs.labels import write_label
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter

TEST = "complex_TBP_planar_1_test"
DATASETS = ("complex_TBP_planar_10@1_train", "circular_TBP_planar_rotated_4")


@pytest.fixture
def runs(tmp_path):
    """Two groups: ``heads``, two datasets and two widths, and ``phases``, a run of two phases and one that failed."""
    for number, (name, width) in enumerate((d, w) for d in DATASETS for w in (8, 64)):
        _write(run_config(name, group="heads", test=[TEST], width=width), tmp_path, float(number))
    steps: dict[str, Any] = {"segment_length_strategy": [[4, 18]], "steps_strategy": [[30, 30]]}
    _write(run_config(DATASETS[0], group="phases", **steps), tmp_path, 9.0)
    _write(run_config(DATASETS[0], group="phases", seed=1), tmp_path, None)
    return tmp_path


def _write(config, runs, number):
    with RunWriter(runs, config) as writer:
        writer.start({"machine": {"device": "cpu"}}, resume=False)
        if number is None:
            writer.end("failed", kind="no_segments", reason="too short")
            return
        writer.path.joinpath("model.eqx").touch()  # what makes a finished run one; none of these is loaded
        seconds = {"train": 10.0 * number, "total": 10.0 * number + 1}
        summary = {"best_loss": number, "num_train_orbits": 8, "seconds": seconds}
        writer.end(
            "finished", summary=summary, scores={TEST: {"mean": 100.0 - number, "median": number, "lost": 0}}
        )


def ids(found):
    return {
        (run.group, run.config.dataset_name.partition("_")[0], run.config.parameters.width) for run in found
    }


ALL_HEADS = {("heads", family, width) for family in ("complex", "circular") for width in (8, 64)}


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ([], ALL_HEADS),
        (["width=64"], {("heads", "complex", 64), ("heads", "circular", 64)}),
        (["parameters.width = 64.0", "family=circular"], {("heads", "circular", 64)}),
        (["dataset.family!=circular"], {("heads", "complex", 8), ("heads", "complex", 64)}),
        (["dataset.draw=1"], {("heads", "complex", 8), ("heads", "complex", 64)}),
        (["modifiers=rotated", "width<64"], {("heads", "circular", 8)}),
        (["width", "in", "8,16", "best_loss>0"], {("heads", "circular", 8)}),
        (["dataset_name in complex_TBP_planar_10@1_train, x"], {("heads", "complex", 8), ("heads", "complex", 64)}),
        (["seconds.train<=10"], {("heads", "complex", 8), ("heads", "complex", 64)}),
        (["seconds>=31"], {("heads", "circular", 64)}),
        (["median<1"], {("heads", "complex", 8)}),
        ([f"{TEST}.mean<98"], {("heads", "circular", 64)}),
        (["label!=old", "started>2020-01-01", "stride=none", "planar_constraint=yes", "device=cpu"], ALL_HEADS),
    ],
    ids=lambda x: " ".join(x) or "all" if isinstance(x, list) else "",
)  # fmt: skip
def test_conditions_choose_runs_by_config_dataset_record_and_score(runs, where, meant):
    assert ids(choose_runs(runs, ["heads"], where)) == meant


def test_names_are_groups_ids_beginnings_and_group_and_id_each_run_once(runs):
    heads, phases = choose_runs(runs, ["heads"]), choose_runs(runs, ["phases"])
    assert [run.path for run in choose_runs(runs)] == [run.path for run in heads + phases]
    first, second = phases
    names = [second.run_id[:10], "heads", f"phases/{first.run_id}", "heads"]
    assert [run.path for run in choose_runs(runs, names)] == [x.path for x in (second, *heads, first)]
    assert ids(choose_runs(runs, ["heads", "phases"], ["segment_length_strategy=[4,18]"])) == {
        ("phases", "complex", 64)
    }
    assert len(choose_runs(runs, ["phases"], ["steps_strategy=30"])) == 1  # in both of its phases
    assert [run.state for run in choose_runs(runs, ["phases"], ["kind=no_segments"])] == ["failed"]


@pytest.mark.parametrize(
    ("names", "where", "message"),
    [
        (["haeds"], [], "Did you mean 'heads'"),
        (["heads"], ["widht=8"], "--where widht=8: there is no 'widht' of a run. Did you mean 'width'"),
        (["heads"], ["dataset.famly=complex"], "Did you mean 'dataset.family'"),
        (["heads"], ["second.train<1"], "Did you mean 'seconds.train'"),
        (
            ["heads"],
            ["width=65"],
            "of the 4 runs of heads none has width=65: width is 8 (2 runs), 64 (2 runs).",
        ),
        (
            ["heads"],
            ["width=8", "median>2"],
            "of the 2 runs of heads with width=8 none has median>2: median is",
        ),
        (["heads"], ["label=old"], "label is none (4 runs)."),
        (["heads"], ["width"], "--where width: no condition"),
        (["heads"], ["family<3"], "only numbers and times have an order"),
    ],
)
def test_what_means_no_run_is_answered_with_what_there_is(runs, names, where, message):
    with pytest.raises(KeplearnError) as refused:
        choose_runs(runs, names, where)
    assert message in str(refused.value)


def test_everything_in_a_record_is_a_fact_by_its_name_or_the_end_of_it(runs):
    facts = Facts(choose_runs(runs, ["heads"]))
    for run in choose_runs(runs, ["heads"]):
        for key, value in _leaves(json.loads(read_sealed(run.path / "run.json").content)):
            if not key.startswith(("config", "scored_on", "seal")) and value not in ([], {}):
                assert value in facts.column(key)
    assert facts.column("seconds.train") == facts.column("summary.seconds.train")
    assert sorted(facts.column("seconds")) == [1.0, 11.0, 21.0, 31.0]
    assert facts.column("test") == [TEST] * 4
    assert facts.column("seed") == [0] * 4


def _leaves(value, name=""):
    if not isinstance(value, dict):
        yield name, value
        return
    for key, entry in value.items():
        yield from _leaves(entry, f"{name}.{key}".lstrip("."))


def test_runs_of_a_group_come_in_the_order_of_its_study_whichever_was_started_first(tmp_path):
    for seed in range(3):
        _write(run_config(DATASETS[0], group="g", test=[TEST], seed=seed), tmp_path, 1.0)
    first, *others = find_runs(tmp_path, "g")
    study = Study.of([run.config for run in reversed(others)], tmp_path)
    chosen = lambda *words: [run.run_id for run in choose_runs(tmp_path, words)]  # noqa: E731
    started = [run.run_id for run in (first, *others)]
    assert chosen("g") == started
    study.write()
    assert chosen("g") == chosen() == [*study.configs, first.run_id] != started
    (study.path / "sweep.json").write_text("{}")
    assert chosen("g") == started


def test_the_status_of_a_sweep_is_of_the_runs_that_are_meant_those_not_started_among_them(runs):
    configs = [run.config for run in choose_runs(runs, ["heads"])]
    planned = run_config(DATASETS[1], group="heads", test=[TEST], width=32)
    Study.of([*configs, planned], runs).write()
    for where, states, best in (
        ((), {"finished": 4, "missing": 1}, 0.0),
        (("family=circular",), {"finished": 2, "missing": 1}, 2.0),
        (("family=circular", "width>8"), {"finished": 1, "missing": 1}, 3.0),
        (("state=missing",), {"missing": 1}, None),
    ):
        words = ["--where", *where] if where else []
        code, out, _ = keplearn("sweep", "status", "heads", "--runs", runs, "--json", *words)
        found = json.loads(out)
        assert code == 0 and found["states"] == states and found["runs"] == sum(states.values())
        assert (found["best"] or {}).get("median") == best
    code, _, err = keplearn("sweep", "status", "heads", "--runs", runs, "--where", "widht=8")
    assert code == 2 and "Did you mean 'width'" in err


def test_a_groups_table_has_the_facts_that_are_asked_for(runs):
    table = group_table(
        choose_runs(runs, ["heads", "phases"]), None, ["dataset.family", "seconds.train", "per orbit"]
    )
    assert set(table["dataset.family"]) == {"complex", "circular"}
    assert table["seconds.train"].max() == 90.0
    assert "per orbit" not in table
    assert "group" in table.attrs["varying"] and set(table["group"]) == {"heads", "phases"}
    assert table.attrs["group"] == "heads, phases"


def test_boxes_are_made_by_facts(small_study):
    some = choose_runs(small_study, ["small"], ["seed=0", "segment_length_strategy=4"])
    table = error_table(some, TEST, ["dataset.orbits", "state"])
    assert set(table["label"]) == {"2, finished", "5, finished"}
    with pytest.raises(KeplearnError, match=r"Did you mean 'dataset\.orbits'"):
        error_table(some, TEST, ["dataset.orbit"])


def test_a_label_names_a_run_outlives_a_training_and_goes_with_an_empty_text(runs):
    first, second, *_ = choose_runs(runs, ["heads"])
    before = (first.path / "run.json").read_bytes()
    write_label(first.path, " best so far ")
    assert Run(first.path).label == Run(first.path).name == "best so far"
    assert (first.path / "run.json").read_bytes() == before
    assert [run.path for run in choose_runs(runs, [], ["label=best so far"])] == [first.path]
    write_label(second.path, "best so far")
    alike = run_names([Run(first.path), Run(second.path), choose_runs(runs)[-1]])
    assert alike[:2] == [f"best so far ({first.run_id[:8]})", f"best so far ({second.run_id[:8]})"]
    with RunWriter(runs, first.config) as writer:
        writer.start({}, resume=False)
        assert Run(first.path).label == "best so far"
        (first.path / "run.json").write_text("{")
        writer.start({}, resume=True)  # what is damaged is set aside
    assert Run(first.path).label == "best so far"
    write_label(first.path, "")
    assert Run(first.path).label is None and not (first.path / "label.json").exists()
    for text in ("two\nlines", "x" * 81):
        with pytest.raises(KeplearnError, match="a label"):
            write_label(first.path, text)


def test_a_damaged_label_is_told_and_hides_no_run(runs):
    run = choose_runs(runs, ["heads"])[0]
    write_label(run.path, "mine")
    file = run.path / "label.json"
    file.write_bytes(file.read_bytes().replace(b"mine", b"nine"))
    code, out, err = keplearn("runs", "heads", "--runs", runs, "--format", "json")
    assert code == 0
    assert [row["label"] for row in json.loads(out)] == [None] * 4
    assert "label.json: damaged" in err
    assert open_run(runs, run.run_id).name == run.run_id[:8]


def test_a_legend_calls_runs_by_what_varies_or_by_their_labels(runs):
    heads = choose_runs(runs, ["heads"])
    wide = [run for run in heads if run.config.parameters.width == 64]
    assert sorted(legend(wide)) == sorted(DATASETS)
    assert len(set(legend(heads))) == 4
    assert all("width" in text and text.startswith(DATASETS) for text in legend(heads))
    assert legend(heads[:1]) == [heads[0].run_id[:8]]  # alone it differs in nothing
    write_label(wide[0].path, "the wide one")
    again = [Run(run.path) for run in wide]
    assert "the wide one" in legend(again)
