"""Several trainings in one figure: the loss of each, and its validation, step by step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from keplearn.core.errors import KeplearnError
from keplearn.figures.parts import style
from keplearn.figures.parts.labels import legend_columns
from keplearn.figures.parts.series import cumulative, loss_axis

_ERRORS = ("val_field", "val_path")
_POINTS = 300
"""Of a curve: more would not be seen."""
_MEDIAN = "line: running median of the loss"


def draw_trainings(runs: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """Draw the running median of each run's loss, and its validation; below, errors measured on validation data.

    Losses of other segment lengths or windows do not compare: a curve begins anew with each phase.

    Parameters
    ----------
    runs
        Metrics by label of a run, a row a step, as `keplearn.figures.loss` takes them.
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If there is no run, or one has no steps.
    """
    if not runs:
        raise KeplearnError("There is nothing to draw: no run was given.")
    read = {label: cumulative(metrics) for label, metrics in runs.items()}
    error = next((name for name in _ERRORS for rows, _ in read.values() if _some(rows, name)), None)
    heights = [2.6, *[1.3] * (error is not None)]
    columns = legend_columns([*read, _MEDIAN])
    figure, panels = style.new_figure(1.2 + sum(heights) + 0.2 * -(-len(read) // columns), heights)
    handles = []
    for k, (label, (rows, steps)) in enumerate(read.items()):
        colour, marker = style.MODELS[k % len(style.MODELS)]
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 3.6}
        window = max(1, len(steps) // 60)
        for phase in rows["phase"].unique():
            here = (rows["phase"] == phase).to_numpy()
            median = _finite(rows, "loss")[here].rolling(window, center=True, min_periods=1).median()
            every = np.unique(np.linspace(0, len(median) - 1, min(_POINTS, len(median))).astype(int))
            x, y = steps[here][every], median.to_numpy()[every]
            panels[0].plot(x, y, color=colour, linewidth=1.2, gid=f"loss:{label}")
            _draw_measured(panels[0], rows[here], steps[here], "val_loss", label, look)
        if error is not None:
            _draw_measured(panels[1], rows, steps, error, label, look | {"linestyle": "-"})
        handles.append(Line2D([], [], label=label, linewidth=1.2, **look))
    measured = any(_some(rows, "val_loss") for rows, _ in read.values())
    handles.append(Line2D([], [], color=style.GREY, linewidth=1.2, label=_MEDIAN))
    if measured:
        hollow: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "linestyle": "none"}
        handles.append(Line2D([], [], color=style.GREY, markersize=3.6, label="hollow: validation", **hollow))
    loss_axis(panels[0], [rows for rows, _ in read.values()], ("loss", "val_loss"))
    for axes in panels[1:]:
        style.log_axis(axes)
    panels[0].set_ylabel("loss")
    if error is not None:
        where = {"val_field": "field", "val_path": "path"}[error]
        panels[1].set_ylabel(f"{where} error on\nvalidation (%)")
    panels[-1].set_xlabel("optimiser step")
    panels[-1].set_xlim(0, max(steps[-1] for _, steps in read.values()))
    panels[-1].xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    if title:
        figure.suptitle(title)
    return figure


def _draw_measured(
    axes: Axes, rows: pd.DataFrame, steps: np.ndarray, name: str, label: str, look: Mapping[str, Any]
) -> None:
    """Draw what is measured at some steps, with at most some twelve hollow markers."""
    if not _some(rows, name):
        return
    values = _finite(rows, name).to_numpy()
    done = np.isfinite(values)
    every = max(1, int(done.sum()) // 12)
    dashed: dict[str, Any] = {"linestyle": ":", "linewidth": 0.9, "markerfacecolor": "white", **look}
    axes.plot(steps[done], values[done], markevery=every, gid=f"{name}:{label}", **dashed)


def _some(rows: pd.DataFrame, name: str) -> bool:
    return name in rows and bool(rows[name].notna().any())


def _finite(rows: pd.DataFrame, name: str) -> "pd.Series":
    return rows[name].astype(np.float64).where(np.isfinite, np.nan)
