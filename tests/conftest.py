"""Array shapes and dtypes in annotations are checked at run time; programs are kept for the session."""

import os
import tempfile

from jaxtyping import install_import_hook

install_import_hook("keplearn", "beartype.beartype")

# Processes that tests start share one another's compiled programs, and nothing is left in the user's cache.
_programs = tempfile.TemporaryDirectory(prefix="keplearn-programs-")
os.environ["KEPLEARN_CACHE_DIR"] = _programs.name

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def small_study(tmp_path_factory):
    """The directory of a real small study, ``small``, trained once: 32 runs that finished and one that failed.

    Two datasets, two feature layers, two output layers, two segment lengths, two seeds; two phases of 30 steps.
    """
    from keplearn.config import runs_from_dict
    from keplearn.experiment import train_run

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
    runs = tmp_path_factory.mktemp("small_study")
    empty = ["parameters.segment_length_strategy=1000", "parameters.seed=0"]
    one = ["data.dataset_name=complex_TBP_planar_2_train", "parameters.feature_layer=sph_4D_rinv"]
    configs = runs_from_dict(tables, []) + runs_from_dict(
        tables, [*empty, *one, "parameters.output_layer=mlp_4D_signed"]
    )
    states = [train_run(config, runs).state for config in configs]
    assert states == ["finished"] * 32 + ["failed"]
    return runs
