"""Evaluations on disk: netCDF-4, written whole or not at all, kept beside the run they belong to."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from keplearn.data.files import open_netcdf, write_netcdf
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.errors import KeplearnError
from keplearn.evaluation.rollout import evaluate
from keplearn.evaluation.subject import model_hash
from keplearn.models.neural_ode import NeuralODE

if TYPE_CHECKING:
    import xarray

_MARK = "keplearn evaluation 1"


def save_evaluation(evaluation: "xarray.Dataset", path: str | Path) -> None:
    """Write an evaluation as netCDF-4; a crash leaves the old file or the new one.

    Raises
    ------
    KeplearnError
        If the file cannot be written.
    """
    write_netcdf(evaluation.assign_attrs(format=_MARK), path)


def load_evaluation(path: str | Path) -> "xarray.Dataset":
    """Read an evaluation that `save_evaluation` wrote.

    Raises
    ------
    KeplearnError
        If the file is missing, damaged or none of ours.
    """
    path = Path(path)
    evaluation = open_netcdf(path)
    if evaluation.attrs.pop("format", None) != _MARK:
        raise KeplearnError(f"{path}: not an evaluation of keplearn.")
    return evaluation


def evaluation_file(dataset: str, which: str = "best", segments: int | None = None) -> str:
    """Name an evaluation's file: ``<dataset>[.<model>][.segmentsL].nc``.

    ``dataset`` is its name; characters that have no place in a file's name become ``_``.
    """
    parts = [
        dataset[:150],
        *([which] if which != "best" else []),
        *([f"segments{segments}"] if segments else []),
    ]
    return ".".join(re.sub(r"[^A-Za-z0-9_.+-]+", "_", part).lstrip(".") for part in parts) + ".nc"


def keep_evaluation(
    run: Path, model: NeuralODE, dataset: OrbitDataset, *, which: str = "best", segments: int | None = None
) -> "xarray.Dataset":
    """Evaluate a run's model and keep the result in ``RUN/evaluations``; one that is there already is read.

    Kept results serve only the same model and the same orbits, both compared by content.

    Parameters
    ----------
    run
        The run's directory.
    model
        The run's model ``which``.
    dataset, segments
        As for `keplearn.evaluation.rollout.evaluate`.
    which
        ``best``, ``final`` or ``phase:P``; names the file.
    """
    path = run / "evaluations" / evaluation_file(dataset.name, which, segments)
    if path.is_file():
        try:
            kept = load_evaluation(path)
        except KeplearnError:
            kept = None  # damaged or foreign: made anew in its place
        wanted = {
            "dataset_hash": dataset.content_hash,
            "model_hash": model_hash(model),
            "segments": segments or 0,
        }
        if kept is not None and all(kept.attrs.get(key) == value for key, value in wanted.items()):
            return kept
    evaluation = evaluate(model, dataset, segments=segments)
    save_evaluation(evaluation, path)
    return evaluation
