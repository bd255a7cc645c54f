"""Sweeps and figures need nothing that Linux alone has."""

import json
import os
import subprocess
from pathlib import Path

from effort import LITTLE_EFFORT
from forty_runs import CLI, TABLES
from ruamel.yaml import YAML

ELSEWHERE = str(Path(__file__).parents[1] / "elsewhere")


def test_a_sweep_trains_and_a_figure_is_drawn_where_nothing_is_as_on_linux(tmp_path):
    file, runs = tmp_path / "one.yaml", tmp_path / "runs"
    parameters = TABLES["parameters"] | {"seed": 5, "steps_strategy": [[6]]}
    YAML().dump({**TABLES, "data": TABLES["data"] | {"test": []}, "parameters": parameters}, file)
    environment = os.environ | LITTLE_EFFORT | {"PYTHONPATH": ELSEWHERE}

    def keplearn(*words):
        done = subprocess.run([*CLI, *words], capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = keplearn("sweep", file, "--runs", runs, "--workers", "1", "--memory", "4G")
    assert "1 finished, 0 failed" in said
    (record,) = runs.glob("forty/*/run.json")
    assert json.loads(record.read_text())["state"] == "finished"
    figure = tmp_path / "loss.png"
    keplearn("plot", "loss", record.parent.name, "--runs", runs, "--out", figure)
    assert figure.stat().st_size > 10_000
