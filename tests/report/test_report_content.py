"""What a report holds: hostile text stays text, studies without a score, missing evaluations, size."""

import json
import re
import sys

import numpy as np
import pytest
from gentle import gentle_model

from benchmarks.report_page import synthetic_study
from keplearn.cli import main
from keplearn.config import run_config
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import units_for
from keplearn.evaluation.scores import Scores
from keplearn.groups.choice import choose_runs
from keplearn.models.neural_ode import Architecture
from keplearn.report import render, write_report
from keplearn.report.content import study_content
from keplearn.report.orbits import TestData
from keplearn.runs.find import find_runs
from keplearn.runs.writer import RunWriter

TRAINED_ON = "complex_TBP_planar_1_train"
TESTED_ON = "simple_TBP_planar_2_test"
ATTACK = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


def write_run(runs, state, group="study", reason=None, **parameters):
    layers = {"feature_layer": "log_radius", "output_layer": "mlp_rtn", "activation": "tanh"}
    config = run_config(TRAINED_ON, group=group, **layers, **parameters)
    with RunWriter(runs, config) as writer:
        writer.start({}, resume=False)
        if state == "finished":
            writer.model("model", gentle_model(
                Architecture("log_radius", "mlp_rtn", config.parameters.width, 1, "tanh", planar_constraint=True),
                0, units=units_for(load_dataset(TRAINED_ON)),
            ))  # fmt: skip
        writer.end(state, kind="<b>input</b>" if reason else None, reason=reason)
    return config.run_id


def embedded(path, name):
    pattern = rf'<script type="application/json" id="{name}">(.*?)</script>'
    (text,) = re.findall(pattern, path.read_text(), re.DOTALL)
    return text


def test_text_of_names_and_values_stays_text(tmp_path, page):
    group = "<script>alert(1)<"
    write_run(tmp_path, "failed", group, reason=ATTACK, width=4)
    write_run(tmp_path, "failed", group, reason="%%SCRIPT%% & so on", width=8)
    path = write_report(choose_runs(tmp_path, [group]), [group], tmp_path / "out")
    assert embedded(path, "study").count("<") == 0
    page.open(path.as_uri())
    assert page.driver.title == f"{group} · keplearn"
    assert page.one("h1").text == group
    assert ATTACK in page.text("#failed")
    assert "%%SCRIPT%% & so on" in page.text("#failed")
    page.click("#failed .link")
    assert page.all("#runs .failure")
    assert not page.all("#layout script, #layout img, #layout b b")


def test_runs_that_all_failed_still_have_a_page(tmp_path, page):
    write_run(tmp_path, "failed", reason="no luck", width=4)
    page.open(write_report(choose_runs(tmp_path, ["study"]), ["study"], tmp_path / "out").as_uri())
    assert "no luck" in page.text("#failed")
    assert page.text("#shown") == "1 of 1 runs shown"


def test_missing_evaluations_are_made_and_kept(tmp_path):
    run = write_run(tmp_path, "finished", width=4)
    write_run(tmp_path, "failed", reason="no luck", width=8)
    path = write_report(choose_runs(tmp_path, ["study"]), ["study"], tmp_path / "out", on=[TESTED_ON])
    assert (tmp_path / "study" / run / "evaluations" / f"{TESTED_ON}.nc").is_file()
    (mean,) = [x for x in json.loads(embedded(path, "study"))["columns"] if x["key"] == f"mean@{TESTED_ON}"]
    assert sorted(value is None for value in mean["values"]) == [False, True]
    details = [json.loads(line) for line in embedded(path, "details").splitlines()]
    (scored,) = [detail for detail in details if "errors" in detail]
    assert len(scored["errors"][0]) == len(scored["paths"]) == 2


def test_bad_input_is_one_message(tmp_path, monkeypatch, capsys):
    write_run(tmp_path / "runs", "failed", reason="no luck", width=4)
    monkeypatch.chdir(tmp_path)
    for arguments, message in (
        (["studdy"], "Did you mean 'study'"),
        (["study", "--on", "simple_TBP_planar_2_tset"], "simple_TBP_planar_2_tset"),
    ):
        monkeypatch.setattr(sys, "argv", ["keplearn", "report", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(KeplearnError, match="cannot be written"):
        write_report(choose_runs("runs", ["study"]), ["study"], tmp_path / "file" / "out")


def test_a_run_costs_at_most_three_kilobytes():
    few, many = (len(render(synthetic_study(count)).encode()) for count in (10, 110))
    assert (many - few) / 100 < 3000


def test_the_page_of_a_large_study_opens_and_filters(tmp_path, page):
    path = tmp_path / "large.html"
    path.write_text(render(synthetic_study(6000)))
    page.open(path.as_uri())
    assert page.text("#shown") == "6000 of 6000 runs shown"
    page.type("[data-filter='parameters.width']", "16")
    number = int(page.text("#shown").split()[0])
    assert 1000 < number < 2000
    assert len(page.all("#table tr[data-row]")) < 60


ON = "a_test"


def test_means_that_a_few_orbits_rule_are_remarked_on_the_page_and_with_their_run(tmp_path, page):
    run_id = write_run(tmp_path, "finished", width=4)
    data = load_dataset("complex_TBP_planar_10_test")
    means, lost = np.array([1e5, *[40.0] * 9]), np.zeros(10)
    summary = {"mean": float(means.mean()), "median": 40.0, "lost": 0}
    orbits = {"mean": means, "median": means, "lost": lost}
    scores = {run_id: {data.name: Scores(data.name, summary, orbits, {})}}
    tests = [TestData(data.name, data, [], [])]
    said = "one of 10 orbits carries 100 % of the mean of 10036 %, beside a median of 40 %"
    content = study_content(find_runs(tmp_path, "study"), tests, scores)
    assert content.head["remarks"] == [f"{run_id[:8]} on {data.name}: {said}"]
    path = tmp_path / "study.html"
    path.write_text(render(content))
    page.open(path.as_uri())
    assert page.text("#ruled div") == content.head["remarks"][0]
    page.click("#best")
    assert page.text("#runs .warning") == f"on {data.name} {said}"
    # Where all orbits are alike there is nothing to remark.
    orbits["mean"][:] = summary["mean"] = 40.0
    assert study_content(find_runs(tmp_path, "study"), tests, scores).head["remarks"] == []


@pytest.fixture
def losing(tmp_path, page):
    """A page of four runs, of which the one with the least mean lost samples and one was never scored."""
    scores = {
        4: {"mean": 7.3, "field": 2.0, "median": None, "diverged": 6, "lost": 216, "lost-field": 0},
        8: {"mean": 11.2, "field": 3.0, "median": 9.0, "diverged": 0, "lost": 0, "lost-field": 0},
        16: {"mean": 30.0, "field": 4.0, "median": 20.0, "diverged": 0, "lost": 0, "lost-field": 0},
        32: None,
    }
    shape = Architecture("log_radius", "mlp_rtn", 4, 1, "tanh", planar_constraint=True)
    model = gentle_model(shape, 0, units=units_for(load_dataset(TRAINED_ON)))
    for width, score in scores.items():
        config = run_config(TRAINED_ON, group="study", width=width, test=[TESTED_ON])
        with RunWriter(tmp_path, config) as writer:
            writer.start({}, resume=False)
            writer.model("model", model)
            writer.end("finished" if score else "failed", scores={ON: score} if score else {})
    runs = sorted(find_runs(tmp_path, "study"), key=lambda run: run.config.parameters.width)
    path = tmp_path / "study.html"
    path.write_text(render(study_content(runs, [TestData(ON, None, [], [])], {})))
    page.open(path.as_uri())
    return page


def test_a_run_that_lost_samples_is_ordered_below_all_numbers(losing):
    page, mean = losing, f"mean@{ON}"
    assert (
        page.text("#summary").count("9 %") == 1
    )  # the median, by which the page orders and calls one the best
    assert page.column(mean) == ["11.2", "30", "7.3 (216 lost)", "–"]
    assert page.column("parameters.width")[0] == "8"
    page.click(f"[data-sort='{mean}']")
    assert page.column(mean) == ["11.2", "30", "7.3 (216 lost)", "–"]
    page.click(f"[data-sort='{mean}']")
    assert page.column(mean) == ["7.3 (216 lost)", "30", "11.2", "–"]
    page.click(f"[data-sort='{mean}']")
    for condition, shown in (("<20", 1), (">20", 2), ("5..40", 2), ("7.3", 0), ("lost", 1), ("-", 1)):
        page.type(f"[data-filter='{mean}']", condition)
        assert page.text("#shown") == f"{shown} of 4 runs shown", condition
    # At the true states nothing was lost: there its 2 % is the least.
    page.click("#clear")
    page.click(f"[data-sort='field@{ON}']")
    assert page.column(f"field@{ON}")[0] == "2"


def test_a_run_that_lost_samples_is_drawn_at_the_worst_end(losing):
    page = losing
    page.choose("#dots [aria-label='y']", "mean (%)")
    assert "lost" in [tick.text for tick in page.all("#dots .tick")]
    assert len(page.all("#dots .lostband")) == 1
    assert "lost" in [tick.text for tick in page.all("#parallel .tick")]
    assert page.text("#parallel .legend").split("\n") == ["9", "20", "lost"]
    assert len(page.all("#heat .cell.lost")) == 1
    assert len(page.all("#heat .cell")) == 4
    texts = [text.text for text in page.all("#heat .plot text")]
    assert texts.count("lost") == 1
    page.choose("#heat [aria-label='of each cell']", "least")
    assert len(page.all("#heat .cell.lost")) == 1


def test_compared_runs_and_ranks_count_what_is_lost(losing):
    page = losing
    for place in (0, 2):
        page.click(f"#table tr[data-place='{place}'] input")
    assert "11.2" in [cell.text for cell in page.all("#differences td.least")]
    assert "7.3 (216 lost)" not in [cell.text for cell in page.all("#differences td.least")]
    page.click("#table tr[data-place='0'] input")
    assert "3 of 3" in [cell.text for cell in page.all("#differences td.muted")]
