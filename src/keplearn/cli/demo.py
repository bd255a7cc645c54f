"""``keplearn demo``: the main job from end to end, on ten orbits and in three ways."""

import time
from pathlib import Path

from keplearn.device import Device


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
    from keplearn.demo import demo_configs, draw_demo, score_demo
    from keplearn.device import choose_device
    from keplearn.evaluation.table import cells, wide

    started = time.monotonic()
    choose_device(device)
    trained = train_all(demo_configs(), runs)
    finished = [run for run in trained if run.state == "finished"]
    table = score_demo(finished, print)
    print()
    print(
        "Acceleration error in % on unseen orbits: mean along the propagated path, field at the true states;"
    )
    print("floor: what the two-body law itself would score on the real satellites.")
    print()
    print_table(*cells(wide(table, ["recipe"])))
    print()
    for file in draw_demo(finished):
        print(f"figure: {file}")
    print(f"{time.monotonic() - started:.0f} s. Look closer: keplearn runs show {finished[-1].run_id}")
