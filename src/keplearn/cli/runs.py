"""``keplearn runs``: what was trained, what failed and why."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from keplearn.cli.output import number, print_table

app = App(name="runs")

Runs = Annotated[Path, Parameter(name="--runs")]


@app.default
def runs(
    *,
    group: str | None = None,
    state: Literal["running", "finished", "failed", "interrupted"] | None = None,
    runs: Runs = Path("runs"),
    format: Literal["table", "csv", "json"] = "table",
) -> None:
    """List runs with their state, steps, and score on the first test dataset.

    Parameters
    ----------
    group
        Only this group's.
    state
        Only those running, finished, failed or interrupted.
    runs
        The directory of all runs.
    format
        table, csv or json.
    """
    from keplearn.runs.store import find_runs

    rows = [_row(run.record, run.group, run.path) for run in find_runs(runs, group, state)]
    if format == "json":
        print("[" + ",\n".join(json.dumps(row) for row in rows) + "]")
    elif format == "csv":
        _print_csv(rows)
    elif not rows:
        print(f"No runs in {runs}." if runs.is_dir() else f"No runs: there is no directory {runs}.")
    else:
        shown = ("group", "run_id", "state", "started", "steps", "steps_per_second", "test", "mean", "field")
        failed = any(row["reason"] for row in rows)
        titles = [*shown, "reason"] if failed else list(shown)
        print_table(titles, [[number(row[title]) for title in titles] for row in rows])


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
    from keplearn.runs.store import open_run

    found = open_run(runs, run)
    if format == "json":
        print(json.dumps(found.record, indent=1))
        return
    print(f"{found.group}/{found.run_id}: {found.state}")
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
        print_table(["", *titles], [["", *(number(phase[key]) for key in titles)] for phase in phases])
    scores = found.record.get("scores") or {}
    if scores:
        keys = list(next(iter(scores.values())))
        print("\nscores")
        print_table(
            ["", *scores], [[key, *(number(score[key]) for score in scores.values())] for key in keys]
        )


def _row(record: dict[str, Any], group: str, path: Path) -> dict[str, Any]:
    summary = record.get("summary") or {}
    scores = record.get("scores") or {}
    test = next(iter(scores), None)
    return {
        "group": group,
        "run_id": record["run_id"],
        "state": record["state"],
        "kind": record["kind"],
        "started": record["started"],
        "steps": summary.get("steps"),
        "steps_per_second": summary.get("steps_per_second"),
        "best_loss": summary.get("best_loss"),
        "test": test,
        "mean": scores[test]["mean"] if test else None,
        "field": scores[test]["field"] if test else None,
        "reason": record["reason"],
        "path": str(path),
    }


def _print_csv(rows: list[dict[str, Any]]) -> None:
    import csv

    if rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _print_section(title: str, values: dict[str, Any]) -> None:
    if values:
        print(f"\n{title}")
        print_table(["", "", ""], [["", key, number(value)] for key, value in values.items()])
