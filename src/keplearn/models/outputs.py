"""Output layers: how the network's outputs become an acceleration. Adding one is adding a function here.

Most take four outputs, m and d, and make M(m) · D(d) from a table of magnitude maps M and direction maps D. A
head sees what it needs: the state, the network as a function of the state, its own trained parameters and
constants of the data. Everything goes along the first axis, so that what is written for one state (3,) takes a
batch (3, batch) as it stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import Scalar, Scalars, Vector
from keplearn.core.tables import Table
from keplearn.models.geometry import EPSILON, direction, rtn_frame, unit

Network = Callable[[Vector, Vector], Float[Array, "output *batch"]]


class HeadValues(NamedTuple):
    """Numbers that a head may use besides the network: trained (``log_scale``) and of the training data."""

    log_scale: Scalar
    max_acceleration: Scalar


Head = Callable[[Vector, Vector, Network, HeadValues], Float[Array, "3_or_6 *batch"]]


@dataclass(frozen=True)
class OutputLayer:
    """An output layer and what is known of it.

    ``size``: network outputs. ``uses_velocity``: itself, whatever the features. ``position_features_only``:
    it is an error with velocity features. ``signed_magnitude``: output 0 is the m whose sign changes are
    counted. ``whole_state``: it returns dy/dt (6) and not an acceleration (3). ``rotation_equivariant``: with
    invariant features a rotated state gives the rotated acceleration. ``names`` of the network's outputs in
    figures, separated by commas, ``d_x`` meaning x below d; empty if nobody said.
    """

    function: Head
    size: int
    uses_velocity: bool = False
    position_features_only: bool = False
    signed_magnitude: bool = False
    whole_state: bool = False
    rotation_equivariant: bool = False
    names: str = ""

    @property
    def output_names(self) -> list[str]:
        """The name of every output of the network; its number, if the layer says nothing."""
        return self.names.split(", ") if self.names else [f"output {k}" for k in range(1, self.size + 1)]


MAGNITUDES: dict[str, Callable[[Scalars, HeadValues], Scalars]] = {
    "m": lambda m, values: m,
    "|m|": lambda m, values: jnp.abs(m),
    "s|m|": lambda m, values: jnp.exp(values.log_scale) * jnp.abs(m),
    "softplus(m)": lambda m, values: jax.nn.softplus(m),
    "softplus(m)+ε": lambda m, values: jax.nn.softplus(m) + EPSILON,
    "exp(m)": lambda m, values: jnp.exp(m),
    "tanh(m)": lambda m, values: jnp.tanh(m),
    "a_max sigmoid(m)": lambda m, values: values.max_acceleration * jax.nn.sigmoid(m),
}

DIRECTIONS: dict[str, Callable[[Vector], Vector]] = {
    "d": lambda d: d,
    "tanh(d)": jnp.tanh,
    "û(d)": direction,
    "û(tanh d)": lambda d: direction(jnp.tanh(d)),
}

# The names that users have, as M(m) · D(d). In their oldest runs `mlp_4D` meant m · d, today's mlp_4D_signed.
PRODUCTS: dict[str, tuple[str, str]] = {
    "mlp_4D_signed": ("m", "d"),
    "mlp_4D": ("|m|", "d"),
    "mlp_4D_softplus": ("softplus(m)", "d"),
    "mlp_4D_accsoftplus": ("softplus(m)", "d"),
    "mlp_4D_activation": ("tanh(m)", "tanh(d)"),
    "mlp_4D_unit": ("|m|", "û(d)"),
    "mlp_4D_signed_unit": ("m", "û(d)"),
    "mlp_4D_unit_scaled": ("s|m|", "û(d)"),
    "mlp_4D_unit_softplus": ("softplus(m)", "û(d)"),
    "mlp_4D_logmag_exp": ("exp(m)", "d"),
    "mlp_4D_logmag_unit_exp": ("exp(m)", "û(d)"),
    "mlp_4D_logmag_unit_softplus": ("softplus(m)+ε", "û(d)"),
    "mlp_4D_logmag_unit_tanh_exp": ("exp(m)", "û(tanh d)"),
    "mlp_4D_logmag_unit_tanh_softplus": ("softplus(m)+ε", "û(tanh d)"),
    "mlp_4D_unit_sigmoid": ("a_max sigmoid(m)", "û(d)"),
}


def product_head(magnitude: str, direction: str) -> Head:
    """Make the head M(m) · D(d) of two rows of the tables above."""

    def head(r: Vector, v: Vector, network: Network, values: HeadValues) -> Vector:
        outputs = network(r, v)
        return MAGNITUDES[magnitude](outputs[0], values) * DIRECTIONS[direction](outputs[1:])

    return head


OUTPUT_LAYERS: Table[OutputLayer] = Table("output layer")
OUTPUT_LAYERS |= {
    name: OutputLayer(product_head(*maps), size=4, signed_magnitude=True, names="m, d_x, d_y, d_z")
    for name, maps in PRODUCTS.items()
}


def output_layer(size: int, *, names: str = "", **facts: bool):
    """Enter a head into the table under its own name; ``names`` of the network's outputs."""

    def enter(function: Head) -> Head:
        OUTPUT_LAYERS.enter(function, OutputLayer(function, size, names=names, **facts))
        return function

    return enter


@output_layer(size=6, names="r'_x, r'_y, r'_z, v'_x, v'_y, v'_z", whole_state=True)
def mlp_simple(r: Vector, v: Vector, network: Network, values: HeadValues) -> Float[Array, "6 *batch"]:
    """Return the whole of dy/dt as the network emits it: its r' need not be v."""
    return network(r, v)


@output_layer(size=3, names="a_x, a_y, a_z")
def mlp_simple_hybrid(r: Vector, v: Vector, network: Network, values: HeadValues) -> Vector:
    """Return the acceleration as the network emits it."""
    return network(r, v)


@output_layer(size=3, names="a_R, a_T, a_N", uses_velocity=True, rotation_equivariant=True)
def mlp_rtn(r: Vector, v: Vector, network: Network, values: HeadValues) -> Vector:
    """Return a_R R̂ + a_T T̂ + a_N N̂."""
    return _from_rtn(r, v, network(r, v))


@output_layer(
    size=4, names="m, d_R, d_T, d_N", uses_velocity=True, rotation_equivariant=True, signed_magnitude=True
)
def mlp_rtn_logmag_unit_exp(r: Vector, v: Vector, network: Network, values: HeadValues) -> Vector:
    """Return exp(m) û(d) with d in the RTN frame."""
    outputs = network(r, v)
    return _from_rtn(r, v, jnp.exp(outputs[0]) * direction(outputs[1:]))


@output_layer(size=1, names="m", rotation_equivariant=True)
def central(r: Vector, v: Vector, network: Network, values: HeadValues) -> Vector:
    """Return -exp(m) r̂: a pull towards the centre, of learned strength."""
    return -jnp.exp(network(r, v)[0]) * unit(r)


@output_layer(size=1, names="m", position_features_only=True, rotation_equivariant=True)
def potential_exp(r: Vector, v: Vector, network: Network, values: HeadValues) -> Vector:
    """Return -∇U of U = -exp(m), a potential well of learned depth as a function of position."""
    return jax.grad(lambda x: jnp.sum(jnp.exp(network(x, v)[0])))(r)


@output_layer(size=1, names="U", position_features_only=True, rotation_equivariant=True)
def potential(r: Vector, v: Vector, network: Network, values: HeadValues) -> Vector:
    """Return -∇U of the network's one output as a function of position: a conservative field."""
    # The sum over a batch: a state's output depends on no other.
    return -jax.grad(lambda x: jnp.sum(network(x, v)[0]))(r)


def _from_rtn(r: Vector, v: Vector, components: Vector) -> Vector:
    radial, transverse, normal = rtn_frame(r, v)
    return components[0] * radial + components[1] * transverse + components[2] * normal
