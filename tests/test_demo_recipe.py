"""What the demo's best recipe promises, from its full run."""

import keplearn.demo
from keplearn.config import load_config
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.table import summary
from keplearn.experiment.course import train_run


def test_the_best_recipe_learns_the_law_from_ten_orbits(tmp_path):
    """On 100 unseen orbits: mean below 0.1 %, field below 0.02 %, none diverged."""
    best = load_config(
        keplearn.demo.CONFIG, ["data.dataset_name=complex_TBP_planar_10_train", "data.test=[]"]
    )[2]
    run = train_run(best, tmp_path)
    scores = summary(evaluate(run.model(), load_dataset("complex_TBP_planar_100_test")))
    assert scores["mean"] < 0.1
    assert scores["field"] < 0.02
    assert scores["diverged"] == 0
