"""The model: dy/dt = (v, a_θ(y)), feature layer → MLP → output layer, in canonical units.

Where they are chosen, features are standardised on their way to the MLP, and a linear path from features to outputs
(``skip``) stands beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from keplearn.core.jax_shapes import Features, Scalar, State, Vector
from keplearn.data.units import Units
from keplearn.models.activations import ACTIVATIONS
from keplearn.models.features import FEATURE_LAYERS, FeatureLayer, LayerSettings
from keplearn.models.network import INITS, Layers, draw_layers, product
from keplearn.models.outputs import OUTPUT_LAYERS, HeadValues, OutputLayer

# A feature whose standard deviation is less than so much of its largest value does not vary, but for rounding.
CONSTANT = 1e-9


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
    standardize: bool = False
    skip: bool = False
    init: str = "default"

    def __post_init__(self) -> None:
        """Call a user's own layers by their full names, which say what is in them."""
        tables = {"feature_layer": FEATURE_LAYERS, "output_layer": OUTPUT_LAYERS, "init": INITS}
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
    def layers(self) -> tuple[str, str]:
        """The names of its feature and output layer."""
        return self.feature_layer, self.output_layer

    @property
    def uses_velocity(self) -> bool:
        """Whether the acceleration depends on velocity, through the features or the head."""
        return self.features.uses_velocity or self.outputs.uses_velocity

    @property
    def field(self) -> "Architecture":
        """What shapes the learned field: all of it."""
        return self

    @property
    def first_order(self) -> bool:
        """Whether the field gives dr/dt too, which need not be v."""
        return self.outputs.whole_state

    @property
    def layer_sizes(self) -> list[int]:
        """Sizes of features, hidden layers and outputs."""
        zeros = jax.ShapeDtypeStruct((3,), np.float32)
        features = jax.eval_shape(lambda r, v: self.features.function(r, v, self.settings), zeros, zeros)
        return [features.shape[0], *[self.width] * self.depth, self.outputs.size]


def architecture_of(p: Any) -> Architecture:
    """Return what of a config's parameters shapes the model."""
    settings = LayerSettings(p.harmonics_degree, p.fourier_count, p.fourier_scale)
    names = (p.feature_layer, p.output_layer, p.width, p.depth, p.activation, p.final_activation)
    return Architecture(*names, p.planar_constraint, settings, p.standardize, p.skip, p.init)


def read_architecture(record: Mapping[str, Any]) -> Architecture:
    """Return the architecture of which ``dataclasses.asdict`` has made this."""
    return Architecture(**{**record, "settings": LayerSettings(**record["settings"])})


class Parameters(Layers):
    """All that is trained: the layers, the log of a head's scale, the weights of a linear path beside the layers."""

    log_scale: Float[Array, ""]
    skip: Float[Array, "output feature"] | None = None


class Scales(NamedTuple):
    """Sizes in the training data, canonical: a model keeps them, and they are not trained.

    The largest acceleration; mean and spread of each feature where features are standardised.
    """

    max_acceleration: Scalar
    mean: Float[Any, "feature"] | None = None
    spread: Float[Any, "feature"] | None = None

    def standardized(self, features: Features) -> Features:
        """Return features of mean 0 and variance 1 over the training states; as they are if nobody asked for it."""
        if self.mean is None or self.spread is None:
            return features
        mean, spread = (x.reshape(-1, *[1] * (features.ndim - 1)) for x in (self.mean, self.spread))
        return (features - mean) / spread


class NeuralODE(eqx.Module):
    """A learned field dy/dt = (v, a_θ(y)) in canonical units; ``units`` tells their size in km and s.

    Methods take one state and are batched by ``jax.vmap``. ``model(t, y, args)`` is a vector field for
    Diffrax.
    """

    parameters: Parameters
    scales: Scales
    architecture: Architecture = eqx.field(static=True)
    units: Units | None = eqx.field(static=True, default=None)

    def network(self, r: Vector, v: Vector) -> Float[Array, "output *batch"]:
        """Return the MLP's outputs at a position and velocity, with those of the linear path beside it."""
        shape, parameters = self.architecture, self.parameters
        features = self.scales.standardized(shape.features.function(r, v, shape.settings))
        outputs = parameters(features, shape.activation, shape.final_activation)
        return outputs if parameters.skip is None else outputs + product(parameters.skip, features)

    def derivative(self, r: Vector, v: Vector) -> tuple[Vector, Vector]:
        """Return dr/dt and dv/dt, (3,) each, or (3, batch) as given."""
        layer = self.architecture.outputs
        values = HeadValues(self.parameters.log_scale, self.scales.max_acceleration)
        output = layer.function(r, v, self.network, values)
        drift, acceleration = (output[:3], output[3:]) if layer.whole_state else (v, output)
        if self.architecture.planar_constraint:
            plane = jnp.array([1, 1, 0], acceleration.dtype).reshape(3, *[1] * (acceleration.ndim - 1))
            drift, acceleration = drift * plane, acceleration * plane
        return drift, acceleration

    @property
    def field(self) -> "NeuralODE":
        """The learned field: the model itself."""
        return self

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


def new_model(
    architecture: Architecture,
    seed: int,
    dtype: str = "float32",
    max_acceleration: float = 1.0,
    units: Units | None = None,
    states: Float64[np.ndarray, "6 sample"] | None = None,
) -> NeuralODE:
    """Draw an untrained model (`keplearn.models.network.draw_layers`).

    ``states``: those trained on, canonical, by which features are standardised; without them mean 0 and spread 1.
    """
    sizes, draw = architecture.layer_sizes, np.random.Generator(np.random.PCG64(seed))
    with jax.enable_x64(True):
        array = lambda x: jnp.asarray(x, dtype)  # noqa: E731
        layers = draw_layers(draw, sizes, dtype, architecture.init)
        # After the layers, so that these are the same with and without it.
        skip = array(INITS["default"](draw, sizes[0], sizes[-1], True)[0]) if architecture.skip else None
        parameters = Parameters(layers.weights, layers.biases, layers.slopes, array(0.0), skip)
        scales = Scales(array(max_acceleration))
        if architecture.standardize:
            mean, spread = _moments(architecture, states)
            scales = scales._replace(mean=array(mean), spread=array(spread))
        return NeuralODE(parameters, scales, architecture, units)


def _moments(
    architecture: Architecture, states: Float64[np.ndarray, "6 sample"] | None
) -> tuple[Float64[np.ndarray, "feature"], Float64[np.ndarray, "feature"]]:
    """Return mean and standard deviation of the features; 1 for one that does not vary."""
    if states is None:
        size = architecture.layer_sizes[0]
        return np.zeros(size), np.ones(size)
    r, v = jnp.asarray(states[:3]), jnp.asarray(states[3:])
    features = np.asarray(architecture.features.function(r, v, architecture.settings))
    mean, spread = features.mean(axis=1), features.std(axis=1)
    return mean, np.where(spread > CONSTANT * np.abs(features).max(axis=1), spread, 1.0)
