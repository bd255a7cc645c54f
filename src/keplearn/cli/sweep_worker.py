"""A sweep's worker that also draws: `keplearn.sweeps.worker`, and after each run the figures that its config names."""

import sys
from typing import TYPE_CHECKING

from keplearn.cli.run_figures import draw_missing, named
from keplearn.sweeps.worker import main

if TYPE_CHECKING:
    from keplearn.config import RunConfig
    from keplearn.runs.store import Run

WORKER = (sys.executable, "-m", "keplearn.cli.sweep_worker")
"""The command that starts it."""


def draw(run: "Run", config: "RunConfig") -> None:
    """Draw what the run's config names; what cannot be drawn is in its log, and in the worker's."""
    for warning in draw_missing(run, named(config)):
        print(f"{run.run_id}: warning: {warning}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:], after=draw)
