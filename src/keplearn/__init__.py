"""keplearn: what can a neural ODE learn of orbital dynamics?

The same steps as on the command line, as functions. Names are imported when they are first used, so that
``import keplearn`` costs nothing::

    import keplearn

    train = keplearn.load_dataset("complex_TBP_planar_10_train")      # OrbitDataset; .to_xarray()
    config = keplearn.run_config("complex_TBP_planar_10_train", width=32)
    run = keplearn.train_run(config)                                  # the same path as `keplearn train`
    model = run.model()                                               # an Equinox module
    evaluation = keplearn.evaluate(model, keplearn.load_dataset("complex_TBP_planar_100_test"))   # xarray
"""

import time

STARTED = time.perf_counter()

TYPE_CHECKING = False  # of typing, whose import takes a while: the command line must soon listen for signals
if TYPE_CHECKING:
    from keplearn import figures
    from keplearn.config import RunConfig, load_config, run_config
    from keplearn.core.errors import KeplearnError
    from keplearn.core.plugins import load_plugin
    from keplearn.data.dataset import OrbitDataset, load_dataset, save_dataset
    from keplearn.data.observe import observe
    from keplearn.evaluation.metrics import metric, statistic
    from keplearn.evaluation.rollout import evaluate
    from keplearn.evaluation.table import orbit_table
    from keplearn.experiment.course import train_run
    from keplearn.figures.registry import figure
    from keplearn.groups.choice import choose_runs
    from keplearn.models.acceptance import check_layer
    from keplearn.models.activations import activation
    from keplearn.models.features import LayerSettings, feature_layer
    from keplearn.models.files import load_model, save_model
    from keplearn.models.neural_ode import NeuralODE
    from keplearn.models.outputs import output_layer
    from keplearn.runs.events import sink
    from keplearn.runs.find import find_runs, open_run
    from keplearn.runs.store import Run
    from keplearn.systems import System, system
    from keplearn.training.losses import loss
    from keplearn.training.optimizers import optimizer
    from keplearn.training.residuals import Residuals
    from keplearn.training.schedules import schedule

_HOMES = {
    "KeplearnError": "core.errors",
    "LayerSettings": "models.features",
    "NeuralODE": "models.neural_ode",
    "OrbitDataset": "data.dataset",
    "Residuals": "training.residuals",
    "Run": "runs.store",
    "RunConfig": "config",
    "System": "systems",
    "activation": "models.activations",
    "check_layer": "models.acceptance",
    "choose_runs": "groups.choice",
    "evaluate": "evaluation.rollout",
    "feature_layer": "models.features",
    "figure": "figures.registry",
    "find_runs": "runs.find",
    "load_config": "config",
    "load_dataset": "data.dataset",
    "load_model": "models.files",
    "load_plugin": "core.plugins",
    "loss": "training.losses",
    "metric": "evaluation.metrics",
    "observe": "data.observe",
    "open_run": "runs.find",
    "optimizer": "training.optimizers",
    "orbit_table": "evaluation.table",
    "output_layer": "models.outputs",
    "run_config": "config",
    "save_dataset": "data.dataset",
    "save_model": "models.files",
    "schedule": "training.schedules",
    "sink": "runs.events",
    "statistic": "evaluation.metrics",
    "system": "systems",
    "train_run": "experiment.course",
}

__all__ = [
    "KeplearnError",
    "LayerSettings",
    "NeuralODE",
    "OrbitDataset",
    "Residuals",
    "Run",
    "RunConfig",
    "System",
    "activation",
    "check_layer",
    "choose_runs",
    "evaluate",
    "feature_layer",
    "figure",
    "figures",
    "find_runs",
    "load_config",
    "load_dataset",
    "load_model",
    "load_plugin",
    "loss",
    "metric",
    "observe",
    "open_run",
    "optimizer",
    "orbit_table",
    "output_layer",
    "run_config",
    "save_dataset",
    "save_model",
    "schedule",
    "sink",
    "statistic",
    "system",
    "train_run",
]


def __getattr__(name: str):
    """Import a public name from its home."""
    from importlib import import_module

    if name == "figures":
        return import_module("keplearn.figures")
    if name == "__version__":
        from importlib.metadata import version

        return version("keplearn")
    if name not in _HOMES:
        raise AttributeError(f"module 'keplearn' has no attribute {name!r}")
    return getattr(import_module(f"keplearn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Show the public names before they are imported."""
    return sorted({*globals(), *__all__})
