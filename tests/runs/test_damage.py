"""Damage to what is kept of a run is noticed, named and left where it is; retraining over it is said."""

import json
import shutil

import numpy as np
import pytest
from sinks import texts

from keplearn.config import run_config
from keplearn.core.errors import Damaged, KeplearnError, NotWritten
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.runs.directory import Directory
from keplearn.runs.events import Message, Telling
from keplearn.runs.find import find_runs, open_run
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter
from keplearn.training.events import Checkpoint

CONFIG = run_config("complex_TBP_planar_1_train", group="study", width=4, depth=1, steps_strategy=(20,))
MODEL = new_model(Architecture("cartesian", "mlp_simple", 4, 1), 0)
ROWS = [{"phase": 0, "step": k, "loss": 1.0 / k} for k in range(1, 21)]


def start(writer: RunWriter, said: list[str], resume: bool) -> Checkpoint | None:
    """Start a run as training does: warnings are told, and kept in its log."""
    tell = Telling(Directory(writer), [texts(said)])
    return writer.start({}, resume=resume, warn=lambda text: tell(Message(text, warning=True)))


def write(runs, config=CONFIG, finish=True, checkpoint=7):
    with RunWriter(runs, config) as writer:
        writer.start({}, resume=False)
        writer.rows(ROWS[:10])
        writer.checkpoint(Checkpoint(0, checkpoint, {"state.0": np.arange(3.0)}))
        writer.model("model", MODEL)
        if finish:
            writer.rows(ROWS[10:])
            writer.end("finished", scores={"complex_TBP_planar_1_test": {"mean": 12.5, "field": 1.25}})
    return Run(writer.path)


def flips(content, count, seed):
    draw = np.random.default_rng(seed)
    for at, bit in zip(draw.integers(len(content), size=count), draw.integers(8, size=count), strict=True):
        yield content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def truncations(content, count, seed):
    yield from (content[:n] for n in np.random.default_rng(seed).integers(len(content), size=count))


def read_all(run):
    """All that readers take from a run, as plain values."""
    return {
        "record": run.record,
        "metrics": run.metrics().to_dict("list"),
        "model": [np.asarray(x).tolist() for x in _leaves(run.model())],
    }


def _leaves(model):
    import jax

    return jax.tree.leaves(model)


@pytest.mark.parametrize("name", ["run.json", "metrics.parquet", "model.eqx"])
@pytest.mark.parametrize("mutate", [flips, truncations])
def test_no_damage_to_a_finished_run_changes_a_number(tmp_path, name, mutate):
    run = write(tmp_path)
    whole = read_all(run)
    content = (run.path / name).read_bytes()
    for damaged in mutate(content, 60, seed=1):
        (run.path / name).write_bytes(damaged)
        with pytest.raises(Damaged, match=f"{name}: .*damaged"):
            assert read_all(Run(run.path)) != whole
        assert (run.path / name).read_bytes() == damaged
    (run.path / name).write_bytes(content)
    assert read_all(Run(run.path)) == whole


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "checkpoint.npz"])
@pytest.mark.parametrize("mutate", [flips, truncations])
def test_a_damaged_run_is_not_gone_on_with_in_silence(tmp_path, name, mutate):
    run = write(tmp_path / "whole", finish=False)
    content = (run.path / name).read_bytes()
    for k, damaged in enumerate(mutate(content, 12, seed=2)):
        shutil.copytree(tmp_path / "whole", tmp_path / f"{k}")
        path = tmp_path / f"{k}" / "study" / run.path.name
        (path / name).write_bytes(damaged)
        said = []
        with RunWriter(tmp_path / f"{k}", CONFIG) as writer:
            checkpoint = start(writer, said, resume=True)
        if checkpoint is not None:  # nothing that it goes on from is lost
            assert (name, said) == ("metrics.jsonl", [])
            assert list(Run(path).metrics()["loss"]) == [1.0 / n for n in range(1, 8)]
            continue
        (text,) = said
        assert "damaged" in text
        assert "trained from the start" in text
        assert text in (path / "log.txt").read_text()
        assert (path / "damaged" / name).read_bytes() == damaged
        assert {p.name for p in (path / "damaged").iterdir()} == {
            *("run.json", "metrics.jsonl", "checkpoint.npz", "model.eqx")
        }
        assert Run(path).record["resumed"] == 0


def test_training_over_a_damaged_record_sets_all_aside_each_time(tmp_path):
    for again in ("damaged", "damaged1"):
        run = write(tmp_path)
        model = (run.path / "model.eqx").read_bytes()
        (run.path / "run.json").write_bytes(b"{")
        said = []
        with RunWriter(tmp_path, CONFIG) as writer:
            assert start(writer, said, resume=False) is None
        assert len(said) == 1
        assert (run.path / again / "run.json").read_bytes() == b"{"
        assert (run.path / again / "model.eqx").read_bytes() == model


def test_a_checkpoint_whose_earlier_metrics_are_gone_is_not_gone_on_with(tmp_path):
    run = write(tmp_path, finish=False)
    (run.path / "metrics.jsonl").unlink()
    said = []
    with RunWriter(tmp_path, CONFIG) as writer:
        assert start(writer, said, resume=True) is None
    assert "7 steps before the checkpoint are missing" in said[0]
    assert (run.path / "damaged" / "checkpoint.npz").exists()


def test_a_run_whose_record_is_gone_is_set_aside(tmp_path):
    run = write(tmp_path)
    (run.path / "run.json").unlink()
    said = []
    with RunWriter(tmp_path, CONFIG) as writer:
        assert start(writer, said, resume=True) is None
    assert "no run.json" in said[0]
    assert (run.path / "damaged" / "model.eqx").exists()


@pytest.mark.parametrize("part", ["rows", "checkpoint", "model", "end", "log"])
@pytest.mark.parametrize("made_again", [False, True])
def test_a_directory_that_is_gone_is_not_made_again(tmp_path, part, made_again):
    """Removed while it trains, and perhaps made again by another training: nothing of the old one gets there."""
    with RunWriter(tmp_path, CONFIG) as writer:
        writer.start({}, resume=False)
        shutil.rmtree(tmp_path / "study")
        if made_again:
            write(tmp_path)
        before = {p: p.read_bytes() for p in writer.path.glob("*")}
        with pytest.raises(NotWritten, match="was removed while"):
            _write_part(writer, part)
    assert {p: p.read_bytes() for p in writer.path.glob("*")} == before
    assert writer.path.exists() is made_again


def _write_part(writer, part):
    if part == "rows":
        writer.rows(ROWS[:1])
    elif part == "checkpoint":
        writer.checkpoint(Checkpoint(0, 1, {}))
    elif part == "model":
        writer.model("model", MODEL)
    elif part == "log":
        writer.log("words")
    else:
        writer.end("finished")


def test_finished_means_that_the_model_is_there(tmp_path):
    with RunWriter(tmp_path, CONFIG) as writer:
        writer.start({}, resume=False)
        writer.rows(ROWS)
        with pytest.raises(NotWritten, match=r"model\.eqx"):
            writer.end("finished")
    run = write(tmp_path)
    assert Run(run.path).state == "finished"
    (run.path / "model.eqx").unlink()
    assert Run(run.path).state == "interrupted"
    assert "model.eqx is gone" in Run(run.path).record["reason"]


def test_the_record_of_another_run_is_not_taken_for_its_own(tmp_path):
    one = write(tmp_path)
    other = write(tmp_path, run_config("complex_TBP_planar_1_train", group="study", width=5, depth=1))
    shutil.copy(one.path / "run.json", other.path / "run.json")
    with pytest.raises(Damaged, match=f"record of another run, {one.path.name}"):
        _ = Run(other.path).record


RECORDS = {
    "without kind": lambda record: {k: x for k, x in record.items() if k != "kind"},
    "started: 7": lambda record: record | {"started": 7},
    "config: {}": lambda record: record | {"config": {}},
    "an unknown state": lambda record: record | {"state": "done"},
    "scores of words": lambda record: record | {"scores": {"x": {"mean": "small"}}},
    "a list": lambda record: [record],
    "a huge number": lambda record: record | {"heartbeat_seconds": 10**400},
}


@pytest.mark.parametrize("name", [*RECORDS, "a directory", "nested", "not a number", "latin-1"])
def test_what_is_no_record_is_left_out_and_named(tmp_path, name):
    """Records of format 1 had no checksum: what they say is looked at."""
    whole = write(tmp_path)
    run = write(tmp_path, run_config("complex_TBP_planar_1_train", group="study", width=5, depth=1))
    file = run.path / "run.json"
    record = json.loads(file.read_text()) | {"format": 1}
    del record["seal"]
    file.write_text(json.dumps(record))
    assert len(find_runs(tmp_path)) == 2
    if name == "a directory":
        file.unlink()
        file.mkdir()
    elif name == "nested":
        file.write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    elif name == "not a number":
        file.write_text(json.dumps(record | {"heartbeat_seconds": float("nan")}))
    elif name == "latin-1":
        file.write_bytes(b'{"group": "\xff"}')
    else:
        file.write_text(json.dumps(RECORDS[name](record)))
    told = []
    assert [x.path for x in find_runs(tmp_path, "study", on_damaged=told.append)] == [whole.path]
    (error,) = told
    assert f"{file}: " in str(error)
    assert "\n" not in str(error)
    with pytest.raises(KeplearnError):
        _ = open_run(tmp_path, run.path.name).record


def test_a_run_of_the_version_before_is_read(tmp_path):
    """Format 1: no checksum anywhere."""
    from keplearn.core import seal

    run = write(tmp_path)
    whole = read_all(run)
    for name in ("run.json", "model.eqx", "metrics.parquet"):
        file = run.path / name
        content, sealed = seal.open_seal(file.read_bytes())
        assert sealed
        if name == "run.json":
            content = content.replace(b'"format": 2', b'"format": 1').replace(seal.MARK, b"")
        file.write_bytes(content.replace(seal.MARK, b""))
    old = read_all(Run(run.path))
    assert old["metrics"] == whole["metrics"]
    assert old["model"] == whole["model"]
    assert old["record"]["state"] == "finished"


def test_scores_of_other_code_are_not_served(tmp_path, monkeypatch):
    run = write(tmp_path)
    assert Run(run.path).record["scores"]["complex_TBP_planar_1_test"]["mean"] == 12.5
    monkeypatch.setattr("keplearn.runs.records.scorer", lambda *layers: "other")
    assert Run(run.path).record["scores"] == {}
    assert Run(run.path).scored_on == ["complex_TBP_planar_1_test"]


def test_scores_on_a_file_whose_orbits_have_changed_are_not_served(tmp_path):
    from dataclasses import replace

    from keplearn.data.dataset import load_dataset, save_dataset

    file = str(tmp_path / "mine.nc")
    mine = replace(load_dataset("complex_TBP_planar_2_test"), name="mine")
    save_dataset(mine, file)
    with RunWriter(tmp_path / "runs", CONFIG) as writer:
        writer.start({}, resume=False)
        writer.model("model", MODEL)
        writer.end("finished", scores={file: {"mean": 1.0}}, scored_on={file: mine.content_hash})
    assert Run(writer.path).record["scores"] == {file: {"mean": 1.0}}
    save_dataset(mine.only(0), file)
    assert Run(writer.path).record["scores"] == {}


def test_a_row_that_a_kill_cuts_short_is_no_damage(tmp_path):
    run = write(tmp_path, finish=False)
    file = run.path / "metrics.jsonl"
    content = file.read_bytes()
    for cut in range(1, len(content.splitlines()[-1]) + 2):
        file.write_bytes(content[:-cut])
        assert len(Run(run.path).metrics()) == 9
