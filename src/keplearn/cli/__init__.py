"""The command line: parse, call, print. Each group of commands is a module here, imported when it is used."""

import os
import signal
import sys

from cyclopts import App

from keplearn.cli.streams import steady_streams

app = App(
    name="keplearn", help="Neural ODEs that learn orbital dynamics: make orbits, train, measure honestly."
)
# Their help stands here, since the modules are not imported for the list of commands.
_COMMANDS = {
    "data:app": "Datasets of orbits: show, make, import, and real satellites.",
    "config:app": "Check configs, show their runs, compare them, list all keys.",
    "train:train": """Train the runs of a config one after another, and score each on its test datasets.

    A finished run is skipped, an interrupted one goes on from its last checkpoint.
    """,
    "sweep:app": """Train all runs of a config by workers that may die; watch it, end it.

    Finished runs are left as they are, interrupted ones go on from their checkpoints.
    """,
    "runs:app": "List runs, show one, its log, and in what runs differ.",
    "evaluate:evaluate": """Score trained runs on datasets.

    Every result is kept in RUN/evaluations and read again next time.
    """,
    "plot:app": "Draw a dataset, a run or a group: a command a figure.",
    "report:report": """Write one interactive HTML page of a group: table, plots, every run; it opens offline.

    Test datasets that its runs were not evaluated on yet are evaluated.
    """,
    "demo:demo": """Train three recipes on ten orbits, score them on unseen orbits and satellites, draw them.

    Finished runs are not trained again: a second demo only shows its results.
    """,
}
for _door, _help in _COMMANDS.items():
    app.command(f"keplearn.cli.{_door}", name=_door.split(":")[0], help=_help)


def main() -> None:
    """Run the command line: exit code 2 and one message on bad input; ``--debug`` shows the traceback."""
    from keplearn.cli.output import plain_warnings
    from keplearn.errors import KeplearnError, printable

    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # nohup has it ignored
        signal.signal(signal.SIGHUP, _interrupt)
    # Equinox's checks of values inside compiled code call Python, and such programs cannot be kept on disk.
    # keplearn checks what it gives to solvers before, and takes a solver's failure as a value.
    os.environ.setdefault("EQX_ON_ERROR", "off")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    with steady_streams(), plain_warnings():
        try:
            app([a for a in arguments if a != "--debug"])
        except KeplearnError as error:
            if debug:
                raise
            print(f"error: {printable(str(error))}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            if debug:
                raise
            print("interrupted", file=sys.stderr)
            sys.exit(130)


def _interrupt(signum: int, frame: object) -> None:
    """A polite kill, or a terminal that is closed, ends a command as Ctrl-C does."""
    raise KeyboardInterrupt
