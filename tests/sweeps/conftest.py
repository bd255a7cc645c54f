"""The study of 40 runs, and the numbers of those that can succeed when run alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from effort import LITTLE_EFFORT
from forty_runs import TABLES
from ruamel.yaml import YAML

from keplearn.config import RunConfig, runs_from_dict
from keplearn.groups.study import Study
from keplearn.runs.find import open_run
from keplearn.sweeps.worker_process import worker_environment


@pytest.fixture(scope="session")
def forty():
    """38 runs that differ by seed, one whose loss is soon no number, one without a segment."""
    configs = runs_from_dict(TABLES, [])
    # It takes a hundred steps in a row without a number to call a training lost.
    lost = [
        "lr_strategy=1e200",
        "steps_strategy=[[200]]",
        "activation=leaky_relu",
        "output_layer=mlp_4D_signed",
    ]
    configs += runs_from_dict(TABLES, ["parameters.seed=100", *(f"parameters.{entry}" for entry in lost)])
    # Such a config is refused; one that is in a record already fails its run.
    empty = runs_from_dict(TABLES, ["parameters.seed=101"])[0].to_dict()
    empty["parameters"]["segment_length_strategy"] = [[1000]]
    configs.append(RunConfig.from_dict(empty))
    assert len({config.run_id for config in configs}) == 40
    return configs


@pytest.fixture(scope="session")
def alone(forty, made_once):
    """What the 33 runs that can succeed score when each is trained alone, in one process.

    Sweeps find their programs made, that of the run whose loss is soon no number too.
    """
    some = forty[5:38]

    def make(runs):
        (runs / "tmp").mkdir()
        script, configs = Path(__file__).with_name("alone.py"), [config.to_dict() for config in forty[5:39]]
        environment = os.environ | LITTLE_EFFORT | worker_environment(runs, on_cpu=True)
        subprocess.run(
            [sys.executable, script, runs], input=json.dumps(configs), text=True, check=True, env=environment
        )

    runs = made_once("alone", make)
    return {
        config.run_id: open_run(runs, f"{config.group}/{config.run_id}").record["scores"] for config in some
    }


@pytest.fixture
def study(forty, tmp_path):
    """The forty, swept nowhere yet."""
    return Study.of(forty, tmp_path)


@pytest.fixture
def file(tmp_path):
    """The study's 33 runs that succeed, as a file."""
    file = tmp_path / "forty.yaml"
    tables = TABLES | {"parameters": TABLES["parameters"] | {"seed": list(range(5, 38))}}
    YAML().dump(tables, file)
    return file
