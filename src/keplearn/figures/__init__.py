"""Figures on paper: data in, Matplotlib Figure out, one module per family; no display and no global state."""

import keplearn.figures.settings  # noqa: F401  # isort: split
from keplearn.figures.ae_grid import grid
from keplearn.figures.errors import acceleration, orbit_errors
from keplearn.figures.orbits import orbit
from keplearn.figures.power_law import slope
from keplearn.figures.residual import field
from keplearn.figures.style import save_figure
from keplearn.figures.training import loss

__all__ = ["acceleration", "field", "grid", "loss", "orbit", "orbit_errors", "save_figure", "slope"]
