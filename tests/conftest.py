"""Array shapes and dtypes in annotations are checked at run time; programs and studies are made once a session.

The suite runs in several processes, a file of tests in one of them; they share what is dear to make.
"""

import fcntl
import os
import tempfile

from jaxtyping import install_import_hook

install_import_hook("keplearn", "beartype.beartype")

# All processes of a session share one another's compiled programs, and nothing is left in the user's cache.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _programs = tempfile.TemporaryDirectory(prefix="keplearn-programs-")
    os.environ["KEPLEARN_CACHE_DIR"] = _programs.name

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """``made_once(name, make)``: a directory that ``make`` has filled, once for all processes of the session."""
    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place

    def made_once(name, make):
        directory, made = place / name, place / f"{name}.made"
        with (place / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                directory.mkdir(exist_ok=True)
                make(directory)
                made.touch()
        return directory

    return made_once


@pytest.fixture(scope="session")
def small_study(made_once):
    """The directory of a real small study, ``small``, trained once: 32 runs that finished and one that failed.

    Two datasets, two feature layers, two output layers, two segment lengths, two seeds; two phases of 30 steps.
    """
    return made_once("small_study", _train_small_study)


def _train_small_study(runs):
    from keplearn.config import runs_from_dict
    from keplearn.experiment.course import train_run

    tables = {
        "wandb": {"group": "small"},
        "data": {
            "dataset_name": ["complex_TBP_planar_2_train", "complex_TBP_planar_5_train"],
            "test": ["complex_TBP_planar_1_test", "complex_TBP_planar_10_test"],
        },
        "parameters": {
            "length_strategy": [[[0.0, 0.5], [0.0, 1.0]]],
            "steps_strategy": [[30, 30]],
            "segment_length_strategy": [4, 10],
            "feature_layer": ["sph_4D_rinv", "sph_4D_rinv_vel"],
            "output_layer": ["mlp_4D_signed", "mlp_4D_logmag_unit_exp"],
            "activation": "tanh",
            "width": 8,
            "batch_size": 64,
            "depth": 1,
            "lr_strategy": 0.01,
            "seed": [0, 1],
            "validate_every": 10,
        },
    }
    empty = ["parameters.segment_length_strategy=300", "parameters.seed=0"]
    one = ["data.dataset_name=complex_TBP_planar_2_train", "parameters.feature_layer=sph_4D_rinv"]
    configs = runs_from_dict(tables, []) + runs_from_dict(
        tables, [*empty, *one, "parameters.output_layer=mlp_4D_signed"]
    )
    states = [train_run(config, runs).state for config in configs]
    assert states == ["finished"] * 32 + ["failed"]
