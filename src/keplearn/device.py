"""Which device computes: a matter of the machine, never of a run's config."""

from typing import Literal

from keplearn.errors import KeplearnError

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

    if device != "auto":
        jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda,rocm"}[device])
    try:
        found = jax.devices()[0].platform
    except RuntimeError as error:
        raise KeplearnError(
            f"--device {device}: JAX finds no such device here ({str(error).splitlines()[0]}). "
            "For an NVIDIA GPU: pip install 'jax[cuda13]'."
        ) from error
    if device == "gpu" and found == "cpu":
        raise KeplearnError("--device gpu: JAX finds only the CPU here.")
    return found
