"""Maps: values over a plane as logarithmic colours, with their scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from keplearn.figures.parts import style

_COLOURS = "viridis"
"""Rises evenly in lightness: the same order in grey and with the usual colour blindnesses."""


Map = tuple[Axes, tuple[np.ndarray, np.ndarray], np.ndarray]
"""A panel, the edges along x and y of what is drawn in it, and its values (y, x)."""


def draw_meshes(figure: Figure, maps: Sequence[Map], label: str) -> None:
    """Draw values as logarithmic colours, from the 1st to the 99th percentile of all, with the one scale."""
    every = np.concatenate([values.ravel() for _, _, values in maps])
    low, high = _colour_limits(every)
    meshes = [
        axes.pcolormesh(
            *edges, np.where(values > 0, values, np.where(values == 0, low, np.nan)), cmap=_COLOURS,
            norm=LogNorm(low, high), shading="auto", gid="error", rasterized=True,
        )
        for axes, edges, values in maps
    ]  # fmt: skip
    finite = every[np.isfinite(every)]
    below, above = bool((finite < low).any()), bool((finite > high).any())
    panels = [axes for axes, _, _ in maps]
    # An inset is as high as the panel, also where equal scales make that lower than its place.
    inset = panels[0].inset_axes((1.02, 0.0, 0.026, 1.0)) if len(panels) == 1 else None
    place: dict[str, Any] = (
        {"cax": inset} if inset else {"ax": panels, "fraction": 0.04, "pad": 0.02, "aspect": 30}
    )
    bar = figure.colorbar(meshes[0], extend=("neither", "min", "max", "both")[below + 2 * above], **place)
    bar.set_label(label)
    label_colours(bar.ax, high / low)


def label_colours(axes: Axes, ratio: float) -> None:
    """Label a colour bar with plain numbers, at 1, 2 and 5 times powers of ten where it spans few decades."""

    def plain(value: float, _: Any) -> str:
        power = round(np.log10(value)) if value > 0 else 0
        return f"{value:g}" if 1e-4 < value < 1e5 or ratio < 300 else f"$10^{{{power}}}$"

    fine = ratio < 300
    powers = LogLocator(subs=(1.0, 2.0, 5.0) if fine else (1.0,), numticks=50)
    axes.yaxis.set_major_locator(MaxNLocator(5) if ratio < 4 else powers)
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.yaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10)), numticks=50))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=style.STYLE["ytick.labelsize"], which="both")
    axes.grid(visible=False)


def _colour_limits(values: np.ndarray) -> tuple[float, float]:
    """The 1st and 99th percentile of the positive values, at least a tenth of a decade apart."""
    good = values[np.isfinite(values) & (values > 0)]
    if not len(good):
        return 1e-12, 1e-11
    low, high = (float(q) for q in np.quantile(good, [0.01, 0.99]))
    middle = float(np.sqrt(low * high))
    widest = 10**0.05
    return min(low, middle / widest), max(high, middle * widest)
