"""What ``keplearn evaluate --slope --law --grid`` shows: a row a run of what its field amounts to."""

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    import pandas as pd

    from keplearn.data.orbit_dataset import OrbitDataset
    from keplearn.models.kinds import Model
    from keplearn.runs.store import Run

ASKED = ("slope", "law", "grid")


def field_table(
    runs: "Iterable[tuple[Run, dict[str, str]]]", asked: Iterable[str], which: str, skip: bool
) -> "pd.DataFrame":
    """One row a run: the columns given with it, its training dataset, and what was asked of `ASKED`.

    With ``skip``, a run without the model or its training data is named on stderr and passed over.

    Raises
    ------
    KeplearnError
        If a run has no such model and ``skip`` is false, or no run has one.
    """
    import pandas as pd

    rows = list(_rows(runs, [name for name in ASKED if name in set(asked)], which, skip))
    if not rows:
        raise KeplearnError("none of the runs has what it takes: a model and its training data.")
    return pd.DataFrame(rows)


def for_people(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table with six decimals where four digits would read -2, 1 or 2 for any good model."""
    exact = [key for key in table.columns if key.startswith("slope") and "%" not in key]
    exact += [key for key in ("mu-hat/mu", "n-hat") if key in table]
    shown = {key: [f"{x:.6f}" if x == x else "-" for x in table[key]] for key in exact}
    return table.assign(**shown)


def _rows(
    runs: "Iterable[tuple[Run, dict[str, str]]]", asked: list[str], which: str, skip: bool
) -> Iterator[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import track

    from keplearn.data.dataset import training_data

    data = cache(training_data)
    options: dict[str, Any] = {"console": Console(stderr=True), "transient": True}
    for run, about in track(list(runs), "measuring", disable=not sys.stderr.isatty(), **options):
        try:
            model = run.model(which)
            training = data(run.config.dataset_name, run.config.parameters.num_trajs)
        except KeplearnError as error:
            if not skip:
                raise
            print(f"skipped: {error}", file=sys.stderr)
            continue
        row: dict[str, Any] = {**about, "training": training.name}
        for name in asked:
            row |= _MEASURES[name](run, model, training, which)
        yield row


def _slope(run: "Run", model: "Model", training: "OrbitDataset", which: str) -> dict[str, Any]:
    """The fitted slope and its rms; the local slope at the ends of the training range, and far from it."""
    from keplearn.evaluation.slope import slope

    found = slope(model, training)
    return {
        "slope": found.attrs["fitted_slope"],
        "slope-rms%": found.attrs["fit_rms_percent"],
        "slope at r-min": found.attrs["local_slope_training_low"],
        "slope at r-max": found.attrs["local_slope_training_high"],
        "slope at surface": found.attrs["local_slope_surface"],
        "slope at 2 r-max": float(found["local_slope"][-1]),
    }


def _law(run: "Run", model: "Model", training: "OrbitDataset", which: str) -> dict[str, Any]:
    from keplearn.evaluation.law import law

    found = law(model, training)
    return {
        "mu-hat/mu": found.mu_ratio,
        "n-hat": found.n_hat,
        "residual%": found.residual_percent,
        "direction-deg": found.direction_deg,
    }


def _grid(run: "Run", model: "Model", training: "OrbitDataset", which: str) -> dict[str, Any]:
    """Mean and median over the cells; the propagation is kept with the run."""
    from keplearn.evaluation.grid import grid_cells, on_grid, summary
    from keplearn.evaluation.store import keep_evaluation

    cells = grid_cells(training)
    kept = keep_evaluation(run.path, model, cells.orbits, which=which)
    return {f"grid {key}": value for key, value in summary(on_grid(cells, kept)).items()}


_MEASURES = {"slope": _slope, "law": _law, "grid": _grid}
