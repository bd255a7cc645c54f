"""What the config looks up elsewhere: the tables of layers and losses, and the facts of a dataset."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

# TODO until the tables exist: keplearn.models.features.FEATURE_LAYERS
_POSITION_FEATURES = ("sph_4D_rinv", "sph_4D_logr", "log_radius", "fourier")
_VELOCITY_FEATURES = (
    "sph_4D_rinv_vel",
    "sph_4D_rinv_vinv",
    "sph_4D_rinv_vel_harmonics",
    "sph_4D_logr_vel",
    "sph_4D_rinv_rtn",
    "sph_4D_rinv_speed",
    "radial_transverse",
    "cartesian",
)
# TODO until the tables exist: keplearn.models.outputs.OUTPUT_LAYERS
_OUTPUT_LAYERS = (
    "mlp_4D",
    "mlp_4D_signed",
    "mlp_4D_softplus",
    "mlp_4D_accsoftplus",
    "mlp_4D_activation",
    "mlp_4D_unit",
    "mlp_4D_signed_unit",
    "mlp_4D_unit_scaled",
    "mlp_4D_unit_softplus",
    "mlp_4D_logmag_exp",
    "mlp_4D_logmag_unit_exp",
    "mlp_4D_logmag_unit_softplus",
    "mlp_4D_logmag_unit_tanh_exp",
    "mlp_4D_logmag_unit_tanh_softplus",
    "mlp_4D_unit_sigmoid",
    "mlp_simple",
    "mlp_simple_hybrid",
    "mlp_rtn",
    "mlp_rtn_logmag_unit_exp",
    "potential",
)
# TODO until the tables exist: keplearn.models.activations.ACTIVATIONS
_ACTIVATIONS = (
    *(
        "tanh",
        "sin",
        "prelu",
        "shifted_softplus",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "gelu",
    ),
    *("silu", "swish", "mish", "sigmoid", "log_sigmoid", "softplus", "soft_sign", "squareplus", "hard_tanh"),
    *("hard_sigmoid", "hard_silu", "hard_swish", "sparse_plus", "sparse_sigmoid", "identity"),
)
# TODO until the tables exist: keplearn.training.losses.LOSSES
_LOSSES = (
    "percent_error",
    "mean_squared_error",
    "percent_error_plus_nmse",
    "percent_error_with_attraction",
    "relative_squared_error",
)


@cache
def known_names() -> dict[str, tuple[str, ...]]:
    """Return the valid names of layers, activations and losses, by the config key that chooses one."""
    return {
        "feature_layer": _POSITION_FEATURES + _VELOCITY_FEATURES,
        "output_layer": _OUTPUT_LAYERS,
        "activation": _ACTIVATIONS,
        "loss_fcn": _LOSSES,
    }


def uses_velocity(feature_layer: str) -> bool:
    """Say whether a feature layer depends on more than the position."""
    return feature_layer in _VELOCITY_FEATURES  # TODO until the tables exist


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
