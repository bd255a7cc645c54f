"""Optimisers on a flat vector of parameters, by name: Optax's on batches, Optimistix's on all segments at once.

Adding one is adding one function here: of the learning rate, which returns an Optax transformation, or of nothing,
which returns an Optimistix solver. Three adapters make steps of them.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
from jaxtyping import Array, Bool

from keplearn.core.errors import KeplearnError
from keplearn.core.jax_shapes import Scalar
from keplearn.core.tables import Table
from keplearn.training.losses import Parts
from keplearn.training.residuals import Flat
from keplearn.training.scaled_bfgs import ScaledBFGS

# From parameters to what an adapter asks for and to what goes with it: `Transformation` and `Minimiser` to the loss and
# its parts, `LeastSquares` to a vector half of whose squared length the loss is, and to the loss and its parts.
Function = Callable[[Flat], tuple[Array, Any]]


class Step(NamedTuple):
    """What a step returns: loss, its parts and gradient norm before it, and whether it was valid.

    It is not where loss, gradient or the parameters that it leads to are not finite; parameters and state are then
    those from before the step. ``gradient_norm`` is that of the gradient itself, before any clipping.
    """

    parameters: Flat
    state: Any
    loss: Scalar
    parts: Parts
    gradient_norm: Scalar
    finite: Bool[Array, ""]


@dataclass(frozen=True)
class Transformation:
    """An Optax transformation of the learning rate, on batches, of gradients clipped by their norm.

    A longer gradient is shortened to ``max_norm``, its direction kept (Pascanu, Mikolov & Bengio, On the difficulty
    of training recurrent neural networks, ICML 2013): one segment whose solution runs away would otherwise fill the
    second moment, and stall all parameters for a thousand steps. Learning rate and bound are arguments.
    """

    make: Callable[[Scalar], optax.GradientTransformation]

    full_batch: ClassVar[bool] = False
    least_squares: ClassVar[bool] = False

    def init(self, function: Function, parameters: Flat) -> Any:
        """Return the state before the first step."""
        return self.make(jnp.zeros((), parameters.dtype)).init(parameters)

    def step(
        self, function: Function, parameters: Flat, state: Any, learning_rate: Scalar, max_norm: Scalar
    ) -> Step:
        """Take one step down the gradient of this batch."""
        (loss, parts), gradient = jax.value_and_grad(function, has_aux=True)(parameters)
        norm = jnp.linalg.norm(gradient)
        clipped = gradient * jnp.minimum(1, max_norm / norm)
        update, new_state = self.make(learning_rate).update(clipped, state, parameters)
        moved = (parameters + jnp.asarray(update), new_state)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.all(jnp.isfinite(moved[0]))
        parameters, state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old), moved, (parameters, state)
        )
        return Step(parameters, state, loss, parts, norm, finite)


@dataclass(frozen=True)
class Minimiser:
    """An Optimistix minimiser that uses gradients, on all segments; a step is one evaluation, accepted or not.

    It takes neither learning rate nor clipping. A point where the loss is not finite is a step too far: rejected.
    """

    solver: Any

    full_batch: ClassVar[bool] = True
    least_squares: ClassVar[bool] = False

    def init(self, function: Function, parameters: Flat) -> Any:
        """Return the state before the first step."""
        shapes = jax.eval_shape(function, parameters)
        return self.solver.init(lambda x, args: function(x), parameters, None, {}, *shapes, frozenset())

    def step(
        self, function: Function, parameters: Flat, state: Any, learning_rate: Scalar, max_norm: Scalar
    ) -> Step:
        """Evaluate the loss at the next trial point, and go there if it decreases enough."""
        parameters, state, _ = self.solver.step(
            lambda x, args: function(x), parameters, None, {}, state, frozenset()
        )
        loss, parts, gradient = self._reached(state)
        norm = jnp.linalg.norm(gradient)
        return Step(parameters, state, loss, parts, norm, jnp.isfinite(loss) & jnp.isfinite(norm))

    def _reached(self, state: Any) -> tuple[Scalar, Parts, Flat]:
        """Return loss, parts and gradient at the parameters."""
        return state.f_info.f, state.aux, state.f_info.grad


class LeastSquares(Minimiser):
    """An Optimistix solver of least squares, of Gauss and Newton's kind, on all segments; see `Minimiser`."""

    least_squares = True

    def init(self, function: Function, parameters: Flat) -> Any:
        """Return the arrays of the state before the first step; the rest of it is code, no data."""
        return eqx.filter(super().init(function, parameters), eqx.is_array)

    def step(
        self, function: Function, parameters: Flat, state: Any, learning_rate: Scalar, max_norm: Scalar
    ) -> Step:
        """Evaluate the residuals at the next trial point, and go there if their squares decrease enough."""
        whole = eqx.filter_eval_shape(super().init, function, parameters)
        code = eqx.filter(whole, lambda x: isinstance(x, jax.ShapeDtypeStruct), inverse=True)
        step = super().step(function, parameters, eqx.combine(state, code), learning_rate, max_norm)
        return step._replace(state=eqx.filter(step.state, eqx.is_array))

    def _reached(self, state: Any) -> tuple[Scalar, Parts, Flat]:
        return *state.aux, state.f_info.compute_grad()


Optimizer = Transformation | Minimiser

OPTIMIZERS: Table[Optimizer] = Table("optimizer")


def optimizer(function: Callable[..., Any]) -> Callable[..., Any]:
    """Enter an optimiser into the table under its function's name.

    Raises
    ------
    KeplearnError
        If the function returns none of the three kinds.
    """
    OPTIMIZERS.enter(function, _adapted(function))
    return function


def _adapted(function: Callable[..., Any]) -> Optimizer:
    takes_rate = bool(inspect.signature(function).parameters)
    made = function(np.float64(1e-3)) if takes_rate else function()
    if takes_rate and isinstance(made, optax.GradientTransformation):
        return Transformation(function)
    if not takes_rate and isinstance(
        made, optimistix.AbstractQuasiNewton | optimistix.AbstractGradientDescent
    ):
        return Minimiser(made)
    if not takes_rate and isinstance(made, optimistix.AbstractGaussNewton):
        return LeastSquares(made)
    raise KeplearnError(
        f"optimizer {function.__name__}: it must be a function of the learning rate that returns an Optax "
        "transformation, or of nothing that returns an Optimistix minimiser with gradients (AbstractQuasiNewton, "
        "AbstractGradientDescent) or solver of least squares (AbstractGaussNewton); it is one of "
        f"{'the rate' if takes_rate else 'nothing'} that returns {type(made).__name__}."
    )


@optimizer
def adam(learning_rate: Any) -> optax.GradientTransformation:
    """Adam (Kingma & Ba 2015) with Optax's defaults."""
    # Decay rates of the run's dtype: with Python floats, b^count would be float64 in a float32 run.
    number = np.dtype(learning_rate.dtype).type
    return optax.adam(learning_rate, b1=number(0.9), b2=number(0.999))


@optimizer
def bfgs() -> optimistix.AbstractMinimiser:
    """Dense BFGS with a backtracking line search."""
    return ScaledBFGS()
