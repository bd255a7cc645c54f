"""Draws of a latent ODE's posterior beside the truth: paths from where an orbit may have begun."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.draws import Paths, paths_of
from keplearn.figures.parts import style
from keplearn.figures.parts.observed import shade_observed
from keplearn.figures.registry import figure
from keplearn.models.kinds import Model


def _drawn(model: Model, evaluation: OrbitDataset, orbit: int, draws: int = 20) -> Paths:
    """Return the paths of one orbit."""
    return paths_of(model, evaluation, [orbit], draws)


@figure("orbit", {"draws": "How many paths."}, prepare=_drawn)
def samples(paths: Paths, evaluation: OrbitDataset, orbit: int = 0, title: str = "") -> Figure:
    """Draw paths from draws of where an orbit begins, as a latent ODE infers it, beside the truth.

    Above each component of the position, below how far each path is off. Where they keep together and off the truth it
    is the field that errs, and not the beginning. Where the orbit is observed the background is grey.

    Parameters
    ----------
    paths
        Of one orbit, the first that from the mean of the beginning.
    evaluation, orbit
        The true orbits, and which one it is.
    title
        Above the figure; by default which orbit it is.
    """
    hours, true, observed = paths.times[0] / 3600.0, paths.true[0], paths.observed[0]
    real = np.isfinite(hours)
    shown = [k for k in range(3) if (np.abs(paths.positions[0, 0, real, k]) > 0).any()]
    figure, axes = style.new_figure(4.6, (1.0, 1.0), len(shown))
    faint: dict[str, Any] = {"color": style.PREDICTION, "linewidth": 0.7, "alpha": 0.35}
    mean: dict[str, Any] = {"color": style.BLUE, "linestyle": (0, (4, 1.5)), "zorder": 3}
    for column, k in enumerate(shown):
        above, below = axes[column], axes[len(shown) + column]
        above.plot(hours, 1e-3 * true[:, k], color=style.TRUTH, linewidth=2.0, gid=f"{'xyz'[k]}:true")
        for number, path in enumerate(paths.positions[:, 0]):
            look = faint if number else mean
            name = f"{'xyz'[k]}:{number or 'mean'}"
            above.plot(hours, 1e-3 * path[:, k], gid=name, **look)
            below.plot(hours, path[:, k] - true[:, k], gid=f"{name}:off", **look)
        below.axhline(0.0, color=style.TRUTH, linewidth=2.0, zorder=1)
        for panel in (above, below):
            shade_observed(panel, hours[real], observed[real])
        above.set_ylabel(f"{'xyz'[k]} (10³ km)")
        below.set_ylabel(f"{'xyz'[k]} path − true (km)")
        below.set_xlabel("time (h)")
    legend: dict[str, dict[str, Any]] = {
        "true": {"color": style.TRUTH, "linewidth": 2.0},
        "from the mean": mean,
        "from a draw": faint | {"alpha": 0.8},
    }
    handles = [Line2D([], [], label=label, **look) for label, look in legend.items()]
    handles += [Patch(color=style.PALE, alpha=0.5, label="observed")]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    figure.suptitle(title or f"orbit {orbit} of {evaluation.name}")
    return figure
