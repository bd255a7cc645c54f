"""``keplearn recipe``: write the config of a recipe, to train as it is or to start from."""

import json
import re
from pathlib import Path

import keplearn
from keplearn.cli.output import print_table
from keplearn.config import run_config
from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.files import exists, write_text

HOME = Path(keplearn.__file__).with_name("recipes")
"""A file a recipe, by its name; its first lines say what is built in."""
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


def _about(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
