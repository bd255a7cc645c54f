"""A true orbit as a model sees it, and panels over its time or true anomaly."""

from typing import Any

import numpy as np
import xarray
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from keplearn.core.errors import KeplearnError, nearest
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.planes import into_planes, osculating_planes, rotate
from keplearn.figures.parts import style
from keplearn.figures.parts.events import mark_events
from keplearn.figures.parts.inputs import OneOrbit, one_orbit, true_anomalies
from keplearn.models.kinds import Model

_AXES = {"time": "time (h)", "anomaly": "true anomaly (°)"}


class TrueOrbit:
    """One true orbit in a model's canonical units, turned into its plane for a planar model.

    ``r``, ``v``, ``a``: (3, sample); ``x``: what values are drawn against, with the samples in ``order``.
    """

    def __init__(self, model: Model, source: xarray.Dataset | OrbitDataset, orbit: int, against: str):
        if against not in _AXES:
            known = ", ".join(_AXES)
            raise KeplearnError(f"against is {against!r}, not one of {known}.{nearest(against, _AXES)}")
        if model.units is None:
            raise KeplearnError("This model does not know its units, so it has no place on an orbit in km.")
        if isinstance(source, OrbitDataset):
            source = source.to_xarray().assign(diverged=("orbit", np.zeros(len(source), bool)))
        self.one: OneOrbit = one_orbit(source, orbit, ())
        self.against = against
        vectors = [self.one.values[name] for name in ("position", "velocity", "acceleration")]
        if model.architecture.planar_constraint:
            states = np.concatenate(vectors[:2], axis=1)[None]
            planes = osculating_planes(states[:, 0])
            turned = into_planes(planes, states)[0]
            vectors = [turned[:, :3], turned[:, 3:], rotate(planes, vectors[2][None])[0]]
        units = model.units
        self.r, self.v, self.a = (
            vector.T / unit
            for vector, unit in zip(
                vectors, (units.length_km, units.velocity, units.acceleration), strict=True
            )
        )
        if against == "time":
            self.x, self.order = self.one.hours, np.arange(len(self.one.hours))
        else:
            real = np.isfinite(source["time"].to_numpy()[orbit])
            anomaly = true_anomalies(source.isel(orbit=[orbit]))[0, real]
            wrapped = (anomaly + 180.0) % 360.0 - 180.0
            self.order = np.argsort(wrapped)
            self.x = wrapped[self.order]

    def draw(self, axes: Axes, values: Float64[np.ndarray, "sample"], **look: Any) -> None:
        """Draw one quantity along the orbit."""
        axes.plot(self.x, values[self.order], **look)

    def finish(self, figure: Figure, panels: list[Axes], columns: int) -> None:
        """Mark the periapsis, set the limits, and name the x axis below the last row."""
        if self.against == "time":
            mark_events(panels, self.one, self.x)
        elif self.one.periapsis is not None:
            for axes in panels:
                label = "periapsis" if axes is panels[0] else None
                axes.axvline(0.0, color=style.GREEN, linewidth=1.0, zorder=0.8, gid="periapsis", label=label)
        for k, axes in enumerate(panels):
            if self.against == "time":
                axes.set_xlim(self.x[0], self.x[-1])
                axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            else:
                axes.set_xlim(-180, 180)
                axes.xaxis.set_major_locator(MultipleLocator(180 if columns > 3 else 90))
            axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
            if k + columns >= len(panels):
                axes.tick_params(labelbottom=True)
            if k // columns == (len(panels) - 1) // columns:
                axes.set_xlabel(_AXES[self.against])
        entries = {}
        for axes in reversed(panels):  # the last panels have the most in them
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        figure.legend(
            list(entries.values()), list(entries), loc="outside lower center", ncols=len(entries) or 1
        )
