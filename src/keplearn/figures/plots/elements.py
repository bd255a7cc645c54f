"""The elements of datasets: how they are distributed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import require_some
from keplearn.figures.registry import figure
from keplearn.orbits.elements import ELEMENT_NAMES

_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))

_AXES = {
    "semi_major_axis": "semi-major axis (10³ km)",
    "eccentricity": "eccentricity",
    "inclination": "inclination (°)",
    "periapsis_argument": "argument of periapsis (°)",
    "node_longitude": "right ascension of\nthe ascending node (°)",
    "true_anomaly": "true anomaly of\nthe first sample (°)",
}
"""What a panel shows, in the order of the panels."""


@figure("datasets")
def elements(datasets: Sequence[OrbitDataset], title: str = "") -> Figure:
    """Draw histograms of the orbital elements of datasets.

    Semi-major axis and eccentricity always, other elements where they vary within or between datasets. The height
    is the share of a dataset's orbits that fall into a bin; where an element is undefined, its dataset's bins
    add up to less than 100 %.

    Parameters
    ----------
    datasets
        Elements of the first samples, in km and rad.
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If there is no dataset.
    """
    require_some(datasets)
    shown = {name: values for name in _AXES if _shown(name, values := [_values(d, name) for d in datasets])}
    columns = 2 if len(shown) in (2, 4) else 3
    rows = -(-len(shown) // columns)
    listed = 0.18 * -(-len(datasets) // 2)
    figure, panels = style.new_figure(
        rows * 1.9 + listed + 0.2 + 0.3 * bool(title), [1.0] * rows, columns, share_x=False
    )
    count = int(np.clip(1.2 * np.sqrt(max(len(dataset) for dataset in datasets)), 5, 20))
    for axes, (name, values) in zip(panels, shown.items(), strict=False):
        _draw_histogram(axes, name, values, count)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    for row in range(rows):
        panels[row * columns].set_ylabel("orbits (%)")
    handles: list[Artist] = [
        Line2D([], [], label=f"{d.name} ({len(d)} orbit{'s' * (len(d) != 1)})", **_look(k))
        for k, d in enumerate(datasets)
    ]
    widest = max(len(dataset.name) for dataset in datasets)
    figure.legend(handles=handles, loc="outside lower center", ncols=2 if widest <= 34 else 1)
    if title:
        figure.suptitle(title)
    return figure


def _values(dataset: OrbitDataset, name: str) -> Float64[np.ndarray, "orbit"]:
    """An element as it is drawn: 10³ km, degrees; NaN where undefined."""
    values = dataset.elements[:, ELEMENT_NAMES.index(name)]
    if name == "semi_major_axis":
        return values / 1000
    return values if name == "eccentricity" else np.degrees(values)


def _shown(name: str, values: Sequence[Float64[np.ndarray, "_"]]) -> bool:
    """Whether an element has a panel."""
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    return name in ("semi_major_axis", "eccentricity") or (len(known) > 0 and bool(np.ptp(known) > 1e-9))


def _look(k: int) -> dict[str, Any]:
    return {
        "color": style.MODELS[k % len(style.MODELS)][0], "linestyle": _DASHES[k % len(_DASHES)],
        "linewidth": 1.5,
    }  # fmt: skip


def _draw_histogram(axes: Axes, name: str, values: Sequence[Float64[np.ndarray, "_"]], count: int) -> None:
    """Draw an element of every dataset, in bins that all share."""
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    angle = name not in ("semi_major_axis", "eccentricity")
    if name == "inclination":
        low, high = 0.0, 180.0
    elif angle:
        low, high = 0.0, 360.0
    elif name == "eccentricity":
        low, high = 0.0, max(0.05, float(known.max(initial=0.0)))
    else:
        low, high = np.histogram_bin_edges(known, bins=1)
    bins = np.linspace(low, high, 13 if angle else count + 1)
    for k, one in enumerate(values):
        share = 100 * np.histogram(one[np.isfinite(one)], bins)[0] / len(one)
        axes.stairs(share, bins, gid=f"{name}:{k}", baseline=0, clip_on=False, **_look(k))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(_AXES[name])
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    if angle:
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(MultipleLocator(high / 4))
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
