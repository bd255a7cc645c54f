"""Optimisers on a flat vector of parameters, by name: Adam on batches, BFGS on all segments at once.

Adding one is adding one class with ``init`` and ``step``, and its line in the table.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import lineax
import numpy as np
import optax
import optimistix
from jaxtyping import Array, Bool, Float

from keplearn.core.jax_shapes import Scalar
from keplearn.training.losses import Parts

Flat = Float[Array, "parameter"]
Function = Callable[[Flat], tuple[Scalar, Parts]]


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


class Adam:
    """Adam (Kingma & Ba 2015) with Optax's defaults, on gradients clipped by their norm.

    A longer gradient is shortened to ``max_norm``, its direction kept (Pascanu, Mikolov & Bengio, On the difficulty
    of training recurrent neural networks, ICML 2013): one segment whose solution runs away would otherwise fill the
    second moment, and stall all parameters for a thousand steps. Learning rate and bound are arguments.
    """

    full_batch = False

    @staticmethod
    def _rule(dtype: Any) -> optax.GradientTransformation:
        # Decay rates of the run's dtype: with Python floats, b^count would be float64 in a float32 run.
        return optax.scale_by_adam(*(np.dtype(dtype).type(b) for b in (0.9, 0.999)))

    @classmethod
    def init(cls, function: Function, parameters: Flat) -> Any:
        """Return the state before the first step."""
        return cls._rule(parameters.dtype).init(parameters)

    @classmethod
    def step(
        cls, function: Function, parameters: Flat, state: Any, learning_rate: Scalar, max_norm: Scalar
    ) -> Step:
        """Take one step down the gradient of this batch."""
        (loss, parts), gradient = jax.value_and_grad(function, has_aux=True)(parameters)
        norm = jnp.linalg.norm(gradient)
        clipped = gradient * jnp.minimum(1, max_norm / norm)
        update, new_state = cls._rule(parameters.dtype).update(clipped, state)
        moved = (parameters - learning_rate * jnp.asarray(update), new_state)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.all(jnp.isfinite(moved[0]))
        parameters, state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old), moved, (parameters, state)
        )
        return Step(parameters, state, loss, parts, norm, finite)


class ScaledBFGS(optimistix.AbstractQuasiNewton):
    """Optimistix's dense BFGS with two changes that a loss near its floor needs.

    The curvature test is relative (Optimistix stops updating once s·y < 2e-16, which losses of 1e-10 reach
    long before they are minimal), and the first update scales the identity by s·y / y·y (Nocedal & Wright,
    eq. 6.20).
    """

    rtol: float = 0.0
    atol: float = 0.0
    norm: Callable = optimistix.max_norm
    use_inverse: bool = True
    descent: optimistix.NewtonDescent = optimistix.NewtonDescent(linear_solver=lineax.Cholesky())  # pyright: ignore[reportIncompatibleVariableOverride]
    search: optimistix.BacktrackingArmijo = optimistix.BacktrackingArmijo()  # pyright: ignore[reportIncompatibleVariableOverride]
    verbose: Callable = staticmethod(lambda **kwargs: None)

    def init_hessian(self, y: Flat, f: Scalar, grad: Flat):
        """Return the identity, and that no update has scaled it."""
        identity = _inverse_hessian(jnp.eye(y.size, dtype=y.dtype), y)
        return optimistix.FunctionInfo.EvalGradHessianInv(f, grad, identity), jnp.array(False)

    def update_hessian(self, y, y_eval, f_info, f_eval_info, hessian_update_state):
        """Apply the BFGS update of the inverse Hessian (Nocedal & Wright, eq. 6.17)."""
        s, d = y_eval - y, f_eval_info.grad - f_info.grad
        curvature = s @ d
        usable = curvature > 1e-10 * jnp.linalg.norm(s) * jnp.linalg.norm(d)
        safe = jnp.where(usable, curvature, 1)
        inverse = f_info.hessian_inv.pytree
        scale = jnp.where(
            hessian_update_state | ~usable, 1, safe / jnp.maximum(d @ d, jnp.finfo(d.dtype).tiny)
        )
        inverse = inverse * scale
        hd = inverse @ d
        rank_one = jnp.outer(s, ((1 + (d @ hd) / safe) * s - hd) / safe)
        updated = inverse + rank_one - jnp.outer(hd, s / safe)
        matrix = jnp.where(usable, updated, inverse)
        info = optimistix.FunctionInfo.EvalGradHessianInv(
            f_eval_info.f, f_eval_info.grad, _inverse_hessian(matrix, y)
        )
        return info, hessian_update_state | usable


def _inverse_hessian(matrix: Float[Array, "parameter parameter"], y: Flat) -> lineax.PyTreeLinearOperator:
    return lineax.PyTreeLinearOperator(matrix, jax.eval_shape(lambda: y), lineax.positive_semidefinite_tag)


class BFGS:
    """Dense BFGS with a backtracking line search, on all segments; a step is one evaluation, accepted or not.

    It takes neither learning rate nor clipping. A point where the loss is not finite is a step too far: rejected.
    """

    full_batch = True
    _solver = ScaledBFGS()

    @classmethod
    def init(cls, function: Function, parameters: Flat) -> Any:
        """Return the state before the first step."""
        loss, parts = jax.eval_shape(function, parameters)
        return cls._solver.init(cls._function(function), parameters, None, {}, loss, parts, frozenset())

    @classmethod
    def step(
        cls, function: Function, parameters: Flat, state: Any, learning_rate: Scalar, max_norm: Scalar
    ) -> Step:
        """Evaluate the loss at the next trial point, and go there if it decreases enough."""
        parameters, state, _ = cls._solver.step(
            cls._function(function), parameters, None, {}, state, frozenset()
        )
        info = state.f_info
        norm = jnp.linalg.norm(info.grad)
        return Step(parameters, state, info.f, state.aux, norm, jnp.isfinite(info.f) & jnp.isfinite(norm))

    @staticmethod
    def _function(function: Function) -> Callable:
        return lambda parameters, args: function(parameters)


OPTIMIZERS: dict[str, type[Adam] | type[BFGS]] = {"adam": Adam, "bfgs": BFGS}
