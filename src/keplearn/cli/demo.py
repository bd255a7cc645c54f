"""``keplearn demo``: the main job from end to end, on ten orbits, from a neutral recipe to one rich in physics."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from keplearn.core.device import Device
from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    import pandas as pd

    from keplearn.runs.store import Run


def demo(*, runs: Path = Path("runs"), device: Device = "auto") -> None:
    """Train a ladder of recipes on three draws of ten orbits, score them on unseen orbits and satellites, and draw.

    The runs are a sweep on all cores. Finished runs are not trained again: a second demo only shows its results.

    Parameters
    ----------
    runs
        The directory of all runs.
    device
        cpu, gpu, or auto: a GPU where there is one.
    """
    from keplearn.cli.sweep import sweep
    from keplearn.cli.train import train_all
    from keplearn.core.device import choose_device
    from keplearn.demo import CONFIG, demo_configs, draw_demo, score_demo
    from keplearn.runs.find import find_runs

    started = time.monotonic()
    if choose_device(device) == "gpu":
        train_all(demo_configs(), runs, together=True)
    else:
        with suppress(SystemExit):  # some run failed, which has been said: the others are shown
            sweep(CONFIG, runs=runs)
    configs = demo_configs()
    group = configs[0].group
    found = {run.run_id: run for run in find_runs(runs, group, "finished")}
    finished = [found[config.run_id] for config in configs if config.run_id in found]
    if not finished:
        raise KeplearnError(f"no run of the demo finished: keplearn runs --group {group} says why.")
    table = score_demo(finished, print)
    print()
    print_scores(table, finished)
    print()
    for file in draw_demo(finished):
        print(f"figure: {file}")
    print(f"{time.monotonic() - started:.0f} s. Look closer: keplearn runs show {finished[-1].run_id}")


def print_scores(scores: "pd.DataFrame", runs: "Sequence[Run]") -> None:
    """Print what the demo's recipes, draws and columns are, and a table a test set."""
    from keplearn.cli.output import print_table
    from keplearn.demo import demo_lines, demo_tables

    print("\n".join(demo_lines(scores, runs)))
    for table in demo_tables(scores):
        print()
        print_table(*table)
