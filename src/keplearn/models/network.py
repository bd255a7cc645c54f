"""Dense layers: their arrays, how they are drawn, and how they are applied, along the first axis.

Adding a way to draw them is adding one function here: of a generator, inputs and outputs, and whether the layer is
the last, which returns weights (outputs, inputs) and biases in float64.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from keplearn.core.tables import Table
from keplearn.models.activations import ACTIVATIONS, PRELU_SLOPE

Drawn = tuple[Float64[np.ndarray, "out in"], Float64[np.ndarray, "out"]]
Draw = Callable[[np.random.Generator, int, int, bool], Drawn]

INITS: Table[Draw] = Table("init")


def init(function: Draw) -> Draw:
    """Enter a way to draw a layer into the table, under its own name."""
    INITS.enter(function, function)
    return function


@init
def default(draw: np.random.Generator, inputs: int, outputs: int, last: bool) -> Drawn:
    """Weights and biases from U(-1/√inputs, 1/√inputs), PyTorch's and Equinox's default."""
    bound = 1 / np.sqrt(inputs)
    return draw.uniform(-bound, bound, (outputs, inputs)), draw.uniform(-bound, bound, outputs)


@init
def zero_last(draw: np.random.Generator, inputs: int, outputs: int, last: bool) -> Drawn:
    """As `default`, the last layer's weights 0: at first the network answers with the last biases, whatever it sees."""
    weights, biases = default(draw, inputs, outputs, last)
    return (0 * weights if last else weights), biases


@init
def glorot(draw: np.random.Generator, inputs: int, outputs: int, last: bool) -> Drawn:
    """Weights from U(-b, b) with b² = 6/(inputs + outputs), biases 0 (Glorot & Bengio, AISTATS 2010)."""
    bound = np.sqrt(6 / (inputs + outputs))
    return draw.uniform(-bound, bound, (outputs, inputs)), np.zeros(outputs)


@init
def he(draw: np.random.Generator, inputs: int, outputs: int, last: bool) -> Drawn:
    """Weights from N(0, 2/inputs), biases 0, for activations that are 0 on one side (He et al., ICCV 2015)."""
    return draw.normal(0.0, np.sqrt(2 / inputs), (outputs, inputs)), np.zeros(outputs)


class Layers(eqx.Module):
    """The arrays of dense layers: weights (out, in), biases, and prelu slopes by layer."""

    weights: list[Float[Array, "_ _"]]  # sizes differ from layer to layer
    biases: list[Float[Array, "_"]]
    slopes: list[Float[Array, ""]]

    def __call__(
        self, x: Float[Array, "input *batch"], activation: str, final_activation: str | None = None
    ) -> Float[Array, "output *batch"]:
        """Apply the layers: activation between them, ``final_activation`` after the last."""
        function = ACTIVATIONS[activation]
        layers = list(zip(self.weights, self.biases, self.slopes, strict=True))
        for weight, bias, slope in layers[:-1]:
            x = function(dense(weight, bias, x), slope)
        weight, bias, slope = layers[-1]
        x = dense(weight, bias, x)
        if final_activation is not None:
            x = ACTIVATIONS[final_activation](x, slope)
        return x


def dense(
    weight: Float[Array, "out in"], bias: Float[Array, "out"], x: Float[Array, "in *batch"]
) -> Float[Array, "out *batch"]:
    """Return W x + b."""
    return product(weight, x) + (bias if x.ndim == 1 else bias[:, None])


def product(weight: Float[Array, "out in"], x: Float[Array, "in *batch"]) -> Float[Array, "out *batch"]:
    """Return W x."""
    # A GPU would otherwise round float32 products to 10 bits.
    return jnp.matmul(weight, x, precision=jax.lax.Precision.HIGHEST)


def draw_layers(draw: np.random.Generator, sizes: Sequence[int], dtype: str, init: str = "default") -> Layers:
    """Draw weights and biases.

    The draws are in float64 and NumPy's, so that both precisions, and every machine, start from the same
    network. Call it inside ``jax.enable_x64(True)``.
    """
    weights, biases = [], []
    for k, (inputs, outputs) in enumerate(pairwise(sizes), 2):
        weight, bias = INITS[init](draw, inputs, outputs, k == len(sizes))
        weights.append(jnp.asarray(weight, dtype))
        biases.append(jnp.asarray(bias, dtype))
    return Layers(weights, biases, [jnp.asarray(PRELU_SLOPE, dtype) for _ in weights])
