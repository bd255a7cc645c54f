"""What keplearn keeps in a run's directory, by name: nothing else there, such as a user's notes, is ever removed."""

import re
from itertools import chain
from pathlib import Path

from keplearn.core.files import remove_temporaries
from keplearn.core.seal import MARK
from keplearn.runs.checkpoints import CHECKPOINT
from keplearn.runs.labels import LABEL

EVALUATIONS = "evaluations"
RECORD = "run.json"
# What a training leaves beside its record.
_RESULTS = re.compile(
    rf"model\.eqx|phase-\d+-(best|final)\.eqx|metrics\.(parquet|jsonl)|{re.escape(CHECKPOINT)}"
)


def results(run: Path) -> list[Path]:
    """Return the files that trainings and evaluations of a run have left, its record apart; none behind links."""
    kept = run / EVALUATIONS
    trained = (file for file in sorted(run.glob("*")) if _RESULTS.fullmatch(file.name))
    scored = (file for file in (() if kept.is_symlink() else kept.glob("*")) if _is_evaluation(file))
    return [file for file in chain(trained, scored) if file.is_file()]


def remove_beginnings(run: Path) -> None:
    """Remove files that a killed process had begun to write into a run's directory."""
    remove_temporaries(run, lambda name: name in (RECORD, LABEL) or _RESULTS.fullmatch(name) is not None)
    remove_temporaries(run / EVALUATIONS, lambda name: name.endswith((".nc", ".json")))


def _is_evaluation(file: Path) -> bool:
    """Say whether a file bears keplearn's checksum, and a name that no damaged one was given."""
    try:
        return file.suffix in (".nc", ".json") and MARK in file.read_bytes()
    except OSError:
        return False
