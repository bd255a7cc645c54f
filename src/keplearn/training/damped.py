"""Optimistix's Levenberg-Marquardt method with a floor under its damping."""

from typing import Any

import jax.numpy as jnp
import lineax
import optimistix

# Of the damping λ, beside the squares of singular values of residuals that are a mean of relative errors.
FLOOR = 1e-10


class FlooredTrustRegion(optimistix.ClassicalTrustRegion):
    """Steps of 1/λ at most 1/`FLOOR`, longer where three quarters of what was predicted is gained."""

    high_cutoff: float = 0.75  # pyright: ignore[reportIncompatibleVariableOverride]

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """Say how long the next step is to be, and whether the last one is taken."""
        size, accept, result, state = super().step(*args, **kwargs)
        size = jnp.minimum(size, 1 / FLOOR)
        return size, accept, result, type(state)(size)


class DampedLeastSquares(optimistix.LevenbergMarquardt):
    """Optimistix's method with that floor, by normal equations: a fifth of the time of a QR decomposition."""

    def __init__(self) -> None:
        super().__init__(rtol=0.0, atol=0.0, linear_solver=lineax.Normal(lineax.Cholesky()))
        self.search = FlooredTrustRegion()
