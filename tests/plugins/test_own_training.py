"""The loss, the optimisers and the schedule that CONTRIBUTING shows, in a file of a user's own, train a small net."""

import re
from pathlib import Path

import numpy as np
import pytest

import keplearn
from keplearn.core.errors import KeplearnError
from keplearn.experiment.plan import prepare
from keplearn.training.events import PhaseEnded, Rows
from keplearn.training.fit import fit

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
SMALL = {"width": 4, "depth": 1, "activation": "tanh", "feature_layer": "sph_4D_logr", "dtype": "float64"}


@pytest.fixture
def own(tmp_path):
    """Load what the page shows under a heading as a plugin; it returns the names."""

    def own(heading):
        found = re.search(rf"\*\*{heading}\*\*.*?```python\n(.*?)```", PAGE, re.DOTALL)
        assert found is not None and found[1].count("\n") <= 30
        file = tmp_path / f"{heading.split()[-1]}.py"
        file.write_text(found[1], encoding="utf-8")
        return keplearn.load_plugin(file)

    return own


def planned(**parameters):
    return prepare(keplearn.run_config("complex_TBP_planar_2_train", test=[], **SMALL | parameters))


def trained(plan, resume=None):
    """All rows of a training, its checkpoints, the ends of its phases."""
    events = list(fit(plan.model, plan.phases, plan.splits, plan.settings, resume))
    chunks = [event for event in events if isinstance(event, Rows)]
    ends = [event for event in events if isinstance(event, PhaseEnded)]
    return [row for chunk in chunks for row in chunk.rows], [chunk.checkpoint() for chunk in chunks], ends


def numbers(rows):
    return [(row["loss"], row["grad_norm"]) for row in rows]


def test_a_loss_of_the_field_trains_by_least_squares_and_goes_on_where_it_stopped(own):
    assert own("A loss") == ["acceleration_error"]
    assert set(own("An optimiser")) == {"lion", "levenberg_marquardt", "warmup"}
    plan = planned(
        loss_fcn="acceleration_error",
        optimizer=[["lion", "levenberg_marquardt"]],
        schedule=[["warmup", "constant"]],
        steps_strategy=[[20, 20]],
        validate_every=10,
    )
    rows, checkpoints, ends = trained(plan)
    first, second = ([row for row in rows if row["phase"] == phase] for phase in (0, 1))
    assert first[0]["lr"] == 0 and first[2]["lr"] == pytest.approx(1e-3)
    losses = [row["loss"] for row in second]
    assert losses[-1] < 0.01 * losses[0] and np.all(np.diff(losses) <= 0)
    assert all(row["acceleration_error"] == row["loss"] for row in rows)
    # No orbit is integrated, so there is no grid to be wrong.
    assert [end.summary["grid_error"] for end in ends] == [None, None]
    half = next(point for point in checkpoints if point.phase == 1 and point.step < 20)
    assert numbers(trained(plan, half)[0]) == numbers(second[half.step :])


def test_least_squares_lower_the_error_of_integrated_segments(own):
    own("An optimiser")
    own_names = {"optimizer": "levenberg_marquardt", "l2": 1e-9, "num_trajs": 1}
    rows, _, (end,) = trained(planned(loss_fcn="relative_squared_error", steps_strategy=16, **own_names))
    assert rows[-1]["loss"] < 0.01 * rows[0]["loss"] and rows[-1]["l2"] > 0
    assert end.summary["batch_size"] == end.summary["segments"]
    for refused, said in (
        ({"loss_fcn": "percent_error"}, "percent_error is none: choose a loss of squares"),
        ({"loss_fcn": "mean_squared_error", "integrator": "adaptive"}, "set integrator: grid"),
    ):
        with pytest.raises(KeplearnError, match=said):
            trained(planned(**own_names, **refused))


def test_an_optimiser_of_ones_own_on_all_segments_needs_double_precision_and_no_learning_rate(own):
    own("An optimiser")
    with pytest.raises(KeplearnError, match="levenberg_marquardt needs double precision: set dtype: float64"):
        planned(optimizer="levenberg_marquardt", dtype="float32")
    with pytest.warns(
        UserWarning, match="given without effect: lr_strategy .its optimizer has no learning rate"
    ):
        planned(optimizer="levenberg_marquardt", lr_strategy=1e-2)
    with pytest.raises(KeplearnError, match=r"'warm' does not exist\. Did you mean 'warmup'"):
        planned(schedule="warm")
