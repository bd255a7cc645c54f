"""The vocabulary of JAX's array shapes: the run's dtype, canonical units.

Apart from `keplearn.core.shapes`, so that what has no need of JAX does not wait for it.
"""

from jaxtyping import Array, Float

State = Float[Array, "6"]
Vector = Float[Array, "3 *batch"]
Features = Float[Array, "feature *batch"]
Scalar = Float[Array, ""]
Scalars = Float[Array, "*batch"]
