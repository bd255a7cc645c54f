"""From a config to its runs: the product of its lists, defaults that depend on the data, last checks.

The runs come in the order of the file, the last list varying fastest; variants vary slowest.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from keplearn.config.axes import NULL_IS_DEFAULT, Axis, read_axes
from keplearn.config.effects import warn_of_idle_keys, warn_of_old_meaning, warn_of_runs_alike
from keplearn.config.entries import TABLE_OF, Mistakes, read_entries
from keplearn.config.loading import ConfigWarning, Document, read_file
from keplearn.config.names import (
    DatasetFacts,
    dataset_facts,
    rotation_problem,
)
from keplearn.config.phases import check_phases
from keplearn.config.schema import TABLES, Parameters, RunConfig
from keplearn.config.value_types import Conflict
from keplearn.core.errors import KeplearnError
from keplearn.orbits.bodies import same_law

MAX_RUNS = 100_000


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> list[RunConfig]:
    """Read a config file and return its runs.

    Parameters
    ----------
    path
        A YAML file with the tables ``wandb``, ``data``, ``parameters``, and the lists ``figures`` and ``variants``.
    overrides
        ``key=value`` with values in YAML: ``data.dataset_name=complex_TBP_planar_10_train``, ``seed=[0, 1]``.
        They win over the file and its variants.

    Raises
    ------
    KeplearnError
        If the file or an override is wrong, with the line and how to fix it.
    """
    return expand(read_file(path), overrides, group=Path(path).stem)


def runs_from_dict(tables: Mapping[str, object], overrides: Sequence[str] = ()) -> list[RunConfig]:
    """Return the runs of a config given as Python dicts and lists (tuples and arrays count as lists).

    Raises
    ------
    KeplearnError
        If the config is wrong, with the key and how to fix it.
    """
    try:
        document = Document(_lists(tables))
    except RecursionError as error:
        raise KeplearnError("the config is nested too deeply, or contains itself") from error
    return expand(document, overrides)


def run_config(
    dataset_name: str,
    *,
    group: str = "default",
    test: Sequence[str] | None = None,
    validation: str | None = None,
    **parameters: object,
) -> RunConfig:
    """Return the config of one run: the ``parameters`` given, by the rules of a file, else the defaults.

    Raises
    ------
    KeplearnError
        If something is wrong, or if a list gives more than one run.
    """
    data = {"dataset_name": dataset_name, "test": test, "validation": validation}
    runs = runs_from_dict({"wandb": {"group": group}, "data": data, "parameters": parameters})
    if len(runs) > 1:
        raise KeplearnError(
            f"these are {len(runs)} runs, not one, because the outermost list is a list of values: "
            "use runs_from_dict, or an inner list for phases as in lr_strategy=[[1e-3, 1e-4]]"
        )
    return runs[0]


def expand(document: Document, overrides: Sequence[str] = (), group: str = "default") -> list[RunConfig]:
    """Return the runs of a document; ``group`` is the group where none is given."""
    base, variants = read_entries(document, overrides)
    mistakes = Mistakes(document)
    base_axes = read_axes(base, mistakes)
    variant_axes = [read_axes(variant, mistakes) for variant in variants]
    mistakes.stop()

    sets = [{**base_axes, **axes} for axes in variant_axes] or [base_axes]
    count = sum(math.prod(len(axis.values) for axis in axes.values()) for axes in sets)
    if count > MAX_RUNS:
        raise KeplearnError(
            f"the lists multiply to {count} runs; at most {MAX_RUNS} are taken: shorten a list"
        )
    runs: list[RunConfig] = []
    for axes in sets:
        for values in product(*(axis.values for axis in axes.values())):
            try:
                runs.append(_run(dict(zip(axes, values, strict=True)), group))
            except Conflict as conflict:
                where = axes.get(conflict.key, Axis([], (TABLE_OF[conflict.key],)))
                mistakes.add(where.location, f"{conflict.key}: {conflict}")
    mistakes.stop()
    chosen, place = _chosen(sets), document.place(())
    warn_of_idle_keys(runs, chosen, place)
    if "output_layer" in chosen:
        warn_of_old_meaning([axes["output_layer"].values for axes in sets if "output_layer" in axes], place)
    runs = _without_duplicates(runs)
    warn_of_runs_alike(runs, place)
    return runs


def _chosen(sets: Sequence[Mapping[str, Axis]]) -> set[str]:
    """Return the keys that somebody chose to give: a run's record gives all parameters, and chooses none."""
    record = all(key in axes for axes in sets for key in TABLES["parameters"])
    return {
        key
        for axes in sets
        for key, axis in axes.items()
        if set(axis.values) != {None} and (axis.location[0] == "--set" or not record)
    }


def _run(values: dict[str, Any], group: str) -> RunConfig:
    """Return the run with these values, defaults filled in."""
    given = {key: v for key, v in values.items() if v is not None or key not in NULL_IS_DEFAULT}
    if "dataset_name" not in given:
        raise Conflict(
            "dataset_name",
            "missing: it names the training data and has no default. Write it in the table data, as in "
            "dataset_name: complex_TBP_planar_10_train, or give --set data.dataset_name=...",
        )
    facts = dataset_facts(str(given["dataset_name"]))
    _check_against_data(given, facts)
    head = {key: v for key, v in given.items() if TABLE_OF.get(key) != "parameters"}
    parameters = {key: v for key, v in given.items() if TABLE_OF.get(key) == "parameters"}
    parameters.setdefault("planar_constraint", facts.planar)
    head.setdefault("group", group)
    head.setdefault("problem", facts.problem)
    head.setdefault("test", _default_tests(facts))
    try:
        checked = Parameters.model_validate(parameters)
        check_phases(checked)
        return RunConfig.model_validate({**head, "parameters": checked})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, Conflict):
            raise cause from error
        # Given values were checked before; what is left is a group that is the stem of an odd file name.
        raise Conflict(
            str(first["loc"][0]), f"{group!r} {first['msg'].removeprefix('Value error, ')}"
        ) from error


def _check_against_data(given: dict[str, Any], facts: DatasetFacts) -> None:
    """Refuse what contradicts the dataset."""
    name = given["dataset_name"]
    if given.get("problem", facts.problem) != facts.problem:
        raise Conflict(
            "problem",
            f"{given['problem']} contradicts the dataset {name} of {facts.problem}: leave it out",
        )
    if given.get("planar_constraint") and not facts.planar:
        raise Conflict(
            "planar_constraint",
            f"true, but the dataset {name} is not planar: set it to false, or use planar data",
        )
    longest = max(given.get("segment_length_strategy", (2,)))
    if longest > facts.samples:
        raise Conflict(
            "segment_length_strategy",
            f"{longest} samples are more than the {facts.samples} that an orbit of {name} has",
        )
    if given.get("num_trajs", -1) > facts.orbits:
        raise Conflict("num_trajs", f"{given['num_trajs']} is more than the {facts.orbits} orbits of {name}")
    if given.get("augment") == "rotation" and (
        problem := rotation_problem(str(name), facts.law, facts.planar)
    ):
        raise Conflict("augment", problem)
    own = given.get("validation")
    for key, other in (*(("test", test) for test in given.get("test") or ()), ("validation", own)):
        if other is not None and not same_law(mu := dataset_facts(other).mu, facts.mu):
            raise Conflict(
                key,
                f"{other} has mu = {mu:.7g} km³/s², but {name}, on which the model is trained, {facts.mu:.7g}: "
                "a model knows the pull of one body",
            )
    if own is not None:
        planar = given.get("planar_constraint", facts.planar)
        longest = max(longest, given.get("score_segments") or 2)
        _check_validation(own, dataset_facts(own), planar, longest)


def _check_validation(name: str, facts: DatasetFacts, planar: bool, longest: int) -> None:
    """Refuse a validation dataset that the model or its segments do not fit."""
    if planar and not facts.planar:
        raise Conflict(
            "validation",
            f"{name} is not planar, but the model is: choose planar data, or set planar_constraint: false",
        )
    if longest > facts.samples:
        raise Conflict(
            "validation", f"its orbits have {facts.samples} samples, but segments have up to {longest}"
        )


def _default_tests(facts: DatasetFacts) -> tuple[str, ...]:
    if facts.problem != "TBP":
        return ()
    plane = "_planar" if facts.planar else ""
    return tuple(f"complex_TBP{plane}_{n}_test" for n in (1, 10, 100))


def _without_duplicates(runs: list[RunConfig]) -> list[RunConfig]:
    """Return the runs, each id once."""
    unique: dict[str, RunConfig] = {}
    for run in runs:
        unique.setdefault(run.run_id, run)
    if len(unique) < len(runs):
        warnings.warn(
            f"{len(runs) - len(unique)} of {len(runs)} runs repeat another run of the set with the same id "
            f"and are dropped: {len(unique)} runs are left",
            ConfigWarning,
            stacklevel=3,
        )
    return list(unique.values())


def _lists(value: object) -> object:
    """Return tuples and NumPy arrays and scalars as what YAML would have given."""
    if isinstance(value, Mapping):
        return {key: _lists(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_lists(v) for v in value]
    # Known by its method: importing NumPy here would cost more than reading a config.
    to_list = getattr(value, "tolist", None)
    return value if to_list is None else to_list()
