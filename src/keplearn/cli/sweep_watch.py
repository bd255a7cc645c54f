"""``keplearn sweep status`` and ``stop``: how far a sweep is, and its end."""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from keplearn.cli.choosing import Where
from keplearn.cli.sweep_view import counts_of, facts_of, print_status
from keplearn.core.errors import KeplearnError
from keplearn.evaluation.metrics import METRICS, find_metric
from keplearn.evaluation.ranking import LEADING

if TYPE_CHECKING:
    from keplearn.groups.study import Study

Runs = Annotated[Path, Parameter(name="--runs")]
Flag = Annotated[bool, Parameter(negative="")]
AsJson = Annotated[bool, Parameter(name="--json", negative="")]


def status(
    group: str,
    *,
    runs: Runs = Path("runs"),
    metric: str = LEADING,
    where: Where = None,
    watch: Flag = False,
    json_: AsJson = False,
) -> None:
    """Show how far a sweep is: runs in each state, rate, time left, the best so far, why runs failed.

    Parameters
    ----------
    group
        The sweep's group.
    runs
        The directory of all runs.
    metric
        What the best run so far is the best by: median, mean, field, …
    where
        Only of the runs of which this holds: width=64, family=circular, 'seed in 0,1', state=missing, …
    watch
        Show it again every two seconds until the sweep ends.
    json_
        Print it as JSON.
    """
    from keplearn.groups.choice import part_of_study
    from keplearn.groups.standing import Standing
    from keplearn.groups.study import Study
    from keplearn.sweeps.driver import driver

    metric = find_metric(metric, METRICS, "--metric").key
    study = part_of_study(Study.read(runs, group), where or ())
    standing = Standing(study)
    while True:
        about = driver(study) or _jobs(study)
        standing.read()
        if json_:
            print(json.dumps(facts_of(study, standing, about, metric)), flush=True)
        else:
            print_status(study, standing, about, metric)
        if not watch or about is None:
            return
        time.sleep(2.0)
        if sys.stdout.isatty():
            print("\x1b[2J\x1b[H", end="")


def stop(group: str, *, runs: Runs = Path("runs")) -> None:
    """End a sweep: runs under way write checkpoints, and the same sweep goes on from there another time.

    Parameters
    ----------
    group
        The sweep's group.
    runs
        The directory of all runs.
    """
    from keplearn.groups.standing import Standing
    from keplearn.groups.study import Study
    from keplearn.sweeps.driver import driver
    from keplearn.sweeps.driver import stop as end_driver

    study = Study.read(runs, group)
    if not _cancelled(study) or driver(study) is not None:
        end_driver(study)
    print(f"sweep {group} has ended: {counts_of(Standing(study).read())}")


def _jobs(study: "Study") -> dict[str, Any] | None:
    """Return what is known of a study's jobs in SLURM's queue, as `keplearn.sweeps.driver.driver` does."""
    from keplearn.sweeps import slurm_jobs

    try:
        found = [(submission, submission.tasks()) for submission in slurm_jobs.submissions(study)]
    except KeplearnError as error:  # not a machine of the cluster, or its controller does not answer
        print(f"warning: {error}", file=sys.stderr)
        return None
    if not found:
        return None
    states = Counter(state.lower() for _, tasks in found for state in tasks.values())
    since = min((submission.path / "job.json").stat().st_mtime for submission, _ in found)
    jobs = ", ".join(submission.label for submission, _ in found)
    tasks = ", ".join(f"{n} tasks {state}" for state, n in sorted(states.items()))
    return {"engine": "slurm", "jobs": jobs, "tasks": tasks, "since": since}


def _cancelled(study: "Study") -> bool:
    """Cancel a study's jobs, and wait until they are gone; say whether there were any."""
    from keplearn.sweeps import slurm_jobs

    found = slurm_jobs.submissions(study)
    for submission in found:
        submission.cancel()
    while any(submission.tasks() for submission in found):
        time.sleep(1.0)
    slurm_jobs.clear(study)
    return bool(found)
