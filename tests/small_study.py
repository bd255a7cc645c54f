"""Train the small study of the tests into a directory: ``python small_study.py RUNS``.

32 runs that finish and one that fails: two datasets, two feature layers, two output layers, two segment lengths,
two seeds; two phases of 30 steps.
"""

import sys
from pathlib import Path

TABLES = {
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
EMPTY = [
    "parameters.segment_length_strategy=300",
    "parameters.seed=0",
    "data.dataset_name=complex_TBP_planar_2_train",
    "parameters.feature_layer=sph_4D_rinv",
    "parameters.output_layer=mlp_4D_signed",
]


def main(runs: Path) -> None:
    """Train them all, and look what became of them."""
    from keplearn.config import runs_from_dict
    from keplearn.experiment.course import train_run

    configs = runs_from_dict(TABLES, []) + runs_from_dict(TABLES, EMPTY)
    states = [train_run(config, runs).state for config in configs]
    assert states == ["finished"] * 32 + ["failed"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
