"""Optimisers on a flat vector of parameters, by name: Optax's on batches, Optimistix's on all segments at once.

Adding one is adding one function here: of the learning rate, or of it and the weight decay, which returns an Optax
transformation, or of nothing, which returns an Optimistix solver. Three adapters make steps of them.
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
from keplearn.training.damped import DampedLeastSquares
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


class Pace(NamedTuple):
    """What bounds a step: learning rate, longest gradient, share of the rate by which all parameters shrink."""

    learning_rate: Scalar
    max_norm: Scalar
    decay: Scalar | float = 0.0


@dataclass(frozen=True)
class Transformation:
    """An Optax transformation of learning rate and weight decay, on batches, of gradients clipped by their norm.

    A longer gradient is shortened to ``max_norm``, its direction kept (Pascanu, Mikolov & Bengio, On the difficulty
    of training recurrent neural networks, ICML 2013): one segment whose solution runs away would otherwise fill the
    second moment, and stall all parameters for a thousand steps. Learning rate, bound and decay are arguments.
    """

    make: Callable[[Scalar, Scalar], optax.GradientTransformation]
    decays: bool = False

    full_batch: ClassVar[bool] = False
    least_squares: ClassVar[bool] = False

    def init(self, function: Function, parameters: Flat) -> Any:
        """Return the state before the first step."""
        zero = jnp.zeros((), parameters.dtype)
        return self.make(zero, zero).init(parameters)

    def step(self, function: Function, parameters: Flat, state: Any, pace: Pace) -> Step:
        """Take one step down the gradient of this batch."""
        (loss, parts), gradient = jax.value_and_grad(function, has_aux=True)(parameters)
        norm = jnp.linalg.norm(gradient)
        clipped = gradient * jnp.minimum(1, pace.max_norm / norm)
        made = self.make(pace.learning_rate, jnp.asarray(pace.decay, parameters.dtype))
        update, new_state = made.update(clipped, state, parameters)
        moved = (parameters + jnp.asarray(update), new_state)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.all(jnp.isfinite(moved[0]))
        parameters, state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old), moved, (parameters, state)
        )
        return Step(parameters, state, loss, parts, norm, finite)


@dataclass(frozen=True)
class Minimiser:
    """An Optimistix minimiser that uses gradients, on all segments; a step is one evaluation, accepted or not.

    It takes no learning rate, clipping or decay. A point where the loss is not finite is a step too far: rejected.
    """

    solver: Any

    full_batch: ClassVar[bool] = True
    least_squares: ClassVar[bool] = False
    decays: ClassVar[bool] = False

    def init(self, function: Function, parameters: Flat) -> Any:
        """Return the arrays of the state before the first step; the rest of it is code, no data."""
        return eqx.filter(self._initial(function, parameters), eqx.is_array)

    def step(self, function: Function, parameters: Flat, state: Any, pace: Pace) -> Step:
        """Evaluate the function at the next trial point, and go there if it decreases enough."""
        whole = eqx.filter_eval_shape(self._initial, function, parameters)
        code = eqx.filter(whole, lambda x: isinstance(x, jax.ShapeDtypeStruct), inverse=True)
        parameters, state, _ = self.solver.step(
            lambda x, args: function(x), parameters, None, {}, eqx.combine(state, code), frozenset()
        )
        loss, parts, gradient = self._reached(state)
        norm = jnp.linalg.norm(gradient)
        state = eqx.filter(state, eqx.is_array)
        return Step(parameters, state, loss, parts, norm, jnp.isfinite(loss) & jnp.isfinite(norm))

    def _initial(self, function: Function, parameters: Flat) -> Any:
        shapes = jax.eval_shape(function, parameters)
        return self.solver.init(lambda x, args: function(x), parameters, None, {}, *shapes, frozenset())

    def _reached(self, state: Any) -> tuple[Scalar, Parts, Flat]:
        """Return loss, parts and gradient at the parameters."""
        return state.f_info.f, state.aux, state.f_info.grad


class LeastSquares(Minimiser):
    """An Optimistix solver of least squares, of Gauss and Newton's kind, on all segments; see `Minimiser`."""

    least_squares = True

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
    taken = len(inspect.signature(function).parameters)
    takes_rate, decays = taken > 0, taken > 1
    made = function(*[np.float64(1e-3)] * min(taken, 2))
    if takes_rate and isinstance(made, optax.GradientTransformation):
        return Transformation(function if decays else lambda rate, decay: function(rate), decays)
    if not takes_rate and isinstance(
        made, optimistix.AbstractQuasiNewton | optimistix.AbstractGradientDescent
    ):
        return Minimiser(made)
    if not takes_rate and isinstance(made, optimistix.AbstractGaussNewton):
        return LeastSquares(made)
    raise KeplearnError(
        f"optimizer {function.__name__}: it must be a function of the learning rate (and the weight decay) that "
        "returns an Optax transformation, or of nothing that returns an Optimistix minimiser with gradients "
        "(AbstractQuasiNewton, AbstractGradientDescent) or solver of least squares (AbstractGaussNewton); it is one of "
        f"{'the rate' if takes_rate else 'nothing'} that returns {type(made).__name__}."
    )


def _rates(learning_rate: Any, *rates: float) -> list[Any]:
    """Return decay rates in the run's dtype: with Python floats, b^count would be float64 in a float32 run."""
    return [np.dtype(learning_rate.dtype).type(rate) for rate in rates]


@optimizer
def adam(learning_rate: Any) -> optax.GradientTransformation:
    """Adam (Kingma & Ba 2015) with Optax's defaults.

    Good to begin with, on batches or all segments; alone it ends a hundred times above what bfgs comes to after it.
    """
    b1, b2 = _rates(learning_rate, 0.9, 0.999)
    return optax.adam(learning_rate, b1=b1, b2=b2)


@optimizer
def adamw(learning_rate: Any, weight_decay: Any) -> optax.GradientTransformation:
    """Adam whose ``weight_decay`` is apart from the gradient (Loshchilov & Hutter, ICLR 2019).

    For wide networks on noisy samples; a law that is learned from clean ones is not made better by it.
    """
    b1, b2 = _rates(learning_rate, 0.9, 0.999)
    return optax.adamw(learning_rate, b1=b1, b2=b2, weight_decay=weight_decay)


@optimizer
def lion(learning_rate: Any, weight_decay: Any) -> optax.GradientTransformation:
    """Lion, the sign of a momentum, with ``weight_decay`` (Chen et al., NeurIPS 2023).

    It wants a tenth of Adam's learning rate. For large batches and networks.
    """
    b1, b2 = _rates(learning_rate, 0.9, 0.99)
    return optax.lion(learning_rate, b1=b1, b2=b2, weight_decay=weight_decay)


@optimizer
def bfgs() -> optimistix.AbstractMinimiser:
    """Dense BFGS with a backtracking line search.

    The best polish for up to about 1000 parameters, after Adam and in double precision; a step costs as much as the
    square of their number.
    """
    return ScaledBFGS()


@optimizer
def lbfgs() -> optimistix.AbstractMinimiser:
    """L-BFGS of the last 20 steps, with a backtracking line search (Byrd, Nocedal & Schnabel 1994).

    For networks that are too large for bfgs, a step of which it is nearly as good as; it stops where the loss is about
    1e-12, for Optimistix's test of the curvature is an absolute one.
    """
    return optimistix.LBFGS(rtol=0.0, atol=0.0, history_length=20)


@optimizer
def levenberg_marquardt() -> optimistix.AbstractLeastSquaresSolver:
    """Levenberg and Marquardt's method, whose damping has a floor (Nocedal & Wright, section 10.3).

    For losses of squares and small networks. A step is worth a hundred of bfgs, and costs as many evaluations as there
    are parameters. Below the floor it would go where the data constrain nothing: training errors of 1e-7 and test
    errors of 11 % were seen.
    """
    return DampedLeastSquares()
