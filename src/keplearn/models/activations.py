"""Activations by name: those of ``jax.nn``, and tanh, sin, shifted_softplus and prelu (with a trained slope).

Adding one is adding an entry, or a decorated function of the pre-activations and the trained slope, which most ignore.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.tables import Table

Activation = Callable[[Float[Array, "*shape"], Float[Array, ""]], Float[Array, "*shape"]]

# The trained slope of prelu starts here (He et al. 2015).
PRELU_SLOPE = 0.25

_FROM_JAX = (
    "celu", "elu", "gelu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_sign", "softplus",
    "squareplus", "swish",
)  # fmt: skip


def _plain(function: Callable[[Array], Array]) -> Activation:
    return lambda x, slope: function(x)


ACTIVATIONS: Table[Activation] = Table("activation")
ACTIVATIONS |= {name: _plain(getattr(jax.nn, name)) for name in _FROM_JAX} | {
    "tanh": _plain(jnp.tanh),
    "sin": _plain(jnp.sin),
    # softplus through the origin, as SchNet has it (Schütt et al. 2017).
    "shifted_softplus": _plain(lambda x: jax.nn.softplus(x) - 0.6931471805599453),
    "prelu": lambda x, slope: jnp.where(x >= 0, x, slope * x),
}


def activation(function: Activation) -> Activation:
    """Enter an activation into the table under its own name."""
    ACTIVATIONS.enter(function, function)
    return function
