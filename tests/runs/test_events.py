"""What the sinks of a run are told, and that none of them can harm it."""

import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import keplearn
from keplearn.config import run_config
from keplearn.experiment.course import train_run
from keplearn.models.files import load_model
from keplearn.runs.events import SINKS, Ended, Message, PhaseEnded, Prepared, Rows, Scored, Started

TEST = "complex_TBP_planar_1_test"
CONFIG = run_config(
    "complex_TBP_planar_2_train",
    group="told",
    steps_strategy=[[12, 6]],
    segment_length_strategy=4,
    width=4,
    depth=1,
    feature_layer="sph_4D_rinv",
    test=[TEST],
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run from start to end, and its events."""
    events = []
    return train_run(CONFIG, tmp_path_factory.mktemp("whole"), sinks=[events.append]), events


def test_events_come_in_the_order_of_a_run(whole):
    run, events = whole
    kinds = [type(event) for event in events if not isinstance(event, Message)]
    merged = [kind for kind, before in zip(kinds, [None, *kinds[:-1]], strict=True) if kind != before]
    assert merged == [Started, Prepared, Rows, PhaseEnded, Rows, PhaseEnded, Scored, Ended]
    assert events[0] == Started(CONFIG, run.path, 0, 0)
    assert events[-1].state == "finished"
    assert events[-1].summary["steps"] == 18


def test_what_is_told_is_what_the_directory_keeps(whole):
    run, events = whole
    rows = [row for event in events if isinstance(event, Rows) for row in event.rows]
    kept = run.metrics()
    assert [(row["phase"], row["step"], row["loss"]) for row in rows] == list(
        zip(kept["phase"], kept["step"], kept["loss"], strict=True)
    )
    phases = [event for event in events if isinstance(event, PhaseEnded)]
    assert run.record["phases"] == [event.summary for event in phases]
    (scored,) = [event for event in events if isinstance(event, Scored)]
    numbers = {key: x if math.isfinite(x) else None for key, x in scored.scores.items()}
    assert run.record["scores"] == {TEST: numbers}
    for event in phases:
        kept = load_model(run.path / f"phase-{event.phase}-best.eqx")
        assert np.array_equal(kept.parameters.weights[0], event.best.parameters.weights[0])


def test_a_run_that_goes_on_tells_from_where(whole, tmp_path):
    """Broken off after each chunk of steps once: the rows of all attempts together are those of one run."""
    rows, starts = [], []

    def tell(event):
        if isinstance(event, Started):
            starts.append((event.phase, event.step))
        if isinstance(event, Rows):
            rows.extend(event.rows)
            if starts[-1] != (event.phase, event.step):
                raise KeyboardInterrupt

    run = None
    while run is None and len(starts) < 10:
        with suppress(KeyboardInterrupt):
            run = train_run(CONFIG, tmp_path, sinks=[tell])
    assert run is not None
    assert starts[0] == (0, 0) and starts == sorted(starts) and len(set(starts)) > 2
    assert [row["loss"] for row in rows] == list(whole[0].metrics()["loss"])
    assert run.record["scores"] == whole[0].record["scores"]


@pytest.fixture
def no_sinks(monkeypatch):
    monkeypatch.setattr("keplearn.runs.events.SINKS", table := type(SINKS)("sink"))
    return table


def test_a_sink_that_fails_is_told_no_more_and_harms_nothing(whole, tmp_path, no_sinks):
    """One fails as it is made, two at the first rows; numbers are those of a run without them."""
    told, events = [], []

    @keplearn.sink
    def broken(config):
        raise OSError("no space left")

    @keplearn.sink
    def full(config):
        def tell(event):
            told.append(event)
            if isinstance(event, Rows):
                raise ConnectionError("no route to host")

        return tell

    @keplearn.sink
    def gone(config):
        def tell(event):
            if isinstance(event, Rows | Message) and any(isinstance(e, Rows) for e in told):
                raise TimeoutError("no answer")

        return tell

    @keplearn.sink
    def none(config):
        return None

    run = train_run(CONFIG, tmp_path, sinks=[events.append])
    assert [type(e) for e in told if not isinstance(e, Message)] == [Started, Prepared, Rows]
    said = [event.text for event in events if isinstance(event, Message) and event.warning]
    assert [text.partition("@")[0] for text in said] == ["sink broken", "sink full", "sink gone"]
    assert "fails, and is told no more: OSError: no space left" in said[0]
    assert "ConnectionError: no route to host" in (run.path / "log.txt").read_text()
    assert list(run.metrics()["loss"]) == list(whole[0].metrics()["loss"])


def test_a_failure_is_told_with_its_kind_and_reason(tmp_path):
    events = []
    config = run_config(
        CONFIG.dataset_name,
        group="told",
        steps_strategy=2,
        length_strategy=[[[0.0, 0.02]]],
        segment_length_strategy=10,
    )
    run = train_run(config, tmp_path, sinks=[events.append])
    assert (events[-1].state, events[-1].kind) == ("failed", "no_segments")
    assert events[-1].reason == run.record["reason"]


def test_the_sink_that_contributing_shows_keeps_its_diary(whole, tmp_path, forget, no_sinks, monkeypatch):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = (part for part in text.split("```python\n") if "@keplearn.sink" in part.partition("```")[0])
    file = tmp_path / "my_diary.py"
    file.write_text(block.partition("```")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    keplearn.load_plugin(file)
    run = train_run(CONFIG, tmp_path)
    assert (tmp_path / "diary.txt").read_text(encoding="utf-8").splitlines() == [
        f"{CONFIG.run_id} starts in {run.path} at step 0 of phase 0",
        f"{CONFIG.run_id} is finished after 18 steps",
    ]
