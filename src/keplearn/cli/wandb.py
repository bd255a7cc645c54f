"""``keplearn wandb``: runs to Weights & Biases, and from there."""

import sys
from pathlib import Path
from typing import Literal

from cyclopts import App

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
