"""The configs that come with keplearn: each is valid, and makes the runs that its comments promise."""

import re
from pathlib import Path

import pytest
from config_helpers import runs_of

import keplearn
from keplearn.config import load_config
from keplearn.demo import RECIPES as LADDER

HOME = Path(__file__).parents[2]
CONFIGS, STUDY = HOME / "configs", HOME / "benchmarks" / "study.yaml"
RECIPES = Path(keplearn.__file__).parent / "recipes"
DEMO = Path(keplearn.__file__).parent / "demo" / "demo.yaml"


SHIPPED = [*sorted(CONFIGS.rglob("*.yaml")), *sorted(RECIPES.glob("*.yaml")), STUDY, DEMO]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("error")
def test_every_shipped_file_is_valid_and_has_no_idle_key(path):
    assert load_config(path)


@pytest.mark.filterwarnings("error")
def test_so_is_every_study_in_the_documents(tmp_path):
    pages = [HOME / "README.md", *sorted((HOME / "docs").glob("*.md"))]
    blocks = [
        block for page in pages for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)
    ]
    studies = [block for block in blocks if re.search(r"^data:", block, re.M)]
    studies = [study for study in studies if "plugins:" not in study]  # they need their files: tests/plugins
    assert studies
    assert all(runs_of(tmp_path, study) for study in studies)


@pytest.mark.parametrize(
    ("name", "count"), [("first", 1), ("segment_lengths", 24), ("velocity", 10), ("data_need", 576)]
)
def test_shipped_studies_have_the_runs_that_they_say(name, count):
    assert len(load_config(CONFIGS / f"{name}.yaml")) == count


def test_the_notebooks_questions_are_studies_of_their_own_and_of_runs_that_they_say():
    files = sorted((CONFIGS / "notebook").glob("*.yaml"))
    studies = {file.stem: load_config(file) for file in files}
    assert set(studies) == {"activations", "heads", "seeds", "segments", "sizes"}
    for (name, runs), file in zip(studies.items(), files, strict=True):
        assert {run.group for run in runs} == {f"notebook-{name}"}
        assert f"{len(runs)} runs." in file.read_text(encoding="utf-8")
    families = {run.dataset_name.rpartition("_planar")[0] for run in studies["segments"]}
    modifiers = {"fixnu0" in run.dataset_name for run in studies["segments"]}
    assert (families, modifiers) == ({"complex_TBP", "circular_TBP"}, {True, False})


@pytest.mark.parametrize("name", ["best_recipe", "earlier_studies", "segment_lengths", "velocity"])
def test_what_is_said_of_ten_orbits_rests_on_several_draws_of_them(name):
    assert len({run.dataset_name for run in load_config(CONFIGS / f"{name}.yaml")}) >= 3


def test_the_demo_is_a_ladder_of_the_recipes_on_three_draws():
    """What it trains under a recipe's name is what ``keplearn recipe`` writes."""
    runs = load_config(DEMO)
    assert len({run.dataset_name for run in runs}) == 3
    first, *others = dict.fromkeys(run.parameters for run in runs)
    assert (first.optimizer, first.objective) == (("adam",), ("trajectory",))
    for name, parameters in zip(LADDER[1:], others, strict=True):
        (recipe,) = load_config(RECIPES / f"{name}.yaml")
        assert parameters == recipe.parameters
