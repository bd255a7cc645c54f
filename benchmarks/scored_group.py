"""Groups of many scored runs: seconds that tables, figures and the page of one take.

``python -m benchmarks.scored_group [1000 3000]`` trains one small run, scored on 1, 10 and 100 orbits, copies it
under so many seeds, and times ``report``, ``evaluate --wide`` and ``plot box`` of the group, each its own process:
the wall's time, and that of a core, which other work on the machine hardly changes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keplearn.config import run_config
from keplearn.core.seal import close_json
from keplearn.experiment.course import train_run
from keplearn.runs.store import Run

TRAINED_ON = "complex_TBP_planar_1_train"
SMALL = {
    "width": 8, "depth": 1, "activation": "tanh", "feature_layer": "sph_4D_rinv", "steps_strategy": [20],
    "segment_length_strategy": [4],
}  # fmt: skip


def copy_run(one: Run, runs: Path, group: str, seed: int) -> None:
    """Write a run of another seed and group with all that a finished one has kept."""
    parameters = one.config.parameters.model_copy(update={"seed": seed})
    config = one.config.model_copy(update={"group": group, "parameters": parameters})
    path = runs / group / config.run_id
    shutil.copytree(one.path, path)
    record = one.kept.entries | {"run_id": config.run_id, "group": group, "config": config.to_dict()}
    (path / "run.json").write_bytes(close_json(record))


def main(counts: list[int]) -> None:
    """Print a line a command and size."""
    with tempfile.TemporaryDirectory(prefix="keplearn-scored-") as directory:
        runs = Path(directory)
        one = train_run(run_config(TRAINED_ON, group="one", **SMALL), runs)
        for count in counts:
            group = f"of{count}"
            for seed in range(count):
                copy_run(one, runs, group, seed)
            for command in (
                ["report", group, "--out", str(runs / "pages")],
                ["evaluate", group, "--wide", "--format", "csv"],
                ["plot", "box", group, "--by", "width", "--out", str(runs / "box.png")],
            ):
                wall, before = time.perf_counter(), os.times()
                whole = [sys.executable, "-m", "keplearn", *command, "--runs", str(runs)]
                subprocess.run(whole, check=True, stdout=subprocess.DEVNULL)
                wall, after = time.perf_counter() - wall, os.times()
                busy = after.children_user + after.children_system
                busy -= before.children_user + before.children_system
                print(
                    f"{count:5} runs  {' '.join(command[:2]):16} {wall:6.1f} s, {busy:5.1f} s of a core",
                    flush=True,
                )


if __name__ == "__main__":
    main([int(x) for x in sys.argv[1:]] or [1000])
