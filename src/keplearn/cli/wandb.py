"""``keplearn wandb``: runs to Weights & Biases, and from there."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from keplearn.cli.choosing import Names, Where, chosen

app = App(name="wandb")


@app.command
def push(  # noqa: D417 (names, where: keplearn.cli.choosing)
    names: Names,
    /,
    *,
    where: Where = None,
    project: str | None = None,
    entity: str | None = None,
    mode: Literal["online", "offline"] = "online",
    runs: Path = Path("runs"),
) -> None:
    """Send runs to Weights & Biases, from their directories; what is there already is not sent again.

    Parameters
    ----------
    project
        The project; by default the one that each run names in its config.
    entity
        The project's user or team; by default the run's, or the account's.
    mode
        online: send them; offline: write files that `wandb sync` sends later.
    runs
        The directory of all runs.
    """
    from keplearn.tracking.push import push as push_runs
    from keplearn.tracking.target import Target

    found = chosen(runs, names, where)
    still = [run for run in found if run.state == "running"]
    for run in still:
        print(f"skipped: {run.group}/{run.run_id} is being trained.", file=sys.stderr)

    def tell(path: Path, why: str | None) -> None:
        if why is not None:
            print(f"not sent: {path.parent.name}/{path.name}: {why}", file=sys.stderr)

    target = Target(project, entity, mode) if project is not None else None
    ended = [run for run in found if run not in still]
    results = push_runs(ended, target, entity=entity, mode=mode, tell=tell)
    sent = [why for why in results.values() if why is None]
    done = "sent" if mode == "online" else "written offline"
    print(f"{len(sent)} of {len(results)} runs {done}")
    if len(sent) < len(results):
        sys.exit(1)


@app.command
def pull(  # noqa: D417 (ids: at its type)
    ids: Annotated[
        list[str] | None, Parameter(negative=(), name="RUN-ID", help="Runs by id; by default all.")
    ] = None,
    /,
    *,
    project: str,
    entity: str | None = None,
    group: str | None = None,
    dataset: Annotated[bool, Parameter(negative="")] = False,
    runs: Path = Path("runs"),
) -> None:
    """Bring runs of a project of Weights & Biases into run directories, for evaluate, plot and report.

    A run that has not changed since it was brought is not asked for again; one that was trained here is left as it is.

    Parameters
    ----------
    project
        The project.
    entity
        The project's user or team; by default the account's.
    group
        Only this group's runs.
    dataset
        Bring the files of training datasets too, into RUN/wandb.
    runs
        The directory of all runs.
    """
    from keplearn.tracking.pull import pull as pull_runs

    say = lambda text: print(text, file=sys.stderr)  # noqa: E731
    found = pull_runs(runs, project, entity=entity, group=group, ids=ids or (), dataset=dataset, say=say)
    for run_id, why in found.left.items():
        say(f"left out: {run_id}: {why}")
    groups = ", ".join(sorted({run.group for run in found.runs}))
    print(f"{len(found.runs)} runs brought" + (f" to {groups}" if groups else ""), end="")
    print(f", {len(found.same)} had not changed" if found.same else "")
    if not (found.runs or found.same):
        sys.exit(1)
