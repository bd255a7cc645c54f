"""A field: what models and systems have in common, so that one code propagates, scores and draws them."""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import State, Vector
from keplearn.systems.system import System


@runtime_checkable
class Field(Protocol):
    """A vector field in canonical units, and an Equinox module: its arrays are arguments of a compiled program."""

    def acceleration(self, t: Any, r: Vector, v: Vector) -> Vector:
        """Return dv/dt, (3,) or (3, batch) as given."""
        ...

    def __call__(self, t: Any, y: State, args: Any = None) -> State:
        """Return dy/dt (6,), as Diffrax takes it."""
        ...


class SystemField(eqx.Module):
    """A system as a field: its numbers are arrays, its class is compiled in."""

    numbers: dict[str, Float[Array, ""]]
    kind: type = eqx.field(static=True)

    @classmethod
    def of(cls, law: System) -> "SystemField":
        """Make one of a system in canonical units, in float64 (inside ``jax.enable_x64(True)``)."""
        return cls({key: jnp.asarray(value, jnp.float64) for key, value in vars(law).items()}, type(law))

    def acceleration(self, t: Any, r: Vector, v: Vector) -> Vector:
        """Return the system's acceleration."""
        return self.kind(**self.numbers).acceleration(t, r, v)

    def __call__(self, t: Any, y: State, args: Any = None) -> State:
        """Return dy/dt (6,)."""
        return jnp.concatenate([y[3:], self.acceleration(t, y[:3], y[3:])])
