"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere, on stderr."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from keplearn.core.errors import printable

if TYPE_CHECKING:
    from keplearn.config import RunConfig
    from keplearn.runs.events import Event

# Seconds between lines where output is not a terminal.
LINE_EVERY = 10.0


def track_blocks(title: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """Return what goes through blocks of runs and shows a bar on a terminal, and nothing elsewhere."""

    def through(blocks: Sequence[Any]) -> Iterable[Any]:
        console = Console(stderr=True)
        return track(blocks, title, console=console, transient=True, disable=not sys.stderr.isatty())

    return through


class StepsProgress:
    """Shows the steps of one run, or of many together; a context manager. `sink` is what a run tells of its events."""

    def __init__(self, title: str, configs: "Sequence[RunConfig]"):
        self.title = title
        self.console = Console(stderr=True)
        self.last_line = time.monotonic()
        self.total = sum(sum(config.parameters.steps_strategy) for config in configs)
        self.shares: dict[str, tuple[int, float]] = {}  # of each run: its steps done, and its rate
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

    def sink(self, config: "RunConfig", name: str = "") -> "Callable[[Event], None]":
        """Return the sink of one run; with a name, its messages begin with it."""
        from keplearn.runs.events import Message, Rows

        steps, before = config.parameters.steps_strategy, f"{name}: " if name else ""

        def tell(event: "Event") -> None:
            if isinstance(event, Message):
                self.say(before + ("warning: " if event.warning else "") + event.text)
            elif isinstance(event, Rows):
                rate = len(event.rows) / max(event.seconds, 1e-9)
                self.shares[config.run_id] = sum(steps[: event.phase]) + event.step, rate
                self._show(f"phase {event.phase}  loss {event.rows[-1]['loss']:.3g}")

        return tell

    def _show(self, loss: str) -> None:
        """Show done of total steps, and what was told of the loss last."""
        done, rate = (sum(column) for column in zip(*self.shares.values(), strict=True))
        now, shown = time.monotonic(), f"{rate:.0f} steps/s"
        self.bar.update(self.task, completed=done, total=self.total, rate=shown, loss=loss)
        finished = done == self.total
        if not self.console.is_terminal and (now - self.last_line > LINE_EVERY or finished):
            self.last_line = now
            left = "" if finished else f", {(self.total - done) / rate:.0f} s left"
            print(f"{self.title}: {done}/{self.total} steps, {shown}{left}, {loss}", file=sys.stderr)

    def say(self, text: str) -> None:
        """Print a message without disturbing the bar."""
        self.console.print(printable(f"{self.title}: {text}"), markup=False, highlight=False, soft_wrap=True)
