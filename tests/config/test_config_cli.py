"""``keplearn config``: what is printed for files, comparisons and defaults."""

import csv
import io
import json
import subprocess
import sys

import pytest
from config_helpers import DATA

from keplearn.cli.config import app
from keplearn.config import RunConfig, load_config, run_config
from keplearn.config.names import known_names
from keplearn.config.schema import TABLES
from keplearn.core.errors import KeplearnError


@pytest.fixture
def keplearn_config(capsys):
    """Return a function that runs the command and returns what it prints."""

    def run(*arguments):
        app([str(a) for a in arguments], result_action="return_value")
        return capsys.readouterr().out

    return run


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(DATA + "parameters: {seed: [0, 1], width: 8, optimizer: [[adam, bfgs]], dtype: float64}")
    return path


def test_show_separates_what_is_given_what_is_default_and_what_varies(keplearn_config, study):
    out = keplearn_config("show", study, "--programs")
    assert "2 runs" in out.splitlines()[0]
    given, defaults = out.index("In all runs"), out.index("Defaults filled in")
    assert given < out.index("parameters.width") < defaults < out.index("parameters.depth")
    assert "[adam, bfgs]" in out
    *_, header, first, second, _, programs = out.splitlines()
    assert header.split() == ["run", "id", "seed"]
    assert [first.split()[1], second.split()[1]] == ["0", "1"]
    # A seed needs no program of its own, an optimiser does.
    assert programs == "2 training programs to compile, for 4 phases."


@pytest.mark.parametrize(
    "changes", [(), ("objective=weak", "optimizer=levenberg_marquardt", "loss_fcn=mean_squared_error")]
)
def test_show_does_not_wait_for_jax(study, changes):
    """Where the names of layers, and what phases can be, are known on disk: once a config like it was read."""
    assert known_names()
    load_config(study, changes)
    words = ["config", "show", str(study), *(word for change in changes for word in ("--set", change))]
    text = (
        "import sys; from keplearn.cli.app import app; "
        f"app({words!r}, result_action='return_value'); "
        "print([name for name in ('jax', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[0].endswith("2 runs"), done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_show_takes_overrides(keplearn_config, study):
    assert "1 run\n" in keplearn_config("show", study, "--set", "seed=3", "--set", "width=16")


def test_show_as_json_gives_records_that_can_be_read_back(keplearn_config, study):
    records = json.loads(keplearn_config("show", study, "--format", "json"))
    for record in records:
        assert RunConfig.from_dict({t: record[t] for t in TABLES}).run_id == record["run_id"]
    assert [record["parameters"]["seed"] for record in records] == [0, 1]


def test_show_as_csv_has_all_entries(keplearn_config, study):
    rows = list(csv.DictReader(io.StringIO(keplearn_config("show", study, "--format", "csv"))))
    assert [row["parameters.seed"] for row in rows] == ["0", "1"]
    assert rows[0]["parameters.loss_fcn"] == "percent_error"


def test_show_prints_warnings_as_plain_lines(study, capsys):
    study.write_text(study.read_text().replace("seed: [0, 1]", "seed: [1, 1]"))
    app(["show", str(study)], result_action="return_value")
    assert capsys.readouterr().err.startswith("warning: 1 of 2 runs")


def test_diff_shows_only_what_differs(keplearn_config, study, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("wandb: {group: study}\n" + study.read_text().replace("[0, 1]", "[0, 2]"))
    out = keplearn_config("diff", study, other)
    assert "parameters.seed  0, 1" in out
    assert "parameters.width" not in out
    assert "2 and 2, 1 of them in both" in out
    found = json.loads(keplearn_config("diff", study, other, "--format", "json"))
    assert found["differences"] == [{"key": "parameters.seed", "first": [0, 1], "second": [0, 2]}]
    assert keplearn_config("diff", study, study).startswith("No difference.")


def test_diff_reads_run_directories_and_their_records(keplearn_config, tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        record = {
            "config": run_config("complex_TBP_planar_10_train", seed=seed).to_dict(),
            "state": "finished",
        }
        (tmp_path / name / "run.json").write_text(json.dumps(record))
    out = keplearn_config("diff", tmp_path / "a", tmp_path / "b" / "run.json")
    assert [line.split()[0] for line in out.splitlines()] == ["key", "parameters.seed"]


@pytest.mark.parametrize("content", ["{", "[]", '{"config": 3}', '{"config": {"data": 3}}', "\xff"])
def test_diff_refuses_what_is_no_record(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(KeplearnError):
        app(["diff", str(tmp_path), str(tmp_path)], result_action="return_value")


def test_diff_tells_sets_that_combine_the_same_values_differently(keplearn_config, tmp_path):
    for name, pairs in (("a", [(1, 1), (2, 2)]), ("b", [(1, 2), (2, 1)])):
        variants = [{"seed": seed, "depth": depth} for seed, depth in pairs]
        (tmp_path / f"{name}.yaml").write_text(f"wandb: {{group: g}}\n{DATA}variants: {json.dumps(variants)}")
    assert "combined differently" in keplearn_config("diff", tmp_path / "a.yaml", tmp_path / "b.yaml")


def test_defaults_lists_every_key(keplearn_config):
    out = keplearn_config("defaults")
    assert all(f"{table}.{key} " in out for table, keys in TABLES.items() for key in keys)
