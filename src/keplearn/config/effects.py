"""When a key of a config has an effect: what is given and does nothing is said, in one line a file."""

import warnings
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from keplearn.config.loading import ConfigWarning
from keplearn.config.names import dataset_facts
from keplearn.config.schema import RunConfig


class Effect(NamedTuple):
    """Keys that matter only to some runs: to which, and why not to the others, in words."""

    keys: tuple[str, ...]
    matters: Callable[[RunConfig], bool]
    else_why: str


EFFECTS = (
    Effect(
        ("project", "entity", "mode"),
        lambda run: run.mode == "disabled",
        "nothing is sent to Weights & Biases",
    ),
    Effect(
        ("rtol", "atol"), lambda run: "adaptive" in run.parameters.integrator, "integrator is not adaptive"
    ),
    Effect(
        ("stride", "grid_rtol"), lambda run: "grid" in run.parameters.integrator, "integrator is not grid"
    ),
    Effect(
        ("mse_weight",),
        lambda run: run.parameters.loss_fcn == "percent_error_plus_nmse",
        "loss_fcn is not percent_error_plus_nmse",
    ),
    Effect(
        ("attraction_weight",),
        lambda run: run.parameters.loss_fcn == "percent_error_with_attraction",
        "loss_fcn is not percent_error_with_attraction",
    ),
    Effect(
        ("harmonics_degree",),
        lambda run: "harmonics" in run.parameters.feature_layer,
        "feature_layer has no harmonics",
    ),
    Effect(
        ("fourier_count", "fourier_scale"),
        lambda run: run.parameters.feature_layer == "fourier",
        "feature_layer is not fourier",
    ),
    Effect(
        ("lr_strategy", "schedule", "batch_size", "max_grad_norm"),
        lambda run: set(run.parameters.optimizer) != {"bfgs"},
        "bfgs has no learning rate, takes all segments and clips nothing",
    ),
    Effect(
        ("split_order",),
        lambda run: run.parameters.train_val_split < 1 and _orbits(run) > 1,
        "nothing is split off",
    ),
    Effect(("train_val_split",), lambda run: _orbits(run) > 1, "one orbit trains and validates"),
    Effect(("length_unit",), lambda run: run.from_run is None, "the units are those of from_run"),
)


def warn_of_idle_keys(runs: Sequence[RunConfig], given: Collection[str], source: str) -> None:
    """Say in one warning which of the given keys change nothing in any of the runs, and why."""
    said = []
    for effect in EFFECTS:
        keys = [key for key in effect.keys if key in given]
        if keys and not any(effect.matters(run) for run in runs):
            said.append(f"{', '.join(keys)} ({effect.else_why})")
    if said:
        place = f"{source}: " if source else ""
        warnings.warn(f"{place}given without effect: {'; '.join(said)}", ConfigWarning, stacklevel=3)


def _orbits(run: RunConfig) -> int:
    """Return how many orbits a run uses."""
    most = run.parameters.num_trajs
    return dataset_facts(run.dataset_name).orbits if most == -1 else most
