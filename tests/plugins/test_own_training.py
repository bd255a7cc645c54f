"""The loss, the optimisers and the schedule that CONTRIBUTING shows, in a file of a user's own, train a small net."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import keplearn
from keplearn.config import load_config
from keplearn.core.errors import KeplearnError
from keplearn.experiment.plan import prepare
from keplearn.training.events import PhaseEnded, Rows
from keplearn.training.fit import fit
from keplearn.training.optimizers import OPTIMIZERS

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
    assert set(own("An optimiser")) == {"nadam", "marquardt", "warmup"}
    plan = planned(
        loss_fcn="acceleration_error",
        optimizer=[["nadam", "marquardt"]],
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
    own_names = {"optimizer": "marquardt", "l2": 1e-9, "num_trajs": 1}
    rows, _, (end,) = trained(planned(loss_fcn="relative_squared_error", steps_strategy=16, **own_names))
    assert rows[-1]["loss"] < 0.01 * rows[0]["loss"] and rows[-1]["l2"] > 0
    assert end.summary["batch_size"] == end.summary["segments"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("loss_fcn: percent_error", "percent_error is none: choose a loss of squares"),
        ("l1: 0.1", "l1 is none: choose a loss of squares, .* with no other term than l2"),
        ("sign_flip: 0.1", "sign_flip is none"),
        ("integrator: [[grid, adaptive]]", "adaptive steps do not have: set integrator: grid"),
        ("output_layer: mlp_simple", "the steps of output_layer mlp_simple do not have"),
    ],
)
def test_what_least_squares_cannot_take_is_refused_before_any_training(own, tmp_path, given, said):
    """With file and line, whichever the phase; and so by a training that is given another plan."""
    own("An optimiser")
    fine = "  loss_fcn: mean_squared_error\n" if "loss_fcn" not in given else ""
    study = tmp_path / "study.yaml"
    study.write_text(
        "data: {dataset_name: complex_TBP_planar_2_train, test: []}\nparameters:\n  dtype: float64\n"
        f"  steps_strategy: [[5, 5]]\n  optimizer: [[adam, marquardt]]\n  {given}\n{fine}"
    )
    with pytest.raises(KeplearnError, match=rf"study\.yaml:5: optimizer: marquardt .*{said}"):
        load_config(study)
    study.write_text(study.read_text().replace("marquardt", "bfgs"))
    plan = prepare(load_config(study)[0])
    squares = next(name for name in OPTIMIZERS if name.startswith("marquardt@"))
    phases = [plan.phases[0], replace(plan.phases[1], optimizer=squares)]
    with pytest.raises(KeplearnError, match=said):
        next(fit(plan.model, phases, plan.splits, plan.settings))


def test_an_optimiser_of_ones_own_on_all_segments_needs_double_precision_and_no_learning_rate(own):
    own("An optimiser")
    with pytest.raises(KeplearnError, match="marquardt needs double precision: set dtype: float64"):
        planned(optimizer="marquardt", dtype="float32")
    with pytest.warns(
        UserWarning, match="given without effect: lr_strategy .its optimizer has no learning rate"
    ):
        planned(optimizer="marquardt", loss_fcn="relative_squared_error", lr_strategy=1e-2)
    with pytest.raises(KeplearnError, match=r"'warm' does not exist\. Did you mean 'warmup'"):
        planned(schedule="warm")
