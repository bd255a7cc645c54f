"""A study of 40 small runs of which seven cannot succeed, and what must have become of them."""

import sys
import time
from math import nan
from pathlib import Path

import pytest

from keplearn.core.processes import own_processes

CLI = (sys.executable, "-m", "keplearn")
SABOTEUR = (sys.executable, str(Path(__file__).with_name("saboteur.py")))
TABLES = {
    "wandb": {"group": "forty"},
    "data": {"dataset_name": "complex_TBP_planar_2_train", "test": ["complex_TBP_planar_1_test"]},
    "parameters": {
        "steps_strategy": [[30]],
        "segment_length_strategy": 10,
        "seed": list(range(38)),
        "feature_layer": "sph_4D_logr",
        "activation": "tanh",
        "width": 6,
        "depth": 1,
        "dtype": "float64",
    },
}


def processes_of(place: Path, module: str = "keplearn.sweeps.worker") -> list[int]:
    """The processes that have a directory and a module, or whatever else, in their command."""
    return [pid for pid, command in own_processes() if str(place) in command and module in command]


def wait_for(condition, seconds=120.0):
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def failures(standing):
    """Kind and reason of the failed runs, by seed."""
    return {
        standing.study.configs[run_id].parameters.seed: (
            standing.records[run_id]["kind"],
            standing.records[run_id]["reason"],
        )
        for run_id in standing.having("failed")
    }


def assert_same_scores(found, alone):
    """The numbers of a run alone, and none where it has none."""
    one, other = ({key: nan if x is None else x for key, x in s.items()} for s in (found, alone))
    assert one == pytest.approx(other, rel=1e-6, nan_ok=True)


def assert_forty_ended(standing, alone):
    """33 finished with the numbers of runs alone, and each of the seven says why it failed."""
    assert standing.counts == {"finished": 33, "failed": 7}
    for run_id, scores in alone.items():
        found = standing.records[run_id]["scores"]
        for test, values in scores.items():
            assert_same_scores(found[test], values)
    found = failures(standing)
    assert {seed: kind for seed, (kind, _) in found.items()} == {
        0: "RuntimeError",
        1: "segmentation_fault",
        2: "killed",
        3: "memory",
        4: "time_limit",
        100: "lost_segments",
        101: "no_segments",
    }
    words = {0: "nobody foresaw", 1: "SIGSEGV", 2: "SIGKILL", 3: "1500 MB", 4: "40 s"}
    for seed, word in words.items():
        assert word in found[seed][1]
