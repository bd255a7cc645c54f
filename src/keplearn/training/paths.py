"""Where a model leads: segments integrated from their beginnings, and the beginnings that fit what is observed best."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.integrate import GridSolution, adaptive_solve, fixed_solve, flow_solve, grid_solve
from keplearn.models.neural_ode import NeuralODE
from keplearn.models.posterior import Beginning, Fit, refined
from keplearn.training.problem import Batch, Constants, Setup

States = Float[Array, "sample 6 segment"]

# Steps of Gauss and Newton that fit a beginning, and a noise beside which no prior counts.
STEPS, SURE = 6, 1e-6


def solve(
    setup: Setup,
    flow: Any,
    initial: Float[Array, "flow segment"],
    times: Float[Array, "sample segment"],
    constants: Constants,
) -> GridSolution:
    """Integrate every segment from its first sample; a segment that the solver gives up on becomes NaN.

    ``flow`` is the field: of positions and velocities, or where it is of first order any function of time and numbers.

    Steps that a solver controls, and those of a field that gives whole states, have no disagreement: 0.
    """
    undisputed = jnp.zeros_like(times[0])
    if setup.integrator == "adaptive":
        rtol, atol = constants.rtol, constants.atol
        ys, ok = jax.vmap(
            lambda y, t: adaptive_solve(flow, y, t, rtol=rtol, atol=atol), in_axes=-1, out_axes=(-1, 0)
        )(initial, times)
        return GridSolution(jnp.where(ok, ys, jnp.nan)[1:], undisputed)
    if setup.architecture.field is None:
        return GridSolution(flow_solve(flow, initial, times, setup.grid), undisputed)
    if setup.architecture.first_order:
        fixed = jax.vmap(lambda y, t: fixed_solve(flow, y, t, setup.grid), in_axes=-1, out_axes=-1)
        return GridSolution(fixed(initial, times)[1:], undisputed)
    return grid_solve(
        flow.acceleration,
        initial[:3],
        initial[3:],
        times,
        setup.grid,
        setup.architecture.uses_velocity,
    )


def sizes(states: States) -> States:
    """Return the radius for each component of a position, and the speed for each of a velocity."""
    radius, speed = (jnp.linalg.norm(x, axis=1, keepdims=True) for x in jnp.split(states, 2, axis=1))
    return jnp.repeat(jnp.concatenate([radius, speed], axis=1), 3, axis=1)


def path_from(
    setup: Setup, model: NeuralODE, batch: Batch, constants: Constants, off: Float[Array, "6 segment"]
) -> tuple[States, Float[Array, "segment"]]:
    """Return where segments lead that begin ``off`` what is observed, in its radius and speed, and the disagreement."""
    first = batch.states[:1]
    begin = first[0] + off * sizes(first)[0]
    solved = solve(setup, model, begin, batch.times, constants)
    return jnp.concatenate([begin[None], solved.states]), solved.disagreement


def fitted(setup: Setup, model: NeuralODE, batch: Batch, constants: Constants) -> Float[Array, "6 segment"]:
    """Return how far off each segment begins to fit what is observed of it best, by steps of Gauss and Newton."""

    def one(states: Float[Array, "sample 6"], times: Float[Array, "sample"]) -> Beginning:
        single = Batch(states[..., None], times[:, None], jnp.ones(1, states.dtype))
        scale = sizes(single.states)

        def left(off: Beginning) -> Float[Array, "sample 6"]:
            path, _ = path_from(setup, model, single, constants, off[:, None])
            return jnp.squeeze((path - single.states) / scale, axis=-1) / SURE

        def fit(off: Beginning) -> Fit:
            residuals, push = jax.linearize(left, off)
            return Fit(off, residuals, jax.vmap(push, out_axes=-1)(jnp.eye(6, dtype=off.dtype)))

        return refined(fit, jnp.zeros(6, states.dtype), STEPS, states.shape).beginning

    return jax.vmap(one, in_axes=-1, out_axes=-1)(batch.states, batch.times)
