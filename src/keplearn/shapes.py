"""The vocabulary of array shapes: one alias for each thing that is passed around.

Axis names: ``orbit``, ``sample`` (along an orbit), ``segment``. The six of a state are x, y, z, vx, vy, vz.
NumPy aliases are float64 (data and files); JAX aliases leave the dtype to the run.
"""

import numpy as np
from jaxtyping import Array, Float, Float64

# NumPy, float64: datasets and files. Units are km, s, rad unless a name says canonical.
StateArray = Float64[np.ndarray, "*batch 6"]
VectorArray = Float64[np.ndarray, "*batch 3"]
ScalarArray = Float64[np.ndarray, "*batch"]
OrbitTimes = Float64[np.ndarray, "orbit sample"]
OrbitStates = Float64[np.ndarray, "orbit sample 6"]
OrbitVectors = Float64[np.ndarray, "orbit sample 3"]
OrbitElements = Float64[np.ndarray, "orbit 6"]

# JAX, the run's dtype, canonical units.
State = Float[Array, "6"]
Vector = Float[Array, "3 *batch"]
Features = Float[Array, "feature *batch"]
Scalar = Float[Array, ""]
Scalars = Float[Array, "*batch"]

# Either of the two: for formulas that work on both (the dynamical systems).
AnyStates = StateArray | Float[Array, "*batch 6"]
AnyVectors = VectorArray | Float[Array, "*batch 3"]
# The numbers of a single NumPy state are float64 scalars, which are floats and no arrays.
AnyScalars = ScalarArray | float | Float[Array, "*batch"]
