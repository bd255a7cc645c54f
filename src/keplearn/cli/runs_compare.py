"""``keplearn runs diff`` and ``varying``: in what runs differ."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from keplearn.cli.output import print_table
from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    from keplearn.runs.store import Run

Runs = Annotated[Path, Parameter(name="--runs")]


def diff(
    names: Annotated[list[str], Parameter(negative=(), name="RUN")],
    /,
    *,
    runs: Runs = Path("runs"),
    format: Literal["table", "json"] = "table",
) -> None:
    """Show in which parameters two or more runs differ, the runs side by side.

    Parameters
    ----------
    names
        Runs: ids, unique beginnings of them, or group/id.
    runs
        The directory of all runs.
    format
        table or json.
    """
    from keplearn.groups.difference import cell, varying
    from keplearn.runs.find import open_run

    if len(names) < 2:
        raise KeplearnError("give two runs or more.")
    found = [open_run(runs, name) for name in names]
    entries = varying([run.config for run in found])
    if format == "json":
        print(json.dumps({"runs": [run.run_id for run in found], "differences": entries}, indent=1))
    elif not entries:
        print("No difference.")
    else:
        rows = [[key, *map(cell, values)] for key, values in entries.items()]
        print_table(["key", *(f"{run.group}/{run.run_id}" for run in found)], rows)


def varying(*, group: str, runs: Runs = Path("runs"), format: Literal["table", "json"] = "table") -> None:
    """Show which parameters vary among the runs of a group, their values, and how many runs of each failed.

    Parameters
    ----------
    group
        The group.
    runs
        The directory of all runs.
    format
        table or json.
    """
    from keplearn.groups.difference import count_by_value

    found = listed_runs(runs, group, None)
    counted = count_by_value([run.config for run in found], [run.state for run in found])
    if format == "json":
        print(json.dumps(counted, indent=1))
    elif not counted:
        print(f"Nothing varies among the {len(found)} runs of {group}.")
    else:
        titles = list(counted[0])
        rows, last = [], None
        for row in counted:
            rows.append(
                [row["key"] if row["key"] != last else "", *(str(row[title]) for title in titles[1:])]
            )
            last = row["key"]
        print_table(titles, rows)


def listed_runs(runs: Path, group: str | None, state: str | None) -> "list[Run]":
    """Find runs; say which have a damaged record and go on without them, and which have scores of other code."""
    from keplearn.runs.find import find_runs

    found = find_runs(
        runs, group, state, on_damaged=lambda error: print(f"warning: {error}", file=sys.stderr)
    )
    if stale := sum(len(run.scored_on) > len(run.record.get("scores", {})) for run in found):
        print(
            f"warning: {stale} runs have scores of other code or test orbits, which are left out: train their config "
            "again, which only scores them anew, or evaluate them",
            file=sys.stderr,
        )
    return found
