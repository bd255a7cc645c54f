"""``keplearn report``: one interactive page of a group."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from keplearn.cli.choosing import Names, Segments, Where, chosen
from keplearn.core.device import Device
from keplearn.core.errors import KeplearnError
from keplearn.evaluation.ranking import LEADING


def report(  # noqa: D417 (names, where, segments: keplearn.cli.choosing)
    names: Names,
    /,
    *,
    where: Where = None,
    on: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    segments: Segments = None,
    metric: str = LEADING,
    runs: Path = Path("runs"),
    out: Path = Path("reports"),
    device: Device = "auto",
) -> None:
    """Write one interactive HTML page of a group, OUT/GROUP.html; it opens offline and can be sent as it is.

    Of chosen runs, the page is named by what chose them.

    Parameters
    ----------
    on
        Names or files of test datasets, the most important first; by default those that the runs were scored on.
    metric
        By which runs are ordered and drawn first: median, mean, field, …
    runs
        The directory of all runs.
    out
        The directory of pages.
    device
        For evaluations that are not there yet: cpu, gpu, or auto.
    """
    from keplearn.core.device import choose_device
    from keplearn.evaluation.metrics import METRICS, find_metric

    # What is misspelled is told before JAX starts.
    found = chosen(runs, names, where)
    if not found:
        raise KeplearnError(f"there is nothing to report: {', '.join(names)} in {runs} has no run.")
    metric = find_metric(metric, METRICS, "--metric").key
    choose_device(device)

    from keplearn.cli.progress import track_blocks
    from keplearn.report import write_report

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    track = track_blocks("reading runs")
    path = write_report(
        found,
        names,
        out,
        where=where or (),
        on=on or (),
        segments=segments,
        metric=metric,
        track=track,
        say=say,
    )
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
