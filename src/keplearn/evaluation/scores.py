"""Scores beside their evaluation: all that tables, figures of groups and pages need of it, read in no time.

To open an evaluation takes a tenth of a second, a study has thousands. So what is mostly asked for is taken out of it
once, the summary, the numbers of each orbit, and the prediction of two orbits to draw, and kept as sealed JSON under
its name. The file serves as long as the model's file, the orbits and the scoring code are the same; it can be
removed at any time, and is made anew where it is missing, damaged, or of something else. There is one for each
evaluation and none for a whole group: workers that score at the same time then never write one file.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from keplearn.core import seal
from keplearn.core.errors import Damaged, KeplearnError
from keplearn.core.files import read_sealed, write_bytes
from keplearn.core.fingerprint import scorer
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import mu_problem
from keplearn.evaluation.metrics import METRICS, floors, holds_all
from keplearn.evaluation.propagation import models_at_once
from keplearn.evaluation.store import evaluation_file, keep_evaluations, keep_if_allowed, put_aside
from keplearn.evaluation.table import orbit_table, summary
from keplearn.evaluation.trained_on import training_states
from keplearn.models.kinds import Model
from keplearn.runs.store import Run

if TYPE_CHECKING:
    import xarray

_FORMAT = "keplearn scores 1"
PREDICTED = ("predicted_position", "predicted_velocity", "predicted_acceleration")
"""What is kept of the orbits to draw, three components each."""


@dataclass(frozen=True)
class Scores:
    """What is known of a model on a dataset without opening its evaluation.

    Attributes
    ----------
    dataset
        Its name.
    summary
        As `keplearn.evaluation.table.summary` gives it; with ``segments`` where it is of them.
    orbits
        By key, a value an orbit, as in `keplearn.evaluation.table.orbit_table`.
    drawn
        By number of an orbit, the variables in `PREDICTED`, (sample, 9), km and s; see `drawn_orbits`.
    """

    dataset: str
    summary: dict[str, Any]
    orbits: dict[str, Float64[np.ndarray, "orbit"]]
    drawn: dict[int, Float64[np.ndarray, "sample 9"]]


def drawn_orbits(dataset: OrbitDataset) -> list[int]:
    """Return the orbits whose predictions are at hand: of least and of greatest eccentricity, or the first two."""
    if len(dataset) < 2:
        return [0]
    e = np.nan_to_num(dataset.elements[:, 1])
    return [int(np.argmin(e)), int(np.argmax(e))] if np.ptp(e) > 0 else [0, 1]


def keep_scores(
    runs: Sequence[Run],
    dataset: OrbitDataset,
    *,
    which: str = "best",
    segments: int | None = None,
    skipped: Callable[[Run, KeplearnError], object] | None = None,
) -> list[Scores | None]:
    """Return the scores of runs on a dataset; what is not kept yet is evaluated together, and kept.

    Parameters
    ----------
    runs
        The runs.
    dataset, which, segments
        As for `keplearn.evaluation.store.keep_evaluation`.
    skipped
        Is told of each run without such a model, whose scores are None; by default that is an error.

    Raises
    ------
    KeplearnError
        If a run has no such model, or it is damaged, and ``skipped`` is not given.
    """
    found: list[Scores | None] = [None] * len(runs)
    models: dict[int, Model] = {}

    def evaluate() -> None:
        pairs = [(runs[i].path, model) for i, model in models.items()]
        made = keep_evaluations(pairs, dataset, which=which, segments=segments)
        for i, evaluation in zip(models, made, strict=True):
            found[i] = scores_of(runs[i], evaluation, dataset, which=which, segments=segments)
        models.clear()

    for i, run in enumerate(runs):
        try:
            found[i] = _kept(run, dataset, which, segments)
            if found[i] is None:
                models[i] = model_for(run, dataset, which)
        except KeplearnError as error:
            if skipped is None:
                raise
            skipped(run, error)
        if len(models) >= models_at_once():
            evaluate()  # never the evaluations of thousands of runs in memory together
    if models:
        evaluate()
    return found


def model_for(run: Run, dataset: OrbitDataset, which: str = "best") -> Model:
    """Load a run's model that may be scored on a dataset.

    Raises
    ------
    KeplearnError
        If the run has no such model, it is damaged, or it was trained on orbits of another mu.
    """
    model = run.model(which)
    if model.units and (problem := mu_problem(model.units, dataset.mu, dataset.name)):
        raise KeplearnError(f"run {run.path.name}: {problem}")
    return model


def scores_of(
    run: Run,
    evaluation: "xarray.Dataset",
    dataset: OrbitDataset,
    *,
    which: str = "best",
    segments: int | None = None,
) -> Scores:
    """Take the scores out of an evaluation of a run, and keep them beside it."""
    orbits = orbit_table(evaluation)
    predicted = np.concatenate([evaluation[name].values for name in PREDICTED], axis=-1)
    scores = Scores(
        dataset.name,
        summary(evaluation) | _measured_over(segments),
        {key: orbits[key].to_numpy(np.float64) for key in METRICS},
        {k: predicted[k].astype(np.float64) for k in drawn_orbits(dataset)},
    )
    record = {"format": _FORMAT, "key": _key(run, dataset, which, segments), **_packed(scores)}
    file = _file(run, dataset, which, segments)
    keep_if_allowed(run.path, lambda: write_bytes(file, seal.close_json(record), within=run.path))
    return scores


def _file(run: Run, dataset: OrbitDataset, which: str, segments: int | None) -> Path:
    return (
        run.path / "evaluations" / (evaluation_file(dataset, which, segments).removesuffix(".nc") + ".json")
    )


def _key(run: Run, dataset: OrbitDataset, which: str, segments: int | None) -> dict[str, Any]:
    """All that scores depend on; the model's file says its architecture and with it the solver."""
    parameters, file = run.config.parameters, run.model_file(which)
    try:
        model = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise KeplearnError(f"{file}: cannot be read: {error.strerror}.") from error
    training = training_states(run, which)
    return {
        "model": model,
        "training": training.digest if training else "",
        "dataset_hash": dataset.content_hash,
        "segments": segments or 0,
        "scorer": scorer(parameters.feature_layer, parameters.output_layer),
        "metrics": {key: metric.code for key, metric in METRICS.items()},
    }


def _kept(run: Run, dataset: OrbitDataset, which: str, segments: int | None) -> Scores | None:
    """Read kept scores; None where there are none, or of another key, or damaged: they are made anew."""
    file, key = _file(run, dataset, which, segments), _key(run, dataset, which, segments)
    try:
        return _read(file, dataset, key) if file.exists() else None
    except Damaged as error:
        put_aside(file, error)
    except (OSError, KeplearnError):  # what may not be read is made anew
        pass
    return None


def _read(file: Path, dataset: OrbitDataset, key: Mapping[str, Any]) -> Scores | None:
    """Read scores; None where they are of another key, Damaged where they are not as they were written."""
    content = read_sealed(file, must=True).content
    try:
        record = json.loads(content)
        kept = record["key"]
        same = all(kept.get(name) == value for name, value in key.items() if name != "metrics")
        # Made with more metrics than are known here, it serves as well.
        if record["format"] != _FORMAT or not same or not holds_all(kept["metrics"], key["metrics"]):
            return None
        return _unpacked(record, dataset, key["segments"] or None)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{file}: damaged: no scores of keplearn.") from error


def _packed(scores: Scores) -> dict[str, Any]:
    """As JSON holds it: numbers of orbits as text, exactly; of a summary, what is infinite or none by its name."""
    return {
        "summary": {key: _plain(value) for key, value in scores.summary.items()},
        "keys": list(scores.orbits),
        "orbits": _text(np.stack(list(scores.orbits.values())), "<f8"),
        "drawn": {str(k): _text(states, "<f4") for k, states in scores.drawn.items()},
    }


def _unpacked(record: Mapping[str, Any], dataset: OrbitDataset, segments: int | None) -> Scores:
    keys, drawn = record["keys"], record["drawn"]
    orbits = _array(record["orbits"], "<f8", (len(keys), len(dataset)))
    by_key = dict(zip(keys, orbits, strict=True))
    summary = {
        key: _number(record["summary"][key]) for key in (*METRICS, *floors()) if key in record["summary"]
    } | _measured_over(segments)
    samples = dataset.states.shape[1]
    return Scores(
        dataset.name,
        summary,
        {key: by_key[key] for key in METRICS},
        {int(k): _array(text, "<f4", (samples, 3 * len(PREDICTED))) for k, text in drawn.items()},
    )


def _measured_over(segments: int | None) -> dict[str, int]:
    """Return what scores say of themselves where they are of segments and not of whole orbits."""
    return {"segments": segments} if segments else {}


def _text(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode()


def _array(text: str, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).reshape(shape).astype(np.float64)


def _plain(value: float | int) -> float | int | str:
    return value if isfinite(value) else "none" if isnan(value) else "lost"


def _number(value: float | int | str) -> float | int:
    return {"none": nan, "lost": inf}[value] if isinstance(value, str) else value
