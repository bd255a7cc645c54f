"""What a training is given: what is compiled in of a phase, its segments, its numbers, and the model that they make."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int32

from keplearn.core.jax_shapes import Scalar
from keplearn.data.segments import Quadrature
from keplearn.integrate import Grid
from keplearn.models.kinds import Architecture, Model, kind_of
from keplearn.models.neural_ode import Scales
from keplearn.systems import System
from keplearn.training.losses import Weights, needs_of
from keplearn.training.residuals import Flat


@dataclass(frozen=True)
class Setup:
    """All of a phase that is compiled in; phases with one setup and equal shapes share a program.

    ``law`` is the system in canonical units, where the loss asks for it.
    """

    architecture: Architecture
    grid: Grid
    integrator: str
    loss: str
    additive: tuple[str, ...]
    optimizer: str
    dtype: str
    law: System | None = None
    objective: str = "trajectory"

    @property
    def needs(self) -> frozenset[str]:
        """What the loss and its terms compare."""
        return needs_of(self.loss, self.additive)


class Shape(NamedTuple):
    """What of a model is compiled in, whatever the phase."""

    architecture: Architecture
    dtype: str


class Chance(NamedTuple):
    """For each segment a standard normal draw, and the share that counts of its posterior's distance from the prior."""

    noise: Float[Any, "latent segment"]
    share: Float[Any, "segment"]


class Pieces(NamedTuple):
    """The number of each segment among the pieces of a phase, and that of the one that begins where it ends, or -1."""

    own: Int32[Array, "segment"]
    next: Int32[Array, "segment"]


class Batch(NamedTuple):
    """Segments, their times from 0, and ``keep``: 0 for a lost segment.

    ``accelerations``, ``quadrature``: where the loss or the objective asks for them. ``chance``: what is drawn for each
    segment where a loss needs the posterior. ``pieces``: where segments have beginnings of their own.
    """

    states: Float[Array, "sample 6 segment"]
    times: Float[Array, "sample segment"]
    keep: Float[Array, "segment"]
    accelerations: Float[Array, "sample 3 segment"] | None = None
    chance: Chance | None = None
    quadrature: Quadrature | None = None
    pieces: Pieces | None = None


class Constants(NamedTuple):
    """Numbers that enter a step and are no reason to compile again."""

    scales: Scales
    weights: Weights
    rtol: Scalar
    atol: Scalar
    max_grad_norm: Scalar
    max_disagreement: Scalar
    weight_decay: Scalar | float = 0.0


@cache
def _unravel(architecture: Architecture, dtype: str) -> tuple[int, Callable[[Flat], Any]]:
    with jax.enable_x64(True):
        flat, unravel = ravel_pytree(kind_of(architecture).new(architecture, 0, dtype).parameters)
    return flat.size, unravel


def assemble(setup: Setup | Shape, flat: Flat, scales: Scales) -> Model:
    """Make the model of a flat vector of parameters; behind the model's there may be others (`beside`)."""
    size, unravel = _unravel(setup.architecture, setup.dtype)
    parameters = unravel(flat if flat.size == size else flat[:size])
    return kind_of(setup.architecture).model(parameters, scales, setup.architecture)


def beside(setup: Setup, flat: Flat) -> Float[Array, "6 piece"]:
    """Return what is trained beside the model: of each piece where it begins, from where it was observed to."""
    return flat[_unravel(setup.architecture, setup.dtype)[0] :].reshape(6, -1)


def padded(batch: Batch, size: int, keep: float) -> Batch:
    """Fill up to a size with copies of the last segment, so that fewer shapes need a program.

    By NumPy: JAX would compile a program for each shape to do it.
    """
    more = size - batch.keep.shape[0]

    def fill(x: Array) -> Array:
        widths = [(0, 0)] * (x.ndim - 1) + [(0, more)]
        return jnp.asarray(np.ascontiguousarray(np.pad(np.asarray(x), widths, mode="edge")))

    kept = np.pad(np.asarray(batch.keep), (0, more), constant_values=keep)
    return jax.tree.map(fill, batch)._replace(keep=jnp.asarray(kept))


def replace_lost(batch: Batch, good: Bool[Array, "segment"]) -> Batch:
    """Put the first good segment in the place of those that are not, with ``keep`` 0."""
    substitute = jnp.argmax(good)
    replaced = jax.tree.map(lambda x: jnp.where(good, x, x[..., substitute][..., None]), batch)
    return replaced._replace(keep=batch.keep * good)
