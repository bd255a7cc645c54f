"""What the commands share in printing: tables, numbers, warnings; plain where no terminal is."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from keplearn.core.errors import KeplearnWarning, printable
from keplearn.core.numbers import number_text


def number(value: object) -> str:
    """Return a value for a table's cell: four significant digits, ``-`` for none."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if value != value else number_text(value)
    return str(value)


def listed_names(text: str) -> list[str]:
    """Return the names in a text such as ``width, depth``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: fitted to a terminal, and plain and never wrapped where there is none."""
    rows = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    titles = [printable(title) for title in titles]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    if not sys.stdout.isatty():
        for row in (titles, *rows) if any(titles) else rows:
            print("  ".join(map(str.ljust, row, widths)).rstrip())
        return
    # Values such as [adam, bfgs] would be taken for markup.
    console = Console(markup=False, highlight=False)
    if sum(widths) + 2 * len(widths) > console.width and len(rows) < len(titles) > 3:
        titles, *rows = zip(titles, *rows, strict=True)  # too wide: runs side by side
    console.print(_rich_table(titles, rows))


def _rich_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, show_header=any(titles), pad_edge=False, header_style="bold")
    for number, title in enumerate(titles):
        table.add_column(title, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*row)
    return table


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print keplearn's warnings as one plain line each, without the place in its own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", KeplearnWarning)  # each text once
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, KeplearnWarning):
                print(printable(f"warning: {message}"), file=sys.stderr)
            else:
                others(message, category, *place, **more)

        warnings.showwarning = show
        yield
