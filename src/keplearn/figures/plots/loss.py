"""Figures of a training: the loss and its parts, validation, gradient norm, lost segments, step by step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from keplearn.core.numbers import number_text
from keplearn.figures.parts import style
from keplearn.figures.parts.phases import label_height, mark_phases
from keplearn.figures.parts.series import PARTS, Part, Series, cumulative, draw_series, loss_axis, loss_parts
from keplearn.figures.parts.spikes import find_spikes, height_below, mark_spikes
from keplearn.figures.parts.trainings import draw_trainings
from keplearn.figures.registry import figure

# Errors that are measured as a run validates, on data of its own: label and look.
_ERRORS = {
    "val_field": ("field at the true states", style.FIELD, "o"),
    "val_path": ("along the path", style.PREDICTION, "s"),
}


@figure("metrics")
def loss(
    metrics: pd.DataFrame | Mapping[str, pd.DataFrame],
    title: str = "",
    phases: Sequence[str] | None = None,
    kept: tuple[int, int] | None = None,
) -> Figure:
    """Draw the loss and its parts over the steps, training and validation.

    Training is drawn faint, with its running median on top; validation with markers, at the steps where it
    took place, and where it was measured the acceleration error there. Parts stand as they enter the loss, multiplied
    by their weights. Zeros lie below the axis. The gradient's norm has its median by phase beside it: where it falls as
    segments grow, gradients vanish over them.

    Spikes are where the loss is above three times the median of the losses of the 25 steps before, in the same phase.
    The three highest are numbered, and below stands what led to each, from 25 steps before it began to its top: the
    greatest gradient norm, the learning rate there, the lost segments (`keplearn.figures.parts.spikes`).

    Parameters
    ----------
    metrics
        One row a step: phase, step (from 1 in each phase), loss, its parts, grad_norm, lr, lost; val_loss,
        val_<part> and val_lost are NaN in rows without validation. Of several runs by label: one curve a run then,
        with none of what explains a single one.
    title
        Above the figure.
    phases
        A label for each phase, in place of its number and learning rate.
    kept
        Phase and step of the model that is kept, to be marked.

    Raises
    ------
    KeplearnError
        If there are no steps, if phase, step or loss is missing, or the labels are not one a phase.
    """
    if isinstance(metrics, Mapping):
        return draw_trainings(metrics, title)
    metrics, steps = cumulative(metrics)
    lost = any(metrics[name].gt(0).any() for name in ("lost", "val_lost") if name in metrics)
    errors = [name for name in _ERRORS if name in metrics and metrics[name].notna().any()]
    gradient = "grad_norm" in metrics
    # Inches; a panel of less than one has no room for its label.
    heights = [2.5, *[1.2] * bool(errors), *[0.95] * gradient, *[0.75] * lost]
    spikes = find_spikes(metrics, steps)
    around = 0.9 + label_height(phases) + height_below(spikes, steps[-1])
    figure, panels = style.new_figure(around + 1.1 * sum(heights), heights)
    rest = iter(panels[1:])
    handles = _draw_losses(panels[0], metrics, steps)
    best = _kept_step(metrics, steps, kept)
    handles += _mark_kept(panels[0], metrics, steps, "val_loss", best)
    if errors:
        _draw_errors(next(rest), metrics, steps, errors, best)
    if gradient:
        _draw_gradient(next(rest), metrics, steps)
    if lost:
        _draw_lost(next(rest), metrics, steps)
    _list(panels[0], handles)
    mark_phases(panels, metrics, steps, phases)
    mark_spikes(panels, spikes, steps[-1])
    panels[-1].set_xlabel("optimiser step")
    panels[-1].set_xlim(0, steps[-1])
    panels[-1].xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    if title:
        figure.suptitle(title)
    return figure


def _draw_losses(axes: Axes, metrics: pd.DataFrame, steps: Series) -> list[Line2D]:
    """Draw the total, its parts where there are several, and their validation; return what a legend says of them."""
    names = [name for name in loss_parts(metrics) if metrics[name].notna().any()]
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
    units = {part.unit for part in known.values()}
    unit = units.pop() if len(units) == 1 else ""
    only = next(iter(known.values())).label if len(known) == 1 else "loss"
    axes.set_ylabel(f"{only} ({unit})" if unit else "loss (weighted sum of its parts)" if several else only)
    if loss_axis(axes, [metrics], [c for name in curves for c in (name, f"val_{name}")]):
        _limit(axes, metrics, list(curves))
    return handles


def _list(axes: Axes, handles: Sequence[Artist], title: str | None = None) -> None:
    """Put a legend to the right of a panel."""
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, title=title,
        title_fontproperties={"size": style.STYLE["legend.fontsize"]}, alignment="left",
    )  # fmt: skip


def _kept_step(metrics: pd.DataFrame, steps: Series, kept: tuple[int, int] | None) -> float | None:
    """Return the step of the kept model, counted from the run's start; None where it is not known."""
    if kept is None:
        return None
    here = ((metrics["phase"] == kept[0]) & (metrics["step"] == kept[1])).to_numpy()
    return float(steps[here][0]) if here.any() else None


def _mark_kept(
    axes: Axes, metrics: pd.DataFrame, steps: Series, name: str, step: float | None
) -> list[Line2D]:
    """Mark the kept model on a curve, and return what a legend says of it."""
    if step is None or name not in metrics:
        return []
    look: dict[str, Any] = {"marker": "*", "color": style.ORANGE, "markeredgecolor": style.BLACK}
    look |= {"markersize": 9.0, "markeredgewidth": 0.6, "linestyle": "none"}
    value = metrics[name].to_numpy(np.float64)[steps == step]
    axes.plot([step], value, gid="kept", zorder=5, clip_on=False, **look)
    return [Line2D([], [], label="model that is kept", **look)]


def _draw_errors(
    axes: Axes, metrics: pd.DataFrame, steps: Series, names: Sequence[str], best: float | None
) -> None:
    """Draw the acceleration errors that were measured on validation orbits; they compare from phase to phase."""
    for name in names:
        label, colour, marker = _ERRORS[name]
        values = metrics[name].to_numpy(np.float64)
        done = np.isfinite(values)
        look: dict[str, Any] = _validation_look(colour) | {"marker": marker}
        every = max(1, int(done.sum()) // 30)
        axes.plot(steps[done], values[done], markevery=every, gid=name, label=label, **look)
        _mark_kept(axes, metrics, steps, name, best)
    style.log_axis(axes)
    axes.set_ylabel("acceleration\nerror (%)")
    _list(axes, axes.get_legend_handles_labels()[0], "on validation orbits")


def _draw_gradient(axes: Axes, metrics: pd.DataFrame, steps: Series) -> None:
    """Draw the norm over the steps, and each phase's median: how far gradients vanish over longer segments."""
    draw_series(axes, steps, metrics, "grad_norm", style.BLACK, "-")
    style.log_axis(axes)
    axes.set_ylabel("gradient\nnorm")
    look: dict[str, Any] = {"color": style.PREDICTION, "linewidth": 1.2}
    lines = []
    for phase, rows in metrics.assign(cumulative=steps).groupby("phase"):
        median = rows["grad_norm"].median()
        if np.isfinite(median):
            where = rows["cumulative"].iloc[[0, -1]]
            label = f"phase {phase:.0f}: {number_text(float(median))}"
            lines += axes.plot(where, [median] * 2, label=label, gid=f"gradient:{phase:.0f}", **look)
    if len(lines) <= 4:  # as many as there is room for
        _list(axes, lines, "median by phase")


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
