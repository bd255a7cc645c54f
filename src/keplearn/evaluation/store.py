"""Evaluations on disk: sealed netCDF-4, written whole or not at all, kept beside the run they belong to.

One that is kept serves as long as all that it depends on is the same: the model's weights, the orbits, segments,
the solver and the evaluating code (`evaluation_key`). A damaged one is set aside, and made anew.

A file holds what the propagation gave, in float32 and by quantity in two arrays, ``samples`` (quantity, orbit,
sample) and ``vectors`` (vector, orbit, sample, component), since writing costs by variable. The true orbits are
not in it: they are the dataset's, by its content hash. Nor is how far they are from the run's training states
(`keplearn.evaluation.trained_on`), which no model has a part in: it is put beside as an evaluation is read.
"""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn.core.errors import Damaged, KeplearnError, KeptWarning, NotAllowed, NotWritten
from keplearn.core.files import file_word, set_aside
from keplearn.core.fingerprint import evaluator
from keplearn.data.files import open_netcdf, write_netcdf
from keplearn.data.names import is_name
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.layout import assemble, layout, solver_of
from keplearn.evaluation.metrics import METRICS, holds_all
from keplearn.evaluation.rollout import evaluate_together
from keplearn.evaluation.subject import is_smooth, model_hash
from keplearn.evaluation.trained_on import training_states, with_distance
from keplearn.models.kinds import Model
from keplearn.runs.store import Run

if TYPE_CHECKING:
    import xarray

_MARK = "keplearn evaluation 3"
_LARGEST = np.finfo(np.float32).max


def save_evaluation(evaluation: "xarray.Dataset", path: str | Path) -> None:
    """Write an evaluation as netCDF-4; a crash leaves the old file or the new one.

    Raises
    ------
    KeplearnError
        If the file cannot be written.
    """
    write_netcdf(_pack(evaluation), path)


def _pack(evaluation: "xarray.Dataset") -> "xarray.Dataset":
    """Return what is kept of an evaluation."""
    import xarray

    there = {key: dims for key, (dims, _, _) in layout().items() if key in evaluation}
    packed = evaluation[[key for key, dims in there.items() if dims not in _PACKED.values()]]
    for name, dims in _PACKED.items():
        names = [key for key, its in there.items() if its == dims]
        stacked = np.stack([evaluation[key].values for key in names])
        # Kinked fields throw orbits out to 1e40 km: large, but a number; infinity stays infinite.
        clipped = np.where(np.isinf(stacked), stacked, np.clip(stacked, -_LARGEST, _LARGEST))
        rounded = clipped.astype(np.float32)
        packed[name] = xarray.DataArray(rounded, dims=(f"of_{name}", *dims), coords={f"of_{name}": names})
    return packed.assign_attrs(format=_MARK)


def _unpack(packed: "xarray.Dataset", dataset: OrbitDataset) -> "xarray.Dataset":
    """Return the evaluation of which `_pack` kept this, with the true orbits beside."""
    values = {str(key): packed[key].values for key in packed.data_vars if key not in _PACKED}
    for name in _PACKED:
        values |= dict(zip(packed[f"of_{name}"].values, packed[name].values.astype(float), strict=True))
    return assemble(dataset, values, {key: x for key, x in packed.attrs.items() if key != "format"})


_PACKED = {"samples": ("orbit", "sample"), "vectors": ("orbit", "sample", "component")}


def load_evaluation(path: str | Path, dataset: OrbitDataset) -> "xarray.Dataset":
    """Read an evaluation that `save_evaluation` wrote, with the true orbits beside.

    Raises
    ------
    KeplearnError
        If the file is missing, damaged, none of ours, or of other orbits.
    """
    path = Path(path)
    packed = open_netcdf(path, sealed=_MARK)
    if packed.attrs.get("format") != _MARK:
        raise KeplearnError(f"{path}: not an evaluation of keplearn, or of an earlier version.")
    if packed.attrs.get("dataset_hash") != dataset.content_hash:
        raise KeplearnError(f"{path}: not an evaluation on the orbits of {dataset.name}.")
    return _unpack(packed, dataset)


def evaluation_file(dataset: OrbitDataset, which: str = "best", segments: int | None = None) -> str:
    """Name an evaluation's file: ``<dataset>[.<hash>][.<model>][.segmentsL].nc``.

    The hash, of the orbits, tells apart datasets that are called the same; a name of the grammar means the same
    orbits always. Characters that have no place in a file's name become ``_``.
    """
    parts = [
        dataset.name[:150],
        *([] if is_name(dataset.name) and len(dataset.name) <= 150 else [dataset.content_hash[:8]]),
        *([which] if which != "best" else []),
        *([f"segments{segments}"] if segments else []),
    ]
    return ".".join(map(file_word, parts)) + ".nc"


def evaluation_key(model: Model, dataset: OrbitDataset, segments: int | None = None) -> dict[str, Any]:
    """Return all that an evaluation depends on, as it stands in its attributes."""
    shape = model.architecture
    return {
        "model_hash": model_hash(model),
        "dataset_hash": dataset.content_hash,
        "segments": segments or 0,
        "solver": solver_of(is_smooth(shape)),
        "evaluator": evaluator(*shape.layers),
        "metrics": json.dumps({key: m.sampling_code for key, m in METRICS.items() if m.sampled}),
    }


def keep_evaluation(
    run: Path, model: Model, dataset: OrbitDataset, *, which: str = "best", segments: int | None = None
) -> "xarray.Dataset":
    """Evaluate a run's model and keep the result in ``RUN/evaluations``; one that is there already is read.

    Kept results serve as long as all is the same that they depend on (`evaluation_key`). What may not be written
    is returned all the same, with a warning.

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
    runs: Sequence[tuple[Path, Model]],
    dataset: OrbitDataset,
    *,
    which: str = "best",
    segments: int | None = None,
) -> "list[xarray.Dataset]":
    """`keep_evaluation` for many runs: what is not there yet is evaluated together."""
    name = Path("evaluations") / evaluation_file(dataset, which, segments)
    keys = [evaluation_key(model, dataset, segments) for _, model in runs]
    kept = [_kept(run / name, dataset, key) for (run, _), key in zip(runs, keys, strict=True)]
    missing = [i for i, found in enumerate(kept) if found is None]
    made = evaluate_together([runs[i][1] for i in missing], dataset, segments=segments)
    for i, evaluation in zip(missing, made, strict=True):
        packed = _pack(evaluation.assign_attrs(keys[i]))
        run = runs[i][0]
        keep_if_allowed(run, partial(write_netcdf, packed, run / name, within=run))
        kept[i] = _unpack(packed, dataset)  # as it will be read the next time
    return [
        with_distance(found, training_states(Run(run), which), dataset)
        for (run, _), found in zip(runs, kept, strict=True)
        if found is not None
    ]


def _kept(path: Path, dataset: OrbitDataset, key: Mapping[str, Any]) -> "xarray.Dataset | None":
    """Read a kept evaluation; None where there is none, or one of another key, or damaged: it is made anew."""
    try:
        if not path.exists():
            return None
        packed = open_netcdf(path, sealed=_MARK)
    except Damaged as error:
        put_aside(path, error)
        return None
    except (OSError, KeplearnError):  # what may not be read is made anew
        return None
    return _unpack(packed, dataset) if _serves(packed.attrs, {"format": _MARK, **key}) else None


def _serves(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether what is kept is of the wanted key; it may hold more metrics than are known here."""
    same = all(_same(kept.get(key), value) for key, value in wanted.items() if key != "metrics")
    try:
        return same and holds_all(json.loads(kept["metrics"]), json.loads(wanted["metrics"]))
    except (KeyError, TypeError, ValueError):  # of an earlier version, or foreign
        return False


def _same(kept: object, wanted: object) -> bool:
    return isinstance(kept, str | int | np.integer) and bool(kept == wanted)


def put_aside(path: Path, error: Damaged) -> None:
    """Set a damaged file aside that is about to be made anew, and say so."""
    said = str(error)
    with suppress(NotWritten):
        said += f" It is made anew; the old one is now {set_aside(path).name}."
    warnings.warn(said, KeptWarning, stacklevel=2)


def keep_if_allowed(run: Path, write: Callable[[], None]) -> None:
    """Write something into a run's directory; where this user may not, say so once a group."""
    try:
        write()
    except NotAllowed as error:
        if run.parent not in _unkept:
            _unkept.add(run.parent)
            warnings.warn(f"{error}: scored without keeping the evaluations.", KeptWarning, stacklevel=2)


_unkept: set[Path] = set()
