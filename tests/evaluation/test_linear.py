"""Linearised flows are exact for linear fields, and off by the third power of time for others."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import units_for
from keplearn.evaluation.linear import _linear_flow, linearity
from keplearn.evaluation.subject import Subject
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.systems.field import SystemField
from keplearn.systems.system import System


@dataclass(frozen=True)
class Spring(System):
    """A mass on a spring whose rest is not at the origin: a linear field."""

    stiffness: float

    def acceleration(self, t: Any, r: Any, v: Any) -> Any:
        return -self.stiffness * (r - 0.25)

    def canonical(self, length_km: float, mu: float) -> "Spring":
        return self


def test_the_linearised_flow_of_a_linear_field_is_its_flow():
    law = load_dataset("simple_TBP_planar_3_test")
    subject = Subject.law(law.reference, units_for(law), planar=False)
    with jax.enable_x64(True):
        subject = replace(subject, dynamics=SystemField.of(Spring(4.0)))
    rng = np.random.default_rng(0)
    starts, times = rng.normal(size=(5, 6)), rng.uniform(0, 3, size=(5, 4))
    found = _linear_flow(subject, starts, times)
    r, v, t = starts[:, None, :3], starts[:, None, 3:], times[..., None]
    exact = [0.25 + (r - 0.25) * np.cos(2 * t) + v / 2 * np.sin(2 * t)]
    exact.append(v * np.cos(2 * t) - 2 * (r - 0.25) * np.sin(2 * t))
    np.testing.assert_allclose(found, np.concatenate(exact, axis=-1), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["complex_TBP_planar_10_train", "simple_TBP_3_test"])
def test_flows_leave_the_linearised_one_with_the_third_power_of_time(name):
    training = load_dataset(name)
    shape = Architecture("sph_4D_rinv_vel", "mlp_4D_signed", 8, 1, "tanh", planar_constraint=training.planar)
    model = new_model(shape, seed=0, dtype="float64", max_acceleration=1.0, units=units_for(training))
    found = linearity(model, training, [3, 5, 9])
    for field in ("law", "model"):
        deviation = found.sel(field=field)["deviation"]
        for short, long in ((3, 5), (5, 9)):  # 2, 4 and 8 steps
            ratio = float(deviation.sel(length=long) / deviation.sel(length=short))
            assert ratio == pytest.approx(8, rel=0.25), field
    assert (found["deviation_low"] <= found["deviation_high"]).all()


def test_other_units_are_refused():
    training = load_dataset("simple_TBP_planar_3_test")
    shape = Architecture("sph_4D_rinv", "mlp_4D_signed", 4, 1, "tanh", planar_constraint=True)
    model = new_model(shape, seed=0, dtype="float64", max_acceleration=1.0, units=None)
    with pytest.raises(KeplearnError, match="units"):
        linearity(model, training, [4])
