"""The process that asks Weights & Biases for runs: it writes what it is given into its directory, as it comes.

``fetch WHAT PARENT``: ``WHAT`` is JSON (`Wanted`). For each run a directory of its id: ``run.json``, ``rows.json``, and
the files of its model, and of its dataset if wanted. Says on stdout, in a line of JSON each, which run is there, which
had not changed, which could not be had; and at last why it ended early, if it did.
"""

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keplearn.tracking.answers import answer, reason

if TYPE_CHECKING:
    from wandb.apis.public import Run

# Runs of a page of the list, and rows of one of a history.
RUNS, ROWS = 50, 1000


class Wanted(NamedTuple):
    """Which runs: of a project, of a group or of these ids, if any are said; ``known`` marks what is here by run."""

    entity: str | None
    project: str
    group: str | None
    ids: list[str]
    dataset: bool
    known: dict[str, Any]


def fetch(wanted: Wanted, place: Path, say: Callable[..., object]) -> None:
    """Write the runs that are wanted and have changed, each into a directory of its id."""
    import wandb

    api = wandb.Api()
    filters: dict[str, Any] = {"group": wanted.group} if wanted.group else {}
    filters |= {"name": {"$in": wanted.ids}} if wanted.ids else {}
    path = "/".join(filter(None, (wanted.entity or api.default_entity, wanted.project)))
    for run in api.runs(path, filters=filters, per_page=RUNS):
        mark = [run.state, run.heartbeat_at, run.history_line_count]
        if wanted.known.get(run.id) == mark:
            say(run=run.id, same=True)
            continue
        try:
            _write(run, place / run.id, wanted.dataset)
        except Exception as error:
            traceback.print_exc()
            say(run=run.id, why=reason(error))
        else:
            say(run=run.id, mark=mark)


def _write(run: "Run", place: Path, dataset: bool) -> None:
    place.mkdir()
    rows = list(run.scan_history(page_size=ROWS, use_cache=False))
    (place / "rows.json").write_text(json.dumps(rows))
    files = {"model": _download(run.logged_artifacts(), "model", ".eqx", place)}
    if dataset:
        files["dataset"] = _download(run.used_artifacts(), "dataset", ".nc", place)
    told = {
        "id": run.id,
        "name": run.name,
        "group": run.group,
        "state": run.state,
        "created": run.created_at,
        "config": dict(run.config),
        "summary": _plain(dict(run.summary_metrics)),
    }
    (place / "run.json").write_text(json.dumps(told | files))


def _download(artifacts: "Iterator[Any]", kind: str, suffix: str, place: Path) -> str | None:
    """Download the last version of a kind that has such a file, and return the file."""
    for artifact in reversed([artifact for artifact in artifacts if artifact.type == kind]):
        for name in artifact.manifest.entries:
            if name.endswith(suffix):
                return artifact.get_entry(name).download(root=str(place / kind), skip_cache=True)
    return None


def _plain(value: Any) -> Any:
    """Return a summary, which W&B wraps in mappings of its own, as JSON can hold it."""
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def main(arguments: list[str]) -> None:
    """Fetch what is wanted into the working directory."""
    answers = answer(int(arguments[1]))

    def say(**words: Any) -> None:
        answers.write(json.dumps(words) + "\n")

    try:
        fetch(Wanted(*json.loads(arguments[0])), Path.cwd(), say)
    except Exception as error:
        traceback.print_exc()
        say(ended=reason(error))


if __name__ == "__main__":
    main(sys.argv[1:])
