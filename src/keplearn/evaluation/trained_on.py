"""The states that a run was really trained on, and how far test samples are from them.

They are those of its segments: of its first ``num_trajs`` orbits, as they are observed, without validation's part,
within the windows of its phases; those of the run that it goes on from besides. How far the samples of a dataset are
from them is found once for all evaluations of a process.
"""

import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keplearn.config.names import cut_for
from keplearn.core.errors import KeplearnError, KeptWarning
from keplearn.core.shapes import ScalarArray
from keplearn.data.dataset import training_data
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.segments import CUTS
from keplearn.data.splits import split_segments
from keplearn.data.units import Units
from keplearn.evaluation.distance import TrainingStates
from keplearn.evaluation.layout import FACTS
from keplearn.runs.find import open_run
from keplearn.runs.store import Run

if TYPE_CHECKING:
    import xarray

_KM = Units(length_km=1.0, mu=1.0)  # states cut in km and km/s: not a digit is another
_MOST = 32
"""Pairs of training and test states whose distances are remembered."""


def training_states(run: Run, which: str = "best") -> TrainingStates | None:
    """Return the states that a run's model was trained on; None where there is no run, or not its data any more.

    Parameters
    ----------
    run
        The run; its directory may hold none.
    which
        ``best``, ``final`` or ``phase:P``: of the phases up to P.
    """
    if not (run.path / "run.json").is_file():
        return None
    try:
        datasets = list(_trained(run, which))
    except KeplearnError as error:
        warnings.warn(
            f"run {run.path.name}: its training states are not at hand, nor how far from them a sample is: {error}",
            KeptWarning, stacklevel=2,
        )  # fmt: skip
        return None
    return _united(tuple(datasets))


def with_distance(
    evaluation: "xarray.Dataset", training: TrainingStates | None, dataset: OrbitDataset
) -> "xarray.Dataset":
    """Return an evaluation on a dataset with each sample's ``distance`` and ``beyond``, if they are known."""
    if training is None:
        return evaluation.drop_vars([name for name in _NAMES if name in evaluation])
    values = _distances(training, _Tested(dataset))
    return evaluation.assign(
        {
            name: (FACTS[name][0], x, {"units": FACTS[name][1], "long_name": FACTS[name][2]})
            for name, x in zip(_NAMES, values, strict=True)
        }
    )


_NAMES = ("distance", "beyond")


class _Tested:
    """A dataset as what distances are remembered by: its content."""

    def __init__(self, dataset: OrbitDataset):
        self.dataset = dataset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Tested) and self.dataset.content_hash == other.dataset.content_hash

    def __hash__(self) -> int:
        return hash(self.dataset.content_hash)


@lru_cache(maxsize=_MOST)
def _distances(training: TrainingStates, tested: _Tested) -> tuple[ScalarArray, ScalarArray]:
    dataset = tested.dataset
    return training.distances(dataset.states, dataset.mu), training.beyond(dataset.states)


def _trained(run: Run, which: str) -> Iterator[TrainingStates]:
    """Yield the states that a run has added, and those of the run that it goes on from.

    Raises
    ------
    KeplearnError
        If data or runs are not there any more, or hold other orbits.
    """
    config, p = run.config, run.config.parameters
    name, last = config.dataset_name, len(p.length_strategy) - 1
    written = _written(name)
    recorded = (run.record.get("summary") or {}).get("dataset_hash")
    if written and recorded not in (None, _data(name, p.num_trajs, written).content_hash):
        raise KeplearnError(f"{name} holds other orbits than it was trained on.")
    if which.startswith("phase:"):
        last = int(which.removeprefix("phase:"))
    cuts = map(cut_for, p.objective)
    phases = tuple(zip(map(tuple, p.length_strategy), p.segment_length_strategy, cuts, strict=True))
    share = p.train_val_split if config.validation is None else 1.0
    yield _cut(name, p.num_trajs, written, phases[: last + 1], share, p.split_order)
    if config.from_run:
        yield from _trained(open_run(run.path.parent.parent, config.from_run), "best")


def _written(name: str) -> int:
    """When the file of a dataset was written, ns; 0 for one that is made by its name."""
    try:
        return Path(name).stat().st_mtime_ns if name.endswith(".nc") else 0
    except OSError as error:
        raise KeplearnError(f"{name}: cannot be read: {error.strerror}.") from error


@lru_cache(maxsize=_MOST)
def _data(name: str, orbits: int, written: int) -> OrbitDataset:
    return training_data(name, orbits)


@lru_cache(maxsize=_MOST)
def _cut(
    name: str,
    orbits: int,
    written: int,
    phases: tuple[tuple[tuple[float, float], int, str], ...],
    share: float,
    order: str,
) -> TrainingStates:
    """Return the states of the training segments of some phases: window, segment length, how they are cut."""
    dataset = _data(name, orbits, written)
    seen = dataset.as_observed
    splits = [
        split_segments(seen, _KM, window, length, share, order, CUTS[cut]) for window, length, cut in phases
    ]
    states = [np.moveaxis(split.train.states, 1, -1).reshape(-1, 6) for split in splits]
    return TrainingStates.of(np.concatenate(states), dataset.mu, dataset.reference.centred)


@lru_cache(maxsize=_MOST)
def _united(parts: tuple[TrainingStates, ...]) -> TrainingStates:
    if len(parts) == 1:
        return parts[0]
    return TrainingStates.of(np.concatenate([x.states for x in parts]), parts[0].mu, parts[0].centred)
