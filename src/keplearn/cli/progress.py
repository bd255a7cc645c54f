"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere, on stderr."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from keplearn.core.errors import printable

# Seconds between lines where output is not a terminal.
LINE_EVERY = 10.0


def track_blocks(title: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """Return what goes through blocks of runs and shows a bar on a terminal, and nothing elsewhere."""

    def through(blocks: Sequence[Any]) -> Iterable[Any]:
        console = Console(stderr=True)
        return track(blocks, title, console=console, transient=True, disable=not sys.stderr.isatty())

    return through


class StepsProgress:
    """Shows the steps of one run; a context manager. ``update`` takes what ``train_run`` reports."""

    def __init__(self, title: str):
        self.title = title
        self.console = Console(stderr=True)
        self.last_line = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> "StepsProgress":
        """Show the bar."""
        self.bar.start()
        self.task = self.bar.add_task(self.title, total=None, rate="compiling", loss="")
        return self

    def __exit__(self, *exc: object) -> None:
        """Take it away."""
        self.bar.stop()

    def update(self, state: Mapping[str, Any]) -> None:
        """Show done of total steps, the phase and the loss."""
        now, done, total = time.monotonic(), state["done"], state["total"]
        rate = state["rate"]
        loss = f"phase {state['phase']}  loss {state['loss']:.3g}"
        shown = f"{rate:.0f} steps/s"
        self.bar.update(self.task, completed=done, total=total, rate=shown, loss=loss)
        finished = done == total
        if not self.console.is_terminal and (now - self.last_line > LINE_EVERY or finished):
            self.last_line = now
            left = "" if finished else f", {(total - done) / rate:.0f} s left"
            print(f"{self.title}: {done}/{total} steps, {shown}{left}, {loss}", file=sys.stderr)

    def say(self, text: str) -> None:
        """Print a message without disturbing the bar."""
        self.console.print(printable(f"{self.title}: {text}"), markup=False, highlight=False, soft_wrap=True)
