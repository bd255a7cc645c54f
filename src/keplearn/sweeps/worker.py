"""The process that trains: takes run ids on stdin, one a line, trains each, and says on a pipe what became of it.

It may die of anything at any moment; whoever started it (`keplearn.sweeps.pool`) finds out how and goes on. What
Python can catch is recorded in the run's directory by the training itself.
"""

import faulthandler
import json
import os
import sys
from pathlib import Path
from typing import Any

from keplearn.core.machine import stay_on
from keplearn.core.processes import die_with
from keplearn.core.signals import heeding


def main(arguments: list[str]) -> None:
    """Run ``worker RUNS GROUP REPORTS PARENT CORE``: a directory, a group, a pipe's number, a process id, a core.

    A core of -1 leaves the process where it is.
    """
    runs, group, reports, parent, core = Path(arguments[0]), arguments[1], *map(int, arguments[2:5])
    die_with(parent)  # a killed driver must leave nobody behind
    faulthandler.enable()  # where a segmentation fault was, in the log
    if core >= 0:
        stay_on(core)  # before JAX starts its threads, of which there would be one a core
    with os.fdopen(reports, "w", buffering=1) as pipe:

        def report(**event: Any) -> None:
            pipe.write(json.dumps(event) + "\n")

        try:
            with heeding():  # a polite kill leaves a checkpoint, as Ctrl-C does
                attend(runs, group, report)
        except KeyboardInterrupt:
            sys.exit(130)


def attend(runs: Path, group: str, report: Any) -> None:
    """Train the runs whose ids come on stdin, until it is closed."""
    from keplearn.groups.study import Study

    study = Study.read(runs, group)
    from keplearn.core.errors import KeplearnError, NotWritten
    from keplearn.experiment.course import train_run

    report(event="ready")
    for line in sys.stdin:
        run_id = line.strip()
        try:
            train_run(study.configs[run_id], runs)
        except KeplearnError as error:
            report(event="left", run=run_id, why=str(error), full=isinstance(error, NotWritten))
        else:
            report(event="ended", run=run_id)


if __name__ == "__main__":
    main(sys.argv[1:])
