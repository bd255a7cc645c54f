"""The vocabulary of array shapes: one alias for each thing that is passed around in NumPy; float64.

Axis names: ``orbit``, ``sample`` (along an orbit), ``segment``. The six of a state are x, y, z, vx, vy, vz. Units
are km, s, rad unless a name says canonical. What JAX computes with is in `keplearn.core.jax_shapes`.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

StateArray = Float64[np.ndarray, "*batch 6"]
VectorArray = Float64[np.ndarray, "*batch 3"]
ScalarArray = Float64[np.ndarray, "*batch"]
OrbitTimes = Float64[np.ndarray, "orbit sample"]
OrbitStates = Float64[np.ndarray, "orbit sample 6"]
OrbitVectors = Float64[np.ndarray, "orbit sample 3"]
OrbitElements = Float64[np.ndarray, "orbit 6"]

# NumPy or JAX, the component along the first axis: for formulas that work on both (the dynamical systems). The
# numbers of a single NumPy state are float64 scalars, which are floats and no arrays.
AnyVectors = Float[Any, "3 *batch"]
AnyScalars = float | Float[Any, "*batch"]
AnyTimes = float | Float[Any, "*#batch"]
AnyNumber = float | Float[Any, ""]
