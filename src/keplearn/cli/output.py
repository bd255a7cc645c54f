"""What the commands share in printing: tables, numbers, warnings. Plain and never wrapped where no terminal is."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table


def number(value: object) -> str:
    """Return a value for a table's cell: four significant digits, ``-`` for none."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4g}"
    return str(value)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: fitted to a terminal, and plain and never wrapped where there is none."""
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        for row in (titles, *rows) if any(titles) else rows:
            print("  ".join(map(str.ljust, row, widths)).rstrip())
        return
    table = Table(*titles, box=None, show_header=any(titles), pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    # Values such as [adam, bfgs] would be taken for markup.
    Console(markup=False, highlight=False).print(table)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print config warnings as one plain line each, without the place in keplearn's own code."""
    from keplearn.config import ConfigWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConfigWarning)
        yield
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
