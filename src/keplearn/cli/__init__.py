"""The command line: parse, call, print. Each group of commands is a module here, imported when it is used."""

import os
import signal
import sys

from cyclopts import App

app = App(
    name="keplearn", help="Neural ODEs that learn orbital dynamics: make orbits, train, measure honestly."
)
app.command("keplearn.cli.data:app", name="data")
app.command("keplearn.cli.config:app", name="config")
app.command("keplearn.cli.train:train", name="train")
app.command("keplearn.cli.runs:app", name="runs")
app.command("keplearn.cli.demo:demo", name="demo")
app.command("keplearn.cli.evaluate:evaluate", name="evaluate")


def main() -> None:
    """Run the command line: exit code 2 and one message on bad input; ``--debug`` shows the traceback."""
    from keplearn.errors import KeplearnError

    signal.signal(signal.SIGTERM, _interrupt)
    # Equinox's checks of values inside compiled code call Python, and such programs cannot be kept on disk.
    # keplearn checks what it gives to solvers before, and takes a solver's failure as a value.
    os.environ.setdefault("EQX_ON_ERROR", "off")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    try:
        app([a for a in arguments if a != "--debug"])
    except KeplearnError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _interrupt(signum: int, frame: object) -> None:
    """A polite kill ends a command as Ctrl-C does."""
    raise KeyboardInterrupt
