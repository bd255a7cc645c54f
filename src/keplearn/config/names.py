"""What the config looks up elsewhere: the tables of layers and losses, and the facts of a dataset."""

from functools import cache
from pathlib import Path
from typing import NamedTuple


@cache
def known_names() -> dict[str, tuple[str, ...]]:
    """Return the valid names of layers, activations, losses, optimisers, by the key that chooses one."""
    # Imported here because the tables bring JAX with them, which a mistake in a key should not wait for.
    from keplearn.models.activations import ACTIVATIONS
    from keplearn.models.features import FEATURE_LAYERS
    from keplearn.models.outputs import OUTPUT_LAYERS
    from keplearn.training.losses import LOSSES
    from keplearn.training.optimizers import OPTIMIZERS

    return {
        "feature_layer": tuple(FEATURE_LAYERS),
        "output_layer": tuple(OUTPUT_LAYERS),
        "activation": tuple(ACTIVATIONS),
        "loss_fcn": tuple(LOSSES),
        "optimizer": tuple(OPTIMIZERS),
    }


def needs_position_features(output_layer: str) -> bool:
    """Say whether an output layer is a function of the position alone."""
    from keplearn.models.outputs import OUTPUT_LAYERS

    return OUTPUT_LAYERS[output_layer].position_features_only


def has_magnitude(output_layer: str) -> bool:
    """Say whether an output layer has an m, whose changes of sign can be penalised."""
    from keplearn.models.outputs import OUTPUT_LAYERS

    return OUTPUT_LAYERS[output_layer].signed_magnitude


def uses_velocity(feature_layer: str) -> bool:
    """Say whether a feature layer depends on more than the position."""
    from keplearn.models.features import FEATURE_LAYERS

    return FEATURE_LAYERS[feature_layer].uses_velocity


class DatasetFacts(NamedTuple):
    """What a config must know of a dataset: its problem (``TBP``, ...), whether planar, how many orbits."""

    problem: str
    planar: bool
    orbits: int


def dataset_facts(dataset_name: str) -> DatasetFacts:
    """Return the facts of a dataset: from its name alone, or by opening it if it is a ``.nc`` file.

    Raises
    ------
    KeplearnError
        If the name does not parse, or the file is not a dataset.
    """
    if dataset_name.endswith(".nc"):
        return _file_facts(dataset_name, _stamp(dataset_name))
    from keplearn.data.names import parse_name

    name = parse_name(dataset_name)
    return DatasetFacts(name.problem, name.planar, name.n)


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
    return DatasetFacts(dataset.problem, dataset.planar, len(dataset))
