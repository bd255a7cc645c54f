"""The process that trains: takes run ids on stdin, one a line, trains each, and says on a pipe what became of it.

It may die of anything at any moment; whoever started it (`keplearn.sweeps.pool`) finds out how and goes on. What
Python can catch is recorded in the run's directory by the training itself.
"""

import faulthandler
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keplearn.core.machine import stay_on
from keplearn.core.processes import die_with
from keplearn.core.signals import heeding

if TYPE_CHECKING:
    from keplearn.config import RunConfig
    from keplearn.runs.store import Run

After = Callable[["Run", "RunConfig"], object]
"""What is done with a run that has ended, and its config, before its end is told."""


def main(arguments: list[str], after: After = lambda run, config: None) -> None:
    """Run ``worker RUNS GROUP DEVICE REPORTS PARENT CORE``: a directory, a group, on what, a pipe, a process, a core.

    A core of -1 leaves the process where it is.
    """
    runs, group, device = Path(arguments[0]), arguments[1], arguments[2]
    reports, parent, core = map(int, arguments[3:6])
    die_with(parent)  # a killed driver must leave nobody behind
    faulthandler.enable()  # where a segmentation fault was, in the log
    if core >= 0:
        stay_on(core)  # before JAX starts its threads, of which there would be one a core
    with os.fdopen(reports, "w", buffering=1) as pipe:

        def report(**event: Any) -> None:
            pipe.write(json.dumps(event) + "\n")

        try:
            with heeding():  # a polite kill leaves a checkpoint, as Ctrl-C does
                attend(runs, group, device, report, after)
        except KeyboardInterrupt:
            sys.exit(130)


def attend(runs: Path, group: str, device: Any, report: Any, after: After) -> None:
    """Train the runs whose ids come on stdin, until it is closed."""
    from keplearn.groups.study import Study

    study = Study.read(runs, group)
    from keplearn.core.errors import KeplearnError, NotWritten
    from keplearn.experiment.course import train_run

    if device != "cpu":
        from keplearn.core.device import choose_device

        try:
            choose_device(device)
        except KeplearnError as error:
            report(event="refused", why=str(error))
            return
    report(event="ready")
    for line in sys.stdin:
        run_id = line.strip()
        try:
            config = study.configs[run_id]
            after(train_run(config, runs), config)
        except KeplearnError as error:
            report(event="left", run=run_id, why=str(error), full=isinstance(error, NotWritten))
        else:
            report(event="ended", run=run_id)


if __name__ == "__main__":
    main(sys.argv[1:])
