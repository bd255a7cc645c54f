"""Fields that are known exactly, put in the place of a trained model."""

from collections.abc import Callable

import jax
import pytest

from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.data.units import Units, units_for
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model
from keplearn.models.outputs import OUTPUT_LAYERS, OutputLayer

Law = Callable[[jax.Array, jax.Array], jax.Array]


@pytest.fixture
def model_of(monkeypatch: pytest.MonkeyPatch):
    """Make a model whose acceleration is a given function of position and velocity (canonical units).

    Models of one architecture share a compiled program: each function needs a name of its own.
    """
    return _maker(monkeypatch)


@pytest.fixture(scope="module")
def models_of():
    """`model_of` for a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        yield _maker(patch)


def _maker(patch: pytest.MonkeyPatch):
    def make(law: Law, units: Units | OrbitDataset, planar: bool = False) -> NeuralODE:
        name = law.__qualname__
        layer = OutputLayer(lambda r, v, network, values: law(r, v), size=1)
        patch.setitem(OUTPUT_LAYERS, name, layer)
        units = units_for(units) if isinstance(units, OrbitDataset) else units
        shape = Architecture("log_radius", name, 2, 1, "tanh", planar_constraint=planar)
        return new_model(shape, 0, units=units)

    return make
