"""The model: dy/dt = (v, a_θ(y)), feature layer → MLP → output layer, in canonical units."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import State, Vector
from keplearn.data.units import Units
from keplearn.models.activations import ACTIVATIONS, PRELU_SLOPE
from keplearn.models.features import FEATURE_LAYERS, FeatureLayer, LayerSettings
from keplearn.models.outputs import OUTPUT_LAYERS, HeadValues, OutputLayer


@dataclass(frozen=True)
class Architecture:
    """All that shapes a model's computation; two models of one architecture share a compiled program."""

    feature_layer: str
    output_layer: str
    width: int = 64
    depth: int = 2
    activation: str = "leaky_relu"
    final_activation: str | None = None
    planar_constraint: bool = False
    settings: LayerSettings = field(default_factory=LayerSettings)

    def __post_init__(self) -> None:
        """Call a user's own layers by their full names, which say what is in them."""
        tables = {"feature_layer": FEATURE_LAYERS, "output_layer": OUTPUT_LAYERS}
        for key, table in (tables | {"activation": ACTIVATIONS, "final_activation": ACTIVATIONS}).items():
            if (name := getattr(self, key)) is not None:
                object.__setattr__(self, key, table.full_name(name))

    @property
    def features(self) -> FeatureLayer:
        """The feature layer of this name."""
        return FEATURE_LAYERS[self.feature_layer]

    @property
    def outputs(self) -> OutputLayer:
        """The output layer of this name."""
        return OUTPUT_LAYERS[self.output_layer]

    @property
    def uses_velocity(self) -> bool:
        """Whether the acceleration depends on velocity, through the features or the head."""
        return self.features.uses_velocity or self.outputs.uses_velocity

    @property
    def layer_sizes(self) -> list[int]:
        """Sizes of features, hidden layers and outputs."""
        zeros = jax.ShapeDtypeStruct((3,), np.float32)
        features = jax.eval_shape(lambda r, v: self.features.function(r, v, self.settings), zeros, zeros)
        return [features.shape[0], *[self.width] * self.depth, self.outputs.size]


class Parameters(eqx.Module):
    """All that is trained: weights (out, in), biases, prelu slopes by layer, the log of a head's scale."""

    weights: list[Float[Array, "_ _"]]  # sizes differ from layer to layer
    biases: list[Float[Array, "_"]]
    slopes: list[Float[Array, ""]]
    log_scale: Float[Array, ""]


class NeuralODE(eqx.Module):
    """A learned field dy/dt = (v, a_θ(y)) in canonical units; ``units`` tells their size in km and s.

    Methods take one state and are batched by ``jax.vmap``. ``model(t, y, args)`` is a vector field for
    Diffrax.
    """

    parameters: Parameters
    max_acceleration: Float[Array, ""]
    architecture: Architecture = eqx.field(static=True)
    units: Units | None = eqx.field(static=True, default=None)

    def network(self, r: Vector, v: Vector) -> Float[Array, "output *batch"]:
        """Return the MLP's outputs at a position and velocity."""
        features = self.architecture.features.function(r, v, self.architecture.settings)
        return mlp(self.architecture, self.parameters, features)

    def derivative(self, r: Vector, v: Vector) -> tuple[Vector, Vector]:
        """Return dr/dt and dv/dt, (3,) each, or (3, batch) as given."""
        layer = self.architecture.outputs
        values = HeadValues(self.parameters.log_scale, self.max_acceleration)
        output = layer.function(r, v, self.network, values)
        drift, acceleration = (output[:3], output[3:]) if layer.whole_state else (v, output)
        if self.architecture.planar_constraint:
            plane = jnp.array([1, 1, 0], acceleration.dtype).reshape(3, *[1] * (acceleration.ndim - 1))
            drift, acceleration = drift * plane, acceleration * plane
        return drift, acceleration

    def acceleration(self, t: Any, r: Vector, v: Vector) -> Vector:
        """Return a_θ, (3,) or (3, batch) as given; it does not depend on the time."""
        return self.derivative(r, v)[1]

    def __call__(self, t: Any, y: State, args: Any = None) -> State:
        """Return dy/dt (6,)."""
        return jnp.concatenate(self.derivative(y[:3], y[3:]))

    def astype(self, dtype: Any) -> "NeuralODE":
        """Return the model with all arrays in another precision, whatever the process's JAX setting."""
        with jax.enable_x64(True):
            return jax.tree.map(lambda x: jnp.asarray(x, dtype), self)

    def without_units(self) -> "NeuralODE":
        """Return the model stripped of what does not enter its computation."""
        return replace(self, units=None)


def mlp(
    architecture: Architecture, parameters: Parameters, features: Float[Array, "feature *batch"]
) -> Float[Array, "output *batch"]:
    """Apply the dense layers: activation between them, ``final_activation`` after the last."""
    activation = ACTIVATIONS[architecture.activation]
    x = features
    layers = list(zip(parameters.weights, parameters.biases, parameters.slopes, strict=True))
    for weight, bias, slope in layers[:-1]:
        x = activation(_dense(weight, bias, x), slope)
    weight, bias, slope = layers[-1]
    x = _dense(weight, bias, x)
    if architecture.final_activation is not None:
        x = ACTIVATIONS[architecture.final_activation](x, slope)
    return x


def _dense(
    weight: Float[Array, "out in"], bias: Float[Array, "out"], x: Float[Array, "in *batch"]
) -> Float[Array, "out *batch"]:
    # A GPU would otherwise round float32 products to 10 bits.
    product = jnp.matmul(weight, x, precision=jax.lax.Precision.HIGHEST)
    return product + (bias if x.ndim == 1 else bias[:, None])


def new_model(
    architecture: Architecture,
    seed: int,
    dtype: str = "float32",
    max_acceleration: float = 1.0,
    units: Units | None = None,
) -> NeuralODE:
    """Draw a model's weights and biases from U(-1/√fan_in, 1/√fan_in), PyTorch's and Equinox's default.

    The draws are in float64 and NumPy's, so that both precisions, and every machine, start from the same
    network.
    """
    draw = np.random.Generator(np.random.PCG64(seed))
    sizes = architecture.layer_sizes
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        bound = 1 / np.sqrt(fan_in)
        layers.append((draw.uniform(-bound, bound, (fan_out, fan_in)), draw.uniform(-bound, bound, fan_out)))
    with jax.enable_x64(True):
        parameters = Parameters(
            weights=[jnp.asarray(weight, dtype) for weight, _ in layers],
            biases=[jnp.asarray(bias, dtype) for _, bias in layers],
            slopes=[jnp.asarray(PRELU_SLOPE, dtype) for _ in layers],
            log_scale=jnp.asarray(0.0, dtype),
        )
        return NeuralODE(parameters, jnp.asarray(max_acceleration, dtype), architecture, units)
