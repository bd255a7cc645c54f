"""The figures of finished runs that their configs name, drawn into the runs' directories by what has trained them.

A figure that is there is not drawn again; what trains a run anew removes it first (`keplearn.runs.contents`).
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from keplearn.core.errors import KeplearnError

if TYPE_CHECKING:
    from pathlib import Path

    from keplearn.config import RunConfig
    from keplearn.runs.store import Run

BY_DEFAULT = ("loss",)
"""What runs that are trained one after another are drawn where their config says nothing."""


def named(config: "RunConfig", default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the figures that a run's config names."""
    return default if config.figures is None else config.figures


def missing(path: "Path", names: Iterable[str]) -> list[str]:
    """Return which figures are not there yet, of the run in a directory."""
    from keplearn.runs.contents import figure_file

    return [name for name in dict.fromkeys(names) if not figure_file(path, name).is_file()]


def draw_missing(run: "Run", names: Iterable[str]) -> Iterator[str]:
    """Draw the figures of a finished run that are not there; yields a warning for each that fails, kept in its log."""
    wanted = missing(run.path, names) if run.state == "finished" else []
    for name in wanted:
        if reason := _draw(run, name):
            text = f"figure {name} is not drawn: {reason}"
            _log(run, text)
            yield text


def _draw(run: "Run", name: str) -> str:
    """Draw a figure, or say in a line why it cannot be drawn: the run has finished all the same."""
    from keplearn.cli.plot import draw_quietly, why_not_drawn
    from keplearn.runs.contents import figure_file

    words = [name, f"{run.group}/{run.run_id}", "--runs", str(run.path.parents[1])]
    try:
        draw_quietly([*words, "--out", str(figure_file(run.path, name))])
    except Exception as error:
        return why_not_drawn(error)
    return ""


def _log(run: "Run", text: str) -> None:
    from keplearn.runs.writer import RunWriter

    with suppress(KeplearnError), RunWriter(run.path.parents[1], run.config) as writer:
        writer.log(f"warning: {text}")
