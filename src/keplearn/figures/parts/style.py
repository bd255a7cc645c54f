"""The house style of all figures: colours with a fixed meaning, sizes for print and slides, saving.

Colours are those of Okabe and Ito (2008), told apart with the usual colour blindnesses; what must be told
apart in grey as well differs in dash or marker besides. A figure function is decorated with `styled` and
starts from `new_figure`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from keplearn.core.errors import KeplearnError
from keplearn.core.files import replacing
from keplearn.core.numbers import number_text
from keplearn.core.seal import SOURCE

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, BROWN = "#0072B2", "#D55E00", "#CC79A7", "#7F4F24"
GREY, PALE = "#767676", "#D9D9D9"

TRUTH = BLACK
"""What the data say."""
PREDICTION = VERMILION
"""The model along its own propagated path."""
FIELD = BLUE
"""The model's field at the true states."""
EARTH = "#DCE9F2"
LOST = "#F7ECE4"
"""The band of what is lost."""
REGIONS = {"near": (GREY, "near the training states"), "far": (ORANGE, "far from the training states")}
"""Where samples lie beside the training states (`keplearn.evaluation.distance`): colour and label."""

MODELS: tuple[tuple[str, str], ...] = (
    (BLUE, "o"), (VERMILION, "s"), (GREEN, "^"), (PURPLE, "D"),
    (ORANGE, "v"), (SKY, "P"), (BLACK, "X"), (BROWN, "h"),
)  # fmt: skip
"""Colour and marker of compared models, in their order."""

RAMP = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, 256)), "keplearn")
"""What has an order: viridis without its end, which is too light for thin lines."""

PHASES = ListedColormap(matplotlib.colormaps["plasma"](np.linspace(0.82, 0.08, 256)), "phases")
"""The phases of a training in their order: plasma from orange to violet."""

WIDTH = 7.2
"""Inches: both columns of a journal page; on a slide, text of 9 pt is then 16 pt."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "figure.titlesize": 10.5,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    "savefig.dpi": 300,
    # Type 42 fonts: journals refuse Type 3. A fixed salt: the same figure is the same file.
    "pdf.fonttype": 42,
    "svg.hashsalt": "keplearn",
}

# All but what belongs to the process, not to a figure: where windows are drawn, and whether there are any.
_PROCESS = (
    "backend",
    "interactive",
    "toolbar",
    "timezone",
    "webagg",
    "tk.",
    "docstring",
    "datapath",
    "date.epoch",
)
_DEFAULTS: dict[Any, Any] = {
    key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(_PROCESS)
}

THOUSANDS = FuncFormatter(lambda value, _: f"{value / 1000:g}".replace("-", "−"))
"""Labels km in thousands."""


@contextmanager
def house_style() -> Iterator[None]:
    """The style alone, on Matplotlib's own defaults, whatever the caller or a ``matplotlibrc`` has set."""
    with matplotlib.rc_context():
        matplotlib.rcParams.update(_DEFAULTS | STYLE)
        yield


styled = house_style()
"""Decorator: the function runs in the house style, and the caller's settings come back after it."""


FORMATS = ("png", "pdf", "svg")


def new_figure(
    height: float, rows: Sequence[float] = (1.0,), columns: int = 1, *, share_x: bool = True
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure `WIDTH` wide and its axes, row by row.

    ``height`` in inches, ``rows`` the relative heights of its rows.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(
        len(rows), columns, sharex="col" if share_x else "none", squeeze=False, height_ratios=list(rows)
    )
    axes = list(grid.flat)
    for one in axes:
        # Ticks are made when drawn, after the style is left: their size is fixed here.
        one.tick_params(labelsize=STYLE["xtick.labelsize"], which="both")
    figure.align_ylabels(axes)
    return figure, axes


class _BetweenPowers(LogLocator):
    """Minor ticks, none where the axis has so many decades that they would run into one another."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        decades = np.log10(vmax / vmin) if 0 < vmin < vmax else 0.0
        return [] if decades > _MOST_DECADES else list(super().tick_values(vmin, vmax))


_MOST_DECADES = 9.0
_PLAIN = (1e-4, 1e5)
"""Limits of an axis whose labels are plain numbers."""


def log_axis(axes: Axes, rounding: float = 0.0, *, x: bool = False) -> None:
    """Make y (or x) logarithmic; a line's zeros then leave the panel at its end instead of breaking the line.

    Labels are plain numbers where all of a panel's are short, else powers of ten; a panel of less than two decades has
    labels between the powers of ten too. Given, once all is drawn, the size of ``rounding``, the axis does not begin
    below it, or three decades below the top where all is smaller.
    """
    axis, limits = (axes.xaxis, axes.get_xlim) if x else (axes.yaxis, axes.get_ylim)

    def text(value: float) -> str:
        low, high = sorted(limits())
        if _PLAIN[0] <= low and high <= _PLAIN[1]:
            return number_text(value, 3)
        power = np.floor(np.log10(value) + 1e-9)
        mantissa = "" if round(value / 10**power, 6) == 1 else rf"{value / 10**power:.4g}\times"
        return rf"${mantissa}10^{{{power:.0f}}}$"

    def between(value: float, _: Any) -> str:
        low, high = limits()
        decades = abs(np.log10(high / low))
        mantissa = round(value / 10 ** np.floor(np.log10(value)), 6)
        return text(value) if decades < 2.0 and (mantissa in (2.0, 5.0) or decades <= 0.5) else ""

    (axes.set_xscale if x else axes.set_yscale)("log", nonpositive="clip")
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_locator(_BetweenPowers(subs=tuple(range(2, 10)), numticks=50))
    axis.set_minor_formatter(FuncFormatter(between))
    if rounding:
        axes.set_ylim(above_rounding(*axes.get_ylim(), rounding))


def above_rounding(low: float, high: float, rounding: float) -> tuple[float, float]:
    """Return an axis's range that does not begin below rounding, or three decades below its top."""
    return max(low, min(rounding, 1e-3 * high)), high


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure; the ending says how: .png, .pdf or .svg. A crash leaves the old file or the new one.

    Returns
    -------
    The path.

    Raises
    ------
    KeplearnError
        If the ending is another, or the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise KeplearnError(f"{path}: a figure is saved as .{', .'.join(FORMATS)}, not as {path.suffix!r}.")
    # The time of writing would make two files of one figure differ.
    about = {"png": SOURCE, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with house_style(), replacing(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=about[kind])
    return path
