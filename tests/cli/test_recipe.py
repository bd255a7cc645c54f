"""Recipes are written as configs that can be trained as they stand, on any data."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from keplearn.cli.app import app
from keplearn.cli.recipe import HOME, beside_recipes, recipe
from keplearn.config import load_config, run_config
from keplearn.core.errors import KeplearnError

NAMES = sorted(file.stem for file in HOME.glob("*.yaml"))


def test_the_ladder_is_there_and_listed_with_what_is_built_in(capsys):
    assert NAMES == ["central", "conference", "neutral", "position", "potential", "rtn", "skip", "spherical"]
    recipe()
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines[-len(NAMES) :]) == NAMES
    assert any(line.startswith("neutral") and "nothing is built in" in line for line in lines)


def test_the_files_beside_the_other_configs_are_the_recipes():
    configs = Path(__file__).parents[2] / "configs" / "recipes"
    assert {file.name: file.read_text() for file in configs.glob("*.yaml")} == {
        f"{name}.yaml": (HOME / f"{name}.yaml").read_text() for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_one_run_on_the_data_that_are_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app(["recipe", name], result_action="return_value")
    app(
        ["recipe", name, "--on", "orbit(a=20000, e=0.4)+complex_TBP_3", "--out", "b.yaml"],
        result_action="return_value",
    )
    (default,), (other,) = load_config(f"{name}.yaml"), load_config("b.yaml")
    assert default.dataset_name == "complex_TBP_planar_10_train" and default.parameters.planar_constraint
    assert (
        other.dataset_name == "orbit(a=20000,e=0.4)+complex_TBP_3" and not other.parameters.planar_constraint
    )
    assert "trajectory" not in default.parameters.objective


def test_who_is_far_from_every_recipe_on_such_orbits_is_told_what_they_reach():
    def told(name: str, near: float | None, **parameters) -> str:
        config = run_config(name, **parameters)
        scores = {"a": {"field-near": None}, "b": {"field-near": near}}
        return beside_recipes([SimpleNamespace(config=config, record={"scores": scores})])  # pyright: ignore[reportArgumentType]

    reached = json.loads((HOME / "reached.json").read_text())
    assert set(reached) <= set(NAMES)
    name, much = "complex_TBP_planar_10_train", 20 * max(reached.values())
    said = told(name, much)
    assert said.startswith("Near its training states the field is") and "(b)" in said and "\n" not in said
    worst, best = (choose(reached, key=lambda name: reached[name]) for choose in (max, min))
    assert f"({worst}) to" in said and f"({best}): keplearn recipe lists them." in said
    assert told("complex_TBP_planar_30@2_train+complex_TBP_planar_10@1", much)
    assert [
        told(name, much / 4),
        told(name, None),
        told(name, much, num_trajs=3),
        told(name, much, model="latent_ode"),
        told("complex_TBP_planar_noise1e-3_10_train", much),
        told("complex_TBP_10_train", much),
        told("orbit(a=20000,e=0.4)", much),
    ] == [""] * 7


def test_what_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe("skip")
    for name, on, said in (
        ("skip", "", "skip.yaml is there already: name another file by --out"),
        ("skipp", "", "no recipe 'skipp'. Did you mean 'skip'"),
        ("rtn", "complex_TBP_plan_10", "complex_TBP_plan_10"),
    ):
        with pytest.raises(KeplearnError, match=said):
            recipe(name, on=on)
    assert [file.name for file in tmp_path.iterdir()] == ["skip.yaml"]
