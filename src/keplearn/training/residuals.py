"""What a loss is made of: residuals, which are 0 where the model is right, and what becomes of them.

A loss is a sum of parts. The number of each follows from its residuals; where it is a mean or a sum of squares, so
does a vector half of whose squared length it is, which is what methods of least squares take.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import Scalar

Flat = Float[Array, "_"]


@dataclass(frozen=True)
class Residuals:
    """A part that compares: weight · mean of |r|^power / scale, over the samples of all segments that are not lost.

    Attributes
    ----------
    values
        r at each sample, a vector of any number of components.
    power
        2 for squares, 1 for norms.
    scale
        What they are divided by, at each sample or at all.
    weight
        The factor of the mean.
    """

    values: Float[Array, "sample component segment"]
    power: int = 2
    scale: Float[Array, "sample segment"] | float = 1.0
    weight: Scalar | float = 1.0

    def value(self, keep: Float[Array, "segment"]) -> Scalar:
        """Return the part's number; 0 where no segment is kept."""
        sizes = jnp.sum(self.values * self.values, axis=1) if self.power == 2 else size(self.values)
        return self.weight * mean(sizes / self.scale, keep)

    def least_squares(self, keep: Float[Array, "segment"]) -> Flat | None:
        """Return the vector half of whose squared length is the part's number; None if it is none of squares."""
        if self.power != 2:
            return None
        counted = keep / (len(self.values) * jnp.maximum(jnp.sum(keep), 1))
        factors = jnp.broadcast_to(2 * self.weight * counted / self.scale, self.values[:, 0].shape)
        return jnp.ravel(jnp.sqrt(factors)[:, None] * self.values)


@dataclass(frozen=True)
class Penalty:
    """A part on numbers of the model: weight · sum of |w|^power, ``power`` 1 or 2."""

    values: Sequence[Array]
    power: int = 2
    weight: Scalar | float = 1.0

    def value(self, keep: Float[Array, "segment"]) -> Scalar:
        """Return the part's number; no segment matters."""
        sums = [jnp.sum(w * w if self.power == 2 else jnp.abs(w)) for w in self.values]
        return self.weight * jnp.sum(jnp.stack(sums))

    def least_squares(self, keep: Float[Array, "segment"]) -> Flat | None:
        """Return the vector half of whose squared length is the part's number; None if it is none of squares."""
        if self.power != 2:
            return None
        return jnp.sqrt(2 * self.weight) * jnp.concatenate([jnp.ravel(w) for w in self.values])


Part = Residuals | Penalty | Scalar
"""A number is a part too, for what is neither: it has no squares."""


def value_of(part: Part, keep: Float[Array, "segment"]) -> Scalar:
    """Return a part's number."""
    return part.value(keep) if isinstance(part, Residuals | Penalty) else part


def weighted(part: Part, weight: Scalar) -> Part:
    """Return a part times a weight."""
    if isinstance(part, Residuals | Penalty):
        return replace(part, weight=weight * part.weight)
    return weight * part


def least_squares_of(part: Part, keep: Float[Array, "segment"]) -> Flat | None:
    """Return the vector half of whose squared length is the part's number, or None if there is none."""
    return part.least_squares(keep) if isinstance(part, Residuals | Penalty) else None


def size(x: Float[Array, "sample component segment"]) -> Float[Array, "sample segment"]:
    """Norm over components, with gradient zero at zero."""
    if x.shape[1] == 1:
        return jnp.abs(jnp.squeeze(x, axis=1))
    square = jnp.sum(x * x, axis=1)
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def mean(x: Float[Array, "sample segment"], keep: Float[Array, "segment"]) -> Scalar:
    """Mean over samples and kept segments; 0 where none is kept."""
    return jnp.sum(x * keep) / (x.shape[0] * jnp.maximum(jnp.sum(keep), 1))
