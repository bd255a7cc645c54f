"""Train runs one after the other in this process, without a sweep: ``python alone.py RUNS``, their configs on stdin.

On one core and in the environment of a sweep's workers: they share its programs.
"""

import json
import sys
from pathlib import Path

from keplearn.core.machine import cores, stay_on


def main(runs: Path) -> None:
    """Train all of them."""
    stay_on(min(cores()))
    from keplearn.config import RunConfig
    from keplearn.experiment.course import train_run

    for config in json.load(sys.stdin):
        train_run(RunConfig.from_dict(config), runs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
