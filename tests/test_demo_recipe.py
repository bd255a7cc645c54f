"""What the demo's last recipe promises, from its full run."""

import keplearn.demo
from keplearn.config import load_config
from keplearn.experiment.course import train_run

TEST = "complex_TBP_planar_100_test"


def test_the_last_recipe_learns_the_law_from_ten_orbits(tmp_path):
    """On 100 unseen orbits, in % of the acceleration; all that is known of the law is that it pulls to the centre."""
    data = ["data.dataset_name=complex_TBP_planar_10_train", f"data.test=[{TEST}]"]
    run = train_run(load_config(keplearn.demo.CONFIG, data)[-1], tmp_path)
    scores = run.record["scores"][TEST]
    assert scores["field-near"] < 1e-4
    assert scores["field-far"] < 1e-3
    assert scores["mean"] < 1e-2
    assert scores["diverged"] == 0
