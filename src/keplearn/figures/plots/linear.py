"""The figure of how linear segments are, for the law and for a model."""

from typing import Any

import numpy as np
import xarray
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from keplearn.evaluation.linear import linearity
from keplearn.figures.parts import style
from keplearn.figures.parts.inputs import finite, require_finite
from keplearn.figures.parts.labels import number
from keplearn.figures.registry import figure


@figure("model", prepare=linearity)
def linear(found: xarray.Dataset, title: str = "") -> Figure:
    """Draw how far the flow over a segment is from its linearisation about the segment's start, against its length.

    Parameters
    ----------
    found
        As `keplearn.evaluation.linear.linearity` gives it: %.
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If a variable is missing, or nothing is finite.
    """
    require_finite(found, ("deviation", "deviation_low", "deviation_high"))
    length, trained = found["length"].to_numpy(), found.attrs["segment_lengths"]
    figure, (axes,) = style.new_figure(3.9)
    style.log_axis(axes, x=True)
    style.log_axis(axes)
    looks: dict[str, dict[str, Any]] = {
        "law": {"color": style.TRUTH, "linewidth": 2.6, "alpha": 0.85},
        "model": {"color": style.PREDICTION, "linewidth": 1.4, "marker": "o", "markersize": 3},
    }
    handles: dict[str, Any] = {}
    for name, look in looks.items():
        one = found.sel(field=name)
        low, high = (finite(one[f"deviation_{end}"]) for end in ("low", "high"))
        axes.fill_between(
            length, low, high, color=look["color"], alpha=0.22, linewidth=0, gid=f"{name}_spread"
        )
        axes.plot(length, finite(one["deviation"]), gid=name, **look)
        band = Patch(facecolor=look["color"], alpha=0.22, linewidth=0)
        called = {"law": "the law", "model": "the model"}[name]
        handles[f"{called}: median and 10th to 90th percentile"] = (band, Line2D([], [], **look))
    dashes: dict[str, Any] = {"color": style.BLACK, "linestyle": (0, (4, 1.5)), "linewidth": 1.0}
    said = []
    for samples in dict.fromkeys(trained):
        if samples in length:
            axes.axvline(samples, gid="trained", **dashes)
            at = found.sel(length=samples)["deviation"]
            law, model = (number(float(at.sel(field=name))) for name in looks)
            said.append(f"{samples} samples: law {law} %, model {model} %")
    if said:
        handles["trained on " + "; ".join(said)] = Line2D([], [], **dashes)
    axes.set_ylabel("distance from the linearised flow\nat the segment's end (% of the state)")
    axes.set_xlabel(f"segment length (samples; an orbit has {found.attrs['samples']})")
    _ticks(axes, length)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=1)
    if title:
        figure.suptitle(title)
    return figure


def _ticks(axes: Any, length: np.ndarray) -> None:
    """Label lengths by round numbers of samples."""
    round_ones = [n for n in (2, 3, 5, 10, 18, 36, 90, 180, 360, 720) if length[0] <= n <= length[-1]]
    axes.set_xticks(round_ones, list(map(str, round_ones)))
    axes.set_xticks([], minor=True)
