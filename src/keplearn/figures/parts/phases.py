"""The phases of a training in a figure over its steps: where each starts, and how it trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from keplearn.config.names import takes_all_segments
from keplearn.config.parameters import Parameters
from keplearn.core.errors import KeplearnError
from keplearn.figures.parts import style
from keplearn.figures.parts.labels import number
from keplearn.figures.parts.series import Series

_SIZE, _LETTER, _PANEL, _LINE = 7.5, 0.066, 5.0, 0.125
"""Of labels: points; inches a letter takes at most; inches of a panel's width, about; inches a line."""


def phase_labels(parameters: Parameters) -> list[str]:
    """Return for each phase how it trains: optimiser, learning rate, objective, segments, window; commas between."""
    p = parameters
    labels = []
    for k, optimizer in enumerate(p.optimizer):
        name = optimizer.partition("@")[0]
        rate = f"lr {number(p.lr_strategy[k])}"
        if p.schedule[k] != "constant":
            rate += f" ({p.schedule[k].partition('@')[0]})"
        start, end = p.length_strategy[k]
        objective = p.objective[k].partition("@")[0]
        segments = f"segments of {p.segment_length_strategy[k]}"
        window = "whole orbits" if (start, end) == (0.0, 1.0) else f"window {start:g} to {end:g}"
        how = [] if takes_all_segments(optimizer) else [rate]
        how += [] if objective == "trajectory" else [objective]
        labels.append(", ".join([name, *how, segments, window]))
    return labels


def mark_phases(
    panels: Sequence[Axes], metrics: pd.DataFrame, steps: Series, labels: Sequence[str] | None
) -> None:
    """Draw a line where a phase starts, and above the first panel its label.

    Where the labels are too long for their phases, these are numbered, and the labels are listed above.

    Raises
    ------
    KeplearnError
        If the labels are not one a phase.
    """
    groups = list(metrics.assign(cumulative=steps).groupby("phase"))
    if labels is not None and len(labels) != len(groups):
        raise KeplearnError(f"{len(labels)} labels for {len(groups)} phases.")
    if len(groups) == 1:
        if labels is not None:
            _write(panels[0], 0.0, 1.02, labels[0], ha="left")
        return
    texts = [_default_label(rows) for _, rows in groups] if labels is None else list(labels)
    spans = [rows["cumulative"].to_numpy() for _, rows in groups]
    for span in spans:
        for axes in panels:
            axes.axvline(span[0] - 1, color=style.BLACK, linewidth=0.8, linestyle=(0, (1, 2)), gid="phase")
    room = [_PANEL * len(span) / len(steps) for span in spans]
    longest = [_LETTER * max(map(len, text.split(", "))) for text in texts]
    if all(need < given for need, given in zip(longest, room, strict=True)):
        for text, span in zip(texts, spans, strict=True):
            _write(panels[0], span[0] - 1, 1.02, text.replace(", ", "\n"), ha="left")
        return
    last = -np.inf
    for k, span in enumerate(spans):
        middle = (span[0] - 1 + span[-1]) / 2
        if (middle - last) * _PANEL / len(steps) > 0.15:  # inches; numbers nearer than that would overlap
            panels[0].annotate(
                f"{groups[k][0]:.0f}", (middle, 1.0), (0, 2), ("data", "axes fraction"), "offset points",
                ha="center", va="bottom", fontsize=_SIZE, fontweight="bold", gid="phase number",
            )  # fmt: skip
            last = middle
    listed = [
        text if text.startswith("phase ") else f"phase {number:.0f}: {text}"
        for (number, _), text in zip(groups, texts, strict=True)
    ]
    panels[0].annotate(
        "\n".join(listed), (0.0, 1.0), (0, 13), "axes fraction", "offset points",
        ha="left", va="bottom", fontsize=_SIZE, gid="phase label",
    )  # fmt: skip


def label_height(labels: Sequence[str] | None) -> float:
    """Return the inches that labels take above the first panel at most."""
    lines = 2 if labels is None else max(len(labels) + 1, *(text.count(", ") + 1 for text in labels))
    return _LINE * lines


def _write(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    axes.text(
        x, y, text, fontsize=_SIZE, va="bottom", gid="phase label",
        transform=axes.get_xaxis_transform(), **look,
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
