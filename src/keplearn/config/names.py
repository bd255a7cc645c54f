"""What the config looks up elsewhere: the tables of layers and losses, and the facts of a dataset."""

import hashlib
import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from keplearn.core.files import write_text
from keplearn.core.machine import cache_directory
from keplearn.systems import SYSTEMS, System
from keplearn.systems.system import can_turn


@cache
def _tables() -> dict[str, dict[str, dict[str, Any]]]:
    """Names of layers, losses, optimisers by the key that chooses one, with what a config must know of each.

    The tables bring JAX with them, and a check of a config must not wait seconds for that: what is in them is
    kept on disk under a hash of their source.
    """
    home, source = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted((*home.glob("models/*.py"), *home.glob("training/*.py"), Path(__file__))):
        source.update(file.read_bytes())
    directory = cache_directory()
    kept = directory / f"names-{source.hexdigest()[:40]}.json" if directory else None
    if kept is not None:
        with suppress(OSError, ValueError):
            return json.loads(kept.read_text(encoding="utf-8"))
    tables = _read_tables()
    if kept is not None:
        with suppress(Exception):  # a full or read-only disk costs only time
            write_text(kept, json.dumps(tables))
    return tables


def _read_tables() -> dict[str, dict[str, dict[str, Any]]]:
    from keplearn.models.activations import ACTIVATIONS
    from keplearn.models.features import FEATURE_LAYERS
    from keplearn.models.outputs import OUTPUT_LAYERS
    from keplearn.training.losses import LOSSES
    from keplearn.training.optimizers import OPTIMIZERS

    features = {name: {"uses_velocity": layer.uses_velocity} for name, layer in FEATURE_LAYERS.items()}
    outputs = {
        name: {
            "signed_magnitude": head.signed_magnitude,
            "position_features_only": head.position_features_only,
        }
        for name, head in OUTPUT_LAYERS.items()
    }
    others = {"activation": ACTIVATIONS, "loss_fcn": LOSSES, "optimizer": OPTIMIZERS}
    plain = {key: {name: {} for name in table} for key, table in others.items()}
    return {"feature_layer": features, "output_layer": outputs, **plain}


def known_names() -> dict[str, tuple[str, ...]]:
    """Return the valid names of layers, activations, losses, optimisers, by the key that chooses one."""
    return {key: tuple(table) for key, table in _tables().items()}


def needs_position_features(output_layer: str) -> bool:
    """Say whether an output layer is a function of the position alone."""
    return _tables()["output_layer"][output_layer]["position_features_only"]


def has_magnitude(output_layer: str) -> bool:
    """Say whether an output layer has an m, whose changes of sign can be penalised."""
    return _tables()["output_layer"][output_layer]["signed_magnitude"]


def uses_velocity(feature_layer: str) -> bool:
    """Say whether a feature layer depends on more than the position."""
    return _tables()["feature_layer"][feature_layer]["uses_velocity"]


class DatasetFacts(NamedTuple):
    """What a config must know of a dataset: its problem (``TBP``, ...), whether planar, how many orbits.

    ``mu`` in km³/s²; ``known_law``: its accelerations are those of its problem's law, not differences;
    ``law``: that system's class then.

    ``samples`` are those of the orbit that has most.
    """

    problem: str
    planar: bool
    orbits: int
    mu: float
    known_law: bool
    samples: int

    @property
    def law(self) -> type[System] | None:
        """The class of the system that its orbits obey exactly, if it is known."""
        return SYSTEMS[self.problem] if self.known_law else None


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
    from keplearn.data.names import check_size, parse_name
    from keplearn.orbits.constants import MU_EARTH
    from keplearn.orbits.elements import SAMPLES

    name = parse_name(dataset_name)
    check_size(name)
    return DatasetFacts(name.problem, name.planar, name.n, MU_EARTH, True, SAMPLES)


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
    return DatasetFacts(
        dataset.problem, dataset.planar, len(dataset), dataset.mu, known_law, int(dataset.n_samples.max())
    )


def rotation_problem(dataset_name: str, law: Any, planar: bool) -> str:
    """Why orbits of a dataset may not be turned at random in training, or ""; ``law`` is its system, if known."""
    if can_turn(law, planar):
        return ""
    if law is not None:
        return f"rotation, but turned orbits of {dataset_name} do not obey their law: set it to none"
    return (
        f"rotation, but the law of {dataset_name} is not known (its accelerations are differences): turned orbits "
        "obey it only if it is the same in all directions, which the pull of an oblate body is not: set it to none"
    )
