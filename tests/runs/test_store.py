"""A run's directory: names that stay inside it, files that are whole, states that tell the truth."""

import fcntl
import json
import threading

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from keplearn.config import run_config
from keplearn.core import seal
from keplearn.core.errors import Damaged, KeplearnError, nearest
from keplearn.figures import save_figure
from keplearn.models.files import load_model, save_model
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.runs.find import find_runs, open_run
from keplearn.runs.store import directory_name
from keplearn.runs.writer import RunWriter
from keplearn.training.events import Checkpoint


@pytest.fixture
def config():
    return run_config("complex_TBP_planar_1_train", group="study", width=4, depth=1)


MODEL = new_model(Architecture("cartesian", "mlp_simple", 4, 1), 0)


@pytest.fixture
def written(tmp_path, config):
    """A run that its writer has left without a word, as a kill does."""
    with RunWriter(tmp_path, config) as writer:
        writer.start({}, resume=False)
        writer.rows([{"phase": 0, "step": k, "loss": 1.0 / k} for k in range(1, 11)])
        writer.checkpoint(Checkpoint(0, 7, {"state.0": np.arange(3.0)}))
    return tmp_path


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", ".", "..", ".hidden", "", " a", "a\n", "a\\b"])
def test_names_that_could_lead_out_of_the_directory_are_refused(name, tmp_path):
    with pytest.raises(KeplearnError, match="not a plain name"):
        directory_name(name, "group")
    with pytest.raises(KeplearnError):
        open_run(tmp_path, name)


@given(st.text(max_size=12))
def test_an_accepted_name_names_an_entry_of_the_directory_itself(tmp_path_factory, name):
    base = tmp_path_factory.getbasetemp()
    try:
        accepted = directory_name(name, "group")
    except KeplearnError:
        return
    assert (base / accepted).parent == base
    assert accepted not in ("", ".", "..")


def test_a_run_whose_writer_died_is_interrupted_and_goes_on_from_its_checkpoint(written, config):
    run = open_run(written, config.run_id[:6])
    assert run.state == "interrupted"
    assert run.config == config
    with RunWriter(written, config) as writer:
        checkpoint = writer.start({}, resume=True)
        assert checkpoint is not None
        assert (checkpoint.phase, checkpoint.step) == (0, 7)
        np.testing.assert_array_equal(checkpoint.arrays["state.0"], [0.0, 1.0, 2.0])
        # The rows after the checkpoint will be made again.
        assert list(open_run(written, config.run_id).metrics()["step"]) == list(range(1, 8))
        assert open_run(written, config.run_id).state == "running"


def test_a_run_has_one_writer(written, config):
    with (
        RunWriter(written, config),
        pytest.raises(KeplearnError, match="another process"),
        RunWriter(written, config),
    ):
        pass


def test_a_reader_that_looks_whether_the_writer_lives_does_not_keep_it_out(written, config):
    with open_run(written, config.run_id).path.joinpath("lock").open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (reader, fcntl.LOCK_UN)).start()
        with RunWriter(written, config) as writer:
            assert writer.start({}, resume=True) is not None


def test_a_run_killed_while_old_results_are_removed_is_not_finished(written, config, monkeypatch):
    with RunWriter(written, config) as writer:
        writer.start({}, resume=True)
        writer.model("model", MODEL)
        writer.end("finished")
    assert open_run(written, config.run_id).state == "finished"

    def killed(path, missing_ok=False):
        if path.name != "checkpoint.npz":
            raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit), RunWriter(written, config) as writer:
        patch.setattr("pathlib.Path.unlink", killed)
        writer.start({}, resume=False)
    assert open_run(written, config.run_id).state == "interrupted"
    with RunWriter(written, config) as writer:
        assert writer.start({}, resume=True) is None


def test_training_again_starts_from_nothing(written, config):
    with RunWriter(written, config) as writer:
        assert writer.start({}, resume=False) is None
    assert len(open_run(written, config.run_id).metrics()) == 0


def test_training_again_removes_what_trainings_and_evaluations_left_and_nothing_of_the_users(
    written, config, tmp_path
):
    run = written / "study" / config.run_id
    elsewhere = tmp_path / "elsewhere"
    ours = ("model.eqx", "phase-0-final.eqx", "metrics.parquet", "evaluations/a.nc", "evaluations/a.json")
    theirs = ("notes.txt", "loss.png", "model.eqx.old", "mine.eqx", "evaluations/mine.nc", "figures/loss.png")
    for file in ours + theirs:
        (run / file).parent.mkdir(exist_ok=True)
        (run / file).write_bytes(seal.close(b"made by keplearn") if file in ours else b"years of work")
    save_figure(Figure(), run / "figures" / "orbit.png")
    run.rename(elsewhere)  # as one does where a disk is full
    run.symlink_to(elsewhere)
    with RunWriter(written, config) as writer:
        assert writer.start({}, resume=False) is None
    left = {str(file.relative_to(elsewhere)) for file in elsewhere.rglob("*") if file.is_file()}
    assert left == {"run.json", "lock", "metrics.jsonl", *theirs}


def test_a_line_cut_short_by_a_kill_costs_only_itself(written, config):
    file = written / "study" / config.run_id / "metrics.jsonl"
    file.write_text(file.read_text() + '{"phase": 0, "st')
    assert len(open_run(written, config.run_id).metrics()) == 10


def test_a_step_without_a_number_is_null_in_its_line_and_nan_when_read(written, config):
    rows = [{"phase": 0, "step": step, "loss": loss} for step, loss in ((1, float("nan")), (2, 0.5))]
    with RunWriter(written, config) as writer:
        writer.start({}, resume=False)
        writer.rows(rows[:1])
        file = writer.path / "metrics.jsonl"
        assert json.loads(file.read_text(), parse_constant=pytest.fail)["loss"] is None
        run = open_run(written, config.run_id)
        assert run.metrics()["loss"].dtype == np.float64 and run.metrics()["loss"].isna().all()
        writer.rows(rows[1:])
        writer.model("model", MODEL)
        writer.end("finished")
    np.testing.assert_array_equal(open_run(written, config.run_id).metrics()["loss"], [np.nan, 0.5])


def test_a_finished_run_keeps_its_metrics_as_a_table_and_no_checkpoint(written, config):
    with RunWriter(written, config) as writer:
        writer.start({}, resume=True)
        writer.model("model", MODEL)
        writer.end("finished", scores={"x": {"mean": float("nan")}})
    run = open_run(written, f"study/{config.run_id}")
    assert run.state == "finished"
    assert len(run.metrics()) == 7
    assert not (run.path / "checkpoint.npz").exists()
    # What is not a number is null: run.json is JSON that any program reads.
    strict = json.loads((run.path / "run.json").read_text(), parse_constant=pytest.fail)
    assert strict["scores"]["x"]["mean"] is None
    assert not list(run.path.glob(".*.tmp"))


def test_runs_are_found_by_group_and_state(written, config):
    assert [run.run_id for run in find_runs(written)] == [config.run_id]
    assert find_runs(written, "study", "failed") == []
    with pytest.raises(KeplearnError, match="Did you mean 'study'"):
        find_runs(written, "studdy")
    with pytest.raises(KeplearnError, match="no run"):
        open_run(written, "ffff")


def test_a_group_in_a_runs_place_is_its_only_run_and_told_where_there_are_several(written, config):
    assert open_run(written, "study").run_id == config.run_id
    other = run_config("complex_TBP_planar_1_train", group="study", width=5, depth=1)
    with RunWriter(written, other) as writer:
        writer.start({}, resume=False)
    with pytest.raises(KeplearnError, match=r"no run 'study' in .*\. It is a group: give one of its runs"):
        open_run(written, "study")


def test_a_run_in_a_groups_place_is_told(written, config):
    with pytest.raises(KeplearnError, match=rf"no group '{config.run_id}' in .*\. It is a run of study\.$"):
        find_runs(written, config.run_id)


def test_a_suggestion_is_never_what_was_typed(written):
    (written / "caf\u00e9").mkdir()
    with pytest.raises(KeplearnError, match=r"Did you mean 'caf\\xe9'\?"):
        find_runs(written, "cafe\u0301")
    assert nearest("loop2", ["loop2"]) == ""
    assert nearest("loop2", ["loop2", "loop1"]) == " Did you mean 'loop1'?"


def test_a_link_in_a_circle_hides_no_run(written, config):
    (written / "loop").symlink_to("loop")
    (written / "study" / "gone").symlink_to("nowhere")
    assert [run.run_id for run in find_runs(written)] == [config.run_id]


def test_a_damaged_run_says_so(written, config):
    (written / "study" / config.run_id / "run.json").write_text("{")
    with pytest.raises(KeplearnError, match="damaged"):
        _ = open_run(written, config.run_id).record


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_comes_back_from_its_file_bit_by_bit(tmp_path, dtype):
    architecture = Architecture("sph_4D_rinv_vel", "mlp_4D_unit_scaled", 5, 2, "prelu")
    model = new_model(architecture, 3, dtype, 2.5)
    save_model(model, tmp_path / "model.eqx")
    again = load_model(tmp_path / "model.eqx")
    assert again.architecture == architecture
    for one, other in zip(jax.tree.leaves(model), jax.tree.leaves(again), strict=True):
        assert one.dtype == other.dtype == dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("keep", [0, 10, 300, -1])
def test_a_truncated_model_file_is_refused(tmp_path, keep):
    path = tmp_path / "model.eqx"
    save_model(new_model(Architecture("cartesian", "mlp_simple", 4, 1), 0), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(Damaged, match=r"model\.eqx: .*damaged"):
        load_model(path, must=True)


def test_a_model_file_is_never_unpickled(tmp_path):
    import pickle

    path = tmp_path / "model.eqx"
    save_model(new_model(Architecture("cartesian", "mlp_simple", 4, 1), 0), path)
    header = path.read_bytes().split(b"\n", 1)[0]
    array = np.array([{"a": 1}], dtype=object)
    with path.open("wb") as file:
        file.write(header + b"\n")
        np.save(file, array, allow_pickle=True)
    assert pickle.dumps(array)  # it could have been
    with pytest.raises(KeplearnError, match="damaged"):
        load_model(path)
