"""``make bench``: keplearn beside the tutorial pattern, on the same core, in one run; a table and a JSON."""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

_WORKER = "--worker"


def _measure(way: str, case: dict, steps: int) -> dict[str, float]:
    """Run one measurement in a process of its own, on one core."""
    job = json.dumps({"way": way, "case": case, "steps": steps})
    command = [sys.executable, "-m", "benchmarks", _WORKER, job]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1]}  # pyright: ignore[reportReturnType]
    return json.loads(done.stdout.splitlines()[-1])


def _work(job: str) -> None:
    import os

    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    os.environ["NPROC"] = "1"
    from benchmarks import ours, tutorial
    from benchmarks.cases import Case

    wanted = json.loads(job)
    case, steps = Case(**wanted["case"]), wanted["steps"]
    if wanted["way"] == "tutorial":
        print(json.dumps(tutorial.train(case, steps)))
    else:
        print(json.dumps(ours.train(case, steps, wanted["way"])))


def main() -> None:
    """Measure every case by every way and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(_WORKER, metavar="JOB", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=400, help="steps of each training (400)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="file of the figures")
    given = parser.parse_args()
    if given.worker:
        _work(given.worker)
        return
    from benchmarks.cases import Case

    cases = [
        Case("velocity features, segments of 4"),
        Case("position features, segments of 4", "sph_4D_rinv"),
    ]
    results = []
    print(f"{'case':36}{'way':12}{'steps/s':>10}{'ratio':>8}{'first step s':>14}{'loss %':>9}")
    for case in cases:
        baseline = None
        for way in ("tutorial", "adaptive", "grid"):
            figures = _measure(way, asdict(case), given.steps)
            results.append({"case": asdict(case), "way": way, "steps": given.steps, **figures})
            if "error" in figures:
                print(f"{case.name:36}{way:12}{figures['error']}")
                continue
            baseline = baseline or figures["steps_per_second"]
            ratio = figures["steps_per_second"] / baseline
            print(
                f"{case.name:36}{way:12}{figures['steps_per_second']:10.1f}{ratio:8.1f}"
                f"{figures['first_step_seconds']:14.1f}{figures['loss']:9.3f}",
                flush=True,
            )
    given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"figures: {given.json}")


if __name__ == "__main__":
    main()
