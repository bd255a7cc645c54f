"""What cannot work is refused before any training: losses, optimisers and integrators of all phases."""

from collections import defaultdict
from functools import cache

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from keplearn.core.errors import KeplearnError
from keplearn.integrate import Grid
from keplearn.models.neural_ode import Architecture, Scales, new_model
from keplearn.models.outputs import OUTPUT_LAYERS
from keplearn.systems.two_body import TwoBody
from keplearn.training.losses import OWN, needs_of, parts_without_squares
from keplearn.training.objective import seen
from keplearn.training.optimizers import OPTIMIZERS
from keplearn.training.problem import Batch, Constants, Setup

# Of what kind the parts of a loss are depends on no model; this one has all that terms ask for.
_ANY = Architecture("sph_4D_rinv", "mlp_4D_signed", width=2, depth=1, activation="tanh")


def check_phase(setup: Setup) -> None:
    """Refuse a phase whose optimiser cannot take its loss.

    Raises
    ------
    KeplearnError
        With what it can take.
    """
    field = setup.architecture.field
    head = field.output_layer if field else ""
    if said := obstacle(setup.optimizer, setup.loss, setup.additive, setup.integrator, head):
        raise KeplearnError(f"optimizer {said}.")


def obstacle(optimizer: str, loss: str, additive: tuple[str, ...], integrator: str, output_layer: str) -> str:
    """Return why an optimiser cannot take a loss with its terms and integrator, or "" if it can."""
    if not OPTIMIZERS[optimizer].least_squares:
        return ""
    name = optimizer.partition("@")[0]
    if loss in OWN:
        return (
            f"{name} minimises sums of squares, and the {loss.replace('_', ' ')} is none: choose adam or bfgs"
        )
    if "trajectory" in needs_of(loss, additive):
        forwards = f"{name} takes derivatives forwards in time, which"
        if integrator == "adaptive":
            return f"{forwards} adaptive steps do not have: set integrator: grid"
        if OUTPUT_LAYERS[output_layer].whole_state:
            return (
                f"{forwards} the steps of output_layer {output_layer} do not have: choose a head that gives "
                "accelerations"
            )
    if other := _without_squares(loss, additive):
        return (
            f"{name} minimises sums of squares, and {', '.join(other)} is none: choose a loss of squares, such as "
            "relative_squared_error or mean_squared_error, with no other term than l2"
        )
    return ""


@cache
def _without_squares(loss: str, additive: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a loss's parts that are not made of squares: it is traced, and nothing is computed."""
    setup = Setup(
        architecture=_ANY,
        grid=Grid.default(4),
        integrator="grid",
        loss=loss,
        additive=additive,
        optimizer="bfgs",
        dtype="float64",
        law=TwoBody(1.0) if "law" in needs_of(loss, additive) else None,
    )
    found: list[str] = []

    def look() -> None:
        flat = ravel_pytree(new_model(_ANY, 0, "float64").parameters)[0]
        batch = Batch(jnp.ones((4, 6, 2)), jnp.ones((4, 2)), jnp.ones(2), jnp.ones((4, 3, 2)))
        one = jnp.ones(())
        weights = defaultdict(lambda: one)
        solved, _ = seen(setup, flat, batch, Constants(Scales(one), weights, one, one, one, one))
        found.extend(parts_without_squares(loss, additive, solved, weights))

    with jax.enable_x64(True):
        jax.eval_shape(look)
    return tuple(found)
