"""Time from ``keplearn train`` to the first step: with nothing compiled before, and with programs kept on disk."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
wandb: {group: start}
data: {dataset_name: complex_TBP_planar_10_train, test: []}
parameters: {steps_strategy: 100000}
"""


def _seconds(*command: str) -> float:
    """Run a command to its end; the shortest of three times."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - started)
    return min(times)


def _first_step(home: Path, runs: Path) -> float:
    """Start a training, and stop it once it has written the metrics of a step."""
    config = home / "start.yaml"
    config.write_text(CONFIG)
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "keplearn", "train", str(config), "--runs", str(runs)],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"KEPLEARN_CACHE_DIR": str(home / "programs"), "NPROC": "1"},
    )
    try:
        while not any(file.stat().st_size for file in runs.glob("start/*/metrics.jsonl")):
            if process.poll() is not None:
                raise RuntimeError(f"the training ended with {process.returncode} before its first step")
            time.sleep(0.01)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()


def bench() -> dict[str, float]:
    """Measure on one core, print and return the seconds."""
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(here)})
    try:
        with tempfile.TemporaryDirectory() as directory:
            home = Path(directory)
            seconds = {
                "keplearn --help": _seconds(sys.executable, "-m", "keplearn", "--help"),
                "import keplearn and its libraries": _seconds(
                    sys.executable, "-c", "import keplearn.experiment.course"
                ),
                "first step, nothing compiled before": _first_step(home, home / "cold"),
                "first step, programs on disk": _first_step(home, home / "warm"),
            }
    finally:
        os.sched_setaffinity(0, here)
    for what, value in seconds.items():
        print(f"{what:40}{value:8.1f} s", flush=True)
    return seconds
