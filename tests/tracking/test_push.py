"""Runs that are sent to a server: whole, once, through rate limits and outages, and while they are trained."""

import json

import pytest
from trained import DATASET, TEST, a_run, mirrored, rows_of, wait_for

from keplearn.config import run_config
from keplearn.data.dataset import load_dataset
from keplearn.data.files import read_dataset
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.runs.writer import RunWriter
from keplearn.tracking.keeper import Mirrors
from keplearn.tracking.pull import pull
from keplearn.tracking.push import push
from keplearn.tracking.room import unsent
from keplearn.tracking.target import Target

ONLINE = Target("orbits", "lab", "online")


def test_runs_are_sent_once_and_whole_through_an_outage_and_rate_limits_and_come_back(
    tmp_path, server, outside, monkeypatch
):
    runs = [a_run(tmp_path, seed, steps=120) for seed in (0, 1)]
    before = {file: file.read_bytes() for run in runs for file in run.path.rglob("*") if file.is_file()}

    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "2")
    server.faults["*"] = [503] * 1000
    failed = push(runs, ONLINE)
    assert all("503" in (why or "") or "context deadline" in (why or "") for why in failed.values()), failed
    assert server.runs == {}
    assert unsent(run.path for run in runs) == [run.path for run in runs]
    assert {file: file.read_bytes() for file in before} == before

    monkeypatch.delenv("WANDB_INIT_TIMEOUT")
    server.faults = {"UpsertBucket": [429], "file_stream": [429, 500], "CreateArtifact": [429], "PUT": [503]}
    assert set(push(runs, ONLINE).values()) == {None}
    assert server.faults == {"UpsertBucket": [], "file_stream": [], "CreateArtifact": [], "PUT": []}
    for run in runs:
        assert_sent(server, run)
        assert {entry.name for entry in (run.path / "wandb").iterdir()} == {"lock"}

    found = pull(tmp_path / "elsewhere", "orbits", entity="lab", dataset=True)
    assert (found.same, found.left) == ([], {})
    for run, other in zip(runs, sorted(found.runs, key=lambda run: run.config.parameters.seed), strict=True):
        assert_same(run, other)
    assert outside() == ["home", "tmp"]


def assert_sent(server, run):
    """All of a run is on the server: config, rows, summary, figure and table, dataset and model with lineage."""
    sent = server.runs[run.run_id]
    assert (sent["group"], sent["state"]) == ("study", "finished")
    values = {key: entry["value"] for key, entry in sent["config"].items()}
    assert {key: values[key] for key in run.kept.entries["config"]} == run.kept.entries["config"]
    rows, metrics = [line for line in sent["lines"] if "loss" in line], run.metrics()
    assert [line["loss"] for line in rows] == list(metrics["loss"])
    assert [line["_step"] for line in sent["lines"]] == list(range(1, len(metrics) + 2))
    assert {"figures/loss", "tables/scores"} <= sent["lines"][-1].keys()
    assert sent["summary"]["scores"][TEST]["field"] == run.record["scores"][TEST]["field"]
    files = [name for name in server.files if name.startswith(f"/run/{run.run_id}/media/")]
    assert len(files) == 2
    datasets = [a for a in server.artifacts.values() if a["type"] == "dataset"]
    assert [json.loads(a["metadata"])["content_hash"] for a in datasets] == [
        load_dataset(DATASET).content_hash
    ]
    assert server.used[run.run_id] == [datasets[0]["id"]]
    (model,) = (a for a in server.artifacts.values() if a["collection"] == f"model-{run.run_id}")
    assert (model["type"], model["run"]) == ("model", run.run_id)
    (entry,) = json.loads(server.files[model["manifest"]])["contents"].items()
    assert entry[0] == "model.eqx"
    assert (run.path / "model.eqx").read_bytes() in server.files.values()


def assert_same(run, other):
    """A run that was brought back is the run that was sent."""
    assert (other.group, other.run_id, other.state, other.config) == (
        run.group,
        run.run_id,
        "finished",
        run.config,
    )
    assert other.config.run_id == run.run_id
    of_writer = ("heartbeat", "heartbeat_seconds", "pid")
    kept, brought = ({k: v for k, v in r.kept.entries.items() if k not in of_writer} for r in (run, other))
    assert brought == kept
    assert other.metrics().equals(run.metrics()[other.metrics().columns])
    assert set(other.metrics()) == set(run.metrics())
    assert other.model_file().read_bytes() == run.model_file().read_bytes()
    (dataset,) = other.path.glob("wandb/*.nc")
    assert read_dataset(dataset).content_hash == load_dataset(DATASET).content_hash


def test_a_run_is_followed_while_it_is_trained_and_is_sent_once_however_often_it_is_broken_off(
    tmp_path, server
):
    config = run_config(DATASET, group="live", steps_strategy=30, width=4, depth=1, test=[])
    p = config.parameters
    ended = a_run(tmp_path, steps=20)
    lines = lambda run_id: server.runs.get(run_id, {"lines": []})["lines"]  # noqa: E731
    with Mirrors() as mirrors, RunWriter(tmp_path, config) as writer:
        writer.start({}, resume=False)
        writer.rows(rows_of(range(1, 11)))
        mirrors.add(writer.path, ONLINE, follow=True)
        mirrors.add(ended.path, ONLINE)
        wait_for(lambda: mirrors.look() and len(lines(config.run_id)) == 10)
        writer.rows(rows_of(range(11, 21)))
        writer.end("interrupted", reason="by the user")
        mirrors.expect_end(writer.path)
        wait_for(lambda: not mirrors.look())
        assert mirrors.results == {writer.path: None, ended.path: None}
        sent = server.runs[config.run_id]
        assert ([line["step"] for line in sent["lines"]], sent["state"]) == (list(range(1, 21)), "failed")
        assert sent["summary"]["record"]["reason"] == "by the user"

        writer.rows(rows_of(range(21, 31)))
        writer.model("model", new_model(Architecture(p.feature_layer, p.output_layer, 4, 1), 0))
        writer.end("finished", summary={})
    before = json.dumps([lines(ended.run_id), server.used[ended.run_id]])
    assert set(mirrored(writer, ended, to=ONLINE).values()) == {None}
    assert [line["step"] for line in sent["lines"] if "step" in line] == list(range(1, 31))
    assert sent["state"] == "finished"
    assert json.dumps([lines(ended.run_id), server.used[ended.run_id]]) == before
    assert sorted(a["type"] for a in server.artifacts.values()) == ["dataset", "model", "model"]


@pytest.mark.parametrize("given", ["", "--project=orbits"])
def test_a_push_that_cannot_be_is_one_message(given, tmp_path, monkeypatch, capsys):
    from keplearn.cli.app import app
    from keplearn.core.errors import KeplearnError

    a_run(tmp_path, steps=10)
    if given:
        monkeypatch.setattr("keplearn.tracking.target.find_spec", lambda name: None)
    words = r'pip install "keplearn\[wandb\]"' if given else "names no project .* --project"
    with pytest.raises(KeplearnError, match=words):
        app(["wandb", "push", "study", "--runs", str(tmp_path), *filter(None, [given])], exit_on_error=False)
