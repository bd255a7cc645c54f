"""What a sweep costs beyond training: 200 trivial runs on two workers, by each engine.

``beside`` is the workers' seconds in which no run was trained or scored, for each run: starting workers and the
engine, records, the watch. A worker's start is shared by all that it trains.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.cores import on_cores

RUNS, WORKERS = 200, 2
CONFIG = """\
wandb: {group: trivial}
data: {dataset_name: complex_TBP_planar_2_train, test: []}
parameters:
  steps_strategy: [[10]]
  segment_length_strategy: 10
  feature_layer: sph_4D_logr
  activation: tanh
  width: 4
  depth: 1
  seed: %s
"""
MACHINE = "partition: short\ncpus: 1\nruns_per_task: 50\n"


def _sweep(engine: str, home: Path, environment: dict[str, str], cores: set[int]) -> dict[str, float]:
    """Sweep by one engine; seconds on the clock, and those beside the runs' own for each run."""
    runs, words = home / engine, ["--engine", engine]
    if engine == "slurm":
        (home / "machine.yaml").write_text(MACHINE)
        words += ["--machine", str(home / "machine.yaml")]
    else:
        words += ["--workers", str(WORKERS)]
    command = [*on_cores(*cores), sys.executable, "-m", "keplearn", "sweep"]
    here: dict[str, Any] = {
        "env": environment,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.DEVNULL,
    }
    started = time.perf_counter()
    subprocess.run([*command, str(home / "trivial.yaml"), "--runs", str(runs), *words], check=True, **here)
    status = [*command, "status", "trivial", "--json", "--runs", str(runs)]
    while True:
        facts = json.loads(subprocess.run(status, check=True, **here).stdout)
        if facts["driver"] is None:
            break
        time.sleep(0.5)
    seconds = time.perf_counter() - started
    if facts["states"] != {"finished": RUNS}:
        raise RuntimeError(f"{engine}: {facts}")
    records = [json.loads(file.read_text()) for file in runs.glob("trivial/*/run.json")]
    spent = sum(record["summary"]["seconds"]["total"] for record in records)
    return {"seconds": seconds, "runs": spent, "beside_per_run": (seconds * WORKERS - spent) / RUNS}


def bench() -> dict[str, Any]:
    """Measure and print every engine; SLURM is a real cluster of this machine, started for it."""
    from tests.sweeps.cluster import Cluster

    cores = set(sorted(os.sched_getaffinity(0))[:WORKERS])
    figures = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        home = Path(directory)
        (home / "trivial.yaml").write_text(CONFIG % list(range(RUNS)))
        (home / "cluster").mkdir()
        for engine in ("local", "ray", "slurm"):
            with (
                Cluster(home / "cluster")
                if engine == "slurm"
                else nullcontext(dict(os.environ)) as environment
            ):
                programs = {"KEPLEARN_CACHE_DIR": str(home / f"programs-{engine}")}
                figures[engine] = found = _sweep(engine, home, environment | programs, cores)
            print(
                f"{engine}: {RUNS} runs on {WORKERS} workers in {found['seconds']:.0f} s, "
                f"{found['beside_per_run']:.2f} s a run beside training",
                flush=True,
            )
    return figures
