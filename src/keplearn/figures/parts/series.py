"""Long and noisy series on a few inches: faint at every step, with a running median; the parts of losses."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.axes import Axes

from keplearn.core.errors import KeplearnError
from keplearn.figures.parts import style

Dash = Literal["-", "--", "-.", ":"]
Series = Float64[np.ndarray, "point"]

_MAX_STRETCHES = 600
"""A longer series is drawn by the least and the greatest value of each of so many stretches."""
_OTHER_COLUMNS = ("phase", "step", "loss", "grad_norm", "lr", "lost")


class Part(NamedTuple):
    """How a part of the loss is called and drawn; ``unit`` is empty where it has none."""

    label: str
    unit: str
    colour: str
    dash: Dash


_MAIN: tuple[str, Dash] = (style.BLUE, "--")
PARTS: dict[str, Part] = {
    "percent_error": Part("percent error", "%", *_MAIN),
    "mean_squared_error": Part("mean squared error", "canonical units²", *_MAIN),
    "relative_squared_error": Part("relative squared error", "", *_MAIN),
    "nmse": Part("NMSE", "%", style.ORANGE, "-."),
    "attraction": Part("attraction", "%", style.GREEN, ":"),
    "l1": Part("L1", "", style.PURPLE, "-."),
    "l2": Part("L2", "", style.SKY, ":"),
    "energy_drift": Part("energy drift", "", style.VERMILION, "-."),
    "sign_flip": Part("sign flip", "", style.BROWN, ":"),
    "reconstruction": Part("reconstruction", "", style.BLUE, "--"),
    "kl": Part("KL divergence", "", style.ORANGE, "-."),
}
PARTS |= {
    f"gap_{name}": Part(f"gaps: {PARTS[name].label}", PARTS[name].unit, style.SKY, ":")
    for name in ("percent_error", "mean_squared_error", "relative_squared_error", "nmse")
}
"""The parts that losses have, each with its colour in every figure; another one is drawn in grey."""


def loss_axis(axes: Axes, metrics: Iterable[pd.DataFrame], names: Iterable[str]) -> bool:
    """Make y logarithmic, and say so; where a loss falls below 0, as minus an evidence bound does, linear about 0."""
    names = list(names)
    columns = [rows[name] for rows in metrics for name in names if name in rows]
    if not any((column < 0).any() for column in columns):
        style.log_axis(axes)
        return True
    axes.set_yscale("symlog", linthresh=1.0)
    return False


def cumulative(metrics: pd.DataFrame) -> tuple[pd.DataFrame, Series]:
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
            measured = [name for part in loss_parts(rows) if (name := f"{start}{part}") in rows]
            rows.loc[~np.isfinite(rows[total].astype(np.float64)), measured] = np.nan
    lengths = rows.groupby("phase")["step"].max()
    before = lengths.cumsum() - lengths
    steps = rows["step"] + rows["phase"].map(before)
    return rows, steps.to_numpy(np.float64)


def loss_parts(metrics: pd.DataFrame) -> list[str]:
    """Columns that are parts of the loss: all that are nothing else."""
    return [str(c) for c in metrics if c not in _OTHER_COLUMNS and not str(c).startswith("val_")]


def draw_series(axes: Axes, steps: Series, metrics: pd.DataFrame, name: str, colour: str, dash: Dash) -> None:
    """Draw a column at every step, faint, and its running median over a sixtieth of the run, by phase."""
    size = -(-len(steps) // _MAX_STRETCHES)
    window = max(1, len(steps) // 60)
    width = 2.0 if name == "loss" else 1.4
    for phase in metrics["phase"].unique():
        here = (metrics["phase"] == phase).to_numpy()
        values = metrics[name].astype(np.float64).where(np.isfinite, np.nan)[here]
        median = values.rolling(window, center=True, min_periods=1).median().to_numpy()
        faint = thin_out(steps[here], values.to_numpy(), size)
        axes.plot(*faint, color=colour, alpha=0.28, linewidth=0.6, gid=f"{name}:steps")
        every = np.unique(np.append(np.arange(0, len(median), size), len(median) - 1))
        axes.plot(
            steps[here][every],
            median[every],
            color=colour,
            linestyle=dash,
            linewidth=width,
            gid=f"{name}:median",
        )


def thin_out(
    x: Series, y: Series, size: int
) -> tuple[Float64[np.ndarray, "kept"], Float64[np.ndarray, "kept"]]:
    """Return the points where y is least and greatest in each stretch of ``size`` points, in their order.

    The line through them has the envelope of the whole one. Points that are not finite are left out of a
    stretch that has others.
    """
    if size <= 2:
        return x, y
    padded = np.concatenate([y, np.full(-len(y) % size, np.nan)]).reshape(-1, size)
    least = np.where(np.isfinite(padded), padded, np.inf).argmin(axis=1)
    greatest = np.where(np.isfinite(padded), padded, -np.inf).argmax(axis=1)
    rows = np.arange(len(padded)) * size
    kept = np.unique(np.concatenate([rows + least, rows + greatest]))
    return x[kept], y[kept]
