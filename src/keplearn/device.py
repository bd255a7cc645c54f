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

    # JAX takes a GPU where there is one. Told to, it wants every kind of GPU to be there, CUDA and ROCm alike.
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    try:
        found = jax.devices()[0].platform
    except RuntimeError as error:
        raise KeplearnError(
            f"--device {device}: JAX finds no device that works ({str(error).splitlines()[0]}). "
            "To compute without a GPU: --device cpu."
        ) from error
    if device == "gpu" and found == "cpu":
        raise KeplearnError(
            "--device gpu: JAX finds only the CPU here. For an NVIDIA GPU: pip install 'jax[cuda13]'."
        )
    return found
