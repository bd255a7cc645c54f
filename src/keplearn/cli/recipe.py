"""``keplearn recipe``: write the config of a recipe, to train as it is or to start from."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keplearn
from keplearn.cli.output import print_table
from keplearn.config import run_config
from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.files import exists, write_text
from keplearn.core.numbers import number_text

if TYPE_CHECKING:
    from keplearn.config import RunConfig
    from keplearn.runs.store import Run

HOME = Path(keplearn.__file__).with_name("recipes")
"""A file a recipe, by its name; its first lines say what is built in. reached.json: `field-near` by recipe, %."""
MUCH = 10.0
"""So many times the greatest of these is much worse."""
_DATA = re.compile(r"(?<=dataset_name: ).*")


def recipe(name: str = "", /, *, on: str = "", out: Path | None = None) -> None:
    """Write a recipe's config, to train as it is or to start from; without a name, list the recipes.

    Parameters
    ----------
    name
        The recipe.
    on
        The dataset to train on, a name or a .nc file; by default ten complex planar orbits.
    out
        The file to write; by default the recipe's name and .yaml.
    """
    files = {file.stem: file for file in sorted(HOME.glob("*.yaml"))}
    if not name:
        print_table(["recipe", "what is built in"], [(key, _about(file)) for key, file in files.items()])
        return
    if name not in files:
        raise KeplearnError(f"there is no recipe {name!r}.{nearest(name, files)} keplearn recipe lists them.")
    text = files[name].read_text(encoding="utf-8")
    if on:
        run_config(on)  # that it is there, and not only a word
        text = _DATA.sub(lambda _: on if re.fullmatch(r"[\w@.+/-]+", on) else json.dumps(on), text)
    out = out or Path(f"{name}.yaml")
    if exists(out):
        raise KeplearnError(f"{out} is there already: name another file by --out.")
    write_text(out, text)
    print(f"{out}: train it by keplearn train {out}, or see its runs by keplearn config show {out}.")


def beside_recipes(runs: "Sequence[Run]") -> str:
    """Return one line on what recipes reach, where the best of some runs is much worse near its training states, or "".

    Their numbers are of neural ODEs from ten complex planar orbits without noise; other runs are not compared.
    """
    reached: dict[str, float] = json.loads((HOME / "reached.json").read_text(encoding="utf-8"))
    near = [
        (score["field-near"], name)
        for run in runs
        if _as_recipes(run.config)
        for name, score in run.record.get("scores", {}).items()
        if score.get("field-near") is not None
    ]
    worst, best = (choose(reached, key=lambda name: reached[name]) for choose in (max, min))
    if not near or min(near)[0] <= MUCH * reached[worst]:
        return ""
    error, on = min(near)
    return (
        f"Near its training states the field is {number_text(error, 2)} % off ({on}); recipes reach "
        f"{number_text(reached[worst], 2)} ({worst}) to {number_text(reached[best], 2)} % ({best}): "
        "keplearn recipe lists them."
    )


def _as_recipes(config: "RunConfig") -> bool:
    """Say whether a run learns a field from such orbits as recipes were measured on, at least as many."""
    from keplearn.data.names import is_name, parse_name
    from keplearn.data.terms import Draw

    name, p = config.dataset_name, config.parameters
    terms = parse_name(name).terms if is_name(name) else ()
    alike = all(
        isinstance(x, Draw) and x.family == "complex" and x.planar and x.problem == "TBP" and not x.modifiers
        for x in terms
    )
    orbits = sum(x.n for x in terms) if alike else 0
    return p.model == "neural_ode" and (orbits if p.num_trajs == -1 else min(orbits, p.num_trajs)) >= 10


def _about(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
