"""What the mirror to Weights & Biases costs a training, and what it leaves: offline, since no server is needed.

``speed``: a run of half a minute, without and with the mirror, in turns, all on one core that training and mirror
share, as on a machine whose cores are all at work. It is the second of its process: what starting the mirror costs,
once, is ``first``. ``leftovers``: a hundred runs with models of 1 MB are mirrored, and
the mirror is killed in their middle; home and temporary directory are listed before and after.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cores import last_core, on_cores

PAIRS = 4
COUNT = 100
_TRAIN = """\
import json, os, sys, time
from keplearn.config import runs_from_dict
from keplearn.experiment.course import train_run
from keplearn.tracking.room import offline_runs
data = {"dataset_name": "complex_TBP_planar_10_train", "test": []}
p = {"steps_strategy": [2000, 50000], "segment_length_strategy": 4, "width": 16}
wandb = {"group": "g"} | ({"project": "orbits", "mode": "offline"} if sys.argv[2] == "mirrored" else {})
first, config = runs_from_dict({"wandb": wandb, "data": data, "parameters": p})
started = time.perf_counter()
run = train_run(first, sys.argv[1])
while sys.argv[2] == "mirrored" and not list(offline_runs(run.path)):
    time.sleep(0.1)
once = time.perf_counter() - started
started, spent = time.perf_counter(), time.process_time()
assert train_run(config, sys.argv[1]).state == "finished"
print(json.dumps([time.perf_counter() - started, time.process_time() - spent, once]))
"""


def _train(home: Path, how: str, number: int) -> list[float]:
    """Train a short run and a longer one; seconds of this on the clock and of its core, seconds of the short one."""
    runs = home / f"{how}-{number}"
    command = [*on_cores(last_core()), sys.executable, "-c", _TRAIN, runs, how]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    while _mirrors():
        time.sleep(0.5)  # they outlive the training: the next one would share its core with them
    return json.loads(said.stdout.splitlines()[-1])


def _mirrors() -> bool:
    """Say whether any mirror is at work on this machine (Linux: of the command lines of all processes)."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # one that has just ended
            if b"keplearn.tracking" in file.read_bytes():
                return True
    return False


def _speed(home: Path) -> dict[str, float]:
    seconds: dict[str, list[list[float]]] = {"plain": [], "mirrored": []}
    for pair in range(PAIRS):
        for how in ("plain", "mirrored") if pair % 2 == 0 else ("mirrored", "plain"):
            seconds[how].append(_train(home, how, pair))
        last = {how: rows[-1] for how, rows in seconds.items()}
        print(
            "; ".join(f"{how} {clock:.1f} s, {own:.1f} of a core" for how, (clock, own, _) in last.items()),
            flush=True,
        )
    ratios = [
        [with_it / without for with_it, without in zip(*both, strict=True)]
        for both in zip(seconds["mirrored"], seconds["plain"], strict=True)
    ]
    clock, cores, _ = (median(column) for column in zip(*ratios, strict=True))
    plain, mirrored = ([median(column) for column in zip(*rows, strict=True)] for rows in seconds.values())
    # What the training waited for its core: free of how fast the machine happens to be.
    waited = {how: median(100 * (c / own - 1) for c, own, _ in rows) for how, rows in seconds.items()}
    found = {"seconds": plain[0], "clock": clock, "cores": cores, "first": mirrored[2] - plain[2], **waited}
    print(
        f"a run of {found['seconds']:.1f} s; with the mirror on the same core {100 * (clock - 1):+.1f} % on the clock, "
        f"{100 * (cores - 1):+.1f} % of the training's own core time, beside which it waits for its core "
        f"{waited['mirrored']:.1f} %, without {waited['plain']:.1f} %; {found['first']:.1f} s more for the first run",
        flush=True,
    )
    return found


def _leftovers(home: Path) -> dict[str, Any]:
    """Mirror many runs by the keeper, kill it and all that it started half way, and mirror them again."""
    from keplearn.config import runs_from_dict
    from keplearn.models.neural_ode import Architecture, new_model
    from keplearn.runs.writer import RunWriter
    from keplearn.tracking.room import offline_runs

    data = {"dataset_name": "complex_TBP_planar_10_train", "test": []}
    parameters = {"width": 500, "depth": 2, "steps_strategy": 10, "seed": list(range(COUNT))}
    model = new_model(Architecture("sph_4D_rinv", "mlp_4D_signed", 500, 2), 0)
    paths = []
    for config in runs_from_dict({"wandb": {"group": "many"}, "data": data, "parameters": parameters}):
        with RunWriter(home / "runs", config) as writer:
            writer.start({}, resume=False)
            writer.rows([{"phase": 0, "step": step, "loss": 1.0 / step} for step in range(1, 11)])
            writer.model("model", model)
            writer.end("finished", summary={"steps": 10})
            paths.append(writer.path)
    surroundings = {name: home / name for name in ("HOME", "TMPDIR")}
    for place in surroundings.values():
        place.mkdir()
    # Matplotlib's list of fonts and keplearn's programs come into any home, mirror or not.
    environment = os.environ | {name: str(place) for name, place in surroundings.items()}
    environment |= {"MPLCONFIGDIR": str(home / "matplotlib"), "KEPLEARN_CACHE_DIR": str(home / "programs")}
    outside = lambda: sorted(str(x.relative_to(home)) for p in surroundings.values() for x in p.rglob("*"))  # noqa: E731
    done = lambda: sum(bool(list(offline_runs(path))) for path in paths)  # noqa: E731
    started, killed, failed = time.perf_counter(), 0, {}
    for kill in (True, False):
        keeper = subprocess.Popen(
            [sys.executable, "-m", "keplearn.tracking.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert keeper.stdin is not None
        for path in paths:
            for words in ({"target": ("orbits", None, "offline")}, {"ended": True}):
                keeper.stdin.write((json.dumps({"run": str(path), **words}) + "\n").encode())
        keeper.stdin.flush()
        if kill:
            while done() < COUNT // 3:
                time.sleep(0.2)
            os.killpg(keeper.pid, signal.SIGKILL)
            killed = done()
            keeper.communicate()
            time.sleep(5)  # W&B's own process ends when it finds its parent gone
        else:
            said, _ = keeper.communicate()
            failed = json.loads(said)
    found = {"mirrored": done(), "killed_after": killed, "failed": len(failed), "outside": outside()}
    found |= {"seconds": time.perf_counter() - started}
    found["scratch"] = len(list((home / "runs").glob("many/*/wandb/scratch-*")))
    size = sum(
        file.stat().st_size for path in paths for file in (path / "wandb").rglob("*") if file.is_file()
    )
    found["kilobytes_a_run"] = size / COUNT / 1000
    print(
        f"{found['mirrored']} of {COUNT} runs mirrored (killed after {killed}), {found['failed']} failed; outside of "
        f"run directories {found['outside'] or 'nothing'}; scratch directories left {found['scratch']}; "
        f"{found['kilobytes_a_run']:.0f} kB a run in {found['seconds']:.0f} s",
        flush=True,
    )
    return found


def bench() -> dict[str, Any]:
    """Measure and print both."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        return {"leftovers": _leftovers(Path(directory)), "speed": _speed(Path(directory))}
