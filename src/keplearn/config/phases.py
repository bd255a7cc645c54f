"""What phases can be: the objectives that losses and heads serve, and the optimisers that take them."""

from functools import cache
from typing import Any

from keplearn.config.names import integrates, own_loss, remembered, takes_least_squares
from keplearn.config.schema import FACTS, Parameters
from keplearn.config.value_types import Conflict
from keplearn.core.tables import is_foreign


def check_phases(p: Parameters) -> None:
    """Refuse what an optimiser by least squares or an objective cannot take; what is known needs no JAX."""
    loss = own_loss(p.model) or p.loss_fcn
    weights = [key for key, facts in FACTS.items() if facts.weight and getattr(p, key) != 0]
    for optimizer, integrator, objective in zip(p.optimizer, p.integrator, p.objective, strict=True):
        if takes_least_squares(optimizer) or objective != "trajectory":
            steps = integrator if integrates(objective) else ""
            chosen = (objective, optimizer, loss, tuple(weights), steps, p.output_layer)
            own = not any(map(is_foreign, (objective, optimizer, loss, p.output_layer)))
            for key, said in (_own_obstacles if own else _obstacles)(*chosen).items():
                raise Conflict(key, said)


@cache
def _own_obstacles(*chosen: Any) -> dict[str, str]:
    """Return `_obstacles` of keplearn's own names."""
    return remembered(repr(chosen), lambda: _obstacles(*chosen))


def _obstacles(
    objective: str, optimizer: str, loss: str, weights: tuple[str, ...], steps: str, output_layer: str
) -> dict[str, str]:
    """Return why a phase's objective and optimiser cannot work, by key, where they cannot."""
    from keplearn.training.checks import obstacle, obstacle_to_objective
    from keplearn.training.losses import ADDITIVE_TERMS

    additive = tuple(key for key in ADDITIVE_TERMS if key in weights)
    found = {"objective": obstacle_to_objective(objective, loss, additive, steps, output_layer)}
    if not found["objective"]:
        found["optimizer"] = obstacle(optimizer, loss, additive, steps, output_layer)
    return {key: said for key, said in found.items() if said}
