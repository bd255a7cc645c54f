"""``keplearn runs diff`` and ``varying``: in what runs differ."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from keplearn.cli.choosing import MaybeNames, Names, Where, chosen
from keplearn.cli.output import print_table
from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    from keplearn.runs.store import Run

Runs = Annotated[Path, Parameter(name="--runs")]


def diff(  # noqa: D417 (names, where: keplearn.cli.choosing)
    names: Names,
    /,
    *,
    where: Where = None,
    runs: Runs = Path("runs"),
    format: Literal["table", "json"] = "table",
) -> None:
    """Show in which parameters two or more runs differ, the runs side by side.

    Parameters
    ----------
    runs
        The directory of all runs.
    format
        table or json.
    """
    from keplearn.groups.difference import cell, varying

    found = chosen(runs, names, where, list_only=True)
    if len(found) < 2:
        raise KeplearnError("give two runs or more.")
    entries = varying([run.config for run in found])
    if format == "json":
        print(json.dumps({"runs": [run.run_id for run in found], "differences": entries}, indent=1))
    elif not entries:
        print("No difference.")
    else:
        rows = [[key, *map(cell, values)] for key, values in entries.items()]
        print_table(["key", *(run.label or f"{run.group}/{run.run_id}" for run in found)], rows)


def varying(  # noqa: D417 (names, where: keplearn.cli.choosing)
    names: MaybeNames = None,
    /,
    *,
    where: Where = None,
    group: str | None = None,
    runs: Runs = Path("runs"),
    format: Literal["table", "json"] = "table",
) -> None:
    """Show which parameters vary among runs, their values, and how many runs of each failed.

    Parameters
    ----------
    group
        Only this group's.
    runs
        The directory of all runs.
    format
        table or json.
    """
    from keplearn.groups.difference import count_by_value

    found = listed_runs(runs, names, group, where, None)
    counted = count_by_value([run.config for run in found], [run.state for run in found])
    if format == "json":
        print(json.dumps(counted, indent=1))
    elif not counted:
        print(f"Nothing varies among the {len(found)} runs.")
    else:
        titles = list(counted[0])
        rows, last = [], None
        for row in counted:
            rows.append(
                [row["key"] if row["key"] != last else "", *(str(row[title]) for title in titles[1:])]
            )
            last = row["key"]
        print_table(titles, rows)


def listed_runs(
    runs: Path, names: list[str] | None, group: str | None, where: list[str] | None, state: str | None
) -> "list[Run]":
    """Find runs; say which have a damaged record and go on without them, and which have scores of other code."""
    from keplearn.runs.find import check_group

    if group is not None:
        check_group(runs, group)
    found = chosen(runs, [*(names or ()), *([group] if group else [])], where, state, list_only=True)
    if stale := sum(len(run.scored_on) > len(run.record.get("scores", {})) for run in found):
        print(
            f"warning: {stale} runs have scores of other code or test orbits, which are left out: train their config "
            "again, which only scores them anew, or evaluate them",
            file=sys.stderr,
        )
    return found
