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
    from keplearn.data.dataset import OrbitDataset, load_dataset, save_dataset
    from keplearn.evaluation.rollout import evaluate
    from keplearn.evaluation.table import orbit_table
    from keplearn.experiment.course import train_run
    from keplearn.models.files import load_model, save_model
    from keplearn.models.neural_ode import NeuralODE
    from keplearn.runs.store import Run, find_runs, open_run

_HOMES = {
    "KeplearnError": "core.errors",
    "NeuralODE": "models.neural_ode",
    "OrbitDataset": "data.dataset",
    "Run": "runs.store",
    "RunConfig": "config",
    "evaluate": "evaluation.rollout",
    "find_runs": "runs.store",
    "load_config": "config",
    "load_dataset": "data.dataset",
    "load_model": "models.files",
    "open_run": "runs.store",
    "orbit_table": "evaluation.table",
    "run_config": "config",
    "save_dataset": "data.dataset",
    "save_model": "models.files",
    "train_run": "experiment.course",
}

__all__ = [
    "KeplearnError",
    "NeuralODE",
    "OrbitDataset",
    "Run",
    "RunConfig",
    "evaluate",
    "figures",
    "find_runs",
    "load_config",
    "load_dataset",
    "load_model",
    "open_run",
    "orbit_table",
    "run_config",
    "save_dataset",
    "save_model",
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
