"""Untrained models that are scored in no time: their orbits are almost straight lines.

What ``new_model`` draws may fall into the centre, and a solver takes thousands of steps there before it gives up.
"""

from typing import Any

import jax

from keplearn.data.units import Units
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model


def gentle_model(shape: Architecture, seed: int, units: Units | None = None, **options: Any) -> NeuralODE:
    """Draw a model as `new_model` does, all its parameters a tenth."""
    return jax.tree.map(lambda x: 0.1 * x, new_model(shape, seed, units=units, **options))
