"""A user's own layers: named in a config, part of the run, run only where the user has named their very content.

Longer than most files: all ways in which one layer of a user is found and refused.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from fuzz import keplearn as main
from own_things import FOR_ALL
from scipy.integrate import solve_ivp

import keplearn
from keplearn.cli.app import app
from keplearn.config import load_config, run_config
from keplearn.core import plugins, tables
from keplearn.core.errors import Damaged, KeplearnError
from keplearn.core.tables import NotLoaded
from keplearn.evaluation.registry import METRICS
from keplearn.experiment.plan import training_programs
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.elements import elements_from_states
from keplearn.runs.find import find_runs, open_run
from keplearn.systems import SYSTEMS

NAME = "complex_TBP_planar_2_train"
DOCUMENT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
LAYER = '''
import jax.numpy as jnp
import keplearn
from pathlib import Path
Path(__file__).with_suffix(".ran").touch()

@keplearn.feature_layer("r²", uses_velocity=False, rotation_invariant=True)
def squared(r, v, settings):
    """r² (1)."""
    return jnp.sum(r * r, axis=0)[None]
'''
STUDY = """
plugins: [my_layers.py]
wandb: {group: g}
data: {dataset_name: complex_TBP_planar_2_train, test: []}
parameters: {feature_layer: squared, width: 4, depth: 1, steps_strategy: 2, batch_size: 8}
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "my_layers.py").write_text(LAYER)
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    return file


def block(language):
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    return found[1]


def test_what_the_document_shows_is_valid_and_right(tmp_path):
    (tmp_path / "my_layers.py").write_text(block("python"))
    (tmp_path / "study.yaml").write_text(block("yaml"))
    names = {run.parameters.feature_layer.partition("@")[0] for run in load_config(tmp_path / "study.yaml")}
    assert names == {"sph_4D_rinv", "inverse_square"}
    keplearn.check_layer("inverse_square")
    keplearn.check_layer("soft_step")


def test_a_feature_layer_outside_the_package_is_as_short_as_contributing_shows(tmp_path):
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(r"outside the package\*\*.*?```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    (tmp_path / "my_layers.py").write_text(found[1])
    assert keplearn.load_plugin(tmp_path / "my_layers.py") == ["square"]
    layer = _features()[run_config(NAME, feature_layer="square").parameters.feature_layer]
    assert layer.rotation_invariant
    r, v = jnp.array([3.0, 4.0, 0.0]), jnp.ones(3)
    assert float(layer.function(r, v, keplearn.LayerSettings())[0]) == pytest.approx(25.0)


def test_a_loss_of_ones_own_is_part_of_what_is_compiled(tmp_path):
    text = "import keplearn\n@keplearn.loss\ndef mine(solved, weights): return {'mine': solved.keep.sum()}\n"
    (tmp_path / "my_loss.py").write_text(text)
    keplearn.load_plugin(tmp_path / "my_loss.py")
    first = run_config(NAME, loss_fcn="mine")
    (tmp_path / "my_loss.py").write_text(text + "# or not\n")
    keplearn.load_plugin(tmp_path / "my_loss.py")
    one, other = training_programs([first, run_config(NAME, loss_fcn="mine")])
    assert not one & other


def test_the_content_is_in_the_id_and_only_of_runs_that_use_it(study, tmp_path):
    own = "parameters.feature_layer=[squared, sph_4D_rinv]"
    plain = run_config(NAME, group="g", test=[], width=4, depth=1, steps_strategy=2, batch_size=8,
                       feature_layer="sph_4D_rinv")  # fmt: skip
    first = load_config(study, [own])
    (tmp_path / "my_layers.py").write_text(LAYER + "\n# another thought\n")
    second = load_config(study, [own])
    assert first[1].run_id == second[1].run_id == plain.run_id
    assert first[0].run_id != second[0].run_id
    assert {run[0].parameters.feature_layer.partition("@")[0] for run in (first, second)} == {"squared"}
    # Both live side by side, for the figures and scores of one group.
    assert len({run[0].parameters.feature_layer for run in (first, second)} & set(_features())) == 2


def _features():
    from keplearn.models.features import FEATURE_LAYERS

    return FEATURE_LAYERS


def test_a_name_is_unknown_where_its_plugin_is_not_named(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY.replace("plugins: [my_layers.py]", ""))
    with pytest.raises(KeplearnError, match=r"study\.yaml:5: feature_layer: 'squared' does not exist"):
        load_config(tmp_path / "study.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import keplearn\nimport nothing_such\n", r"my_layers\.py:2: ModuleNotFoundError: No module named"),
        ("import keplearn\n\nx = (\n", r"my_layers\.py:3: '\(' was never closed"),
        ("def f():\n    return 1 / 0\n\nf()\n", r"my_layers\.py:2: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", r"my_layers\.py:1: SystemExit: 3"),
        (LAYER.replace("squared", "fourier"), r"my_layers\.py:7: feature layer 'fourier' is keplearn's own"),
        (
            LAYER + LAYER[LAYER.index("@") :],
            r"my_layers\.py:11: feature layer 'squared' is taken: .*\.py:7 too",
        ),
    ],
)
def test_a_mistake_is_one_message_with_file_and_line(study, tmp_path, text, message):
    (tmp_path / "my_layers.py").write_text(text)
    with pytest.raises(KeplearnError, match=r"study\.yaml:2: plugins: .*" + message) as refused:
        load_config(study)
    assert "\n" not in str(refused.value)
    assert not tables.sources


def test_two_files_may_not_give_one_name(study, tmp_path):
    (tmp_path / "others.py").write_text("# mine too\n" + LAYER)
    study.write_text(STUDY.replace("[my_layers.py]", "[my_layers.py, others.py]"))
    with pytest.raises(
        KeplearnError, match=r"others\.py:8: feature layer 'squared' is taken by .*my_layers\.py:7"
    ):
        load_config(study)
    study.write_text(STUDY.replace("[my_layers.py]", "[3]"))
    with pytest.raises(KeplearnError, match="plugins must be a list of Python files"):
        load_config(study)
    study.write_text(STUDY.replace("[my_layers.py]", "[gone.py]"))
    with pytest.raises(KeplearnError, match=r"study\.yaml:2: plugins: plugin .*gone\.py: cannot be read"):
        load_config(study)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A directory with a study that a sweep has trained in processes of its own; its plugins are gone since."""
    home = tmp_path_factory.mktemp("swept")
    (home / "my_layers.py").write_text(LAYER)
    (home / "my_own.py").write_text(FOR_ALL)
    (home / "study.yaml").write_text(STUDY.replace("[my_layers.py]", "[my_layers.py, my_own.py]"))
    command = [sys.executable, "-m", "keplearn", "sweep", "study.yaml"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for file in ("my_layers.py", "my_layers.ran", "my_own.py"):
        (home / file).unlink()
    return home


def test_workers_load_it_and_its_runs_are_opened_without_the_original(swept):
    (run,) = find_runs(swept / "runs", "g")
    assert run.state == "finished", run.record["reason"]
    (copy,) = (swept / "runs" / "g" / "plugins").glob("*.py")
    assert copy.read_text() == LAYER
    assert copy.stem == "my_layers-" + run.config.parameters.feature_layer.partition("@")[2]
    # Named by the sweep's user: another process of his needs not be told again.
    assert run.model().architecture.layers[0] == run.config.parameters.feature_layer
    assert keplearn.load_model(run.path / "model.eqx").architecture.uses_velocity is False


def test_workers_tell_a_sink_and_commands_know_a_metric_that_no_config_names(swept, forget):
    (run,) = find_runs(swept / "runs", "g")
    told = (swept / "diary.txt").read_text().splitlines()
    assert told[0].startswith(f"{run.run_id} starts in ")
    assert told[-1] == f"{run.run_id} is finished after 2 steps"
    for command in ("evaluate", "report"):
        # Of what is misspelled all that there is is told.
        code, _, said = main(command, "g", "--runs", swept / "runs", "--metric", "no")
        assert (code, "speed%" in said) == (2, True), said
        forget()
    assert main("runs", "--group", "g", "--runs", swept / "runs")[0] == 0
    assert "speed%" not in METRICS  # a list of runs runs nothing


def test_code_that_the_user_has_not_named_is_not_run(swept, tmp_path, monkeypatch, capsys):
    """As where somebody gives his runs to another."""
    monkeypatch.setenv("KEPLEARN_CACHE_DIR", str(tmp_path / "other"))
    (copy,) = (swept / "runs" / "g" / "plugins").glob("*.py")
    ran = copy.with_suffix(".ran")
    ran.unlink(missing_ok=True)
    app(["runs", "--runs", str(swept / "runs"), "--group", "g"], result_action="return_value")
    assert "finished" in capsys.readouterr().out
    (run,) = find_runs(swept / "runs", "g")
    with pytest.raises(NotLoaded, match=r"keplearn config allow .*my_layers-.*py"):
        run.model()
    with pytest.raises(NotLoaded):
        keplearn.train_run(run.config, swept / "runs", again=True)
    assert not ran.exists()
    app(["config", "allow", str(copy)], result_action="return_value")
    assert not ran.exists()
    monkeypatch.setenv(plugins.ALLOWED, "")  # a later process
    assert open_run(swept / "runs", run.run_id).model() is not None
    assert ran.exists()


def test_where_others_can_write_nothing_is_remembered(tmp_path, monkeypatch):
    home = tmp_path / "other"
    home.mkdir()
    home.chmod(0o777)
    monkeypatch.setenv("KEPLEARN_CACHE_DIR", str(home))
    (tmp_path / "my_layers.py").write_text(LAYER)
    source = plugins.allow_plugin(tmp_path / "my_layers.py")
    assert list(home.iterdir()) == []
    assert plugins._is_allowed(source.hash)
    monkeypatch.setenv(plugins.ALLOWED, "")
    (home / f"plugin-{source.hash}").touch()
    assert not plugins._is_allowed(source.hash)


def test_a_changed_copy_is_refused(study, tmp_path):
    (config,) = load_config(study)
    plugins.keep(config.values(), tmp_path)
    (copy,) = (tmp_path / "plugins").iterdir()
    digest = config.parameters.feature_layer.partition("@")[2]
    tables.remove(digest)
    copy.write_text(LAYER + "import os\n")
    with pytest.raises(Damaged, match="is not the plugin that it was"):
        plugins.require(config.values(), tmp_path)
    copy.unlink()
    with pytest.raises(NotLoaded, match="no copy of it is there"):
        plugins.require(config.values(), tmp_path)


def test_a_package_offers_its_layers_by_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "kl_more.py").write_text(LAYER)
    info = tmp_path / "kl_more-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kl-more\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[keplearn.plugins]\nmore = kl_more\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    run = run_config(NAME, feature_layer="squared")
    assert run.parameters.feature_layer in _features()
    sys.modules.pop("kl_more")
    (tmp_path / "kl_more.py").write_text("raise ValueError('too old')\n")
    plugins.load_installed.cache_clear()
    with pytest.raises(
        KeplearnError, match=r"kl_more of the installed package kl-more .*kl_more\.py:1: .*too old"
    ):
        run_config(NAME, feature_layer="squarred")
    sys.modules.pop("kl_more", None)


def test_a_script_or_notebook_may_define_a_layer_again(tmp_path):
    """What is defined is in the run's name by its own source; a cell that is run again changes nothing."""
    script = tmp_path / "script.py"
    cell = LAYER[LAYER.index("@keplearn") :]
    name = f"run_config('{NAME}', feature_layer='squared').parameters.feature_layer"
    changed = cell.replace("r * r", "r * r * r")
    script.write_text(f"import jax.numpy as jnp\nimport keplearn\n{cell}\nprint(keplearn.{name})\n{cell}\n"
                      f"print(keplearn.{name})\n{changed}\nprint(keplearn.{name})\n")  # fmt: skip
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    first, again, other = done.stdout.split()
    assert first == again != other


def test_a_layer_that_does_not_fulfil_what_it_declares_is_found(tmp_path):
    bad = {
        "lies": ('"r²", uses_velocity=True, rotation_invariant=True',
                 "jnp.sum(r * r, axis=0)[None]", "uses_velocity is True"),
        "turns": ('"x", uses_velocity=False, rotation_invariant=True', "r[:1]", "rotation_invariant is True"),
        "unnamed": ('"x", uses_velocity=False', "r", "3 features, and the names x"),
        "flat": ('"x, y, z", uses_velocity=False', "r / jnp.linalg.norm(r)", "a batch"),
        "pole": ('"1/r", uses_velocity=False, rotation_invariant=True',
                 "1 / jnp.sqrt(jnp.sum(r * r, axis=0))[None]", "not finite in float64"),
    }  # fmt: skip
    text = "import jax, jax.numpy as jnp\nimport keplearn\n"
    for name, (facts, formula, _) in bad.items():
        text += f"@keplearn.feature_layer({facts})\ndef {name}(r, v, settings): return {formula}\n"
    text += "@keplearn.activation\ndef stepped(x, slope): return jax.lax.stop_gradient(x)\n"
    (tmp_path / "bad.py").write_text(text)
    assert set(keplearn.load_plugin(tmp_path / "bad.py")) == {*bad, "stepped"}
    for name, (*_, message) in bad.items():
        with pytest.raises(KeplearnError, match=f"{name}.*{re.escape(message)}"):
            keplearn.check_layer(name)
    with pytest.raises(KeplearnError, match=r"stepped@.*off finite differences"):
        keplearn.check_layer("stepped")
    with pytest.raises(
        KeplearnError, match=r"no layer or activation 'sph_4D_rinw'\. Did you mean 'sph_4D_rinv'"
    ):
        keplearn.check_layer("sph_4D_rinw")


def test_records_are_read_without_the_code(study):
    (config,) = load_config(study)
    record = json.loads(json.dumps(config.to_dict()))
    tables.remove(config.parameters.feature_layer.partition("@")[2])
    assert keplearn.RunConfig.from_dict(record).run_id == config.run_id


def test_a_run_of_orbits_of_ones_own_system_trains_in_a_process_that_has_only_its_copy(tmp_path, forget):
    """J2's orbits, made by SciPy of the law that CONTRIBUTING shows; its file is gone when the run is trained."""
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```python\n(from dataclasses.*?@system.*?)```", page, re.DOTALL)
    file = tmp_path / "oblate.py"
    file.write_text(text, encoding="utf-8")
    keplearn.load_plugin(file)
    law = SYSTEMS[SYSTEMS.full_name("J2")](MU_EARTH)
    times = np.linspace(0.0, 6000.0, 41)
    start = np.array([[7000.0, 0.0, 0.0, 0.0, 5.0, 5.6], [7500.0, 0.0, 100.0, 0.0, 4.0, 6.0]])
    rates = lambda t, y: np.concatenate([y[3:], law.accelerations(np.array(t), y)])  # noqa: E731
    states = np.array(
        [solve_ivp(rates, (0, 6000.0), y, "DOP853", times, rtol=1e-12, atol=1e-9).y.T for y in start]
    )
    both = np.tile(times, (2, 1))
    dataset = keplearn.OrbitDataset(
        name="oblate", problem="J2", planar=False, mu=MU_EARTH, times=both, states=states,
        elements=elements_from_states(states[:, 0], MU_EARTH), accelerations=law.accelerations(both, states),
        acceleration_source="law", orbit_names=("0", "1"),
    )  # fmt: skip
    keplearn.save_dataset(dataset, tmp_path / "oblate.nc")
    study = tmp_path / "study.yaml"
    study.write_text(
        f"plugins: [oblate.py]\ndata: {{dataset_name: {tmp_path / 'oblate.nc'}, test: []}}\n"
        "parameters: {width: 4, depth: 1, steps_strategy: 2, segment_length_strategy: 4}\n"
    )
    (config,) = load_config(study)
    assert config.problem == law.token != "J2"
    run = keplearn.train_run(config, tmp_path / "runs")
    assert run.state == "finished", run.record["reason"]
    assert run.record["phases"][0]["grid_error"] < 1e-3  # measured against J2's law
    forget()
    with pytest.raises(NotLoaded, match="system 'J2' is of a plugin"):
        _ = keplearn.load_dataset(str(tmp_path / "oblate.nc")).system
    file.unlink()
    again = keplearn.train_run(open_run(tmp_path / "runs", run.run_id).config, tmp_path / "runs", again=True)
    assert again.record["phases"][0]["best_loss"] == run.record["phases"][0]["best_loss"]
