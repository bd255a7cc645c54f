"""``keplearn demo``: the main job from end to end, on ten orbits and in three ways."""

import time
from contextlib import suppress
from pathlib import Path

from keplearn.core.device import Device
from keplearn.core.errors import KeplearnError


def demo(*, runs: Path = Path("runs"), device: Device = "auto") -> None:
    """Train three recipes on three draws of ten orbits, score them on unseen orbits and real satellites, and draw them.

    The runs are a sweep on all cores. Finished runs are not trained again: a second demo only shows its results.

    Parameters
    ----------
    runs
        The directory of all runs.
    device
        cpu, gpu, or auto: a GPU where there is one.
    """
    from keplearn.cli.output import print_table
    from keplearn.cli.sweep import sweep
    from keplearn.cli.train import train_all
    from keplearn.core.device import choose_device
    from keplearn.demo import CONFIG, TITLE, demo_configs, demo_table, draw_demo, recipe, score_demo
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
    print(TITLE)
    for text in sorted(set(map(recipe, finished))):
        print(f"  {text}")
    print()
    print_table(*demo_table(table))
    print()
    for file in draw_demo(finished):
        print(f"figure: {file}")
    print(f"{time.monotonic() - started:.0f} s. Look closer: keplearn runs show {finished[-1].run_id}")
