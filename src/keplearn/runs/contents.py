"""What keplearn keeps in a run's directory, by name: nothing else there, such as a user's notes, is ever removed."""

import re
from collections.abc import Collection, Iterable
from itertools import chain
from pathlib import Path

from keplearn.core.files import remove_temporaries
from keplearn.core.seal import MARK, SOURCE
from keplearn.runs.checkpoints import CHECKPOINT
from keplearn.runs.labels import LABEL

EVALUATIONS = "evaluations"
FIGURES = "figures"
RECORD = "run.json"
# As a PNG has it: in a chunk of text, keyword and value.
_DRAWN = b"\0".join(part.encode() for pair in SOURCE.items() for part in pair)
# What a training leaves beside its record.
_RESULTS = re.compile(
    rf"model\.eqx|phase-\d+-(best|final)\.eqx|metrics\.(parquet|jsonl)|{re.escape(CHECKPOINT)}"
)


def results(run: Path) -> list[Path]:
    """Return what trainings, evaluations and figures of a run have left, not its record; nothing behind links."""
    trained = (file for file in sorted(run.glob("*")) if _RESULTS.fullmatch(file.name))
    scored = (file for file in _within(run / EVALUATIONS) if _bears(file, (".nc", ".json"), MARK))
    drawn = (file for file in _within(run / FIGURES) if _bears(file, (".png",), _DRAWN))
    return [file for file in chain(trained, scored, drawn) if file.is_file()]


def figure_file(run: Path, name: str) -> Path:
    """Return where a figure of a run is kept that its config names."""
    return run / FIGURES / f"{name}.png"


def remove_beginnings(run: Path) -> None:
    """Remove files that a killed process had begun to write into a run's directory."""
    remove_temporaries(run, lambda name: name in (RECORD, LABEL) or _RESULTS.fullmatch(name) is not None)
    remove_temporaries(run / EVALUATIONS, lambda name: name.endswith((".nc", ".json")))
    remove_temporaries(run / FIGURES, lambda name: name.endswith(".png"))


def _within(directory: Path) -> Iterable[Path]:
    return () if directory.is_symlink() else directory.glob("*")


def _bears(file: Path, suffixes: Collection[str], mark: bytes) -> bool:
    """Say whether a file bears keplearn's mark, a checksum or what it draws with, and a name that was not changed."""
    try:
        return file.suffix in suffixes and mark in file.read_bytes()
    except OSError:
        return False
