"""The command ``keplearn``, also as ``python -m keplearn`` where it is not on the path."""

import sys

try:
    from keplearn.cli import main
except KeyboardInterrupt:  # before it listens for signals
    print("interrupted", file=sys.stderr)
    sys.exit(130)


def run() -> None:
    """Run the command line in a process of its own, which ends with it."""
    main(last=True)


if __name__ == "__main__":
    run()
