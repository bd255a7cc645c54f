"""Runs that are brought from a server: page by page, once, and those of other programs as far as they go."""

import json
import math

import pytest
from fuzz import keplearn
from trained import DATASET, a_run

from keplearn.core.errors import KeplearnError
from keplearn.runs.find import find_runs, open_run
from keplearn.tracking.pull import pull

FLAT = {
    "dataset_name": DATASET,
    "width": 4,
    "depth": 1,
    "lr_strategy": [1e-3, 1e-4],
    "steps_strategy": [2, 3],
}


def logged(server, name, config, *, group="others", state="finished", steps=5, **summary):
    """Put a run on the server as another program logs it: no phases, no steps of its own."""
    numbers = [{"_step": k, "_timestamp": 1.0, "loss": 1 / (k + 1), "note": "x"} for k in range(steps)]
    numbers[1]["loss"] = "NaN"
    server.runs[name] = {
        "id": f"id-{name}",
        "name": name,
        "displayName": f"run {name}",
        "project": "orbits",
        "group": group,
        "state": state,
        "config": {key: {"value": value} for key, value in config.items()},
        "summary": {"_step": steps, "loss": 0.2, "best_loss": 0.1, "warnings": 3, "seconds": {"train": 2}}
        | summary,
        "lines": numbers,
    }


def test_runs_of_other_programs_are_read_as_far_as_they_go_and_no_run_twice(tmp_path, server, outside):
    logged(server, "flat", FLAT | {"library": "torch", "seed": 3})
    logged(server, "dotted", {f"parameters.{k}" if k != "dataset_name" else k: v for k, v in FLAT.items()})
    logged(server, "crashed", FLAT, state="crashed")
    logged(server, "nothing", {"width": 4})
    logged(server, "unknown", FLAT | {"activation": "reluu"})
    logged(server, "another", FLAT, group="not asked for")
    here = a_run(tmp_path, group="others", steps=10)  # one that was trained here is left as it is
    before = (here.path / "run.json").read_bytes()
    logged(server, here.run_id, json.loads(before)["config"])
    server.faults = {"Runs": [429], "HistoryPage": [429], "RunParquetHistory": [429]}
    said: list[str] = []
    found = pull(tmp_path, "orbits", entity="lab", group="others", say=said.append)

    assert server.asked["Runs"] > 5  # a page a run
    assert all(not faults for faults in server.faults.values())
    assert sorted(run.run_id for run in found.runs) == ["crashed", "dotted", "flat"]
    assert "it is here already" in found.left[here.run_id]
    assert (here.path / "run.json").read_bytes() == before
    assert "names no dataset_name" in found.left["nothing"]
    assert "Did you mean 'relu" in found.left["unknown"]
    assert ["library" in text for text in said if text.startswith("flat:")] == [True]

    flat = open_run(tmp_path, "others/flat")
    p = flat.config.parameters
    assert (p.width, p.seed, p.lr_strategy, p.steps_strategy) == (4, 3, (1e-3, 1e-4), (2, 3))
    assert list(flat.metrics()["step"]) == [1, 2, 3, 4, 5]
    assert [x for x in flat.metrics()["loss"] if not math.isnan(x)] == [1, 1 / 3, 1 / 4, 1 / 5]
    assert flat.record["summary"] == {"best_loss": 0.1, "seconds": {"train": 2}}
    assert (flat.state, flat.record["reason"]) == (
        "interrupted",
        "Weights & Biases has no model of it that keplearn can read",
    )
    assert open_run(tmp_path, "others/dotted").config.parameters == p.model_copy(update={"seed": 0})
    assert open_run(tmp_path, "others/crashed").state == "interrupted"
    assert len(find_runs(tmp_path, "others")) == 4

    drawn = keplearn("plot", "loss", "others/flat", "--runs", tmp_path, "--out", tmp_path / "loss.png")
    assert drawn[0] == 0 and (tmp_path / "loss.png").is_file()

    pages = server.asked["HistoryPage"] + server.asked["RunParquetHistory"]
    server.runs["flat"]["lines"].append({"_step": 5, "loss": 0.1})
    again = pull(tmp_path, "orbits", entity="lab", ids=["flat", "dotted"])
    assert ([run.run_id for run in again.runs], again.same) == (["flat"], ["dotted"])
    assert len(open_run(tmp_path, "others/flat").metrics()) == 6
    assert server.asked["HistoryPage"] + server.asked["RunParquetHistory"] - pages <= pages // 3 + 1
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["others"]
    assert outside() == ["home", "tmp"]


def test_a_project_that_cannot_be_read_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "")
    with pytest.raises(KeplearnError, match=r"Weights & Biases: .*[Aa][Pp][Ii]"):
        pull(tmp_path, "orbits")
    assert list(tmp_path.iterdir()) == []
