"""Small models of any two layers, and the states at which layers are tried (`keplearn.models.acceptance`)."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from keplearn.core.shapes import StateArray
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model

# They run a few times each: to compile them takes longest.
_LITTLE_EFFORT = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
# Of the acceleration's components, in the sum whose gradients are taken.
WEIGHTS = np.array([1.0, -0.7, 0.4])
# Every program is filled up to so many states, so that there is one a layer.
MOST_STATES = 30


@cache
def model(features: str, head: str, dtype: str = "float64", planar: bool = False) -> NeuralODE:
    """Return a small model of two layers."""
    architecture = Architecture(features, head, width=8, depth=1, activation="tanh", planar_constraint=planar)
    return new_model(architecture, 1, dtype, max_acceleration=3.0)


@cache
def program(features: str, head: str, dtype: str) -> tuple[jax.Array, Callable[..., Any]]:
    """Acceleration, and the gradients of its sum by parameters and state, at many states: one program.

    Call it inside ``jax.enable_x64(True)``.
    """
    made = model(features, head, dtype)
    flat, unravel = ravel_pytree(made.parameters)

    def acceleration(parameters: Any, y: Any) -> Any:
        fresh = NeuralODE(unravel(parameters), made.scales, made.architecture)
        return fresh.acceleration(0.0, y[:3], y[3:])

    def all_of_it(parameters: Any, states: Any) -> Any:
        weights = jnp.asarray(WEIGHTS, dtype)

        def weighted(p: Any, y: Any) -> Any:
            a = acceleration(p, y)
            return a @ weights, a

        both = jax.vmap(jax.value_and_grad(weighted, argnums=(0, 1), has_aux=True), in_axes=(None, 0))
        (_, value), gradients = both(parameters, states)
        return value, gradients

    compiled = jax.jit(all_of_it, compiler_options=_LITTLE_EFFORT)

    def run(parameters: Any, states: Any) -> Any:
        """Fill up to one number of states: one program."""
        count = len(states)
        filled = jnp.concatenate([states, jnp.broadcast_to(states[:1], (MOST_STATES - count, 6))])
        return jax.tree.map(lambda x: np.asarray(x)[:count], compiled(parameters, filled))

    return flat, run


def ordinary_states(n: int = 12, seed: int = 0) -> StateArray:
    """Return states 0.3 to 1 from the centre, in canonical units."""
    draw = np.random.default_rng(seed)
    r = draw.standard_normal((n, 3))
    r *= (draw.uniform(0.3, 1.0, n) / np.linalg.norm(r, axis=1))[:, None]
    return np.concatenate([r, draw.standard_normal((n, 3))], axis=1)


def awkward_states() -> StateArray:
    """Return states of no velocity, of radial motion, of motion along z, and near and at the origin."""
    r, v = np.array([0.3, -0.5, 0.2]), np.array([0.4, 0.6, -0.9])
    zero, z = np.zeros(3), np.array([0.0, 0.0, 1.0])
    cases = [
        (r, zero),
        (r, 2 * r),
        (r, -r),
        (z, z),
        (z, -0.5 * z),
        (z, zero),
        (zero, zero),
        (zero, v),
        (r, 1e-9 * v),
    ]
    cases += [(distance * r, v) for distance in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)]
    cases += [(np.array([0.5, 0.0, 0.0]), np.array([0.0, 1.2, 0.0]))]
    return np.array([np.concatenate(case) for case in cases])


def turn(states: StateArray) -> tuple[Any, StateArray]:
    """Return proper rotations, and the states turned by them."""
    draws = np.random.default_rng(2).standard_normal((len(states), 3, 3))
    q = np.array([np.linalg.qr(draw)[0] for draw in draws])
    q *= np.linalg.det(q)[:, None, None]
    return q, np.concatenate([np.einsum("nij,nj->ni", q, x) for x in (states[:, :3], states[:, 3:])], axis=1)
