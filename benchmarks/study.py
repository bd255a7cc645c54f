"""A study of 48 runs end to end, start-up, compiling and evaluation included, beside the tutorial's pattern.

One process a core on both sides, nothing compiled before. The pattern is measured on twelve of the runs (each
dataset, segment length and feature layer once) for a few steps a phase, and scaled: to the phases' steps, and to
the 48 runs, all with the shallower network and one of two output layers, which is in its favour.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import tutorial
from benchmarks.cores import on_cores
from keplearn.config import load_config
from keplearn.experiment.plan import prepare, training_programs
from keplearn.models.kinds import field_of

CONFIG = Path(__file__).with_name("study.yaml")
# The whole study: what its config adds to that of the 48 runs.
WHOLE = (
    "parameters.length_strategy=[[[0.0, 0.3], [0.0, 0.6], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]]",
    "parameters.segment_length_strategy=[4, 10, 18]",
    "parameters.activation=[leaky_relu, tanh]",
    "parameters.output_layer=[mlp_4D_signed, mlp_4D_unit, mlp_4D_logmag_exp, mlp_4D_logmag_unit_exp]",
)
STEPS = 60


def _parts() -> list[list[str]]:
    """Split the study into eight processes, the longest first: no two need the same program."""
    return [
        [
            f"parameters.depth={depth}",
            f"parameters.feature_layer={features}",
            f"parameters.output_layer={outputs}",
        ]
        for features in ("sph_4D_rinv_vel", "sph_4D_rinv")
        for depth in (3, 2)
        for outputs in ("mlp_4D_signed", "mlp_4D_logmag_unit_exp")
    ]


def _in_parallel(
    commands: Sequence[list[str]], cores: Sequence[int], environment: dict[str, str]
) -> list[str]:
    """Run commands, one at a time on each core, and return what they printed, in their order."""
    waiting, running, printed = list(enumerate(commands)), {}, [""] * len(commands)
    free = list(cores)
    while waiting or running:
        while waiting and free:
            number, command = waiting.pop(0)
            core = free.pop()
            running[number] = (
                core,
                subprocess.Popen(
                    [*on_cores(core), *command],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    env=os.environ | environment,
                ),
            )
        for number, (core, process) in list(running.items()):
            if process.poll() is not None or len(running) == 1:
                printed[number] = process.communicate()[0]
                if process.returncode != 0:
                    raise RuntimeError(f"{' '.join(commands[number])} ended with {process.returncode}")
                free.append(core)
                del running[number]
        time.sleep(0.05)
    return printed


def _ours(home: Path, cores: Sequence[int]) -> tuple[float, list[dict[str, Any]]]:
    """Train and score the 48 runs; wall-clock seconds, and the line of each run."""
    commands = [
        [sys.executable, "-m", "keplearn", "train", str(CONFIG), "--json", "--runs", str(home / "runs")]
        + [word for entry in part for word in ("--set", entry)]
        for part in _parts()
    ]
    started = time.perf_counter()
    printed = _in_parallel(commands, cores, {"KEPLEARN_CACHE_DIR": str(home / "programs"), "NPROC": "1"})
    seconds = time.perf_counter() - started
    return seconds, [json.loads(line) for text in printed for line in text.splitlines()]


def sample() -> list[int]:
    """Return the numbers of the runs that the pattern is measured on."""
    chosen = {}
    for number, config in enumerate(load_config(CONFIG)):
        p = config.parameters
        chosen.setdefault((config.dataset_name, p.segment_length_strategy, p.feature_layer), number)
    return list(chosen.values())


def measure_pattern(number: int) -> dict[str, float]:
    """Measure one run by the pattern, in this process: seconds to compile, for a step of each phase, to score."""
    config = load_config(CONFIG)[number]
    plan = prepare(config)
    model, compiling, training = field_of(plan.model).without_units(), 0.0, 0.0
    for phase, split in zip(plan.phases, plan.splits, strict=True):
        at: dict[int, float] = {}

        def report(step, value, model, at=at):
            value.block_until_ready()
            at[step] = time.perf_counter()

        started = time.perf_counter()
        model = tutorial.fit(model, split.train, phase.batch_size, STEPS, report)
        per_step = statistics.median(at[k] - at[k - 1] for k in range(STEPS // 3, STEPS))
        compiling += at[0] - started - per_step
        training += per_step * phase.steps
    started = time.perf_counter()
    assert plan.model.units is not None  # a new model has those of its data
    tutorial.evaluate(model, plan.model.units, config.test)
    return {"compile": compiling, "train": training, "evaluate": time.perf_counter() - started}


def bench() -> dict[str, Any]:
    """Measure both ways, print and return the figures, and what they say of the whole study."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as directory:
        seconds, rows = _ours(Path(directory), cores)
    spent = {
        key: sum(row["seconds"][key] for row in rows) for key in ("compile", "train", "evaluate", "total")
    }
    finished = sum(row["state"] == "finished" for row in rows)
    print(
        f"keplearn: {finished} of {len(rows)} runs in {seconds:.0f} s on {len(cores)} cores; core seconds: {spent}"
    )

    commands = [
        [sys.executable, "-m", "benchmarks", "worker", "--job", json.dumps({"study": number})]
        for number in sample()
    ]
    measured = [json.loads(text.splitlines()[-1]) for text in _in_parallel(commands, cores, {"NPROC": "1"})]
    pattern = {key: sum(row[key] for row in measured) * 48 / len(measured) for key in measured[0]}
    wall = sum(pattern.values()) / len(cores)
    print(
        f"tutorial pattern: {wall:.0f} s on {len(cores)} cores, scaled from {len(measured)} runs of {STEPS} steps "
        f"a phase; core seconds: { ({key: round(value) for key, value in pattern.items()}) }"
    )
    print(f"keplearn is {wall / seconds:.1f} times as fast")

    few, many = (set().union(*training_programs(load_config(CONFIG, more))) for more in ((), WHOLE))
    runs = len(load_config(CONFIG, WHOLE))
    other = spent["total"] - spent["compile"]
    minutes = (spent["compile"] * len(many) / len(few) + other * runs / len(rows)) / 4 / 60
    print(
        f"the whole study: {runs} runs, {len(many)} training programs (these {len(rows)}: {len(few)}): "
        f"{minutes:.1f} minutes on 4 cores, compiling scaled by programs and all else by runs"
    )
    return {
        "cores": len(cores),
        "seconds": seconds,
        "core_seconds": spent,
        "finished": finished,
        "pattern_seconds": wall,
        "pattern_core_seconds": pattern,
        "pattern_runs": measured,
        "ratio": wall / seconds,
        "programs": {"these": len(few), "whole": len(many)},
        "whole_study_minutes": minutes,
    }
