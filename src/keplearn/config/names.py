"""What the config looks up elsewhere: the tables of layers, losses, optimisers, figures, and the facts of a dataset."""

import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from keplearn.core.files import write_text
from keplearn.core.installed import load_installed
from keplearn.core.machine import cache_directory
from keplearn.core.tables import Table, is_foreign


class _Names(NamedTuple):
    """Where the names are that a key may choose, and what a config must know of each."""

    module: str
    table: str
    facts: tuple[str, ...] = ()


_NAMES = {
    "model": _Names("keplearn.models.kinds", "KINDS", ("loss",)),
    "encoder": _Names("keplearn.models.encoders", "ENCODERS"),
    "feature_layer": _Names("keplearn.models.features", "FEATURE_LAYERS", ("uses_velocity",)),
    "output_layer": _Names(
        "keplearn.models.outputs",
        "OUTPUT_LAYERS",
        ("signed_magnitude", "position_features_only", "whole_state"),
    ),
    "activation": _Names("keplearn.models.activations", "ACTIVATIONS"),
    "init": _Names("keplearn.models.network", "INITS"),
    "loss_fcn": _Names("keplearn.training.losses", "LOSSES"),
    "objective": _Names("keplearn.training.compared", "OBJECTIVES", ("integrates", "cut")),
    "optimizer": _Names(
        "keplearn.training.optimizers", "OPTIMIZERS", ("full_batch", "least_squares", "decays")
    ),
    "schedule": _Names("keplearn.training.schedules", "SCHEDULES"),
}


@cache
def _source() -> str:
    """Return a digest of the source that answers depend on."""
    home, source = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(
        file for room in ("models", "training", "config") for file in home.glob(f"{room}/*.py")
    ):
        source.update(file.read_bytes())
    return source.hexdigest()


def remembered(question: str, find: Callable[[], Any]) -> Any:
    """Return the answer to a question on keplearn's own names, as JSON has it, found once and kept on disk.

    Models and trainings bring JAX with them, and a check of a config must not wait seconds for that: what is found
    is kept under a hash of their source. ``question`` must say all that the answer depends on besides.
    """
    directory = cache_directory()
    name = hashlib.sha256(f"{_source()} {question}".encode()).hexdigest()[:40]
    kept = directory / f"names-{name}.json" if directory else None
    if kept is not None:
        with suppress(OSError, ValueError):
            return json.loads(kept.read_text(encoding="utf-8"))
    found = find()
    if kept is not None:
        with suppress(Exception):  # a full or read-only disk costs only time
            write_text(kept, json.dumps(found))
    return found


@cache
def _own() -> dict[str, dict[str, dict[str, Any]]]:
    """Keplearn's own names of layers, losses, optimisers, schedules by the key that chooses one, with their facts."""

    def find() -> dict[str, dict[str, dict[str, Any]]]:
        found = {}
        for key, names in _NAMES.items():
            table = getattr(import_module(names.module), names.table)
            own = {name: entry for name, entry in table.items() if not is_foreign(name)}
            found[key] = {name: {fact: getattr(x, fact) for fact in names.facts} for name, x in own.items()}
        return found

    return remembered("names", find)


def _others(key: str) -> Table[Any] | None:
    """Return the table in which a user's own code may have entered names; where that ran, it is imported."""
    table = getattr(sys.modules.get(_NAMES[key].module), _NAMES[key].table, None)
    return table if isinstance(table, Table) else None


def known_names() -> dict[str, tuple[str, ...]]:
    """Return the valid names of layers, activations, losses, optimisers, schedules, by the key that chooses one."""
    return {key: (*names, *getattr(_others(key), "latest", ())) for key, names in _own().items()}


def figures_of_runs() -> tuple[str, ...]:
    """Return the names of the figures that are drawn of a run, as they are declared."""
    declared = import_module("keplearn.figures.declarations").declarations()
    return tuple(name for name, one in declared.items() if one.of not in ("datasets", "group"))


def full_name(key: str, name: str) -> str | None:
    """Return a name as it stands in a run's config, that of a plugin with its digest; None if it does not exist.

    A full name counts as known: whether its code is there is found when it is needed, since the records of runs
    can be read without it.
    """
    if name in _own()[key] or is_foreign(name):
        return name
    for look in (lambda: None, load_installed):
        look()
        table = _others(key)
        if table is not None and name in table.latest:
            return table.latest[name]
    return None


def _fact(key: str, name: str, fact: str) -> Any:
    """Return a fact of a name; False for one of a plugin that is not loaded."""
    if name in _own()[key]:
        return _own()[key][name][fact]
    table = _others(key)
    return table is not None and name in table and getattr(table[name], fact)


def own_loss(model: str) -> str | None:
    """Return the loss of their own by which models of a kind are trained; None where a config chooses one."""
    return _fact("model", model, "loss") or None


def needs_position_features(output_layer: str) -> bool:
    """Say whether an output layer is a function of the position alone."""
    return _fact("output_layer", output_layer, "position_features_only")


def whole_state(output_layer: str) -> bool:
    """Say whether an output layer gives a whole derivative of the state, and not an acceleration."""
    return _fact("output_layer", output_layer, "whole_state")


def has_magnitude(output_layer: str) -> bool:
    """Say whether an output layer has an m, whose changes of sign can be penalised."""
    return _fact("output_layer", output_layer, "signed_magnitude")


def uses_velocity(feature_layer: str) -> bool:
    """Say whether a feature layer depends on more than the position."""
    return _fact("feature_layer", feature_layer, "uses_velocity")


def takes_all_segments(optimizer: str) -> bool:
    """Say whether an optimiser takes all segments in each step, in double precision, and no learning rate."""
    return _fact("optimizer", optimizer, "full_batch")


def integrates(objective: str) -> bool:
    """Say whether an objective integrates the model."""
    return _fact("objective", objective, "integrates")


def cut_for(objective: str) -> str:
    """Return how orbits are cut for an objective, of `keplearn.data.segments.CUTS`."""
    return _fact("objective", objective, "cut") or "segments"


def decays_weights(optimizer: str) -> bool:
    """Say whether an optimiser takes a weight decay."""
    return _fact("optimizer", optimizer, "decays")


def takes_least_squares(optimizer: str) -> bool:
    """Say whether an optimiser takes losses of squares alone, and derivatives forwards in time."""
    return _fact("optimizer", optimizer, "least_squares")


class DatasetFacts(NamedTuple):
    """What a config must know of a dataset: its problem (``TBP``, ...), whether planar, how many orbits.

    ``mu`` in km³/s²; ``known_law``: its accelerations are those of its problem's law, not differences;
    ``law``: that system's class then.

    ``samples`` are those of the orbit of which most are observed.
    """

    problem: str
    planar: bool
    orbits: int
    mu: float
    known_law: bool
    samples: int

    @property
    def law(self) -> Any:
        """The class of the system that its orbits obey exactly, if it is known."""
        from keplearn.systems.system import system_of  # brings NumPy, which a check of a config may not need

        return system_of(self.problem, self.known_law)


def dataset_facts(dataset_name: str) -> DatasetFacts:
    """Return the facts of a dataset: from its name alone, or by opening it if it is a ``.nc`` file.

    Raises
    ------
    KeplearnError
        If the name does not parse or means more orbits than are made at once, or the file is not a dataset.
    """
    if dataset_name.endswith(".nc"):
        return _file_facts(dataset_name, _stamp(dataset_name))
    return _name_facts(dataset_name)


@cache
def _name_facts(dataset_name: str) -> DatasetFacts:
    from keplearn.data.names import check_made, parse_name
    from keplearn.orbits.constants import MU_EARTH

    name = parse_name(dataset_name)
    check_made(name)
    return DatasetFacts(name.problem, name.planar, name.n, MU_EARTH, True, name.samples)


def _stamp(path: str) -> tuple[int, int] | None:
    """Return what changes when a file does, so that facts are read once per file and never stale."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None  # load_dataset says what is wrong with the path
    return status.st_mtime_ns, status.st_size


@cache
def _file_facts(path: str, stamp: tuple[int, int] | None) -> DatasetFacts:
    from keplearn.data.dataset import load_dataset

    dataset = load_dataset(path)
    known_law = dataset.acceleration_source == "law"
    samples = int(dataset.is_observed.sum(axis=1).max())
    return DatasetFacts(dataset.problem, dataset.planar, len(dataset), dataset.mu, known_law, samples)


def rotation_problem(dataset_name: str, law: Any, planar: bool) -> str:
    """Why orbits of a dataset may not be turned at random in training, or ""; ``law`` is its system, if known."""
    from keplearn.systems.system import can_turn

    if can_turn(law, planar):
        return ""
    if law is not None:
        return f"rotation, but turned orbits of {dataset_name} do not obey their law: set it to none"
    return (
        f"rotation, but the law of {dataset_name} is not known (its accelerations are differences): turned orbits "
        "obey it only if it is the same in all directions, which the pull of an oblate body is not: set it to none"
    )
