"""Blocks on recipes: the ladder of them, noisy orbits, one orbit alone, real satellites."""

import re
from collections.abc import Sequence
from pathlib import Path

from blocks import HOME, block
from trainings import DRAWS, FRESH, SEEDS, TEST, half, middle, score, short, table, trained

from keplearn.data.dataset import load_dataset, save_dataset
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.satellites import satellites_dataset
from keplearn.evaluation.noise_floor import noise_floor
from keplearn.runs.store import Run

RECIPES = ("neutral", "position", "conference", "spherical", "skip", "rtn", "potential", "central")
REACHED = HOME / "configs" / "recipes" / "reached.json"
LADDER = (
    f"data.dataset_name=[{','.join(DRAWS[:3])}]",
    f"data.test=[{TEST}]",
    "parameters.seed=[0,1,2,3,4,5,6,7,8,9]",
)
"""What the ladder's recipes are trained on, and from which beginnings."""


def _trained(recipe: str, runs: Path, changes: Sequence[str]) -> list[Run]:
    return trained(HOME / "configs" / "recipes" / f"{recipe}.yaml", runs, changes)


def _scores(runs: Sequence[Run]) -> list[dict[str, float]]:
    """Return the scores of runs on the one dataset that each was tested on."""
    return [next(iter(run.record["scores"].values())) for run in runs]


@block("docs/findings.md", factor=10.0)
def ladder(runs: Path) -> str:
    """All recipes, on three draws of ten orbits from ten seeds each: medians and ranges."""
    rows = []
    keys = ("field-near", "field-in", "field-out", "field-far", "mean")
    for name in RECIPES:
        found = _trained(name, runs, LADDER)
        scores = _scores(found)
        fresh = [score(run, on=FRESH) for run in found]
        rows.append([f"`{name}`", *(middle(scores, key) for key in keys), middle(fresh, "field-near")])
    return table(["recipe", *(f"`{key}`, %" for key in keys), "`field-near` on another hundred, %"], rows)


def reached(text: str) -> dict[str, float]:
    """Return what each recipe of a written ladder comes to near its training states, %: `keplearn train` tells it."""
    return {name: float(value) for name, value in re.findall(r"^\| `(\w+)` \| (\S+)", text, re.MULTILINE)}


NOISY = {"without": "", "1e-4": "_noise1e-4", "1e-3": "_noise1e-3"}
"""Noise of the training states, of radius and speed, as people and as names of datasets say it."""


NOISE_TRAININGS = (
    ("spherical", 30, 12_000),
    ("spherical", 100, 6_000),
    ("skip", 30, 6_000),
    ("skip", 100, 6_000),
)
"""Recipes of `noise`, orbits, and evaluations of a training's second phase: a minute or two each."""


WEAK = (
    f"data.test=[{TEST}]",
    "parameters.segment_length_strategy=18",
    SEEDS,
)
"""What the trainings of `noise` have in common."""


@block("docs/findings.md", factor=3.0)
def noise(runs: Path) -> str:
    """Derivatives beside the weak form on noisy orbits, and the floor that the noise sets."""
    rows = []
    for recipe, orbits, count in NOISE_TRAININGS:
        steps = f"parameters.steps_strategy=[[1500,{count}]]"
        for size, word in NOISY.items():
            name = f"complex_TBP_planar{word}_{orbits}_train"
            near = {
                objective: _scores(
                    _trained(
                        recipe,
                        runs,
                        [f"data.dataset_name={name}", f"parameters.objective={objective}", steps, *WEAK],
                    )
                )
                for objective in ("derivative", "weak")
            }
            halves = [half(scores, "field-near") for scores in near.values()]
            floor = noise_floor(load_dataset(name), float(size)) if word else 0.0
            cells = [
                *(middle(scores, "field-near") for scores in near.values()),
                short(halves[0] / halves[1]),
            ]
            rows.append([f"`{recipe}`", str(orbits), str(count), size, *cells, short(floor)])
    titles = ["recipe", "orbits", "evaluations", "noise", "`derivative`, %", "`weak`, %", "ratio", "floor, %"]
    return table(titles, rows)


LAYERS = (
    ("neutral", ""),
    ("neutral", "standardize=false"),
    ("neutral", "skip=true"),
    ("neutral", "init=glorot"),
    ("neutral", "feature_layer=position"),
    ("spherical", ""),
    ("spherical", "standardize=false"),
    ("spherical", "init=glorot"),
    ("spherical", "skip=true"),
    ("spherical", "skip=true init=zero_last"),
    ("spherical", "feature_layer=sph_4D_logr_vel"),
    ("spherical", "feature_layer=sph_4D_logr_logv"),
    ("spherical", "feature_layer=sph_4D_logr_vscaled"),
)
"""A recipe, and what is changed of it."""
SHORT = "parameters.steps_strategy=[[1500,4000]]"


@block("docs/findings.md", factor=10.0)
def layers(runs: Path) -> str:
    """What of a recipe's layers does what, one change at a time: short trainings on three draws, three seeds each."""
    rows, keys = [], ("field-near", "field-in", "field-far")
    for name, changed in LAYERS:
        changes = [f"parameters.{word}" for word in changed.split()]
        scores = _scores(_trained(name, runs, [*LADDER[:2], SEEDS, SHORT, *changes]))
        told = ", ".join(f"`{word.replace('=', ': ')}`" for word in changed.split())
        rows.append([f"`{name}`", told or "as it is", *(middle(scores, key) for key in keys)])
    return table(["recipe", "changed", *(f"`{key}`, %" for key in keys)], rows)


WARM = {
    "trajectory": "trajectory",
    "derivative, then trajectory": "[[derivative,trajectory]]",
    "weak, then trajectory": "[[weak,trajectory]]",
    "weak": "weak",
}
"""Objectives of the two phases of a training of `warm`."""


@block("docs/findings.md", factor=10.0)
def warm(runs: Path) -> str:
    """Whether objectives that integrate nothing are a good start for one that does, by noise; three seeds each."""
    rows = []
    for told, objective in WARM.items():
        cells, seconds = [], []
        for word in NOISY.values():
            data = [f"data.dataset_name=complex_TBP_planar{word}_30_train", f"data.test=[{TEST}]"]
            more = ["parameters.segment_length_strategy=18", SHORT, SEEDS]
            found = _trained("spherical", runs, [*data, f"parameters.objective={objective}", *more])
            cells.append(middle(_scores(found), "field-near"))
            seconds += [run.record["summary"]["seconds"]["train"] for run in found]
        rows.append([told, *cells, short(sorted(seconds)[len(seconds) // 2])])
    return table(["objective", *(f"`field-near`, noise {size}, %" for size in NOISY), "training, s"], rows)


ONE = "orbit(a=20000,e=0.6)"


@block("docs/findings.md", factor=10.0)
def one_orbit(runs: Path) -> str:
    """One eccentric orbit to learn from: errors near its states, and far from them."""
    rows = []
    for name in RECIPES:
        scores = _scores(_trained(name, runs, [f"data.dataset_name={ONE}", f"data.test=[{TEST}]", SEEDS]))
        rows.append([f"`{name}`", *(middle(scores, key) for key in ("field-near", "field-in", "field-far"))])
    return table(["recipe", "`field-near`, %", "`field-in`, %", "`field-far`, %"], rows)


@block("docs/findings.md", factor=3.0)
def satellites(runs: Path) -> str:
    """Real satellites: half of them for training and the other half for the test, and all of them for both."""
    every, _ = satellites_dataset()
    files = {
        name: _part(every, name, which, runs)
        for name, which in (
            ("satellites-even", slice(0, None, 2)),
            ("satellites-odd", slice(1, None, 2)),
            ("satellites-all", slice(None)),
        )
    }
    rows, floors = [], {}
    for name in ("position", "spherical", "skip", "rtn", "central"):
        cells = []
        for training, test in (("satellites-even", "satellites-odd"), ("satellites-all", "satellites-all")):
            changes = [f"data.dataset_name={files[training]}", f"data.test=[{files[test]}]"]
            scores = _scores(_trained(name, runs, [*changes, SEEDS]))
            for key in ("field", "mean"):
                cells.append(middle(scores, key))
                floors[test, key] = short(scores[0][f"floor_{key}"])
        rows.append([f"`{name}`", *cells])
    rows.append(["the two-body law itself", *floors.values()])
    titles = [
        "recipe",
        "`field`, other half, %",
        "`mean`, other half, %",
        "`field`, all, %",
        "`mean`, all, %",
    ]
    return table(titles, rows)


def _part(dataset: OrbitDataset, name: str, which: slice, runs: Path) -> Path:
    """Return a file of some orbits of a dataset."""
    path = runs / f"{name}.nc"
    if not path.exists():
        runs.mkdir(parents=True, exist_ok=True)
        save_dataset(dataset.some(name, which), path)
    return path
