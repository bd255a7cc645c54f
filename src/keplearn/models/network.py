"""Dense layers: their arrays, how they are drawn, and how they are applied, along the first axis."""

from collections.abc import Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from keplearn.models.activations import ACTIVATIONS, PRELU_SLOPE


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
    # A GPU would otherwise round float32 products to 10 bits.
    product = jnp.matmul(weight, x, precision=jax.lax.Precision.HIGHEST)
    return product + (bias if x.ndim == 1 else bias[:, None])


def draw_layers(draw: np.random.Generator, sizes: Sequence[int], dtype: str) -> Layers:
    """Draw weights and biases from U(-1/√fan_in, 1/√fan_in), PyTorch's and Equinox's default.

    The draws are in float64 and NumPy's, so that both precisions, and every machine, start from the same
    network. Call it inside ``jax.enable_x64(True)``.
    """
    weights, biases = [], []
    for fan_in, fan_out in pairwise(sizes):
        bound = 1 / np.sqrt(fan_in)
        weights.append(jnp.asarray(draw.uniform(-bound, bound, (fan_out, fan_in)), dtype))
        biases.append(jnp.asarray(draw.uniform(-bound, bound, fan_out), dtype))
    return Layers(weights, biases, [jnp.asarray(PRELU_SLOPE, dtype) for _ in weights])
