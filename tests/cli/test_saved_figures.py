"""Figures of finished runs, saved as their configs say: by train, and by the workers of sweeps."""

import pytest
from fuzz import keplearn
from matplotlib.image import imread

from keplearn.runs.find import find_runs

CONFIG = """
wandb: {group: drawn}
data: {dataset_name: complex_TBP_planar_2_train, test: []}
parameters: {width: 4, depth: 1, steps_strategy: 20, feature_layer: sph_4D_rinv, validate_every: 10}
"""


@pytest.fixture
def command(tmp_path):
    """``command(verb, *words)``: a command on a study of one run, whose figures it returns as they are then."""
    file, runs = tmp_path / "drawn.yaml", tmp_path / "runs"

    def command(verb, *words, figures=None):
        file.write_text(CONFIG + (f"figures: {figures}\n" if figures else ""))
        code, out, err = keplearn(verb, file, "--runs", runs, *words)
        assert code == 0, err
        (run,) = find_runs(runs, "drawn", "finished")
        found = {path.name: path for path in (run.path / "figures").glob("*")}
        return run, found, out + err

    return command


def test_train_draws_the_loss_unless_told_otherwise(command):
    run, found, said = command("train", figures="[]")
    assert not found
    trained = run.record
    run, found, said = command("train", "--json")
    assert list(found) == ["loss.png"]
    assert imread(found["loss.png"]).std() > 0.01
    assert "figure" not in said
    assert run.record == trained  # a finished run is drawn, and not trained for it
    drawn = found["loss.png"].stat().st_mtime_ns
    _, found, said = command("train", figures="[loss, orbit]")
    assert found["loss.png"].stat().st_mtime_ns == drawn
    assert list(found) == ["loss.png"]
    warning = f"warning: figure orbit is not drawn: run {run.run_id} has no test dataset: name one with --on."
    assert warning in " ".join(said.split())
    assert warning in (run.path / "log.txt").read_text()
    mine = run.path / "figures" / "mine.png"
    mine.write_bytes(b"years of work")
    _, found, _ = command("train", "--again", "--set", "figures=[]")
    assert list(found) == ["mine.png"]


def test_a_sweeps_workers_draw_what_is_named_and_what_is_missing_later(command):
    run, found, _ = command("sweep", "--device", "auto", figures="[loss]")
    assert list(found) == ["loss.png"]
    trained = run.record
    found["loss.png"].unlink()
    run, found, said = command("sweep", figures="[loss]")
    assert list(found) == ["loss.png"]
    assert run.record == trained
    assert "1 finished, 0 failed, 0 skipped" in said
    assert "0 finished, 0 failed, 1 skipped" in command("sweep", figures="[loss]")[2]
    assert "0 finished, 0 failed, 1 skipped" in command("sweep")[2]
