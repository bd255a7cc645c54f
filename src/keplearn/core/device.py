"""Which device computes: a matter of the machine, never of a run's config."""

import os
from typing import Literal

from keplearn.core.errors import KeplearnError

Device = Literal["auto", "cpu", "gpu"]


def choose_device(device: Device) -> str:
    """Make JAX compute on the CPU, on a GPU, or (auto) on a GPU where there is one; return which.

    Takes effect only before the first computation of the process.

    Raises
    ------
    KeplearnError
        If a GPU is asked for and JAX finds none.
    """
    import jax

    # JAX takes a GPU where there is one. Told to, it wants every kind of GPU to be there, CUDA and ROCm alike.
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    if reason := trouble():
        raise KeplearnError(reason)
    found = jax.devices()[0].platform
    if device == "gpu" and found == "cpu":
        raise KeplearnError(
            "--device gpu: JAX finds only the CPU here. For an NVIDIA GPU: pip install 'jax[cuda13]'."
        )
    return found


def trouble() -> str:
    """Say why JAX finds no device to compute on; empty where it finds one."""
    import jax

    try:
        jax.devices()
    except Exception as error:  # an assertion too, where JAX was told to use nothing but what is not there
        asked = os.environ.get("JAX_PLATFORMS")
        if asked:
            return (
                f"JAX_PLATFORMS={asked} in the environment, and JAX finds no such device here: unset it, "
                "or set it to cpu."
            )
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return f"JAX finds no device that works ({reason}). To compute without a GPU: JAX_PLATFORMS=cpu."
    return ""
