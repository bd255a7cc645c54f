"""``python -m keplearn``: the command line, where the command itself is not on the path."""

from keplearn.cli import main

main()
