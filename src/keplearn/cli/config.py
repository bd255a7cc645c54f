"""``keplearn config``: check a config and show its runs, compare configs, list keys and defaults."""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from keplearn.cli.output import plain_warnings, print_table
from keplearn.config.entries import read_entries
from keplearn.config.expand import expand
from keplearn.config.loading import read_file
from keplearn.config.schema import BESIDE, FACTS, TABLES, Parameters, RunConfig
from keplearn.core.files import exists
from keplearn.core.plugins import allow_plugin
from keplearn.groups.difference import cell, differences, flat, load_any, split_common

app = App(name="config")

Overrides = Annotated[
    list[str] | None,
    Parameter(name="--set", negative=""),
]


@app.command
def show(
    file: Path,
    *,
    overrides: Overrides = None,
    format: Literal["table", "json", "csv"] = "table",
    programs: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Check a config file and show its runs: what is common, the defaults filled in, and what varies.

    Parameters
    ----------
    file
        A config file (YAML).
    format
        table; json (one object per run, defaults filled in); or csv (likewise, one row per run).
    overrides
        key=value: replaces an entry of the file; may be repeated.
    programs
        Also count the training programs to compile, which takes some seconds.
    """
    with plain_warnings():
        document = read_file(file)
        runs = expand(document, overrides or (), group=file.stem)
    base, variants = read_entries(document, overrides or ())
    given = set(base).union(*variants)

    if format == "json":
        print("[" + ",\n".join(json.dumps({"run_id": run.run_id, **run.to_dict()}) for run in runs) + "]")
        return
    records = [flat(run) for run in runs]
    if format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["run_id", *records[0]])
        for run, record in zip(runs, records, strict=True):
            writer.writerow([run.run_id, *("" if v is None else cell(v) for v in record.values())])
        return
    common, varying = split_common(records)
    print(f"{file}: {len(runs)} run{'s' if len(runs) > 1 else ''}")
    for title, wanted in (("In all runs", True), ("Defaults filled in", False)):
        entries = [(key, cell(v)) for key, v in common.items() if (key.partition(".")[2] in given) == wanted]
        if entries:
            print(f"\n{title}")
            print_table(["", "", ""], [("", *entry) for entry in entries])
    if runs[0].figures is not None:
        print(f"\nFigures of each run: {', '.join(runs[0].figures) or 'none'}")
    print("\nRuns")
    rows = [
        [run.run_id, *(cell(record[key]) for key in varying)]
        for run, record in zip(runs, records, strict=True)
    ]
    print_table(["run id", *(key.partition(".")[2] for key in varying)], rows)
    if not programs:
        return
    from keplearn.experiment.plan import training_programs

    needed = training_programs(runs)
    phases = sum(len(run.parameters.steps_strategy) for run in runs)
    print(f"\n{len(set().union(*needed))} training programs to compile, for {phases} phases.")


@app.command
def diff(
    first: str,
    second: str,
    *,
    runs: Annotated[Path, Parameter(name="--runs")] = Path("runs"),
    format: Literal["table", "json"] = "table",
) -> None:
    """Show only what differs between two configs: config files, runs, run directories or their run.json.

    Parameters
    ----------
    first, second
        Of a config file with several runs, the set of values of each key is compared.
    runs
        The directory of all runs, where ids are looked up.
    format
        table or json.
    """
    with plain_warnings():
        a, b = _configs(first, runs), _configs(second, runs)
    found = differences(a, b)
    ids_a, ids_b = {run.run_id for run in a}, {run.run_id for run in b}
    counts = {"first": len(ids_a), "second": len(ids_b), "in_both": len(ids_a & ids_b)}
    if format == "json":
        print(json.dumps({"runs": counts, "differences": [d._asdict() for d in found]}, indent=1))
        return
    if found:
        rows = [(d.key, _cells(d.first), _cells(d.second)) for d in found]
        print_table(["key", first, second], rows)
    elif ids_a == ids_b:
        print("No difference.")
    else:
        print("The values of each key are the same; they are combined differently.")
    if len(a) > 1 or len(b) > 1:
        print(f"Runs: {counts['first']} and {counts['second']}, {counts['in_both']} of them in both.")


@app.command
def defaults() -> None:
    """List all keys of a config with their defaults and what they mean."""
    rows = []
    for table, keys in TABLES.items():
        for key in keys:
            entry = (Parameters if table == "parameters" else RunConfig).model_fields[key]
            derived = FACTS[key].derived or ("none: must be given" if entry.is_required() else "")
            default = derived or cell(json.loads(json.dumps(entry.default)))
            rows.append((f"{table}.{key}", default, entry.description or ""))
    rows += [(key, "null", RunConfig.model_fields[key].description or "") for key in BESIDE]
    print_table(["key", "default", "meaning"], rows)


@app.command
def allow(file: Path) -> None:
    """Say that the code of a plugin may run as you, so that runs that need it can be opened.

    Parameters
    ----------
    file
        The plugin: a Python file, such as the copy that lies in a group's directory plugins. Read it first.
    """
    source = allow_plugin(file)
    print(f"{file}: allowed (SHA-256 {source.hash}); other content under this name is not.")


def _configs(name: str, runs: Path) -> list[RunConfig]:
    """Return the configs of a file or directory, or of a run by its id."""
    if Path(name).suffix or exists(name):
        return load_any(name)
    from keplearn.runs.find import open_run

    return [open_run(runs, name).config]


def _cells(values: Sequence[object], most: int = 8) -> str:
    shown = ", ".join(cell(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown}, ... ({len(values)} values)"
