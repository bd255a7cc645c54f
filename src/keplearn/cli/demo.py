"""``keplearn demo``: the main job from end to end, on ten orbits and in three ways."""

import time
from pathlib import Path

from keplearn.device import Device
from keplearn.errors import KeplearnError


def demo(*, runs: Path = Path("runs"), device: Device = "auto") -> None:
    """Train three recipes on ten orbits, score them on unseen orbits and on real satellites, and draw them.

    Finished runs are not trained again: a second demo only shows its results.

    Parameters
    ----------
    runs
        The directory of all runs.
    device
        cpu, gpu, or auto: a GPU where there is one.
    """
    from keplearn.cli.output import print_table
    from keplearn.cli.train import train_all
    from keplearn.demo import demo_configs, demo_table, draw_demo, recipe, score_demo
    from keplearn.device import choose_device

    started = time.monotonic()
    choose_device(device)
    trained = train_all(demo_configs(), runs)
    finished = [run for run in trained if run.state == "finished"]
    if not finished:
        raise KeplearnError("no run of the demo finished: keplearn runs --group demo says why.")
    table = score_demo(finished, print)
    print()
    print(
        "Acceleration error in % on unseen orbits: mean along the propagated path, field at the true states."
    )
    for run in finished:
        print(f"  {recipe(run)}")
    print()
    print_table(*demo_table(table))
    print()
    for file in draw_demo(finished):
        print(f"figure: {file}")
    print(f"{time.monotonic() - started:.0f} s. Look closer: keplearn runs show {finished[-1].run_id}")
