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
from keplearn.training.compared import OBJECTIVES
from keplearn.training.losses import ADDITIVE_TERMS, LOSSES, OWN, needs_of, parts_without_squares
from keplearn.training.objective import seen
from keplearn.training.optimizers import OPTIMIZERS
from keplearn.training.problem import Batch, Constants, Setup
from keplearn.training.solved import NEEDS

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
    integrator = setup.integrator if OBJECTIVES[setup.objective].integrates else ""
    if said := obstacle_to_objective(setup.objective, setup.loss, setup.additive, integrator, head):
        raise KeplearnError(f"objective {said}.")
    if said := obstacle(setup.optimizer, setup.loss, setup.additive, integrator, head):
        raise KeplearnError(f"optimizer {said}.")


def obstacle_to_objective(
    objective: str, loss: str, additive: tuple[str, ...], integrator: str, output_layer: str
) -> str:
    """Return why an objective cannot serve a loss with its terms, integrator ("": none) and head, or "" if it can."""
    made = OBJECTIVES[objective]
    if made.gives.issuperset(NEEDS):
        return ""
    name, instead = objective.partition("@")[0], "set objective: trajectory in that phase"
    if loss in OWN:
        return (
            f"{name} is for the fields of neural ODEs, and the {loss.replace('_', ' ')} is none's: {instead}"
        )
    if made.integrates and (said := _no_forwards(name, integrator, output_layer)):
        return said
    if OUTPUT_LAYERS[output_layer].whole_state:
        return (
            f"{name} compares {made.compares}, and output_layer {output_layer} would learn no r': {instead}, or choose "
            "a head that gives accelerations"
        )
    for kind, names, needs in (
        ("loss_fcn", (loss,), lambda name: LOSSES[name].needs),
        ("the term", additive, lambda name: ADDITIVE_TERMS[name].needs),
    ):
        for other in names:
            if missing := sorted(needs(other) - made.gives):
                return (
                    f"{name} compares {made.compares}, and {kind} {other.partition('@')[0]} needs the {missing[-1]}: "
                    f"{instead}, or choose another loss"
                )
    return ""


def obstacle(optimizer: str, loss: str, additive: tuple[str, ...], integrator: str, output_layer: str) -> str:
    """Return why an optimiser cannot take a loss with its terms and integrator ("": none), or "" if it can."""
    if not OPTIMIZERS[optimizer].least_squares:
        return ""
    name = optimizer.partition("@")[0]
    if loss in OWN:
        return (
            f"{name} minimises sums of squares, and the {loss.replace('_', ' ')} is none: choose adam or bfgs"
        )
    integrated = integrator and needs_of(loss, additive) & {"pair", "trajectory"}
    if integrated and (said := _no_forwards(name, integrator, output_layer)):
        return said
    if other := _without_squares(loss, additive):
        return (
            f"{name} minimises sums of squares, and {', '.join(other)} is none: choose a loss of squares, such as "
            "relative_squared_error or mean_squared_error, with no other term than l2"
        )
    return ""


def _no_forwards(name: str, integrator: str, output_layer: str) -> str:
    """Return why what takes derivatives forwards in time cannot have them of the steps of an integrator, or ""."""
    forwards = f"{name} takes derivatives forwards in time, which"
    if integrator == "adaptive":
        return f"{forwards} adaptive steps do not have: set integrator: grid"
    if OUTPUT_LAYERS[output_layer].whole_state:
        return (
            f"{forwards} the steps of output_layer {output_layer} do not have: choose a head that gives "
            "accelerations"
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
        solved, _ = seen(setup, flat, batch, Constants(Scales(one), weights, one, one, one, one, one))
        found.extend(parts_without_squares(loss, additive, solved, weights))

    with jax.enable_x64(True):
        jax.eval_shape(look)
    return tuple(found)
