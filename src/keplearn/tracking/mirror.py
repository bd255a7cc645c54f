"""The process that mirrors runs: it brings Weights & Biases up to what their directories hold, and ends.

``mirror TARGET PARENT RUN…``: a run that is being trained is followed to its end. What Weights & Biases has of a run
already, by its id, is not sent again. Says on stdout, in a line of JSON for each run, why it could not, null if it
could.
"""

import hashlib
import json
import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keplearn.core.errors import KeplearnError
from keplearn.core.processes import keep_children_back
from keplearn.data.dataset import load_dataset
from keplearn.runs.store import Run
from keplearn.tracking import content, room
from keplearn.tracking.answers import answer, reason
from keplearn.tracking.target import Target

if TYPE_CHECKING:
    import wandb

# Seconds between looks at a run that is being trained, and between tries to reach the server meanwhile.
LOOK_EVERY = 2.0
TRY_EVERY = 60.0

FIGURE, TABLE, SHOWN = "figures/loss", "tables/scores", "shown"


def mirror(path: Path, target: Target, scratch: Path) -> None:
    """Bring Weights & Biases up to what a run's directory holds, following it while it is trained.

    Raises
    ------
    Exception
        Whatever W&B's package raises where it cannot.
    """
    opened = _open(path, target, scratch)
    failed = True
    try:
        rows = _follow(opened, path)
        run = Run(path)
        shown = _shown(opened, run)
        opened.summary.update(content.summary(run))
        _use(opened, target, run, scratch)
        if run.state == "finished":
            if shown:
                _show(opened, run, scratch, shown, max(rows.count + 1, opened.step))
            _log_model(opened, target, run)
        failed = run.state != "finished"
    finally:
        opened.finish(exit_code=int(failed))


def _open(path: Path, target: Target, scratch: Path) -> "wandb.Run":
    """Open the run in Weights & Biases under its own id, trying again while it is being trained."""
    import wandb
    from wandb.errors import CommError

    run = Run(path)
    settings = wandb.Settings(
        console="off",
        silent=True,
        disable_git=True,
        disable_code=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    while True:
        try:
            opened = wandb.init(
                dir=scratch,
                project=target.project,
                entity=target.entity,
                mode="offline" if target.mode == "offline" else "online",
                id=run.run_id,
                name=run.label or run.run_id,
                group=run.group,
                config=dict(run.config.to_dict()),
                resume=None if target.mode == "offline" else "allow",
                settings=settings,
            )
            keep_children_back()  # its service is of a session of its own
            return opened
        except CommError:
            if not _wait_while_running(path, TRY_EVERY):
                raise


def _wait_while_running(path: Path, seconds: float) -> bool:
    """Wait, or until the run is trained no more; say whether it still is."""
    end = time.monotonic() + seconds
    while (running := Run(path).state == "running") and time.monotonic() < end:
        time.sleep(LOOK_EVERY)
    return running


def _follow(opened: "wandb.Run", path: Path) -> content.Rows:
    """Log a run's rows, a step each, until it is trained no more."""
    rows, step, running = content.Rows(path), 0, True
    first = opened.step  # of a run that is known, behind the last that is there
    while running:
        running = Run(path).state == "running"  # before its rows are read
        for row in rows.new():
            step += 1
            if step >= first:
                opened.log(row, step=step, commit=True)
        if running:
            time.sleep(LOOK_EVERY)
    return rows


def _shown(opened: "wandb.Run", run: Run) -> str | None:
    """Return the mark of what is to be shown of a run, None if it is shown already."""
    what = json.dumps([run.record["started"], run.kept.entries.get("scores")], sort_keys=True)
    mark = hashlib.sha256(what.encode()).hexdigest()[:16]
    return None if opened.summary.get(SHOWN) == mark else mark


def _show(opened: "wandb.Run", run: Run, scratch: Path, mark: str, step: int) -> None:
    """Log the figure of the loss and the table of the metrics."""
    import wandb

    picture = scratch / "loss.png"
    content.draw_loss(run, picture)
    columns, rows = content.score_table(run)
    table = wandb.Table(columns=columns, data=rows)
    # Bound by hand it is a file of the run; else it would be an artifact too, with an absolute path where offline.
    table.bind_to_run(opened, TABLE, step)
    opened.log({FIGURE: wandb.Image(str(picture)), TABLE: table}, step=step)
    opened.summary[SHOWN] = mark


def _use(opened: "wandb.Run", target: Target, run: Run, scratch: Path) -> None:
    """Say that the run uses its dataset, which is sent where the project has not got it yet."""
    import wandb
    from wandb.errors import CommError

    try:
        dataset = load_dataset(run.config.dataset_name)
    except KeplearnError as error:  # a file that has gone, or is named from somewhere else
        print(f"{run.path}: goes without its dataset: {error}", file=sys.stderr)
        return
    name = content.dataset_name(dataset)
    if target.mode != "offline":
        with suppress(CommError, ValueError):
            opened.use_artifact(f"{opened.entity}/{opened.project}/{name}:latest", type="dataset")
            return
    facts: dict[str, Any] = {
        "name": dataset.name,
        "content_hash": dataset.content_hash,
        "orbits": len(dataset),
    }
    artifact = wandb.Artifact(name, "dataset", metadata=facts)
    place = run.path / room.ROOM if target.mode == "offline" else scratch
    _add(artifact, content.dataset_file(run.path, dataset, place), run, target)
    if target.mode == "offline":  # what `use_artifact` does, which offline refuses to
        opened._log_artifact(artifact, is_user_created=True, use_after_commit=True)
    else:
        opened.use_artifact(artifact)


def _log_model(opened: "wandb.Run", target: Target, run: Run) -> None:
    """Log the model that is kept; one that is there already becomes no new version."""
    import wandb

    artifact = wandb.Artifact(f"model-{run.run_id}", "model", metadata={"run": f"{run.group}/{run.run_id}"})
    _add(artifact, run.path / "model.eqx", run, target)
    opened.log_artifact(artifact)


def _add(artifact: "wandb.Artifact", file: Path, run: Run, target: Target) -> None:
    """Add a file as it lies there, without the copy that W&B makes in the home.

    Offline it is named from the run's directory, and is found where that is moved to.
    """
    if target.mode != "offline":
        artifact.add_file(str(file), name=file.name, policy="immutable", skip_cache=True)
        return
    before = Path.cwd()
    os.chdir(run.path)
    try:
        beside = str(file.relative_to(run.path))
        artifact.add_file(beside, name=file.name, policy="immutable", skip_cache=True)
    finally:
        os.chdir(before)


def main(arguments: list[str]) -> None:
    """Mirror runs one after another; a failure is said, and is nobody else's."""
    target, answers = Target(*json.loads(arguments[0])), answer(int(arguments[1]))
    name, gone = Path(os.environ["TMPDIR"]).name, None
    for path in map(Path, arguments[2:]):
        why = gone
        try:
            if gone is None:
                scratch = room.enter(path, name)
                mirror(path, target, scratch)
                if target.mode == "offline":
                    room.keep_offline(path, scratch)
        except Exception as error:
            traceback.print_exc()
            why = reason(error)
            if target.mode == "online" and _is_unreachable(error):
                gone = why  # the others would wait as long for nothing
        answers.write(json.dumps({"run": str(path), "why": why}) + "\n")


def _is_unreachable(error: Exception) -> bool:
    from wandb.errors import CommError, UsageError

    return isinstance(error, CommError | UsageError)


if __name__ == "__main__":
    main(sys.argv[1:])
