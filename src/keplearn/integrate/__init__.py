"""The only caller of ODE solvers: fixed grid steps for training, adaptive steps for everything else."""

from keplearn.integrate.diffrax_steps import adaptive_solve, fixed_solve
from keplearn.integrate.grid import Grid, GridSolution, flow_solve, grid_solve

__all__ = ["Grid", "GridSolution", "adaptive_solve", "fixed_solve", "flow_solve", "grid_solve"]
