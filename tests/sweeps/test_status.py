"""`keplearn sweep status` on a terminal: the run that it calls the best."""

import json
from contextlib import suppress

from keplearn.cli import main
from keplearn.config import run_config
from keplearn.groups.study import Study
from keplearn.runs.writer import RunWriter

TRAINED_ON, TESTED_ON = "complex_TBP_planar_1_train", "complex_TBP_planar_1_test"
SCORES = [
    {"median": 3.0, "mean": 7.3, "lost": 216, "diverged": 6},
    {"median": 9.0, "mean": 15.0, "lost": 0, "diverged": 0},
    {"median": 9.5, "mean": 11.2, "lost": 0, "diverged": 0},
]


def test_the_best_run_of_a_sweep_is_one_that_lost_nothing(tmp_path, capsys, monkeypatch):
    configs = [run_config(TRAINED_ON, group="study", test=[TESTED_ON], seed=k) for k in range(len(SCORES))]
    study = Study.of(configs, tmp_path)
    study.write()

    def shown(*options: str) -> str:
        monkeypatch.setattr(
            "sys.argv", ["keplearn", "sweep", "status", "study", "--runs", str(tmp_path), *options]
        )
        with suppress(SystemExit):
            main()
        return capsys.readouterr().out

    for config, scores in zip(configs, SCORES, strict=True):
        with RunWriter(tmp_path, config) as writer:
            writer.start({}, resume=False)
            (writer.path / "model.eqx").touch()
            writer.write(state="finished", scores={TESTED_ON: scores})
        if scores is SCORES[0]:
            # With nothing else it is the best there is, and what it lost is told.
            assert (
                f"best median 3 % (mean 7.3 %, 216 samples lost) on {TESTED_ON}: study/{config.run_id}"
                in shown()
            )
    by_median, by_mean = configs[1].run_id, configs[2].run_id
    assert f"best median 9 % (mean 15 %) on {TESTED_ON}: study/{by_median}" in shown()
    assert f"best mean 11.2 % on {TESTED_ON}: study/{by_mean}" in shown("--metric", "mean")
    best = {"run_id": by_median, "median": 9.0, "mean": 15.0, "field": None, "lost": 0, "test": TESTED_ON}
    assert json.loads(shown("--json"))["best"] == best
