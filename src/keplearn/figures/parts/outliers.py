"""The worst outliers of a figure: which they are, and their numbers beside their points."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from keplearn.figures.parts import style
from keplearn.groups.values import shorten

_WORST = 5
"""So many outliers are named."""
_LETTERS = 72
"""Longer names of runs are cut short."""


def worst_of(outliers: pd.DataFrame) -> pd.DataFrame:
    """Return the greatest outlier of each of the worst orbits, numbered from 1."""
    worst = outliers.sort_values("value", ascending=False, kind="stable")
    worst = worst.drop_duplicates(["run_id", "panel", "orbit"]).head(_WORST)
    return worst.assign(number=range(1, len(worst) + 1))


def records(worst: pd.DataFrame) -> list[Any]:
    """Return the rows, each with its values by name."""
    return list(worst.itertuples())


def name_of(row: Any) -> str:
    """Return run and orbit, the run by its name or the beginning of its id; the run alone where it is not of one."""
    run = shorten(str(getattr(row, "run", None) or str(row.run_id)[:8]), _LETTERS)
    return f"{run}/{shorten(str(row.orbit))}" if row.orbit else run


def number_points(axes: Axes, worst: pd.DataFrame, top: float) -> None:
    """Write the number of each of the worst outliers beside its point, one above the other where they are close."""
    pixels = axes.get_figure(root=True).get_dpi() / 72  # type: ignore[union-attr]
    step = 1.15 * _NUMBER * pixels
    for at, rows in worst.groupby("at"):
        rows = rows.iloc[::-1]  # the lowest first
        points = axes.transData.transform(np.column_stack([rows["at"], rows["value"]]))
        heights = points[:, 1].copy()
        # On either side in turn: two on one side keep their distance.
        for k in range(2, len(heights)):
            heights[k] = max(heights[k], heights[k - 2] + step)
        # Pushed down again from below the counts, as far as need be.
        ceiling = axes.transAxes.transform((0.0, top))[1] - step / 2
        for k in range(len(heights)):
            heights[k] = min(heights[k], ceiling - step * ((len(heights) - 1 - k) // 2))
        sides = [(1, "left") if k % 2 == 0 else (-1, "right") for k in range(len(heights))]
        for (_, row), point, height, (side, hang) in zip(
            rows.iterrows(), points, heights, sides, strict=True
        ):
            axes.annotate(
                str(row["number"]), (float(at), row["value"]), (9 * side, (height - point[1]) / pixels),  # type: ignore[arg-type]
                textcoords="offset points", fontsize=_NUMBER, va="center", ha=hang, gid="worst",
                arrowprops={
                    "arrowstyle": "-", "linewidth": 0.4, "color": style.GREY, "shrinkA": 0.0, "shrinkB": 1.5,
                },
            )  # fmt: skip


_NUMBER = 7.0
"""Points: the size of these numbers."""
