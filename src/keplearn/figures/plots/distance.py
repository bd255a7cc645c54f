"""The figure of errors against the distance to the nearest training state, of one run or several."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import xarray
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.distance import FAR, NEAR
from keplearn.evaluation.metrics import Metric, find_metric, sampled
from keplearn.evaluation.table import samples_of
from keplearn.figures.parts import style
from keplearn.figures.parts.bins import BAND, SHORTEST, Bins, binned, draw_bins, mark_distances
from keplearn.figures.parts.inputs import require
from keplearn.figures.parts.labelled import labelled_evaluations
from keplearn.figures.parts.labels import legend_columns, wrap
from keplearn.figures.parts.lost import make_band
from keplearn.figures.parts.scales import limits
from keplearn.figures.registry import figure

_PER_DECADE = 10


@figure(
    "runs",
    {
        "quantity": (
            "--metric",
            "A metric that is computed by sample: field (at the true states), mean (along the propagated path), "
            "theta-deg, …",
        )
    },
    prepare=labelled_evaluations,
)
def distance(evaluations: Mapping[str, xarray.Dataset], quantity: str = "field", title: str = "") -> Figure:
    """Draw errors against the distance to the nearest training state, for one run or several.

    Lines are medians in bins of distance, bands go from the 10 % to the 90 % quantile; a quantile in the band on top
    is lost, its samples diverged or not finite. Below stands the share of the test samples. Up to 0.1, about 6° or 10 %
    of radius or speed, a sample is near what was trained on, beyond 0.3 it is far from it; nearer than 0.001 is drawn
    there.

    Parameters
    ----------
    evaluations
        Label to evaluation of a run: it knows each sample's ``distance``.
    quantity
        The key of a metric that is computed by sample, or the name of its samples.
    title
        Above the figure.

    Raises
    ------
    KeplearnError
        If there is no run, the training states of one are not known, or the quantity is no such metric.
    """
    if not evaluations:
        raise KeplearnError("There is nothing to draw: no evaluation was given.")
    metric = find_metric(quantity, sampled(), "quantity")
    curves = {label: _curve(label, evaluation, metric) for label, evaluation in evaluations.items()}
    figure, (above, below) = style.new_figure(3.9 + 0.16 * len(curves), (3.4, 1.0))
    style.log_axis(above, x=True)
    if metric.log:
        style.log_axis(above)
    drawn = np.concatenate([curve.quantiles.ravel() for curve in curves.values()])
    bottom, top = limits(drawn, metric.log)
    lost = make_band(above, bottom, top) if np.isposinf(drawn).any() else np.nan
    if np.isnan(lost):
        above.set_ylim(bottom, top)
    looks = {
        label: {"color": colour, "marker": marker}
        for label, (colour, marker) in zip(curves, cycle(style.MODELS), strict=False)
    }
    for label, curve in curves.items():
        draw_bins(above, curve, label, lost, **looks[label])
    _draw_shares(below, curves, looks)
    for axes in (above, below):
        mark_distances(axes, NEAR, FAR)
    left, right = below.get_xlim()
    for at, text, to in ((NEAR, f"near: up to {NEAR:g}", "right"), (FAR, f"far: beyond {FAR:g}", "left")):
        if left < at < right:
            above.annotate(
                text, (at, 1.0), (-4 if to == "right" else 4, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha=to, va="bottom", fontsize=8.0, color=style.GREY,
            )  # fmt: skip
    above.set_ylabel(wrap(metric.label, 30))
    below.set_ylabel("test\nsamples (%)")
    below.set_xlabel("state distance to the nearest training state")
    _draw_legend(figure, looks)
    if title:
        figure.suptitle(title)
    return figure


def _curve(label: str, evaluation: xarray.Dataset, metric: Metric) -> Bins:
    """Take what is drawn out of a run's evaluation."""
    samples = samples_of(evaluation)
    if "distance" not in samples:
        raise KeplearnError(
            f"{label}: it is not known what it was trained on, nor how far from that samples are."
        )
    require(evaluation, (metric.of,))
    errors, distances = metric.factor * samples[metric.of].ravel(), samples["distance"].ravel()
    known = ~np.isnan(errors) & ~np.isnan(distances)
    errors, distances = errors[known], np.maximum(distances[known], SHORTEST)
    if not errors.size:
        raise KeplearnError(f"{label}: {metric.key} has no value on any sample.")
    return binned(distances, errors, _PER_DECADE)


def _draw_shares(axes: Axes, curves: Mapping[str, Bins], looks: Mapping[str, dict[str, Any]]) -> None:
    """Draw the share of the test samples in each bin: in grey where all runs have the same, else in their colours."""
    each = {(curve.edges.tobytes(), curve.counts.tobytes()): label for label, curve in curves.items()}
    for label in each.values():
        curve = curves[label]
        axes.stairs(
            100.0 * curve.counts / curve.counts.sum(),
            curve.edges,
            fill=True,
            color=style.GREY if len(each) == 1 else looks[label]["color"],
            alpha=0.45 if len(each) == 1 else 0.3,
            gid="samples" if len(each) == 1 else f"{label}:samples",
        )
    axes.set_ylim(bottom=0.0)


def _draw_legend(figure: Figure, looks: Mapping[str, dict[str, Any]]) -> None:
    """Name the runs, if they are several, and what is drawn of each."""
    several = len(looks) > 1
    first: dict[str, Any] = {"color": style.GREY, "marker": "o"} if several else next(iter(looks.values()))
    handles: list[Artist] = [
        Line2D([], [], markersize=4, label=label, **look) for label, look in looks.items() if several
    ]
    handles.append(Line2D([], [], markersize=4, label="median of a bin", **first))
    handles.append(Patch(color=first["color"], alpha=0.25, linewidth=0.0, label=BAND))
    columns = legend_columns([str(handle.get_label()) for handle in handles])
    figure.legend(handles=handles, loc="outside lower center", ncols=columns if several else 2)
