"""The command ``keplearn``, also as ``python -m keplearn`` where it is not on the path."""

import sys

try:
    import signal

    from keplearn.cli import main
except KeyboardInterrupt:  # before it listens for signals
    print("interrupted", file=sys.stderr)
    sys.exit(130)


def run() -> None:
    """Run the command line in a process of its own, which ends with it."""
    try:
        main()
    finally:  # all is done and said: libraries that end must not be broken off with a traceback
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    run()
