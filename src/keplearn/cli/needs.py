"""What figures are drawn of, found by the names on the command line: a function for each `Need`.

Each returns things by the names of figures' parameters, with the default ``title`` and what the file is ``named`` by.
Longer than most files: it is a list, and what its functions share stands below them.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from keplearn.cli.choosing import Names, Segments, Where, chosen
from keplearn.cli.titles import common_title, short_name, tested_on, trained_and_tested, trained_on
from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    from keplearn.data.orbit_dataset import OrbitDataset
    from keplearn.runs.store import Run

Things = dict[str, Any]
Given = Mapping[str, Any]
Which = Annotated[str, Parameter(help="best (the one kept), final (of the last phase), or phase:P.")]


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
    model: Which = "best"


NO_SAVING, NO_TEST = Saving(), Test()

RunName = Annotated[
    str, Parameter(help="A run's id, a unique beginning of it, group/id, or a group of one run.")
]
Restarts = Annotated[
    int | None, Parameter(help="Restart from the true state every so many samples; by default never.")
]


def _datasets(
    datasets: Annotated[
        list[str], Parameter(negative=(), name="DATASET", help="Names or files of datasets.")
    ],
    /,
    *,
    saving: Saving = NO_SAVING,
    given: Given,
) -> Things:
    from keplearn.data.dataset import load_dataset

    return {"datasets": [load_dataset(name) for name in datasets], "named": datasets}


def _metrics(names: Names, /, *, where: Where = None, saving: Saving = NO_SAVING, given: Given) -> Things:
    from keplearn.figures.parts.phases import phase_labels
    from keplearn.groups.legend import legend

    runs = chosen(saving.runs, names, where)
    if len(runs) > 1:
        metrics = {label: run.metrics() for label, run in zip(legend(runs), runs, strict=True)}
        some = {label: rows for label, rows in metrics.items() if len(rows)}
        for label in metrics.keys() - some:
            _say(f"skipped: {label} has taken no step.")
        return {"metrics": some, "title": common_title(runs), "named": _names(runs, names, where)}
    (found,) = runs
    metrics = found.metrics()
    labels = phase_labels(found.config.parameters)[: metrics["phase"].nunique() if len(metrics) else 0]
    things = {"metrics": metrics, "phases": labels, "kept": found.kept_step}
    return things | {"title": trained_on(found), "named": [found.run_id]}


def _evaluation(
    run: RunName,
    *,
    test: Test = NO_TEST,
    segments: Restarts = None,
    saving: Saving = NO_SAVING,
    given: Given,
) -> Things:
    from keplearn.evaluation.rollout import evaluate
    from keplearn.evaluation.store import keep_evaluation
    from keplearn.groups.scoring import segments_of

    found = _run(run, saving)
    over = segments_of([found], segments or 0)
    dataset, k = _chosen(found, test)
    model = found.model(test.model)
    if test.orbit is not None and "#" not in test.orbit:
        evaluation = evaluate(model, dataset, segments=over)
    else:
        evaluation = keep_evaluation(found.path, model, dataset, which=test.model, segments=over)
    title = trained_and_tested(found, evaluation, None if given.get("all_orbits") else k)
    return {"evaluation": evaluation, "orbit": k, "title": title, "named": [found.run_id]}


def _orbit(run: RunName, *, test: Test = NO_TEST, saving: Saving = NO_SAVING, given: Given) -> Things:
    found = _run(run, saving)
    dataset, k = _chosen(found, test)
    return {"model": found.model(test.model), "evaluation": dataset, "orbit": k, "named": [found.run_id]}


def _phases(
    run: RunName,
    *,
    orbit: Annotated[
        str | None, Parameter(help="Another orbit: NAME#k, or elements such as a=20000,e=0.4,nu0=20deg.")
    ] = None,
    segments: Restarts = None,
    saving: Saving = NO_SAVING,
    given: Given,
) -> Things:
    from keplearn.data.single import mean_orbit
    from keplearn.evaluation.rollout import evaluate_together
    from keplearn.groups.scoring import segments_of

    found = _run(run, saving)
    over = segments_of([found], segments or 0)
    dataset, k = _chosen(found, Test(orbit=orbit)) if orbit else (mean_orbit(_training(found)), 0)
    one = dataset if len(dataset) == 1 else dataset.only(k)
    steps = found.config.parameters.steps_strategy
    models = [found.model(f"phase:{p}") for p in range(len(steps))]
    return {
        "models": models,
        "labels": [f"phase {p}: {n} steps" for p, n in enumerate(steps)],
        "evaluations": evaluate_together(models, one, segments=over),
        "title": f"{trained_on(found)}\n{tested_on(over, one.name)}",
        "named": [found.run_id],
    }


def _model(run: RunName, *, model: Which = "best", saving: Saving = NO_SAVING, given: Given) -> Things:
    found = _run(run, saving)
    return {
        "model": found.model(model),
        "training": _training(found),
        "segment_lengths": found.config.parameters.segment_length_strategy,
        "title": trained_on(found),
        "named": [found.run_id],
    }


def _models(
    names: Names,
    /,
    *,
    where: Where = None,
    model: Which = "best",
    saving: Saving = NO_SAVING,
    given: Given,
) -> Things:
    from keplearn.groups.legend import legend

    found = _with_model(chosen(saving.runs, names, where), names, model)
    return {
        "models": [run.model(model) for run in found],
        "trainings": [_training(run) for run in found],
        "labels": legend(found),
        "title": trained_on(found[0]) if len(found) == 1 else common_title(found),
        "named": _names(found, names, where),
    }


def _runs(
    names: Names,
    /,
    *,
    where: Where = None,
    on: Annotated[
        str | None, Parameter(help="A test dataset; by default the first run's with most orbits.")
    ] = None,
    segments: Segments = None,
    model: Which = "best",
    saving: Saving = NO_SAVING,
    given: Given,
) -> Things:
    from keplearn.data.dataset import load_dataset
    from keplearn.groups.scoring import segments_of

    found = _with_model(chosen(saving.runs, names, where), names, model)
    over = segments_of(found, segments)
    tests = {name: load_dataset(name) for name in ([on] if on else _tests(found[0]))}
    name = max(tests, key=lambda name: len(tests[name]))
    return {
        "runs": found,
        "dataset": tests[name],
        "model": model,
        "segments": over,
        "title": f"tested on {tested_on(over, short_name(name))}",
        "named": _names(found, names, where),
    }


def _group(
    names: Names,
    /,
    *,
    where: Where = None,
    on: Annotated[
        list[str] | None,
        Parameter(
            consume_multiple=True,
            negative="",
            help="Test datasets, several side by side: figures then know them as the parameter test. By default the "
            "first.",
        ),
    ] = None,
    segments: Segments = None,
    saving: Saving = NO_SAVING,
    given: Given,
) -> Things:
    from keplearn.cli.progress import track_blocks
    from keplearn.groups.table import group_table

    runs = chosen(saving.runs, names, where)
    track = track_blocks("scoring")
    table = group_table(runs, on, _columns(given), segments=segments, say=_say, track=track)
    if where:
        table.attrs["where"] = ", ".join(where)
    things = {"table": table, "runs": runs, "say": _say, "named": [*names, *(where or ())]}
    if len(runs) == 1:
        over, tests = table.attrs["segments"], short_name(table.attrs["dataset"])
        things["title"] = f"{trained_on(runs[0])}\ntested on {tested_on(over, tests)}"
    return things


NEEDS: dict[str, Callable[..., Things]] = {
    "datasets": _datasets,
    "metrics": _metrics,
    "evaluation": _evaluation,
    "orbit": _orbit,
    "phases": _phases,
    "model": _model,
    "models": _models,
    "runs": _runs,
    "group": _group,
}
"""What finds the things for each `keplearn.figures.registry.Need`; its parameters are the command's, ``given`` aside:
the figure's own options."""


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _columns(given: Given) -> list[str]:
    """Return the words among a figure's options that may name a column."""
    words = [value if isinstance(value, list) else [value] for value in given.values()]
    return [word for listed in words for word in listed if isinstance(word, str)]


def _with_model(runs: "list[Run]", names: list[str], which: str) -> "list[Run]":
    """Return the runs that have a model; of several say which are left out, a single one must have it."""
    found = []
    for run in runs:
        try:
            run.model_file(which)
        except KeplearnError as error:
            if len(runs) == 1:
                raise
            _say(f"skipped: {error}")
        else:
            found.append(run)
    if not found:
        raise KeplearnError(f"no run of {', '.join(names)} has a model {which}.")
    return found


def _names(runs: "list[Run]", names: list[str], where: list[str] | None) -> list[str]:
    """Return what a file is named by: the runs, or the words by which they were chosen."""
    return [*names, *(where or ())] if where or len(runs) > len(names) else [run.run_id for run in runs]


def _run(name: str, saving: Saving) -> "Run":
    from keplearn.runs.find import open_run

    return open_run(saving.runs, name)


def _training(run: "Run") -> "OrbitDataset":
    from keplearn.data.dataset import training_data

    return training_data(run.config.dataset_name, run.config.parameters.num_trajs)


def _tests(run: "Run") -> list[str]:
    if not run.config.test:
        raise KeplearnError(f"run {run.run_id} has no test dataset: name one with --on.")
    return list(run.config.test)


def _chosen(run: "Run", test: Test) -> "tuple[OrbitDataset, int]":
    """Return the dataset that is meant and the orbit in it."""
    from keplearn.data.dataset import load_dataset
    from keplearn.data.elements_text import parse_orbit
    from keplearn.data.single import single_orbit

    if test.orbit is None or "#" in test.orbit:
        name, _, number = (test.orbit or "").partition("#")
        name = name or test.on or _tests(run)[0]
        dataset = load_dataset(name)
        if number and not (number.isdecimal() and int(number) < len(dataset)):
            raise KeplearnError(f"--orbit {test.orbit}: {name} has the orbits #0 to #{len(dataset) - 1}.")
        return dataset, int(number or 0)
    training = _training(run)
    return single_orbit(training.mu, body=training.body, **parse_orbit(test.orbit)), 0
