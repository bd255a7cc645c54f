"""Optimistix's dense BFGS, for losses near their floor."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import lineax
import optimistix
from jaxtyping import Array, Float

from keplearn.core.jax_shapes import Scalar
from keplearn.training.residuals import Flat


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
