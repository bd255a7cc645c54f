"""Numbers as short as they can be in JSON."""

import numpy as np
from jaxtyping import Float64


def rounded(values: Float64[np.ndarray, "value"], digits: int) -> list[float | int | None]:
    """Numbers of so many significant digits; None where they are not finite, whole numbers without a point."""
    numbers = [float(f"{value:.{digits - 1}e}") if np.isfinite(value) else None for value in values]
    return [int(x) if x is not None and x.is_integer() and abs(x) < 1e15 else x for x in numbers]
