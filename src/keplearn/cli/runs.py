"""``keplearn runs``: what was trained, what failed and why."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App

from keplearn.cli.choosing import MaybeNames, Where
from keplearn.cli.output import listed_names, number, print_table
from keplearn.cli.runs_compare import Runs, diff, listed_runs, varying
from keplearn.evaluation.metrics import keys
from keplearn.evaluation.ranking import LOST, lost_in
from keplearn.evaluation.remarks import FAR, is_ruled

if TYPE_CHECKING:
    from keplearn.runs.store import Run

app = App(name="runs")
app.command(diff)
app.command(varying)


@app.default
def runs(  # noqa: D417 (names, where: keplearn.cli.choosing)
    names: MaybeNames = None,
    /,
    *,
    where: Where = None,
    group: str | None = None,
    state: Literal["running", "finished", "failed", "interrupted"] | None = None,
    runs: Runs = Path("runs"),
    columns: str = "",
    format: Literal["table", "csv", "json"] = "table",
) -> None:
    """List runs with their state, steps, times, and score on the first test dataset.

    Parameters
    ----------
    group
        Only this group's.
    state
        Only those running, finished, failed or interrupted.
    runs
        The directory of all runs.
    columns
        More of each run: config keys, metrics, all that is recorded, e.g. width,theta-deg,dataset.family.
    format
        table, csv or json.
    """
    found, more = listed_runs(runs, names, group, where, state), listed_names(columns)
    rows = [_row(run) | extra for run, extra in zip(found, _more(found, more), strict=True)]
    if state == "failed":
        from keplearn.groups.difference import apart

        differs = {}
        for name in dict.fromkeys(run.group for run in found):
            finished = {run.run_id: run.config for run in listed_runs(runs, None, name, None, "finished")}
            differs |= apart({run.run_id: run.config for run in found if run.group == name}, finished)
        rows = [row | {"differs": differs[row["run_id"]]} for row in rows]
    if format == "json":
        print("[" + ",\n".join(json.dumps(row) for row in rows) + "]")
    elif format == "csv":
        _print_csv(rows)
    elif not rows:
        print(f"No runs in {runs}." if runs.is_dir() else f"No runs: there is no directory {runs}.")
    else:
        given = {key for key in ("label", "segments", *LOST) if any(row[key] for row in rows)}
        shown = ["group", "run_id", *(["label"] if "label" in given else []), "state", "started", "steps"]
        shown += ["steps_per_second", *_TIMES, "test", *(["segments"] if "segments" in given else [])]
        shown += [*keys("wide"), *(key for key in LOST if key in given)]
        shown += [key for key in more if key not in shown]
        failed = any(row["reason"] for row in rows)
        titles = [*shown, "kind", "reason"] if failed else shown
        if state == "failed":
            titles = ["group", "run_id", "kind", "differs", "reason"]
        print_table(titles, [[number(row[title]) for title in titles] for row in rows])
        if "mean" in titles and (ruled := sum(map(is_ruled, rows))):
            print(
                f"\nthe mean of {ruled} run{'s' * (ruled > 1)} is more than {FAR:g} times the median: a few orbits may "
                "rule it, evaluate names how many"
            )


@app.command
def logs(run: str, *, runs: Runs = Path("runs"), lines: int | None = None) -> None:
    """Print what a run has logged: warnings, and why and where it failed.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    runs
        The directory of all runs.
    lines
        Only the last so many lines.
    """
    from keplearn.runs.find import open_run

    file = open_run(runs, run).path / "log.txt"
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    said = text.splitlines()
    print("\n".join(said[-lines:] if lines else said) or "It has logged nothing.")


@app.command
def label(run: str, text: str, *, runs: Runs = Path("runs")) -> None:
    """Label a run: figures, the page and lists call it so, and --where label=TEXT finds it.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    text
        The label, one line; an empty text ("") takes it away.
    runs
        The directory of all runs.
    """
    from keplearn.runs.find import open_run
    from keplearn.runs.labels import write_label

    found = open_run(runs, run)
    write_label(found.path, text)
    print(f"{found.group}/{found.run_id}: {f'labelled {found.label}' if found.label else 'has no label'}")


@app.command
def show(run: str, *, runs: Runs = Path("runs"), format: Literal["table", "json"] = "table") -> None:
    """Show a run: state, config, data, phases, times, scores.

    Parameters
    ----------
    run
        A run's id, a unique beginning of it, or group/id.
    runs
        The directory of all runs.
    format
        table or json (run.json as it is).
    """
    from keplearn.runs.find import open_run

    found = open_run(runs, run)
    if format == "json":
        print(json.dumps(found.record, indent=1))
        return
    print(f"{found.group}/{found.run_id}: {found.state}" + (f", {found.label}" if found.label else ""))
    if found.record["reason"]:
        print(f"  {found.record['kind'] or ''} {found.record['reason']}".rstrip())
    print(f"  {found.path}")
    for table, values in found.record["config"].items():
        _print_section(table, values)
    summary = dict(found.record.get("summary") or {})
    for warning in summary.pop("warnings", []):
        print(f"\nwarning: {warning}")
    seconds = summary.pop("seconds", {})
    _print_section("summary", summary)
    _print_section("seconds", seconds)
    phases = found.record.get("phases") or []
    if phases:
        titles = [key for key in phases[0] if key != "warnings"]
        print("\nphases")
        print_table(["", *titles], [["", *(number(phase.get(key)) for key in titles)] for phase in phases])
    scores = found.record.get("scores") or {}
    if scores:
        keys = list(next(iter(scores.values())))
        print("\nscores")
        print_table(
            ["", *scores], [[key, *(number(score.get(key)) for score in scores.values())] for key in keys]
        )


_TIMES = ("seconds.train", "seconds.total")


def _row(run: "Run") -> dict[str, Any]:
    record = run.record
    summary = record.get("summary") or {}
    scores = record.get("scores") or {}
    test = next(iter(scores), None)
    return {
        "group": run.group,
        "run_id": record["run_id"],
        "label": run.label,
        "state": record["state"],
        "kind": record["kind"],
        "started": record["started"],
        "steps": summary.get("steps"),
        "steps_per_second": summary.get("steps_per_second"),
        **{key: (summary.get("seconds") or {}).get(key.partition(".")[2]) for key in _TIMES},
        "best_loss": summary.get("best_loss"),
        "test": test,
        "segments": scores[test].get("segments") if test else None,
        **{key: scores[test].get(key) if test else None for key in keys("wide")},
        "lost": lost_in(scores[test]) if test else None,
        "lost-field": lost_in(scores[test], "field") if test else None,
        "reason": record["reason"],
        "path": str(run.path),
    }


def _more(found: "list[Run]", asked: list[str]) -> list[dict[str, Any]]:
    """Return what else is asked for of each run."""
    if not asked:
        return [{} for _ in found]
    from keplearn.groups.facts import Facts

    facts = Facts(found)
    columns = [facts.shown(key, "--columns: ") for key in asked]
    return [dict(zip(asked, values, strict=True)) for values in zip(*columns, strict=True)]


def _print_csv(rows: list[dict[str, Any]]) -> None:
    import csv

    if rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _print_section(title: str, values: dict[str, Any] | None) -> None:
    if values:
        print(f"\n{title}")
        print_table(["", "", ""], [["", key, number(value)] for key, value in values.items()])
