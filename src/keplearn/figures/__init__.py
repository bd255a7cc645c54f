"""Figures on paper: data in, Matplotlib Figure out; no display and no global state.

``plots/`` has a file for each figure, ``parts/`` what they share. Each is a function here by its name, imported when
it is first used: ``keplearn.figures.orbit(evaluation, 3)``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keplearn.figures.parts.style import save_figure as save_figure


def __getattr__(name: str) -> Callable[..., Any]:
    """Import a figure's function, or `save_figure`, from its file."""
    from importlib import import_module

    from keplearn.figures.declarations import declarations

    if name == "save_figure":
        return import_module("keplearn.figures.parts.style").save_figure
    if name not in declarations():
        raise AttributeError(f"module 'keplearn.figures' has no attribute {name!r}")
    return declarations()[name].load().draw


def __dir__() -> list[str]:
    """Show the names before they are imported."""
    from keplearn.figures.declarations import declarations

    return sorted({*globals(), *declarations(), "save_figure"})
