"""``make bench``: keplearn beside two ways to use Diffrax, on the same cores, in one run; a table and a JSON.

``python -m benchmarks steps`` (training steps per second on one core), ``start`` (time to the first step),
``study`` (a study of 48 runs end to end), ``sweep`` (what each engine costs beyond training), ``mirror`` (what
Weights & Biases costs a training, and leaves), ``accuracy`` (time to an error) and ``latent`` (a latent ODE beside
Diffrax's example) make one part alone.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.cores import last_core, on_cores

# Their way of training, as the table calls it.
ONE_STEP = "keplearn, one step"
WAYS = ("tutorial", "expert: StepTo", "expert: loose PID", "keplearn")
CASES = [
    *(Case("sph_4D_rinv_vel", n, act) for n in (4, 10, 18) for act in ("leaky_relu", "tanh")),
    *(Case("sph_4D_rinv", n) for n in (4, 10, 18)),
]


def _measure(way: str, case: Case, steps: int) -> dict[str, Any]:
    """Run one training in a process of its own, on one core, with nothing compiled before."""
    job = json.dumps({"way": way, "case": asdict(case), "steps": steps})
    done = subprocess.run(
        [*on_cores(last_core()), sys.executable, "-m", "benchmarks", "worker", "--job", job],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"KEPLEARN_CACHE_DIR": "", "NPROC": "1"},
    )
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def _work(job: str) -> None:
    """Train as told, in this process."""
    from benchmarks import expert, ours, tutorial

    wanted = json.loads(job)
    if "study" in wanted:
        from benchmarks.study import measure_pattern

        print(json.dumps(measure_pattern(wanted["study"])))
        return
    case, steps = Case(**wanted["case"]), wanted["steps"]
    trainings: dict[str, Callable[[], dict[str, float]]] = {
        "tutorial": lambda: tutorial.train(case, steps),
        "expert: StepTo": lambda: expert.train(case, steps, "steps"),
        "expert: loose PID": lambda: expert.train(case, steps, "loose"),
        "keplearn": lambda: ours.train(case, steps),
        ONE_STEP: lambda: ours.train(case, steps, case.length - 1),
    }
    print(json.dumps(trainings[wanted["way"]]()))


def bench_steps(steps: int) -> list[dict[str, Any]]:
    """Measure and print every case by every way; the ratio is keplearn's rate over the other's."""
    print(
        f"{'features':16}{'segment':>8}  {'activation':12}{'way':20}{'steps/s':>9}{'keplearn is':>12}"
        f"{'loss %':>9}{'solution %':>12}"
    )
    results = []
    for case in CASES:
        # The loose PID takes a segment in one step; so can we, where it is longer than the default stride.
        ways = (*WAYS, ONE_STEP) if case.length > 7 else WAYS
        rows = {way: _measure(way, case, steps) for way in ways}
        ours = rows["keplearn"]
        for way, row in rows.items():
            results.append({"case": asdict(case), "way": way, "steps": steps, **row})
            name = f"{case.feature_layer:16}{case.length:8}  {case.activation:12}{way:20}"
            if "error" in row:
                print(f"{name}{row['error']}")
                continue
            # A way that does not learn as well is no way to train faster.
            row["counts"] = bool(row["loss"] <= 1.2 * ours["loss"])
            results[-1]["counts"] = row["counts"]
            ratio = f"{ours['steps_per_second'] / row['steps_per_second']:.1f} x" if way != "keplearn" else ""
            mark = "" if row["counts"] else "  (does not count: loss over 1.2 of ours)"
            print(
                f"{name}{row['steps_per_second']:9.1f}{ratio:>12}{row['loss']:9.3f}"
                f"{row['solution_error']:12.1e}{mark}",
                flush=True,
            )
    return results


def bench_start() -> dict[str, Any]:
    """Measure and print the time to the first step."""
    from benchmarks import start

    return start.bench()


def bench_study() -> dict[str, Any]:
    """Measure and print a study end to end."""
    from benchmarks import study

    return study.bench()


def bench_sweep() -> dict[str, Any]:
    """Measure and print what each engine costs beyond training."""
    from benchmarks import sweep

    return sweep.bench()


def bench_mirror() -> dict[str, Any]:
    """Measure and print what the mirror to Weights & Biases costs, and leaves."""
    from benchmarks import mirror

    return mirror.bench()


def bench_accuracy() -> dict[str, Any]:
    """Measure and print the time to an error."""
    from benchmarks import accuracy

    return accuracy.bench()


def bench_latent() -> dict[str, Any]:
    """Measure and print a latent ODE beside Diffrax's own example of one."""
    from benchmarks import latent

    return latent.bench()


def main() -> None:
    """Measure what was asked for, print it, and write it down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "part",
        nargs="?",
        choices=["steps", "start", "study", "sweep", "mirror", "accuracy", "latent", "worker"],
        help="all by default",
    )
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=400, help="steps of each training (400)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="file of the figures")
    given = parser.parse_args()
    if given.steps < 4:
        parser.error("--steps: at least 4, of which the third quarter is measured")
    if given.part == "worker":
        _work(given.job)
        return
    parts: dict[str, Callable[[], Any]] = {
        "steps": lambda: bench_steps(given.steps),
        "start": bench_start,
        "study": bench_study,
        "sweep": bench_sweep,
        "mirror": bench_mirror,
        "accuracy": bench_accuracy,
        "latent": bench_latent,
    }
    figures: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    for part in parts if given.part is None else [given.part]:
        print(f"== {part}")
        figures[part] = parts[part]()
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"figures: {given.json}")


if __name__ == "__main__":
    main()
