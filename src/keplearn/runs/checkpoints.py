"""A run's checkpoint on disk: a sealed archive of arrays, and the rows of metrics that must be there beside it."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from keplearn.core.errors import Damaged
from keplearn.core.files import read_sealed, write_bytes
from keplearn.core.seal import close
from keplearn.runs.records import read_rows
from keplearn.training.events import Checkpoint

CHECKPOINT = "checkpoint.npz"


def write_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into a run's directory in the place of the one before."""
    where = {"phase": np.array(checkpoint.phase), "step": np.array(checkpoint.step)}
    content = BytesIO()
    np.savez(content, allow_pickle=False, **where, **checkpoint.arrays)
    write_bytes(run / CHECKPOINT, close(content.getvalue()), within=run)


def read_checkpoint(run: Path, must: bool) -> Checkpoint | None:
    """Read a run's checkpoint, or None where there is none; with ``must`` it has to be sealed.

    Raises
    ------
    Damaged
        If it is.
    """
    file = run / CHECKPOINT
    if not file.exists():
        return None
    content = read_sealed(file, must).content
    try:
        with np.load(BytesIO(content), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        return Checkpoint(int(arrays.pop("phase")), int(arrays.pop("step")), arrays)
    except Exception as error:  # zip, npy and key errors alike mean a damaged file
        raise Damaged(f"{file}: damaged: {error}.") from error


def check_rows(run: Path, checkpoint: Checkpoint, steps: Sequence[int], must: bool) -> None:
    """Refuse to go on where metrics of steps before the checkpoint are missing; ``steps`` are those of each phase.

    Raises
    ------
    Damaged
        If some are.
    """
    file = run / "metrics.jsonl"
    wanted = {(phase, k) for phase in range(checkpoint.phase) for k in range(1, steps[phase] + 1)}
    wanted |= {(checkpoint.phase, k) for k in range(1, checkpoint.step + 1)}
    missing = wanted - {(row.get("phase"), row.get("step")) for row in read_rows(file, must)}
    if missing:
        raise Damaged(f"{file}: damaged: {len(missing)} steps before the checkpoint are missing.")
