"""``keplearn plot KIND …``: one command a figure, of a dataset, a run or a group."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from keplearn.cli.output import listed_names
from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    import pandas as pd
    import xarray
    from matplotlib.figure import Figure

    from keplearn.data.orbit_dataset import OrbitDataset
    from keplearn.models.neural_ode import NeuralODE
    from keplearn.runs.store import Run

app = App(name="plot")

Flag = Annotated[bool, Parameter(negative="")]
Names = Annotated[list[str], Parameter(negative=(), name="DATASET")]


@Parameter(name="*")
@dataclass(frozen=True)
class Saving:
    """Where a figure goes, and what every figure may be told."""

    out: Annotated[
        Path | None, Parameter(help="The figure's file: .png, .pdf or .svg; by default KIND-NAME.png.")
    ] = None
    data: Annotated[Path | None, Parameter(help="A .csv file for the numbers behind the figure.")] = None
    title: Annotated[str, Parameter(help="Above the figure; by default what was trained and tested on.")] = ""
    runs: Annotated[Path, Parameter(help="The directory of all runs.")] = Path("runs")


@Parameter(name="*")
@dataclass(frozen=True)
class Test:
    """On what a run is drawn."""

    on: Annotated[str | None, Parameter(help="A test dataset; by default the run's first.")] = None
    orbit: Annotated[
        str | None,
        Parameter(help="NAME#k (from 0), or elements such as a=20000,e=0.4,nu0=20deg (km; i, raan, argp)."),
    ] = None
    model: Annotated[str, Parameter(help="best (of the last phase), final, or phase:P.")] = "best"


NO_SAVING, NO_TEST = Saving(), Test()


# Of datasets


@app.command
def orbits(datasets: Names, /, *, saving: Saving = NO_SAVING) -> None:
    """Orbits of datasets side by side, with what they go round to scale."""
    from keplearn.figures.datasets import orbits as draw

    _save(draw(_datasets(datasets), saving.title), saving, "orbits", *datasets)


@app.command
def elements(datasets: Names, /, *, saving: Saving = NO_SAVING) -> None:
    """Histograms of the orbital elements of datasets."""
    from keplearn.figures.elements import elements as draw

    _save(draw(_datasets(datasets), saving.title), saving, "elements", *datasets)


# Of a run


@app.command
def loss(run: str, *, saving: Saving = NO_SAVING) -> None:
    """The loss and its parts over the steps, training and validation."""
    from keplearn.figures.training import loss as draw

    found = _run(run, saving)
    labels = found.config.parameters.optimizer if len(found.record["phases"]) > 1 else None
    _save(draw(found.metrics(), saving.title or _trained(found), labels), saving, "loss", found.run_id)


@app.command
def orbit(run: str, *, test: Test = NO_TEST, saving: Saving = NO_SAVING) -> None:
    """An orbit, true and predicted, with arrows of acceleration."""
    from keplearn.figures.orbits import orbit as draw

    found, evaluation, k = _one(run, test, saving)
    _save(draw(evaluation, k, saving.title or _both(found, evaluation, k)), saving, "orbit", found.run_id)


@app.command
def states(run: str, *, test: Test = NO_TEST, saving: Saving = NO_SAVING) -> None:
    """Position and velocity over time, true and predicted."""
    from keplearn.figures.states import states as draw

    found, evaluation, k = _one(run, test, saving)
    _save(draw(evaluation, k, saving.title or _both(found, evaluation, k)), saving, "states", found.run_id)


@app.command
def acceleration(
    run: str,
    *,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    test: Test = NO_TEST,
    saving: Saving = NO_SAVING,
) -> None:
    """Magnitude, direction and error of the acceleration along an orbit.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    all_
        Median and band over all test orbits against true anomaly.
    """
    from keplearn.figures.anomaly import acceleration_all
    from keplearn.figures.errors import acceleration as draw

    found, evaluation, k = _one(run, test, saving)
    title = saving.title or _both(found, evaluation, None if all_ else k)
    figure = acceleration_all(evaluation, title) if all_ else draw(evaluation, k, title)
    _save(figure, saving, "acceleration", found.run_id)


@app.command
def features(
    run: str,
    *,
    against: Literal["time", "anomaly"] = "time",
    test: Test = NO_TEST,
    saving: Saving = NO_SAVING,
) -> None:
    """Each input of the network along a true orbit.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    against
        time or (true) anomaly.
    """
    from keplearn.figures.layers import features as draw

    found, dataset, k = _truth(run, test, saving)
    figure = draw(found.model(test.model), dataset, k, against, saving.title)
    _save(figure, saving, "features", found.run_id)


@app.command
def outputs(
    run: str,
    *,
    against: Literal["time", "anomaly"] = "time",
    test: Test = NO_TEST,
    saving: Saving = NO_SAVING,
) -> None:
    """Each output of the network along a true orbit, and the acceleration that comes of them.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    against
        time or (true) anomaly.
    """
    from keplearn.figures.layers import outputs as draw

    found, dataset, k = _truth(run, test, saving)
    figure = draw(found.model(test.model), dataset, k, against, saving.title)
    _save(figure, saving, "outputs", found.run_id)


@app.command
def phases(run: str, *, orbit: str | None = None, saving: Saving = NO_SAVING) -> None:
    """The model after each phase, on the orbit of the training set's mean elements.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    orbit
        Another orbit: NAME#k, or elements such as a=20000,e=0.4,nu0=20deg.
    """
    from keplearn.data.single import mean_orbit
    from keplearn.evaluation.rollout import evaluate_together
    from keplearn.figures.phases import phases as draw

    found = _run(run, saving)
    dataset, k = _chosen(found, Test(orbit=orbit)) if orbit else (mean_orbit(_training(found)), 0)
    one = dataset if len(dataset) == 1 else dataset.only(k)
    steps = found.config.parameters.steps_strategy
    models = [found.model(f"phase:{p}") for p in range(len(steps))]
    labels = [f"phase {p}: {n} steps" for p, n in enumerate(steps)]
    figure = draw(
        models, labels, evaluate_together(models, one), saving.title or f"{_trained(found)}\n{one.name}"
    )
    _save(figure, saving, "phases", found.run_id)


@app.command
def field(
    run: str,
    *,
    show: Literal["residual", "vectors"] = "residual",
    model: str = "best",
    saving: Saving = NO_SAVING,
) -> None:
    """The residual of the vector field in percent over x and y, with the training orbits on top.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    show
        residual, or vectors besides.
    model
        best, final, or phase:P.
    """
    from keplearn.evaluation.field import residual_field
    from keplearn.figures.residual import field as draw

    found = _run(run, saving)
    numbers = residual_field(found.model(model), _training(found))
    figure = draw(numbers, saving.title or _trained(found), vectors=show == "vectors")
    _save(figure, saving, "field", found.run_id)


@app.command
def slope(run: str, *, model: str = "best", saving: Saving = NO_SAVING) -> None:
    """Acceleration against radius on logarithmic axes, with the fitted slope, -2 and the training range.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    model
        best, final, or phase:P.
    """
    from keplearn.evaluation.slope import slope as measure
    from keplearn.figures.power_law import slope as draw

    found = _run(run, saving)
    figure = draw(measure(found.model(model), _training(found)), saving.title or _trained(found))
    _save(figure, saving, "slope", found.run_id)


@app.command
def grid(run: str, *, quantity: str = "mean", model: str = "best", saving: Saving = NO_SAVING) -> None:
    """The error over semi-major axis and eccentricity, with the training orbits on top.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    quantity
        mean (along the propagated path) or field (at the true states).
    model
        best, final, or phase:P.
    """
    from keplearn.evaluation.grid import ae_grid
    from keplearn.evaluation.metrics import find_metric, keys
    from keplearn.figures.ae_grid import grid as draw

    find_metric(quantity, keys("wide"), "--quantity")
    found = _run(run, saving)
    figure = draw(ae_grid(found.model(model), _training(found)), saving.title or _trained(found), quantity)
    _save(figure, saving, "grid", found.run_id)


@app.command
def errors(
    names: Annotated[list[str], Parameter(negative=(), name="RUN")],
    /,
    *,
    on: str | None = None,
    quantity: str = "mean",
    model: str = "best",
    saving: Saving = NO_SAVING,
) -> None:
    """Every test orbit's error for one run or several, against eccentricity and semi-major axis.

    Parameters
    ----------
    names
        Runs: ids, unique beginnings of them, or group/id.
    on
        A test dataset; by default the first run's first.
    quantity
        A metric that is computed by sample: mean (along the propagated path), field (at the true states),
        position%, theta-deg, …
    model
        best, final, or phase:P.
    """
    from keplearn.data.dataset import load_dataset
    from keplearn.evaluation.metrics import find_metric, sampled
    from keplearn.figures.errors import orbit_errors as draw
    from keplearn.groups.scoring import evaluate_runs

    find_metric(quantity, sampled(), "--quantity")
    found = [_run(name, saving) for name in names]
    name = on or next(iter(found[0].config.test), "")
    if not name:
        raise KeplearnError(f"run {found[0].run_id} has no test dataset: name one with --on.")
    dataset = load_dataset(name)
    evaluations = {
        f"{run.run_id[:8]}: {run.config.parameters.feature_layer} + {run.config.parameters.output_layer}": one
        for run, one in evaluate_runs(found, dataset, which=model)
    }
    figure = draw(evaluations, quantity=quantity, title=saving.title or f"tested on {_short(name)}")
    _save(figure, saving, "errors", *(run.run_id for run in found))


# Of a group


@app.command
def box(
    group: str,
    *,
    metric: str = "mean",
    by: str = "",
    per: Literal["orbit", "sample"] = "orbit",
    violin: Flag = False,
    on: str | None = None,
    saving: Saving = NO_SAVING,
) -> None:
    """Boxes or violins of errors by parameter values, with medians, means and the worst outliers named.

    Parameters
    ----------
    group
        A group of runs.
    metric
        What is drawn: mean, field, theta-deg, position%, …
    by
        Parameters that make a box, e.g. output_layer,feature_layer; runs that differ in others (seeds) are pooled.
    per
        orbit or sample.
    violin
        Draw densities besides.
    on
        A test dataset; by default the first.
    """
    from keplearn.figures.boxes import box as draw
    from keplearn.groups.error_table import error_table

    runs, table = _group(group, on, saving)
    keys = listed_names(by) or [key for key in table.attrs["varying"] if key != "seed"][:2]
    errors = error_table(
        runs, table.attrs["dataset"], keys, per, metric, say=lambda text: print(text, file=sys.stderr)
    )
    _save(draw(errors, metric, violin=violin, title=saving.title), saving, "box", group)


@app.command
def heatmap(
    group: str,
    *,
    metric: str = "mean",
    x: str | None = None,
    y: str | None = None,
    row: str | None = None,
    column: str | None = None,
    reduce: Literal["median", "mean", "min", "max"] = "median",
    on: str | None = None,
    saving: Saving = NO_SAVING,
) -> None:
    """A metric over two parameters, the cells annotated, with panels by a third and a fourth.

    Parameters
    ----------
    group
        A group of runs.
    metric
        What is drawn: mean, field, theta-deg, position%, steps_per_second, …
    x, y
        Parameters along the axes, e.g. segment_ratio and num_train_orbits; by default those with most values.
    row, column
        Parameters with a panel for each value.
    reduce
        How the runs of a cell become one number.
    on
        A test dataset; by default the first.
    """
    from keplearn.figures.heatmaps import heatmap as draw

    _, table = _group(group, on, saving)
    _save(draw(table, metric, x, y, row, column, reduce, saving.title), saving, "heatmap", group)


@app.command
def dots(
    group: str,
    *,
    metric: str = "mean",
    x: str | None = None,
    row: str | None = None,
    column: str | None = None,
    colour: Annotated[str | None, Parameter(name=("--colour", "--color"))] = None,
    marker: str | None = None,
    on: str | None = None,
    saving: Saving = NO_SAVING,
) -> None:
    """Every run as a dot: one metric against up to five parameters at once.

    Parameters
    ----------
    group
        A group of runs.
    metric
        What is drawn: mean, field, theta-deg, position%, steps_per_second, …
    x
        The parameter along the axis; by default the varying one with most values.
    row, column
        Parameters with a panel for each value.
    colour, marker
        Parameters told apart within a place.
    on
        A test dataset; by default the first.
    """
    from keplearn.figures.groups import dots as draw

    _, table = _group(group, on, saving)
    _save(draw(table, metric, x, row, column, colour, marker, saving.title), saving, "dots", group)


@app.command
def importance(
    group: str,
    *,
    metric: str = "mean",
    parameters: str = "",
    seed: int = 0,
    on: str | None = None,
    saving: Saving = NO_SAVING,
) -> None:
    """Which parameters drive a metric: rank correlation, permutation importance, best on average and at best.

    Parameters
    ----------
    group
        A group of runs.
    metric
        What is explained: mean, field, theta-deg, position%, …
    parameters
        Only these, e.g. width,depth; by default all that vary.
    seed
        Of the random forest.
    on
        A test dataset; by default the first.
    """
    from keplearn.figures.importance import importance as draw

    _, table = _group(group, on, saving)
    _save(
        draw(table, metric, listed_names(parameters) or None, seed, saving.title), saving, "importance", group
    )


# What they share


def _save(figure: "Figure", saving: Saving, kind: str, *names: str) -> None:
    """Write the figure, and its numbers where they are asked for; say where they are."""
    import re

    from keplearn.figures.style import save_figure

    plain = "-".join(re.sub(r"[^A-Za-z0-9_.+-]+", "_", Path(name).name.removesuffix(".nc")) for name in names)
    path = save_figure(figure, saving.out or Path(f"{kind}-{plain}"[:150] + ".png"))
    print(f"figure: {path}")
    if saving.data is not None:
        from keplearn.core.files import write_text
        from keplearn.figures.numbers import figure_numbers

        if saving.data.suffix != ".csv":
            raise KeplearnError(f"--data {saving.data}: the numbers are saved as .csv.")
        write_text(saving.data, figure_numbers(figure).to_csv(index=False, lineterminator="\n"))
        print(f"numbers: {saving.data}")


def _datasets(names: Sequence[str]) -> "list[OrbitDataset]":
    from keplearn.data.dataset import load_dataset

    return [load_dataset(name) for name in names]


def _run(name: str, saving: Saving) -> "Run":
    from keplearn.runs.find import open_run

    return open_run(saving.runs, name)


def _training(run: "Run") -> "OrbitDataset":
    from keplearn.experiment.plan import training_data

    return training_data(run.config.dataset_name, run.config.parameters.num_trajs)


def _chosen(run: "Run", test: Test) -> "tuple[OrbitDataset, int]":
    """Return the dataset that is meant and the orbit in it."""
    from keplearn.data.dataset import load_dataset
    from keplearn.data.single import parse_orbit, single_orbit

    if test.orbit is None or "#" in test.orbit:
        name, _, number = (test.orbit or "").partition("#")
        name = name or test.on or next(iter(run.config.test), "")
        if not name:
            raise KeplearnError(f"run {run.run_id} has no test dataset: name one with --on.")
        dataset = load_dataset(name)
        if number and not (number.isdecimal() and int(number) < len(dataset)):
            raise KeplearnError(f"--orbit {test.orbit}: {name} has the orbits #0 to #{len(dataset) - 1}.")
        return dataset, int(number or 0)
    training = _training(run)
    return single_orbit(training.mu, body=training.body, **parse_orbit(test.orbit)), 0


def _truth(name: str, test: Test, saving: Saving) -> "tuple[Run, OrbitDataset, int]":
    found = _run(name, saving)
    return found, *_chosen(found, test)


def _one(name: str, test: Test, saving: Saving) -> "tuple[Run, xarray.Dataset, int]":
    """Return a run, its evaluation on what was chosen (kept, if that is a dataset), and the orbit."""
    from keplearn.evaluation.rollout import evaluate
    from keplearn.evaluation.store import keep_evaluation

    found, dataset, k = _truth(name, test, saving)
    model: NeuralODE = found.model(test.model)
    if test.orbit is not None and "#" not in test.orbit:
        return found, evaluate(model, dataset), k
    return found, keep_evaluation(found.path, model, dataset, which=test.model), k


def _group(group: str, on: str | None, saving: Saving) -> "tuple[list[Run], pd.DataFrame]":
    from keplearn.groups.table import group_table
    from keplearn.runs.find import find_runs

    runs = find_runs(saving.runs, group, on_damaged=lambda error: print(f"skipped: {error}", file=sys.stderr))
    return runs, group_table(runs, on)


def _trained(run: "Run") -> str:
    """Return what a title says of a run: its layers, and what it was trained on."""
    p = run.config.parameters
    layers = f"{p.feature_layer} + {p.output_layer} ({run.group[:24]}/{run.run_id[:8]})"
    return f"{layers}\ntrained on {_short(run.config.dataset_name)}"


def _both(run: "Run", evaluation: "xarray.Dataset", orbit: int | None) -> str:
    """Return what was trained, and what it is tested on."""
    name, count = _short(evaluation.attrs["dataset"]), evaluation.sizes["orbit"]
    if orbit is None:
        return f"{_trained(run)}\ntested on the {count} orbits of {name}"
    if count == 1 and "=" in name:  # chosen by its elements, which are its name
        return f"{_trained(run)}\ntested on {name}"
    a, e = (float(evaluation[key][orbit]) for key in ("semi_major_axis", "eccentricity"))
    return f"{_trained(run)}\ntested on {name}#{orbit}: a = {a:,.0f} km, e = {e:.3f}"


def _short(dataset: str) -> str:
    """Return a dataset's name, or a file's without its directories."""
    return Path(dataset).name if dataset.endswith(".nc") else dataset
