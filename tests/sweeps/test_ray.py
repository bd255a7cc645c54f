"""The same forty runs as Ray tasks, on a real Ray."""

from forty_runs import SABOTEUR, assert_forty_ended

from keplearn.sweeps.driver import driving
from keplearn.sweeps.on_ray import sweep_on_ray
from keplearn.sweeps.pool import Limits
from keplearn.sweeps.study import Standing


def test_seven_of_forty_runs_fail_and_harm_no_other(study, alone):
    limits = Limits(seconds=40.0, memory=1_500_000_000)
    with driving(study) as scratch:
        outcome = sweep_on_ray(study, list(study.configs), scratch, limits, workers=2, worker=SABOTEUR)
        session = (scratch / "ray").resolve()
    assert (outcome.ended, outcome.left, outcome.stopped) == (40, {}, None)
    assert_forty_ended(Standing(study).read(), alone)
    assert {path.name for path in study.path.iterdir()} == {"sweep.json", *study.configs}
    assert session.name.startswith("keplearn-ray-")
    assert not session.exists()
