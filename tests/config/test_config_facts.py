"""Facts of keys: those that say what is compiled are true, and a key that comes later leaves finished runs finished."""

import json
from typing import Annotated

import pytest
from pydantic import Field
from sinks import texts
from test_config_identity import KEPT_IDS, NAME

from keplearn.config import Parameters, RunConfig, run_config, runs_from_dict
from keplearn.config import value_types as f
from keplearn.config.facts import Fact
from keplearn.config.schema import FACTS
from keplearn.core.seal import close_json, close_text
from keplearn.data.dataset import load_dataset
from keplearn.data.units import units_for
from keplearn.experiment.course import train_run
from keplearn.experiment.plan import _fit_settings, architecture_of, make_phases
from keplearn.groups.standing import Standing
from keplearn.groups.study import Study
from keplearn.runs.writer import RunWriter
from keplearn.training.settings import setup_of

# For each parameter that is said to be an argument of a program, another value than its default.
OTHER = {
    "length_strategy": [[[0.0, 0.5]]],
    "lr_strategy": 0.1,
    "steps_strategy": 7,
    "train_val_split": 0.5,
    "num_trajs": 3,
    "mse_weight": 3.0,
    "rtol": 1e-3,
    "atol": 1e-3,
    "seed": 5,
    "grid_rtol": 1e-2,
    "split_order": "segments",
    "length_unit": 7000.0,
    "attraction_weight": 3.0,
    "max_grad_norm": None,
    "validate_every": 7,
    "best_by": "field",
    "weight_decay": 0.5,
    "patience": 3,
    "continuity": 3.0,
    "kl_weight": 0.5,
    "kl_annealing": 9,
}


def problem(config: RunConfig):
    p = config.parameters
    dataset = load_dataset(config.dataset_name)
    settings = _fit_settings(p, dataset, units_for(dataset, p.length_unit))
    return [setup_of(phase, architecture_of(p), settings) for phase in make_phases(p)]


def test_what_is_said_to_be_an_argument_of_a_program_is_no_part_of_one():
    said = {key for key in Parameters.model_fields if not FACTS[key].shapes_program}
    assert said == set(OTHER)
    with pytest.warns(match="without effect"):
        for key, value in OTHER.items():
            changed = run_config(NAME, **{key: value})
            assert changed.run_id != run_config(NAME).run_id
            assert problem(changed) == problem(run_config(NAME)), key
    assert problem(run_config(NAME, width=8)) != problem(run_config(NAME))


class LaterParameters(Parameters):
    """The parameters of a later version, with a key that came in the meantime."""

    tilt: Annotated[f.Positive | None, Fact(since="2031-01-01")] = Field(3.0, description="a later idea")


class LaterConfig(RunConfig):
    """A config of a later version."""

    parameters: LaterParameters  # pyright: ignore[reportIncompatibleVariableOverride]

    @classmethod
    def of(cls, run: RunConfig, **changes: object) -> "LaterConfig":
        """Read a config of today as the later version would."""
        head = {key: getattr(run, key) for key in RunConfig.model_fields if key != "parameters"}
        later = LaterParameters.model_validate({**dict(run.parameters), **changes})
        return cls.model_validate({**head, "parameters": later})


@pytest.mark.filterwarnings("ignore::keplearn.config.ConfigWarning")
def test_a_key_that_comes_later_leaves_the_ids_of_all_runs_as_they_are():
    for run_id, tables in KEPT_IDS.items():
        (run,) = runs_from_dict(tables)
        assert LaterConfig.of(run).run_id == LaterConfig.of(run, tilt=3.0).run_id == run_id
        assert LaterConfig.of(run, tilt=2.0).run_id != run_id != LaterConfig.of(run, tilt=None).run_id


def test_a_study_of_the_last_version_goes_on_without_retraining(tmp_path):
    """Its records do not have the keys that came since."""
    finished, missing = (run_config(NAME, group="g", test=[], seed=seed) for seed in (0, 1))
    study = Study.of([finished, missing], tmp_path)
    study.write()
    with RunWriter(tmp_path, finished) as writer:
        writer.start({}, resume=False)
        (writer.path / "model.eqx").touch()
        writer.end("finished")
    younger = {key for key in Parameters.model_fields if FACTS[key].since}
    assert {"max_grad_norm", "best_by", "model", "encoder"} <= younger

    file = study.path / "sweep.json"
    record = json.loads(file.read_text())
    del record["seal"]
    for key in younger:
        del record["common"][f"parameters.{key}"]
    file.write_bytes(close_text(json.dumps(record)))
    file = study.path / finished.run_id / "run.json"
    record = json.loads(file.read_text())
    del record["seal"]
    for key in younger:
        del record["config"]["parameters"][key]
    file.write_bytes(close_json(record))

    read = Study.read(tmp_path, "g")
    assert list(read.configs) == [finished.run_id, missing.run_id]
    assert Standing(read).read().states == {finished.run_id: "finished", missing.run_id: "missing"}
    said: list[str] = []
    assert train_run(finished, tmp_path, sinks=[texts(said)]).state == "finished"
    assert said == ["is finished: skipped (--again trains it again)"]
