"""How commands are told which runs are meant: names and conditions (`keplearn.groups.choice`)."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from keplearn.runs.store import Run

_WORDS = "Groups, and runs by id, unique beginning of one, or group/id."
Names = Annotated[list[str], Parameter(negative=(), name="RUN-OR-GROUP", help=_WORDS)]
MaybeNames = Annotated[
    list[str] | None, Parameter(negative=(), name="RUN-OR-GROUP", help=f"{_WORDS} By default all.")
]
Where = Annotated[
    list[str] | None,
    Parameter(
        consume_multiple=True,
        negative="",
        help="Only runs of which this holds: width=64, 'seconds.train<60', 'seed in 0,1', family=circular, label!=old, "
        "…: any config key, fact of the training dataset's name, recorded fact, or score on the first test dataset.",
    ),
]

Segments = Annotated[
    int | None,
    Parameter(
        help="Measure from every so many samples of an orbit over as many, as data.score_segments does; 0: from the "
        "first over the whole orbit; by default as the runs were scored when they were trained."
    ),
]


def chosen(
    runs: Path,
    names: Sequence[str] | None,
    where: Sequence[str] | None,
    state: str | None = None,
    *,
    list_only: bool = False,
) -> "list[Run]":
    """Return the runs that are meant; say on stderr which of a group have a damaged record, and go on without them.

    The plugins that are for all of a group are loaded, unless runs are listed only: a list runs nobody's code.
    """
    from keplearn.core.plugins import join
    from keplearn.groups.choice import choose_runs

    found = choose_runs(
        runs,
        names or (),
        where or (),
        state=state,
        on_damaged=lambda error: print(f"skipped: {error}", file=sys.stderr),
    )
    if not list_only:
        join(run.path.parent for run in found)
    return found
