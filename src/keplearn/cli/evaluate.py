"""``keplearn evaluate``: score trained runs on datasets, and put them side by side."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from keplearn.cli.choosing import Names, Segments, Where, chosen
from keplearn.cli.output import listed_names
from keplearn.core.device import Device
from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    import pandas as pd

    from keplearn.runs.store import Run


def evaluate(  # noqa: D417 (names, where, segments: keplearn.cli.choosing)
    names: Names,
    /,
    *,
    where: Where = None,
    on: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    runs: Path = Path("runs"),
    model: str = "best",
    segments: Segments = None,
    format: Literal["table", "markdown", "csv", "json"] = "table",
    wide: Annotated[bool, Parameter(negative="")] = False,
    columns: str = "",
    metrics: Annotated[str, Parameter(name=["--metrics", "--metric"])] = "",
    all_metrics: Annotated[bool, Parameter(negative="")] = False,
    slope: Annotated[bool, Parameter(negative="")] = False,
    law: Annotated[bool, Parameter(negative="")] = False,
    grid: Annotated[bool, Parameter(negative="")] = False,
    device: Device = "auto",
) -> None:
    """Score trained runs on datasets; every result is kept in RUN/evaluations and read again next time.

    Parameters
    ----------
    on
        Names or files of datasets; by default those in each run's config.
    runs
        The directory of all runs.
    model
        best (the one kept), final (of the last phase), or phase:P.
    format
        table, markdown, csv or json; csv and json hold all metrics.
    wide
        Runs down, datasets across: median, mean and field, or those of --metrics, or all with --all-metrics.
    columns
        Facts shown with each run: config keys, what is recorded, e.g. output_layer,width,dataset.family,label.
    metrics
        These metrics alone, e.g. mean,theta-deg,skewness.
    all_metrics
        All metrics in tables for people too.
    slope
        Instead of scores, a row a run: the slope of log|a| over log r, fitted over the training radii and local.
    law
        Likewise: the law a = -mu_hat r^-n_hat that the learned field amounts to; may stand beside the others.
    grid
        Likewise: errors over a grid in semi-major axis and eccentricity around the training orbits.
    device
        cpu, gpu, or auto: a GPU where there is one.
    """
    from keplearn.core.device import choose_device

    keys, found = listed_names(columns), chosen(runs, names, where)
    if not found:
        raise KeplearnError(f"there are no runs in {', '.join(names)}.")
    wanted = _metrics(metrics, all_metrics)
    described = _described(found, keys)
    asked = [name for name, wanted in {"slope": slope, "law": law, "grid": grid}.items() if wanted]
    scoring = {
        "on": on, "segments": segments, "wide": wide, "all-metrics": all_metrics, "metrics": metrics
    }  # fmt: skip
    given = [f"--{name}" for name, value in scoring.items() if value]
    if asked and given:
        raise KeplearnError(f"{', '.join(given)}: for scores on test datasets, not with --{asked[0]}.")
    choose_device(device)

    from keplearn.evaluation import table as tables

    if asked:
        from keplearn.cli.field import field_table, for_people

        measured = field_table(described, asked, model, skip=len(found) > 1)
        _print(for_people(measured) if format in ("table", "markdown") else measured, format)
        return
    from keplearn.evaluation.remarks import remarks
    from keplearn.groups.scoring import segments_of

    said: list[tuple[str, str]] = []
    over = segments_of(found, segments)
    scores = tables.score_table(_score(described, on, model, over, said, skip=len(found) > 1))
    if scores.empty:
        raise KeplearnError(f"none of the {len(found)} runs could be scored.")
    if wide:
        scores = tables.wide(scores, keys, metrics=wanted, all_metrics=all_metrics)
    elif wanted or (format in ("table", "markdown") and not all_metrics):
        scores = tables.short(scores, wanted)
    _print(scores, format)
    if format in ("table", "markdown") and (not wanted or "mean" in wanted) and (lines := remarks(said)):
        print("", *lines, sep="\n")


def _print(table: "pd.DataFrame", format: Literal["table", "markdown", "csv", "json"]) -> None:
    from keplearn.cli.output import print_table
    from keplearn.evaluation import table as tables

    if format == "table":
        print_table(*tables.cells(table))
    else:
        print(tables.render(table, format))


def _metrics(text: str, all_metrics: bool) -> list[str]:
    """Return the keys of the metrics that are asked for."""
    from keplearn.evaluation.metrics import METRICS, find_metric

    if text and all_metrics:
        raise KeplearnError("--metrics are some, --all-metrics all of them: give one of the two.")
    return [find_metric(name, METRICS, "--metrics").key for name in listed_names(text)]


def _described(found: "list[Run]", keys: list[str]) -> "list[tuple[Run, dict[str, Any]]]":
    """Return runs with what a table says of each: its id, its group, its label if any has one, and facts."""
    from keplearn.groups.facts import Facts

    facts = Facts(found)
    labels = ["label"] if any(run.label for run in found) and "label" not in keys else []
    shown = {key: facts.shown(key, "--columns: ") for key in ("run_id", "group", *labels, *keys)}
    return [(run, {key: values[k] for key, values in shown.items()}) for k, run in enumerate(found)]


def _score(
    runs: "list[tuple[Run, dict[str, Any]]]",
    on: list[str] | None,
    which: str,
    segments: int | None,
    said: list[tuple[str, str]],
    skip: bool,
) -> "Iterator[tuple[dict[str, Any], str, dict[str, Any]]]":
    """Score each run on each dataset; with ``skip``, name and pass over a run without the model.

    What is to be said of its mean goes to ``said``, by run and dataset.
    """
    from keplearn.cli.progress import track_blocks
    from keplearn.data.dataset import load_dataset
    from keplearn.evaluation.remarks import ruled_by
    from keplearn.evaluation.table import dataset_labels
    from keplearn.groups.scoring import score_runs

    wanted = {run.path: on or run.config.test for run, _ in runs}
    every = dict.fromkeys(name for names in wanted.values() for name in names)
    data = {name: load_dataset(name) for name in every}
    labels = dataset_labels(data)
    scored = score_runs(
        [run for run, _ in runs],
        data,
        lambda run: wanted[run.path],
        which=which,
        segments=segments,
        skipped=(lambda run, error: print(f"skipped: {error}", file=sys.stderr)) if skip else None,
        track=track_blocks("scoring"),
    )
    for (run, about), (_, found) in zip(runs, scored, strict=True):
        for name in wanted[run.path]:
            if name in found:
                scores, samples = found[name], data[name].n_samples
                remark = ruled_by(scores.summary, scores.orbits["mean"], samples - scores.orbits["lost"])
                said.append((f"{run.name} on {labels[name]}", remark))
                yield about, labels[name], scores.summary
