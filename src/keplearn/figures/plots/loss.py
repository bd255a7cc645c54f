"""Figures of a training: the loss and its parts, validation, gradient norm, lost segments, step by step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from keplearn.core.errors import KeplearnError
from keplearn.figures.parts import style
from keplearn.figures.parts.labels import number
from keplearn.figures.parts.series import PARTS, Part, Series, draw_series
from keplearn.figures.registry import figure

_OTHER_COLUMNS = ("phase", "step", "loss", "grad_norm", "lr", "lost")


@figure("metrics")
def loss(metrics: pd.DataFrame, title: str = "", phases: Sequence[str] | None = None) -> Figure:
    """Draw the loss and its parts over the steps, training and validation.

    Training is drawn faint, with its running median on top; validation with markers, at the steps where it
    took place. Parts stand as they enter the loss, multiplied by their weights. Zeros lie below the axis.

    Parameters
    ----------
    metrics
        One row a step: phase, step (from 1 in each phase), loss, its parts, grad_norm, lr, lost; val_loss,
        val_<part> and val_lost are NaN in rows without validation.
    title
        Above the figure.
    phases
        A label for each phase, in place of its number and learning rate.

    Raises
    ------
    KeplearnError
        If there are no steps, if phase, step or loss is missing, or the labels are not one a phase.
    """
    metrics, steps = _cumulative(metrics)
    lost = any(metrics[name].gt(0).any() for name in ("lost", "val_lost") if name in metrics)
    gradient = "grad_norm" in metrics
    # Inches; a panel of less than one has no room for its label.
    heights = [2.5, *[0.95] * gradient, *[0.75] * lost]
    figure, panels = style.new_figure(1.1 + 1.1 * sum(heights), heights)
    _draw_losses(panels[0], metrics, steps)
    if gradient:
        draw_series(panels[1], steps, metrics, "grad_norm", style.BLACK, "-")
        style.log_axis(panels[1])
        panels[1].set_ylabel("gradient\nnorm")
    if lost:
        _draw_lost(panels[-1], metrics, steps)
    _mark_phases(panels, metrics, steps, phases)
    panels[-1].set_xlabel("optimiser step")
    panels[-1].set_xlim(0, steps[-1])
    if title:
        figure.suptitle(title)
    return figure


def _cumulative(metrics: pd.DataFrame) -> tuple[pd.DataFrame, Series]:
    """Return the rows in order, and each one's step counted from the run's start."""
    missing = [name for name in ("phase", "step", "loss") if name not in metrics]
    if missing:
        raise KeplearnError(
            f"These metrics lack {', '.join(missing)}: a loss figure needs phase, step and loss."
        )
    if metrics.empty:
        raise KeplearnError("There are no metrics to draw: the run has taken no step.")
    # A resumed run may have logged some steps twice: the later row is the one that counts.
    rows = metrics.drop_duplicates(["phase", "step"], keep="last").sort_values(["phase", "step"])
    # Where every segment was lost there is no loss, and its parts are means over nothing.
    for total, start in (("loss", ""), ("val_loss", "val_")):
        if total in rows:
            measured = [name for part in _parts(rows) if (name := f"{start}{part}") in rows]
            rows.loc[~np.isfinite(rows[total].astype(np.float64)), measured] = np.nan
    lengths = rows.groupby("phase")["step"].max()
    before = lengths.cumsum() - lengths
    steps = rows["step"] + rows["phase"].map(before)
    return rows, steps.to_numpy(np.float64)


def _parts(metrics: pd.DataFrame) -> list[str]:
    """Columns that are parts of the loss: all that are nothing else."""
    return [str(c) for c in metrics if c not in _OTHER_COLUMNS and not str(c).startswith("val_")]


def _draw_losses(axes: Axes, metrics: pd.DataFrame, steps: Series) -> None:
    """Draw the total, its parts where there are several, and their validation."""
    names = [name for name in _parts(metrics) if metrics[name].notna().any()]
    known = {name: PARTS.get(name, Part(name, "", style.GREY, "--")) for name in names}
    several = len(names) > 1
    curves = {"loss": Part("total" if several else "loss", "", style.BLACK, "-")} | (known if several else {})
    handles = []
    for name, part in curves.items():
        # The total lies below: a part that makes up all of it is seen on top, dashed.
        draw_series(axes, steps, metrics, name, part.colour, part.dash)
        handles.append(
            Line2D([], [], color=part.colour, linestyle=part.dash, label=part.label + _zeros(metrics[name]))
        )
        if f"val_{name}" in metrics:
            _draw_validation(axes, metrics, steps, f"val_{name}", part.colour)
    handles.append(Line2D([], [], color=style.GREY, alpha=0.5, linewidth=0.8, label="each step"))
    handles.append(Line2D([], [], color=style.GREY, label="running median"))
    if "val_loss" in metrics and metrics["val_loss"].notna().any():
        handles.append(Line2D([], [], label="validation", **_validation_look(style.GREY)))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    units = {part.unit for part in known.values()}
    unit = units.pop() if len(units) == 1 else ""
    only = next(iter(known.values())).label if len(known) == 1 else "loss"
    axes.set_ylabel(f"{only} ({unit})" if unit else "loss (weighted sum of its parts)" if several else only)
    style.log_axis(axes)
    _limit(axes, metrics, list(curves))


def _zeros(values: pd.Series) -> str:
    """Say in the legend that a part is 0, which no logarithmic axis shows."""
    share = float((values.dropna() == 0).mean())
    if share < 0.5:
        return ""
    return "\n(always 0)" if share == 1 else f"\n(0 in {np.floor(100 * share):.0f} % of steps)"


def _limit(axes: Axes, metrics: pd.DataFrame, names: list[str]) -> None:
    """Set the range of y: all positive values, but parts only down to a thousandth of the least total."""
    columns = [c for name in names for c in (name, f"val_{name}") if c in metrics]
    values = metrics[columns].to_numpy(np.float64)
    values = values[np.isfinite(values) & (values > 0)]
    total = metrics["loss"].to_numpy(np.float64)
    total = total[np.isfinite(total) & (total > 0)]
    if values.size and total.size:
        axes.set_ylim(0.8 * max(values.min(), 1e-3 * total.min()), 1.25 * values.max())


def _validation_look(colour: str) -> dict[str, Any]:
    return {
        "color": colour, "linewidth": 0.8, "marker": "o", "markersize": 3.6, "markerfacecolor": "white",
        "markeredgewidth": 0.9,
    }  # fmt: skip


def _draw_validation(axes: Axes, metrics: pd.DataFrame, steps: Series, name: str, colour: str) -> None:
    """Draw a validated quantity at its own steps; of many points, every so many have a marker."""
    done = np.isfinite(metrics[name].to_numpy(np.float64))
    every = max(1, int(done.sum()) // 30)
    for phase in metrics["phase"].unique():
        # No line from phase to phase: their losses do not compare.
        here = done & (metrics["phase"] == phase).to_numpy()
        values = metrics[name].to_numpy(np.float64)[here]
        axes.plot(steps[here], values, markevery=every, gid=name, zorder=3, **_validation_look(colour))


def _draw_lost(axes: Axes, metrics: pd.DataFrame, steps: Series) -> None:
    """Draw how many segments were lost, in training and in validation."""
    looks = {"lost": ("training", "|", style.GREY), "val_lost": ("validation", "o", style.VERMILION)}
    for name, (label, marker, colour) in looks.items():
        counts = metrics[name].to_numpy(np.float64) if name in metrics else np.array([])
        some = counts > 0
        if not some.any():
            continue
        if name == "lost":
            axes.vlines(
                steps[some], 0, counts[some], color=colour, linewidth=0.8, label=label, rasterized=True
            )
        else:
            axes.plot(steps[some], counts[some], marker, color=colour, markersize=3, label=label)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_ylabel("lost\nsegments")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.1), borderaxespad=0.2)


def _mark_phases(
    panels: Sequence[Axes], metrics: pd.DataFrame, steps: Series, labels: Sequence[str] | None
) -> None:
    """Draw a line where a phase starts, and its label above the first panel."""
    groups = list(metrics.assign(cumulative=steps).groupby("phase"))
    if labels is not None and len(labels) != len(groups):
        raise KeplearnError(f"{len(labels)} labels for {len(groups)} phases.")
    if labels is None and len(groups) == 1:
        return
    spans = [rows["cumulative"].to_numpy() for _, rows in groups]
    texts = [_default_label(rows) for _, rows in groups] if labels is None else list(labels)
    # About 0.075 inches a character at this size, on a panel of some 5 inches.
    fits = all(
        max(map(len, text.split(", "))) * 0.075 < 5.0 * len(span) / len(steps)
        for text, span in zip(texts, spans, strict=True)
    )
    for text, span in zip(texts, spans, strict=True):
        start = span[0] - 1
        for axes in panels:
            axes.axvline(start, color=style.BLACK, linewidth=0.8, linestyle=(0, (1, 2)), gid="phase")
        look: dict[str, Any] = {"ha": "left"} if fits else {"ha": "center", "rotation": 90}
        panels[0].text(
            start if fits else (start + span[-1]) / 2, 1.02, text.replace(", ", "\n") if fits else text,
            fontsize=7.5, va="bottom", gid="phase label", transform=panels[0].get_xaxis_transform(), **look,
        )  # fmt: skip


def _default_label(rows: pd.DataFrame) -> str:
    """Return "phase 0, lr 0.001" for the rows of a phase."""
    label = f"phase {rows['phase'].iloc[0]:.0f}"
    if "lr" not in rows:
        return label
    first, last = rows["lr"].iloc[0], rows["lr"].iloc[-1]
    return f"{label}, lr {number(float(first))}" + (
        "" if np.isclose(first, last) else f" to {number(0.0 if last < 1e-3 * first else float(last))}"
    )
