"""The command line. Before anything large is imported, it listens for signals that end a command."""

import os
import sys

from keplearn.cli.streams import open_missing, steady_streams
from keplearn.core.signals import heeding, say

GONE = "the working directory is gone: change to one that is there."


def main(last: bool = False) -> None:
    """Run the command line: exit code 2 and one message on bad input; ``--debug`` shows the traceback.

    Ctrl-C, a polite kill (SIGTERM) and a terminal that is closed (SIGHUP) end it in order, with exit code 130; where it
    is the ``last`` that a process does, they change nothing afterwards.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    open_missing()
    try:
        with heeding(last):
            _run([a for a in arguments if a != "--debug"], debug)
    except KeyboardInterrupt:
        if debug:
            raise
        say("interrupted")  # where it came before, or after, the command listened
        sys.exit(130)


def _run(arguments: list[str], debug: bool) -> None:
    from keplearn.cli.output import plain_warnings
    from keplearn.core.errors import KeplearnError, printable

    # Equinox's checks of values inside compiled code call Python, and such programs cannot be kept on disk.
    # keplearn checks what it gives to solvers before, and takes a solver's failure as a value.
    os.environ.setdefault("EQX_ON_ERROR", "off")
    with steady_streams(), plain_warnings():
        try:
            from keplearn.cli.app import app

            app(arguments)
        except KeplearnError as error:
            if debug:
                raise
            print(f"error: {printable(str(error))}", file=sys.stderr)
            sys.exit(2)
        except (AssertionError, RuntimeError):
            from keplearn.core.device import trouble

            reason = "" if debug or "jax" not in sys.modules else trouble()
            if not reason:
                raise
            print(f"error: {reason}", file=sys.stderr)
            sys.exit(2)
        except OSError as error:
            gone = not _has_directory()
            if debug or not (gone or error.filename):
                raise
            reason = f"{error.filename}: {error.strerror}."
            print(f"error: {printable(GONE if gone else reason)}", file=sys.stderr)
            sys.exit(2)


def _has_directory() -> bool:
    """Say whether the working directory is still there."""
    try:
        return bool(os.getcwd())  # noqa: PTH109 (pathlib would be imported for it)
    except FileNotFoundError:
        return False
