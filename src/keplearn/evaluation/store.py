"""Evaluations on disk: netCDF-4, written whole or not at all, kept beside the run they belong to.

A file holds what the propagation gave, in float32 and by quantity in two arrays, ``samples`` (quantity, orbit,
sample) and ``vectors`` (vector, orbit, sample, component), since writing costs by variable. The true orbits are
not in it: they are the dataset's, by its content hash.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keplearn.data.files import open_netcdf, write_netcdf
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.errors import KeplearnError
from keplearn.evaluation.layout import LAYOUT, assemble
from keplearn.evaluation.rollout import evaluate_together
from keplearn.evaluation.subject import model_hash
from keplearn.models.neural_ode import NeuralODE

if TYPE_CHECKING:
    import xarray

_MARK = "keplearn evaluation 2"
_LARGEST = np.finfo(np.float32).max


def save_evaluation(evaluation: "xarray.Dataset", path: str | Path) -> None:
    """Write an evaluation as netCDF-4; a crash leaves the old file or the new one.

    Raises
    ------
    KeplearnError
        If the file cannot be written.
    """
    import xarray

    packed = evaluation[[key for key in LAYOUT if key in evaluation and LAYOUT[key][0] == ("orbit",)]]
    for name, dims in _PACKED.items():
        names = [key for key in LAYOUT if key in evaluation and LAYOUT[key][0] == dims]
        stacked = np.stack([evaluation[key].values for key in names])
        # Kinked fields throw orbits out to 1e40 km: large, but a number.
        rounded = np.clip(stacked, -_LARGEST, _LARGEST).astype(np.float32)
        packed[name] = xarray.DataArray(rounded, dims=(f"of_{name}", *dims), coords={f"of_{name}": names})
    write_netcdf(packed.assign_attrs(format=_MARK), path)


_PACKED = {"samples": ("orbit", "sample"), "vectors": ("orbit", "sample", "component")}


def load_evaluation(path: str | Path, dataset: OrbitDataset) -> "xarray.Dataset":
    """Read an evaluation that `save_evaluation` wrote, with the true orbits beside.

    Raises
    ------
    KeplearnError
        If the file is missing, damaged, none of ours, or of other orbits.
    """
    path = Path(path)
    packed = open_netcdf(path)
    if packed.attrs.pop("format", None) != _MARK:
        raise KeplearnError(f"{path}: not an evaluation of keplearn, or of an earlier version.")
    if packed.attrs.get("dataset_hash") != dataset.content_hash:
        raise KeplearnError(f"{path}: not an evaluation on the orbits of {dataset.name}.")
    values = {str(key): packed[key].values for key in packed.data_vars if key not in _PACKED}
    for name in _PACKED:
        values |= dict(zip(packed[f"of_{name}"].values, packed[name].values.astype(float), strict=True))
    return assemble(dataset, values, packed.attrs)


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
    return keep_evaluations([(run, model)], dataset, which=which, segments=segments)[0]


def keep_evaluations(
    runs: Sequence[tuple[Path, NeuralODE]],
    dataset: OrbitDataset,
    *,
    which: str = "best",
    segments: int | None = None,
) -> "list[xarray.Dataset]":
    """`keep_evaluation` for many runs: what is not there yet is evaluated together."""
    name = Path("evaluations") / evaluation_file(dataset.name, which, segments)
    kept = [_kept(run / name, model, dataset, segments) for run, model in runs]
    missing = [i for i, found in enumerate(kept) if found is None]
    made = evaluate_together([runs[i][1] for i in missing], dataset, segments=segments)
    for i, evaluation in zip(missing, made, strict=True):
        save_evaluation(evaluation, runs[i][0] / name)
        kept[i] = load_evaluation(runs[i][0] / name, dataset)  # as it will be read the next time
    return [found for found in kept if found is not None]


def _kept(
    path: Path, model: NeuralODE, dataset: OrbitDataset, segments: int | None
) -> "xarray.Dataset | None":
    """Read a kept evaluation of this model; None where there is none, damaged or foreign: it is made anew."""
    if not path.is_file():
        return None
    try:
        kept = load_evaluation(path, dataset)
    except KeplearnError:
        return None
    wanted = {"model_hash": model_hash(model), "segments": segments or 0}
    return kept if all(kept.attrs.get(key) == value for key, value in wanted.items()) else None
