"""What is kept of evaluations: served while all is the same that it depends on, made anew where it is damaged."""

import ast
import shutil
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from gentle import gentle_model
from sinks import texts

from keplearn.config import run_config
from keplearn.core import fingerprint
from keplearn.core.errors import KeptWarning, NotWritten
from keplearn.data.dataset import load_dataset
from keplearn.data.units import units_for
from keplearn.evaluation import propagation, store
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.rollout import evaluate_together
from keplearn.evaluation.table import summary
from keplearn.experiment.course import train_run
from keplearn.groups.standing import Standing
from keplearn.groups.study import Study
from keplearn.models.neural_ode import Architecture
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter

DATASET = load_dataset("simple_TBP_planar_2_test")
SHAPE = Architecture("log_radius", "mlp_rtn", 4, 1, "tanh", planar_constraint=True)
ONE, OTHER = (gentle_model(SHAPE, seed, units=units_for(DATASET)) for seed in (0, 1))


@pytest.fixture
def made(monkeypatch):
    """The datasets' names, one for each evaluation that is made."""
    calls = []

    def counted(models, dataset, *, segments=None):
        calls.extend(dataset.name for _ in models)
        return [_evaluation(model is ONE, dataset).copy() for model in models]

    monkeypatch.setattr(store, "evaluate_together", counted)
    return calls


@cache
def _evaluation(of_one, dataset):
    return evaluate_together([ONE if of_one else OTHER], dataset)[0]


def test_it_is_read_again_for_the_same_model_and_orbits_alone(tmp_path, made):
    first = store.keep_evaluation(tmp_path, ONE, DATASET)
    assert store.keep_evaluation(tmp_path, ONE, DATASET).identical(first)
    assert len(made) == 1
    store.keep_evaluation(tmp_path, OTHER, DATASET)
    assert len(made) == 2
    # The same name, other orbits.
    store.keep_evaluation(tmp_path, OTHER, replace(DATASET.only(0), name=DATASET.name))
    assert len(made) == 3


def test_it_is_made_anew_where_a_tolerance_or_the_code_is_another(tmp_path, made, monkeypatch):
    store.keep_evaluation(tmp_path, ONE, DATASET)
    with monkeypatch.context() as patch:
        patch.setattr(propagation, "RTOL", 1e-6)
        assert "rtol 1e-06" in store.keep_evaluation(tmp_path, ONE, DATASET).attrs["solver"]
    assert len(made) == 2
    store.keep_evaluation(tmp_path, ONE, DATASET)
    assert len(made) == 3
    monkeypatch.setattr(store, "evaluator", lambda *layers: "another")
    store.keep_evaluation(tmp_path, ONE, DATASET)
    assert len(made) == 4


@pytest.mark.parametrize(
    ("file", "before", "after", "same"),
    [
        ("evaluation/vectors.py", "100.0", "101.0", False),
        ("evaluation/propagation.py", "1e-9, 1e-11", "1e-6, 1e-11", False),
        ("integrate/diffrax_steps.py", "diffrax.Dopri8", "diffrax.Dopri5", False),
        ("models/features.py", "return jnp.log(norm(r))", "return jnp.log(2 * norm(r))", False),
        ("models/outputs.py", "return _from_rtn(r, v, network(r, v))", "return network(r, v)", False),
        ("models/outputs.py", "return -jax.grad(", "return jax.grad(", True),  # a layer that it has not
        ("evaluation/vectors.py", '"""', '"""Words. ', True),
        ("evaluation/planes.py", "\nimport numpy", "\n# why\nimport numpy", True),
        ("evaluation/table.py", "return ", "return 2 * ", True),  # a table is made of it, not it of a table
    ],
)
def test_the_code_is_known_by_what_it_computes(source, file, before, after, same):
    now = fingerprint.evaluator("log_radius", "mlp_rtn")
    text = (source / file).read_text()
    assert before in text
    with _changed(source / file, text.replace(before, after, 1)):
        assert (fingerprint.evaluator("log_radius", "mlp_rtn") == now) is same
    assert fingerprint.evaluator("log_radius", "mlp_rtn") == now


def test_a_new_layer_leaves_the_scores_of_all_others(source):
    now = fingerprint.scorer("log_radius", "mlp_rtn")
    file = source / "models" / "features.py"
    new = '@feature_layer("1/r²", uses_velocity=False)\ndef new(r, v, s):\n    return r\n'
    with _changed(file, f"{file.read_text()}\n\n{new}"):
        assert fingerprint.scorer("log_radius", "mlp_rtn") == now
        assert fingerprint.scorer("new", "mlp_rtn") != now


def test_a_metric_has_a_code_of_its_own(source):
    for name in ("metrics", "vectors", "statistics"):
        shutil.copy(fingerprint._HERE / "evaluation" / f"{name}.py", source / "evaluation")
    fingerprint.code_of.cache_clear()
    file = source / "evaluation" / "metrics.py"
    before, text = {key: one.code for key, one in METRICS.items()}, file.read_text()
    changed = text.replace("percent_error(x.field,", "2 * percent_error(x.field,").replace(
        "along the", "on the"
    )
    new = '@metric("new", "new")\ndef new(x):\n    return x\n\n\n'
    with _changed(file, changed.replace("@metric(", f"{new}@metric(", 1)):
        after = {key: one.code for key, one in METRICS.items()}
        assert [key for key in METRICS if after[key] != before[key]] == ["field"]


def test_a_metric_that_is_added_is_evaluated_and_leaves_what_is_kept_of_the_others(
    tmp_path, made, monkeypatch
):
    store.keep_evaluation(tmp_path, ONE, DATASET)
    with monkeypatch.context() as patch:
        patch.setitem(METRICS, "new", replace(METRICS["mean"], key="new", of="new"))
        store.keep_evaluation(tmp_path, ONE, DATASET)
        assert len(made) == 2
    # Where it is not known, what holds it serves as well.
    store.keep_evaluation(tmp_path, ONE, DATASET)
    assert len(made) == 2


@pytest.fixture
def source(tmp_path_factory, monkeypatch):
    """A copy of the source that decides the scores, in the place of the real one."""
    copy = tmp_path_factory.mktemp("source")
    for file in dict.fromkeys(source.partition(":")[0] for source in fingerprint.SUMMING):
        (copy / file).parent.mkdir(exist_ok=True)
        shutil.copy(fingerprint.SOURCE / file, copy / file)
    here = fingerprint.evaluator("log_radius", "mlp_rtn")
    monkeypatch.setattr(fingerprint, "SOURCE", copy)
    assert fingerprint.evaluator("log_radius", "mlp_rtn") == here
    return copy


@contextmanager
def _changed(file, text):
    before = file.read_text()
    for content in (text, before):
        file.write_text(content)
        fingerprint._statements.cache_clear()
        fingerprint._fingerprint.cache_clear()
        fingerprint.code_of.cache_clear()
        if content is text:
            yield


# What an evaluation imports and its numbers do not depend on: vocabulary, files, programs, and the dataset, which
# is known by its content.
_NO_NUMBERS = {
    *(f"core.{name}" for name in ("errors", "fingerprint", "shapes", "jax_shapes", "seal", "files")),
    *(f"core.{name}" for name in ("machine", "programs", "signals", "tables")),
    *("integrate", "integrate.grid", "integrate.nystrom", "systems", "core", "evaluation", "models"),
    *(
        "evaluation.layout",
        "data.orbit_dataset",
        "data.names",
        "data.elements_text",
        *("data.contract", "data.observing", "data.terms", "orbits.differences"),
        "orbits.constants",
        "orbits.bodies",
        "orbits.elements",
        "orbits.families",
    ),
    "evaluation.statistics",
    # Of a metric the code is known by itself.
    *("evaluation.metrics", "evaluation.registry", "evaluation.measure"),
    # How far true states are from training states stands in no kept evaluation.
    "evaluation.distance",
}


def test_no_module_that_an_evaluation_imports_is_forgotten():
    known = {source.partition(".py")[0].replace("/", ".") for source in fingerprint.EVALUATING}
    waiting, found = {"evaluation.rollout"}, set()
    while waiting:
        module = waiting.pop()
        found.add(module)
        tree = ast.parse(_file(module).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("keplearn"):
                package = node.module.removeprefix("keplearn").removeprefix(".")
                names = [f"{package}.{alias.name}".removeprefix(".") for alias in node.names]
                here = [n for n in (package, *names) if n and _file(n).is_file()]
                waiting |= set(here) - found
    assert found <= known | _NO_NUMBERS
    assert known <= found


def _file(name: str) -> Path:
    """Return the file of a module, or of a package its __init__.py."""
    place = fingerprint.SOURCE / name.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def test_every_source_that_is_named_is_there():
    for source in fingerprint.SUMMING:
        file, _, function = source.partition(":")
        statements = fingerprint._statements(fingerprint.SOURCE / file)
        assert any(function in ("", s.name) for s in statements), source


def _damages(content: bytes):
    yield b""
    for at in (1, len(content) // 2, len(content) - 1):
        yield content[:at]
        yield content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_a_damaged_one_is_named_set_aside_and_made_anew_to_the_same_numbers(tmp_path, made):
    first = store.keep_evaluation(tmp_path, ONE, DATASET)
    file = tmp_path / "evaluations" / "simple_TBP_planar_2_test.nc"
    content = file.read_bytes()
    damages = list(_damages(content))
    for count, damaged in enumerate(damages, start=1):
        file.write_bytes(damaged)
        with pytest.warns(KeptWarning, match=r"simple_TBP_planar_2_test\.nc.*made anew.*\.damaged") as said:
            again = store.keep_evaluation(tmp_path, ONE, DATASET)
        assert len(said) == 1
        assert again.identical(first)
        assert len(made) == 1 + count
        store.keep_evaluation(tmp_path, ONE, DATASET)  # without a word
        assert len(made) == 1 + count
    aside = [path.read_bytes() for path in file.parent.glob("*.damaged*")]
    assert sorted(aside) == sorted(damages)


def test_a_directory_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(NotWritten):
        store.keep_evaluation(tmp_path / "gone", ONE, DATASET)
    assert list(tmp_path.iterdir()) == []


def test_other_programs_read_a_kept_evaluation(tmp_path):
    import xarray

    store.keep_evaluation(tmp_path, ONE, DATASET)
    (file,) = Path(tmp_path, "evaluations").iterdir()
    with xarray.open_dataset(file, engine="h5netcdf") as content:
        assert content.attrs["dataset"] == DATASET.name


def test_a_finished_run_whose_scores_are_of_other_code_is_only_scored_anew(tmp_path, monkeypatch):
    layers = {"feature_layer": "log_radius", "output_layer": "mlp_rtn", "activation": "tanh"}
    config = run_config(
        "complex_TBP_planar_1_train", group="study", width=4, depth=1, test=[DATASET.name], **layers
    )
    with monkeypatch.context() as before, RunWriter(tmp_path, config) as writer:
        before.setattr("keplearn.runs.writer.scorer", lambda *layers: "another")
        writer.start({}, resume=False)
        writer.model("model", ONE)
        writer.end("finished", scores={DATASET.name: {"mean": 0.001}})
    study = Study.of([config], tmp_path)
    assert Run(writer.path).record["scores"] == {}
    assert Standing(study).read().outdated() == [config.run_id]
    model, said = (writer.path / "model.eqx").read_bytes(), []
    run = train_run(config, tmp_path, sinks=[texts(said)])
    assert run.state == "finished"
    assert "scored anew" in said[0]
    mean = summary(_evaluation(True, DATASET))["mean"]
    assert run.record["scores"][DATASET.name]["mean"] == pytest.approx(mean, rel=1e-6)
    assert (writer.path / "model.eqx").read_bytes() == model
    assert Standing(study).read().outdated() == []
    train_run(config, tmp_path, sinks=[texts(said)])
    assert "skipped" in said[-1]
