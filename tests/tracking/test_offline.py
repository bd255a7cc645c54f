"""Offline runs: what their file holds, where it finds what it names, and what is left outside of run directories."""

import fcntl
import json
import math
import os
import signal
import subprocess
import sys

import pytest
from fuzz import keplearn
from offline_file import read_offline
from trained import DATASET, OFFLINE, TEST, a_run, mirrored, wait_for

from keplearn.config import load_config, run_config
from keplearn.core.errors import KeplearnError
from keplearn.data.files import read_dataset
from keplearn.models.files import load_model
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.runs.find import find_runs
from keplearn.runs.writer import RunWriter
from keplearn.tracking import room
from keplearn.tracking.room import offline_runs
from keplearn.tracking.sink import weights_and_biases

KEEPER = [sys.executable, "-m", "keplearn.tracking.keeper"]


def test_an_offline_run_holds_all_of_a_run_and_finds_its_files_where_it_is_moved_to(tmp_path, outside):
    run, other = (a_run(tmp_path / "here", seed) for seed in (0, 1))
    assert mirrored(run, other) == {run.path: None, other.path: None}
    assert outside() == ["home", "tmp"]
    datasets = list((tmp_path / "here").glob("study/*/wandb/*.nc"))
    assert len({file.stat().st_ino for file in datasets}) == 1 < len(datasets)

    metrics, hashed = run.metrics(), run.record["summary"]["dataset_hash"]
    moved = (tmp_path / "here" / "study").rename(tmp_path / "elsewhere") / run.path.name
    (kept,) = offline_runs(moved)
    found = read_offline(kept / f"run-{run.run_id}.wandb")

    assert (found.run.run_id, found.run.run_group, found.run.project) == (run.run_id, "study", "orbits")
    assert {key: found.config[key] for key in run.kept.entries["config"]} == run.kept.entries["config"]

    rows = [row for row in found.rows if "loss" in row]
    for key in ("step", "phase", "lr", "loss", "lost"):
        assert [row[key] for row in rows] == list(metrics[key])
    assert [row["_step"] for row in rows] == list(range(1, 301))
    assert [row["step"] for row in rows if "val_loss" in row] == list(range(50, 301, 50))
    assert math.isnan(rows[1]["grad_norm"])

    assert found.summary["scores"] == {TEST: {"mean": 12.5, "field": 3.0, "skewness": None}}
    assert found.summary["best_loss"] == 0.25
    assert found.summary["record"]["state"] == "finished"

    data, model = found.artifacts
    assert [(x.type, x.use_after_commit) for x in (data, model)] == [("dataset", True), ("model", False)]
    (file,), (weights,) = ([moved / item.local_path for item in x.manifest.contents] for x in (data, model))
    assert read_dataset(file).content_hash == hashed
    load_model(weights)
    assert sorted(path.split("/")[1] for path in found.files) == ["images", "table"]
    assert all((kept / "files" / path).is_file() for path in found.files)
    (table,) = (path for path in found.files if path.startswith("media/table"))
    shown = json.loads((kept / "files" / table).read_text())
    assert dict(zip(shown["columns"], shown["data"][0], strict=True))["field"] == 3.0


def test_a_kill_in_the_middle_leaves_nothing_outside_and_the_next_mirror_nothing_of_it(tmp_path, outside):
    run = a_run(tmp_path)
    keeper = subprocess.Popen(
        KEEPER, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    )
    assert keeper.stdin is not None
    for words in ({"target": OFFLINE}, {"ended": True}):
        keeper.stdin.write((json.dumps({"run": str(run.path), **words}) + "\n").encode())
    keeper.stdin.flush()
    wait_for(lambda: list(run.path.glob("wandb/scratch-*/wandb/offline-run-*/*.wandb")))
    os.killpg(keeper.pid, signal.SIGKILL)
    keeper.communicate()
    assert outside() == ["home", "tmp"]
    assert not list(offline_runs(run.path))
    before = run.path / "wandb" / "offline-run-20200101_000000-x"
    before.mkdir()
    wait_for(lambda: mirrored(run) == {run.path: None})  # once the killed one's lock is gone
    (kept,) = offline_runs(run.path)
    assert kept != before
    (dataset,) = run.path.glob("wandb/*.nc")
    assert {entry.name for entry in (run.path / "wandb").iterdir()} == {"lock", kept.name, dataset.name}
    assert outside() == ["home", "tmp"]


def test_a_training_is_mirrored_by_its_config_and_never_imports_wandb(tmp_path, outside):
    """In a process of its own, at whose end the mirror is waited for; the numbers are those without it."""
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\n"
        "import keplearn.tracking.sink\n"
        "keplearn.tracking.sink.WAIT = 120.0  # on a busy machine\n"
        "from keplearn.config import runs_from_dict\n"
        "from keplearn.experiment.course import train_run\n"
        "data = {'dataset_name': 'complex_TBP_planar_2_train', 'test': []}\n"
        "few = {'width': 4, 'depth': 1, 'steps_strategy': [[12, 6]], 'segment_length_strategy': 4,\n"
        "       'feature_layer': 'sph_4D_rinv'}\n"
        "for wandb in ({'group': 'plain'}, {'group': 'mirrored', 'project': 'orbits', 'mode': 'offline'}):\n"
        "    (config,) = runs_from_dict({'wandb': wandb, 'data': data, 'parameters': few})\n"
        "    train_run(config, sys.argv[1])\n"
        "print('wandb' in sys.modules)\n"
    )
    runs = tmp_path / "runs"
    said = subprocess.run([sys.executable, script, runs], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "False\n", "")
    plain, shown = (find_runs(runs, group)[0] for group in ("plain", "mirrored"))
    assert list(plain.metrics()["loss"]) == list(shown.metrics()["loss"])
    assert not (plain.path / "wandb").exists()
    (kept,) = offline_runs(shown.path)
    found = read_offline(next(kept.glob("*.wandb")))
    assert [row["loss"] for row in found.rows if "loss" in row] == list(shown.metrics()["loss"])
    assert outside() == ["home", "tmp"]


def test_without_the_package_one_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr("keplearn.tracking.target.find_spec", lambda name: None)
    config = run_config(DATASET)
    assert weights_and_biases(config) is None
    with pytest.raises(KeplearnError, match=r'pip install "keplearn\[wandb\]"'):
        weights_and_biases(config.model_copy(update={"project": "orbits"}))


@pytest.mark.parametrize(
    ("given", "surrounding", "mirrored"),
    [
        ({}, "online", None),
        ({"mode": "online", "entity": "lab"}, "", None),
        ({"project": "orbits"}, "", "online"),
        ({"project": "orbits"}, "offline", "offline"),
        ({"project": "orbits"}, "disabled", None),
        ({"project": "orbits", "mode": "online"}, "offline", "online"),
        ({"project": "orbits", "mode": "disabled"}, "", None),
    ],
)
def test_a_run_is_mirrored_only_where_a_project_is_named(given, surrounding, mirrored, monkeypatch):
    from keplearn.tracking.target import target_of

    monkeypatch.setenv("WANDB_MODE", surrounding)
    plain = run_config(DATASET)
    config = plain.model_copy(update=given)
    found = target_of(config)
    assert (found and found.mode) == mirrored
    assert config.run_id == plain.run_id


def test_a_sweep_says_which_of_its_runs_are_not_sent_and_how_to_send_them(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        f"data: {{dataset_name: {DATASET}, test: []}}\nparameters: {{width: 4, steps_strategy: 10}}\n"
    )
    (config,) = load_config(file)
    model = new_model(Architecture(config.parameters.feature_layer, config.parameters.output_layer, 4), 0)
    with RunWriter(tmp_path / "runs", config) as writer:
        writer.start({}, resume=False)
        writer.model("model", model)
        writer.end("finished", summary={})
    sweep = lambda: keplearn("sweep", file, "--runs", tmp_path / "runs")  # noqa: E731
    (writer.path / "wandb").mkdir()
    (writer.path / "wandb" / "log.txt").write_text("wandb: what its package says\n")
    assert "Weights & Biases" not in sweep()[2]
    with (writer.path / "wandb" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "goes on in the background: 1 of 1 runs are being sent" in sweep()[2]
    room.note(writer.path, "the server is away")
    code, _, err = sweep()
    assert code == 0
    assert f"1 run is not on Weights & Biases ({writer.path / 'wandb' / 'log.txt'} says why)" in err
    assert "keplearn wandb push study" in err
