"""Diffrax's solvers: adaptive steps, which never raise, and fixed ones for fields whose r' is not v.

Diffrax is imported where it is used: a process whose programs are kept needs none of it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float

from keplearn.integrate.grid import Grid

Numbers = Float[Array, "number"]
Field = Callable[[Any, Numbers, Any], Numbers]


def adaptive_solve(
    field: Field,
    state: Numbers,
    times: Float[Array, "sample"],
    *,
    rtol: float | Array,
    atol: float | Array,
    max_steps: int = 4096,
    high_order: bool = False,
) -> tuple[Float[Array, "sample number"], Bool[Array, ""]]:
    """Integrate y' = field(t, y, None) from ``times[0]`` with step control, and read it at ``times``.

    ``high_order``, for smooth fields, takes Dormand-Prince 8(7) in place of Tsit5 5(4). Tsit5 has a PI controller
    (Hairer & Wanner, Solving Ordinary Differential Equations II, IV.2): a quarter fewer steps across kinks.
    Returns the states and whether the solver succeeded; where it did not, the samples it did not reach are
    infinite. Never raises; batch it by ``jax.vmap``.
    """
    import diffrax

    solver, gains = (diffrax.Dopri8(), (0.0, 1.0)) if high_order else (diffrax.Tsit5(), (0.4, 0.3))
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),  # pyright: ignore[reportArgumentType]
        solver,
        t0=times[0],
        t1=times[-1],
        dt0=times[1] - times[0],
        y0=state,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol, pcoeff=gains[0], icoeff=gains[1]),
        max_steps=max_steps,
        throw=False,
    )
    assert solution.ys is not None  # SaveAt(ts=…) always saves
    return solution.ys, solution.result == diffrax.RESULTS.successful


def fixed_solve(
    field: Field, state: Numbers, times: Float[Array, "sample"], grid: Grid
) -> Float[Array, "sample number"]:
    """Integrate a field of first order (r' ≠ v) with Tsit5 steps of ``grid.stride`` samples."""
    import diffrax

    ends = np.concatenate([[0], np.cumsum(grid.widths)])
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),  # pyright: ignore[reportArgumentType]
        diffrax.Tsit5(),
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=state,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.StepTo(ts=times[ends]),
        max_steps=len(ends) + 1,
        throw=False,
    )
    assert solution.ys is not None
    return solution.ys
