"""``keplearn train``: train the runs of a config one after another, and score each on its test datasets."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from keplearn.cli.mirroring import AS_THE_CONFIG, Mirroring
from keplearn.core.device import Device
from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    from keplearn.config import RunConfig
    from keplearn.runs.store import Run


def train(  # noqa: D417 (mirroring: keplearn.cli.mirroring)
    file: Path | None = None,
    *,
    overrides: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    runs: Path = Path("runs"),
    resume: str | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    again: Annotated[bool, Parameter(negative="")] = False,
    device: Device = "auto",
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
    mirroring: Mirroring = AS_THE_CONFIG,
) -> None:
    """Train the runs of a config one after another, on a GPU together, and score each on its test datasets.

    A finished run is skipped, an interrupted one goes on from its last checkpoint.

    Parameters
    ----------
    file
        A config file (YAML).
    overrides
        key=value: replaces an entry of the config; may be repeated.
    runs
        The directory of all runs.
    resume
        An interrupted run, by id: go on where it stopped, to the same numbers.
    from_
        A finished run, by id: go on from its model as a new run, with what --set changes.
    again
        Train finished runs again, from the start.
    device
        cpu, gpu, or auto: a GPU where there is one.
    json_
        Print one JSON object a run, a line each.
    """
    configs = _configs(file, overrides or [], mirroring.overrides(), runs, resume, from_)

    from keplearn.cli.recipe import beside_recipes
    from keplearn.core.device import choose_device

    on_gpu = choose_device(device) == "gpu"
    show = (lambda run: print(json.dumps(_line(run)), flush=True)) if json_ else (lambda run: None)
    trained = train_all(configs, runs, again=again, together=on_gpu and len(configs) > 1, each=show)
    if not json_:
        _print_scores(trained)
        if said := beside_recipes(trained):
            print(said)
    if any(run.state == "failed" for run in trained):
        sys.exit(1)


def train_all(
    configs: "Sequence[RunConfig]",
    runs: Path,
    *,
    again: bool = False,
    together: bool = False,
    each: "Callable[[Run], object]" = lambda run: None,
) -> "list[Run]":
    """Train runs with progress on stderr, one after another or ``together``; ``each`` gets every run as it ends."""
    ended = _together if together else _one_by_one
    trained, unwritten = [], []
    for run in ended(configs, runs, again):
        if isinstance(run, KeplearnError):  # its directory is locked, damaged or not to be written
            unwritten.append(run)
        else:
            each(run)
            trained.append(run)
    if unwritten:
        raise KeplearnError(f"{len(unwritten)} of {len(configs)} runs were not finished: {unwritten[0]}")
    return trained


def _one_by_one(configs: "Sequence[RunConfig]", runs: Path, again: bool) -> "Iterator[Run | KeplearnError]":
    """Train runs one after another, each with its own progress."""
    from keplearn.cli.progress import StepsProgress
    from keplearn.cli.run_figures import BY_DEFAULT, draw_missing, named
    from keplearn.experiment.course import train_run

    for number, config in enumerate(configs, start=1):
        place = f"[{number}/{len(configs)}] " if len(configs) > 1 else ""
        with StepsProgress(f"{place}{config.group}/{config.run_id}", [config]) as progress:
            try:
                run = train_run(config, runs, again=again, sinks=[progress.sink(config)])
            except KeplearnError as error:
                progress.say(f"not finished: {error}")
                run = error
            else:
                for warning in draw_missing(run, named(config, BY_DEFAULT)):
                    progress.say(f"warning: {warning}")
        if not isinstance(run, KeplearnError) and run.state == "failed":
            progress.say(f"failed: {run.record['reason']}")
        yield run


def _together(configs: "Sequence[RunConfig]", runs: Path, again: bool) -> "Iterator[Run | KeplearnError]":
    """Train runs in stacks, for a GPU, with their steps counted together."""
    from keplearn.cli.progress import StepsProgress
    from keplearn.cli.run_figures import draw_missing, named
    from keplearn.experiment.together import train_stack

    figures = {config.run_id: named(config) for config in configs}
    with StepsProgress(f"{len(configs)} runs", configs) as progress:
        shown = lambda config: [progress.sink(config, f"{config.group}/{config.run_id}")]  # noqa: E731
        for run in train_stack(configs, runs, again=again, sinks=shown):
            if not isinstance(run, KeplearnError) and run.state == "failed":
                progress.say(f"{run.group}/{run.run_id} failed: {run.record['reason']}")
            if not isinstance(run, KeplearnError):
                for warning in draw_missing(run, figures[run.run_id]):
                    progress.say(f"{run.group}/{run.run_id}: warning: {warning}")
            yield run


def _configs(
    file: Path | None,
    overrides: list[str],
    mirroring: list[str],
    runs: Path,
    resume: str | None,
    from_: str | None,
) -> "list[RunConfig]":
    """Return the runs to train, from the one source that was given."""
    from keplearn.config import load_config, runs_from_dict
    from keplearn.runs.find import open_run

    if sum(source is not None for source in (file, resume, from_)) != 1:
        raise KeplearnError("give a config FILE, or --resume RUN, or --from RUN: one of them.")
    if file is not None:
        from keplearn.cli.output import plain_warnings

        with plain_warnings():
            return load_config(file, overrides + mirroring)
    if resume is not None:
        run = open_run(runs, resume)
        if overrides:
            raise KeplearnError(
                "--resume goes on with the run's own config; to change it: --from RUN --set …"
            )
        if run.state == "failed":
            raise KeplearnError(
                f"run {run.run_id} failed ({run.record['reason']}): there is nothing to go on from."
            )
        return runs_from_dict(run.config.to_dict(), mirroring) if mirroring else [run.config]
    assert from_ is not None
    origin = open_run(runs, from_)
    if origin.state != "finished":
        raise KeplearnError(f"run {origin.run_id} is {origin.state}: --from needs a finished run.")
    tables = origin.config.to_dict()
    tables["data"] |= {"from_run": f"{origin.group}/{origin.run_id}"}
    return runs_from_dict(tables, overrides + mirroring)


def _line(run: "Run") -> dict[str, Any]:
    """Return what ``--json`` prints of a run."""
    record = run.record
    summary = record.get("summary") or {}
    return {
        "run_id": run.run_id,
        "group": run.group,
        "state": run.state,
        "kind": record["kind"],
        "reason": record["reason"],
        "path": str(run.path),
        "seconds": summary.get("seconds"),
        "steps_per_second": summary.get("steps_per_second"),
        "best_loss": summary.get("best_loss"),
        "scores": record.get("scores", {}),
    }


def _print_scores(trained: "list[Run]") -> None:
    """Print a table of the runs: what varies among them, and `mean` and `field` on each test dataset."""
    from keplearn.cli.output import number, print_table
    from keplearn.evaluation.metrics import METRICS, keys
    from keplearn.groups.difference import cell, flat, split_common

    entries = [flat(run.config) for run in trained]
    varying = split_common(entries)[1] if trained else []
    datasets = list(dict.fromkeys(name for run in trained for name in run.record.get("scores", {})))
    titles = [
        "run",
        *(key.partition(".")[2] for key in varying),
        "state",
        "steps/s",
        *(f"{key} {METRICS[key].unit} {name}" for name in datasets for key in keys("wide")),
    ]
    rows = []
    for run, entry in zip(trained, entries, strict=True):
        scores, summary = run.record.get("scores", {}), run.record.get("summary") or {}
        varied = [cell(entry[key]) for key in varying]
        cells = [number(scores.get(name, {}).get(key)) for name in datasets for key in keys("wide")]
        rate = number(summary.get("steps_per_second"))
        rows.append([f"{run.group}/{run.run_id}", *varied, run.state, rate, *cells])
    print_table(titles, rows)
