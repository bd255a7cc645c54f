"""The training loop: what a run's numbers depend on, and what they do not.

Longer than most files: its tests share what they train and compile, and a file goes to one process.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from effort import OPTIONS, enough
from jax._src import compilation_cache
from jax.flatten_util import ravel_pytree

from keplearn.core import programs
from keplearn.data.dataset import load_dataset
from keplearn.data.segments import Segments
from keplearn.data.splits import Samples, Split, split_segments
from keplearn.data.units import units_for
from keplearn.integrate import Grid
from keplearn.models.neural_ode import Architecture, Scales, new_model
from keplearn.systems.two_body import TwoBody
from keplearn.training import batches, stack
from keplearn.training import phase as loop
from keplearn.training.calls import Answer
from keplearn.training.chunk import rotate
from keplearn.training.curriculum import Phase, random_rotations
from keplearn.training.events import Checkpoint, PhaseEnded, Row, Rows
from keplearn.training.fit import fit
from keplearn.training.grid_error import grid_error
from keplearn.training.objective import objective, validation, without_lost
from keplearn.training.paths import solve
from keplearn.training.problem import Batch, Constants, Setup, assemble
from keplearn.training.settings import FitSettings
from keplearn.training.spikes import Spikes
from keplearn.training.tally import Tally, TrainingFailed

SMALL = Architecture("sph_4D_rinv_vel", "mlp_4D_signed", width=6, depth=1, activation="tanh")
LENGTH = 4
# law=None: a poisoned segment has no grid error to measure. The stride is then to be given.
ADAM = Phase((0.0, 1.0), 0.01, 24, LENGTH, batch_size=16, stride=3)
SETTINGS = FitSettings(validate_every=10, dtype="float64", law=None)


@dataclass
class Record:
    """What a fit yielded."""

    rows: list[Row] = field(default_factory=list)
    results: list[PhaseEnded] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)

    def numbers(self) -> list[np.ndarray]:
        """Final and best parameters of all phases."""
        models = [model for result in self.results for model in (result.final, result.best)]
        return [np.asarray(x) for model in models for x in jax.tree.leaves(model.parameters)]


def train(split: Split, *phases: Phase, resume: Checkpoint | None = None, **changes: Any) -> Record:
    """Train the small model; the caller's precision must be the caller's whenever control returns."""
    settings = replace(SETTINGS, **changes)
    before = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
    record = Record()
    model = new_model(SMALL, settings.seed, settings.dtype)
    for event in fit(model, phases, [split] * len(phases), settings, resume):
        assert jax.config.jax_enable_x64 == before  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(event, Rows):
            record.rows += event.rows
            record.checkpoints.append(event.checkpoint())
        else:
            record.results.append(event)
    return record


def assert_same(one: Record, other: Record) -> None:
    """Bitwise the same parameters and metrics."""
    for a, b in zip(one.numbers(), other.numbers(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.rows == other.rows


@pytest.fixture(scope="session")
def split() -> Split:
    """44 training and 22 validation segments of 4 samples of three orbits."""
    dataset = load_dataset("simple_TBP_planar_3_train")
    return split_segments(dataset, units_for(dataset), (0.0, 0.25), LENGTH, 0.6, "orbits")


def poison(split: Split, count: int) -> Split:
    """The first segments start where no number can follow them."""
    states = split.train.states.copy()
    states[0, :, :count] *= 1e200
    return replace(split, train=replace(split.train, states=states))


@pytest.fixture(scope="session")
def plain(split) -> Record:
    return train(split, ADAM)


def test_training_lowers_the_loss_and_records_every_step(plain, split):
    assert [row["step"] for row in plain.rows] == list(range(1, 25))
    assert plain.rows[-1]["loss"] < 0.7 * plain.rows[0]["loss"]
    for row in plain.rows:
        assert {"phase", "step", "lr", "lost", "loss", "percent_error", "grad_norm"} <= set(row)
        assert row["loss"] == row["percent_error"] and row["lost"] == 0 and row["lr"] == 0.01
    summary = plain.results[0].summary
    assert summary["segments"] == len(split.train) and summary["batch_size"] == 16
    assert summary["validation_on"] == "validation" and summary["stride"] == 3


def test_validation_comes_at_its_own_steps_and_decides_the_best_model(plain, split):
    validated = {row["step"]: row["val_loss"] for row in plain.rows if "val_loss" in row}
    assert list(validated) == [10, 20, 24]
    best = min(validated, key=lambda step: validated[step])
    summary = plain.results[0].summary
    assert (summary["best_step"], summary["best_loss"]) == (best, validated[best])
    # The best model is the final one of a run that ends there.
    until = train(split, replace(ADAM, steps=best)).results[0].final
    for a, b in zip(*(jax.tree.leaves(m.parameters) for m in (plain.results[0].best, until)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_patience_ends_a_phase_whose_validation_gets_no_better_and_a_resumed_one_too(split):
    """At a rate of nothing no validation is better than the first, of step 10."""
    still = replace(ADAM, learning_rate=1e-300, steps=90)
    ended = train(split, still, replace(ADAM, steps=10), patience=2)
    assert [result.summary["steps"] for result in ended.results] == [30, 10]
    assert [row["step"] for row in ended.rows] == [*range(1, 31), *range(1, 11)]
    at_end = [c for c in ended.checkpoints if (c.phase, c.step) == (0, 30)][-1]
    resumed = train(split, still, replace(ADAM, steps=10), patience=2, resume=at_end)
    assert [row["phase"] for row in resumed.rows] == [1] * 10
    assert resumed.rows == ended.rows[30:]


def test_a_rate_that_falls_by_validation_is_the_same_in_a_resumed_run(split):
    """At a rate of nothing no validation is better than the first."""
    phase = replace(ADAM, learning_rate=1e-300, steps=80, schedule="reduce_on_plateau")
    whole = train(split, phase)
    assert [row["lr"] for row in whole.rows] == [1e-300] * 60 + [5e-301] * 20
    between = [c for c in whole.checkpoints if 30 < c.step < 60][-1]
    assert train(split, phase, resume=between).rows == whole.rows[between.step :]


def test_a_loss_that_rises_suddenly_is_known_by_its_step_and_one_that_stays_up_as_a_collapse():
    def told(losses, cut):
        spikes, resumed = Spikes(), Spikes()
        rows: list[Row] = [{"step": k, "loss": loss} for k, loss in enumerate(losses, 1)]
        spikes.count(rows[:cut])
        resumed.restore(spikes.arrays())
        resumed.count(rows[cut:])
        return resumed.summary()

    calm = [3.0] * 60 + [1.0] * 60
    nothing = {"loss_spikes": 0, "first_spike": None, "collapsed_after": None}
    assert told(calm, 70) == nothing
    assert told([*calm, np.nan, 9.0], 70) == nothing
    assert told([*calm, 11.0, 12.0, *calm], 121) == {
        "loss_spikes": 2,
        "first_spike": 121,
        "collapsed_after": None,
    }
    collapsed = told([*calm, *[40.0] * 60], 100)
    assert collapsed["collapsed_after"] == 86 and collapsed["first_spike"] == 121


def test_a_phase_has_converged_where_its_validation_is_first_within_a_tenth_of_its_least():
    """A model that lost a validation segment is not compared; a checkpoint that kept no validations tells nothing."""
    tally = Tally(0, 16, 100.0)
    assert tally.convergence_steps is None
    for step, loss, lost in (
        (10, 3.0, 0),
        (20, 1.0, 2),
        (30, np.nan, 5),
        (40, 2.1, 0),
        (50, 2.0, 0),
        (60, 2.4, 0),
    ):
        tally.count_validation({"step": step, "val_loss": loss, "val_lost": lost})
    assert tally.convergence_steps == 40 and tally.validations == 5
    resumed = Tally(0, 16, 100.0)
    resumed.restore(tally.arrays())
    assert resumed.convergence_steps == 40
    resumed.restore({name: array for name, array in tally.arrays().items() if name != "validated"})
    resumed.count_validation({"step": 70, "val_loss": 9.0, "val_lost": 0})
    assert resumed.convergence_steps is None


def test_a_worse_model_later_is_not_the_best(split):
    """A learning rate that spoils the model after the first validation."""
    record = train(split, ADAM, replace(ADAM, learning_rate=3.0, steps=30))
    spoilt = record.results[1]
    losses = [row["val_loss"] for row in record.rows if "val_loss" in row and row["phase"] == 1]
    assert spoilt.summary["best_loss"] == min(losses)
    assert [result.phase for result in record.results] == [0, 1]


def test_numbers_do_not_depend_on_what_trained_before_or_on_precisions_beside_them(plain, split, monkeypatch):
    """Programs and caches are dropped after a training in another precision: all is compiled anew."""
    assert_same(train(split, ADAM), plain)
    single = train(split, ADAM, dtype="float32")
    monkeypatch.setenv("KEPLEARN_CACHE_DIR", "")
    programs._programs.clear()
    jax.clear_caches()
    monkeypatch.setattr(compilation_cache, "is_cache_used", lambda backend: False)
    assert_same(train(split, ADAM), plain)
    assert single.numbers()[0].dtype == np.float32 and plain.numbers()[0].dtype == np.float64
    assert single.rows[0]["loss"] == pytest.approx(plain.rows[0]["loss"], rel=1e-4)


def test_numbers_do_not_depend_on_the_callers_precision(plain, split):
    with jax.enable_x64(True):
        assert_same(train(split, ADAM), plain)
        assert jnp.zeros(1).dtype == np.float64
    assert jnp.zeros(1).dtype == np.float32


def test_gradients_within_the_bound_are_taken_as_they_are(plain, split):
    assert max(row["grad_norm"] for row in plain.rows) < 100
    assert plain.results[0].summary["clipped_steps"] == 0
    assert_same(train(split, ADAM, max_grad_norm=None), plain)


def test_the_seed_decides_weights_and_batches(plain, split):
    other = train(split, ADAM, seed=1)
    assert other.rows[0]["loss"] != plain.rows[0]["loss"]


@enough
@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("batch_size", [5, 1000])
def test_filling_batches_up_changes_rounding_alone(split, monkeypatch, augment, batch_size):
    """Batches of 5 of the segments, and of all of them; both are filled up, or neither."""
    monkeypatch.setattr(batches, "batch_sizes", lambda phase, n: (min(n, batch_size), 64))
    filled = train(split, replace(ADAM, batch_size=batch_size), augment=augment)
    monkeypatch.setattr(batches, "batch_sizes", lambda phase, n: (min(n, batch_size),) * 2)
    exact = train(split, replace(ADAM, batch_size=batch_size), augment=augment)
    for one, other in zip(filled.rows, exact.rows, strict=True):
        assert one["lost"] == other["lost"] == 0
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-9)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-9)


@pytest.mark.parametrize(
    "batch_size, sizes", [(256, (20, 64)), (50, (20, 50)), (16, (16, 16)), (-1, (20, 20))]
)
def test_small_batches_are_filled_up_to_few_sizes(batch_size, sizes):
    phase = replace(ADAM, batch_size=batch_size)
    assert batches.batch_sizes(phase, 20) == sizes
    assert batches.batch_sizes(replace(phase, optimizer="bfgs"), 20) == (20, 20)


@pytest.mark.parametrize(
    ("module", "name", "value"), [(loop, "SECONDS_PER_CHUNK", 1e-9), (batches, "CHUNK", 5)]
)
def test_chunks_do_not_change_numbers(plain, split, monkeypatch, module, name, value):
    monkeypatch.setattr(module, name, value)
    assert_same(train(split, ADAM), plain)


@pytest.fixture(scope="session")
def mixed(split) -> Record:
    """Adam and then BFGS, rotated, with two segments that are lost in every step that draws them."""
    return train(poison(split, 2), *MIXED, augment=True, max_grad_norm=BOUND)


BOUND = 1.0
MIXED = (ADAM, replace(ADAM, steps=14, optimizer="bfgs"), replace(ADAM, steps=6))


@pytest.mark.parametrize("phase", [0, 1])
def test_a_resumed_fit_has_the_numbers_it_would_have_had(mixed, split, phase):
    middle = [c for c in mixed.checkpoints if c.phase == phase]
    checkpoint = next(c for c in middle if c.step >= 9)
    resumed = train(poison(split, 2), *MIXED, resume=checkpoint, augment=True, max_grad_norm=BOUND)
    rows = [r for r in mixed.rows if (r["phase"], r["step"]) > (checkpoint.phase, checkpoint.step)]
    assert_same(resumed, Record(rows, mixed.results[phase:]))
    for one, other in zip(resumed.results, mixed.results[phase:], strict=True):
        for key in ("best_step", "best_loss", "convergence_steps", "lost_segments", "clipped_steps"):
            assert one.summary[key] == other.summary[key]


def test_a_checkpoint_is_of_its_own_step_whenever_it_is_taken(split):
    settings = replace(SETTINGS, validate_every=6)
    events = [
        e for e in fit(new_model(SMALL, 0, "float64"), [ADAM], [split], settings) if isinstance(e, Rows)
    ]
    late = events[0].checkpoint()
    assert late.step == events[0].step == 6
    resumed = train(split, ADAM, resume=late, validate_every=6)
    assert resumed.rows == [row for e in events[1:] for row in e.rows]


def test_bfgs_uses_all_segments_and_its_loss_never_rises(mixed, split):
    rows = [row for row in mixed.rows if row["phase"] == 1]
    losses = [row["loss"] for row in rows]
    assert np.all(np.diff(losses) <= 0) and losses[-1] < losses[0]
    assert {row["lost"] for row in rows} == {2}
    summary = mixed.results[1].summary
    assert summary["batch_size"] == summary["segments"] == len(split.train)
    assert summary["lost_segments"] == 2


def test_lost_segments_are_counted_and_the_run_goes_on(mixed):
    rows = [row for row in mixed.rows if row["phase"] == 0]
    assert [row["step"] for row in rows] == list(range(1, 25))
    lost = [row["lost"] for row in rows]
    assert set(lost) <= {0, 1, 2} and max(lost) > 0 and min(lost) == 0
    assert mixed.results[0].summary["lost_segments"] == sum(lost)
    assert all(np.isfinite(row["loss"]) for row in rows)


def test_clipped_steps_are_counted(mixed):
    for result in mixed.results:
        long = [row for row in mixed.rows if row["phase"] == result.phase and row["grad_norm"] > BOUND]
        counts = result.phase != 1  # BFGS takes gradients as they are
        assert result.summary["clipped_steps"] == (len(long) if counts else 0)
    assert 0 < mixed.results[0].summary["clipped_steps"] < ADAM.steps, [
        row["grad_norm"] for row in mixed.rows
    ]


@enough
def test_a_segment_that_is_always_lost_does_not_stop_the_others(split):
    rows = train(poison(split, 1), replace(ADAM, steps=20, batch_size=-1)).rows
    assert [row["lost"] for row in rows] == [1] * 20
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]


@enough
def test_a_run_that_keeps_losing_most_segments_fails_and_says_why(split):
    bad = poison(split, len(split.train) - 3)
    with pytest.raises(
        TrainingFailed, match="over half of the segments were lost 100 steps in a row"
    ) as error:
        train(bad, replace(ADAM, steps=300, batch_size=-1))
    assert error.value.kind == "lost_segments"
    assert "up to step 100 of phase 0 (41 of 44" in str(error.value)


def test_a_step_that_loses_every_segment_logs_no_number_and_a_run_of_such_steps_fails(split):
    bad = poison(split, len(split.train))
    rows = []
    with pytest.raises(
        TrainingFailed, match="every training segment was lost in each of the 24 steps"
    ) as error:
        for event in fit(new_model(SMALL, 0, "float64"), [ADAM], [bad], SETTINGS):
            assert isinstance(event, Rows)
            rows += event.rows
    assert error.value.kind == "lost_segments"
    assert [row["lost"] for row in rows] == [16] * 24
    for row in rows:
        assert all(np.isnan(row[name]) for name in ("loss", "percent_error", "grad_norm"))


@pytest.mark.parametrize(("dtype", "which"), [("float64", "validation"), ("float32", "training")])
def test_a_learning_rate_beyond_all_bounds_fails_the_run(split, dtype, which):
    """In float32 it is infinite, and no step is taken; in float64 the first step leads where nothing is finite."""
    with pytest.raises(TrainingFailed, match=f"every {which} segment was lost"):
        train(split, replace(ADAM, learning_rate=1e300), dtype=dtype)


def test_a_full_batch_phase_that_starts_with_most_segments_lost_fails(split):
    for count in (len(split.train) - 3, len(split.train)):
        with pytest.raises(TrainingFailed) as error:
            train(poison(split, count), MIXED[1], augment=True)
        assert error.value.kind == "lost_segments"


# What a step is made of.


@pytest.fixture
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def setup(**changes: Any) -> Setup:
    usual = Setup(SMALL, Grid(LENGTH, 3), "grid", "percent_error", (), "adam", "float64")
    return replace(usual, **changes)


def constants(max_disagreement: Any = 10.0) -> Constants:
    one, rtol, atol, longest, apart = (jnp.asarray(x) for x in (1.0, 1e-6, 1e-8, 100.0, max_disagreement))
    return Constants(Scales(one), {}, rtol, atol, longest, apart)


def batch(segments: Segments) -> Batch:
    states, times, accelerations = map(jnp.asarray, (segments.states, segments.times, segments.accelerations))
    return Batch(states, times, jnp.ones(len(segments)), accelerations)


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("integrator", ["grid", "adaptive"])
def test_the_gradient_of_a_batch_with_a_poisoned_segment_is_that_without_it(split, integrator):
    task = setup(integrator=integrator)
    flat = ravel_pytree(new_model(SMALL, 0, "float64").parameters)[0]
    few = replace(split, train=split.train.take(np.arange(4)))

    @partial(jax.jit, compiler_options=OPTIONS)
    def value(x, b):
        return jax.value_and_grad(lambda x: objective(task, x, b, constants())[0])(x)

    poisoned = batch(few.train)
    poisoned = poisoned._replace(states=poisoned.states.at[0, 0, 0].set(jnp.nan))
    assert not np.isfinite(value(flat, poisoned)[1]).all()
    lose = jax.jit(lambda x, b: without_lost(task, x, b, constants()), compiler_options=OPTIONS)
    healthy = lose(flat, poisoned)
    np.testing.assert_array_equal(healthy.keep, [0, 1, 1, 1])
    clean = value(flat, batch(few.train))[1], value(flat, healthy)
    # Three of the four: the clean batch's gradient without its first segment's share.
    alone = value(flat, batch(few.train.take(np.zeros(4, int))))[1]
    np.testing.assert_allclose(clean[1][1], (4 * clean[0] - alone) / 3, rtol=1e-9, atol=1e-10)


@pytest.mark.usefixtures("_x64")
def test_segments_that_steps_do_not_resolve_are_lost(split):
    """Loss and gradient are those of the others; of none, no number. BFGS, which compares values, keeps them all."""
    flat = ravel_pytree(new_model(SMALL, 0, "float64").parameters)[0]
    data = batch(split.train)
    model = assemble(setup(), flat, Scales(jnp.asarray(1.0)))
    apart = np.asarray(solve(setup(), model, data.states[0], data.times, constants()).disagreement)
    limit = float(np.median(apart))
    value = jax.jit(
        lambda b, c: jax.value_and_grad(lambda x: objective(setup(), x, b, c), has_aux=True)(flat),
        compiler_options=OPTIONS,
    )
    (loss, parts), gradient = value(data, constants(limit))
    (expected, _), slope = value(batch(split.train.take(np.flatnonzero(apart <= limit))), constants())
    assert parts["lost"] == np.sum(apart > limit) > 0
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)
    assert np.isnan(value(data, constants(-1.0))[0][0])
    whole = objective(setup(optimizer="bfgs"), flat, data, constants(-1.0))
    assert whole[1]["lost"] == 0 and whole[0] == pytest.approx(
        float(value(data, constants())[0][0]), rel=1e-12
    )


def test_steps_that_lose_what_they_do_not_resolve_count_it(split, monkeypatch):
    """Where nothing counts as resolved, each step loses all its segments, and the run fails, as for any other loss."""
    monkeypatch.setattr(loop, "UNRESOLVED", -1.0)
    with pytest.raises(TrainingFailed, match="every training segment was lost in each of the 24 steps"):
        train(split, ADAM)
    monkeypatch.setattr(loop, "UNRESOLVED", 1e-5)
    record = train(split, ADAM)
    lost = [row["lost"] for row in record.rows]
    assert 0 < max(lost) < 16 and record.results[0].summary["lost_segments"] == sum(lost)


@pytest.mark.usefixtures("_x64")
def test_validation_that_loses_every_segment_is_no_number(split):
    flat = ravel_pytree(new_model(SMALL, 0, "float64").parameters)[0]
    measure = jax.jit(lambda b: validation(setup(), flat, b, constants()), compiler_options=OPTIONS)
    loss, parts, lost = measure(batch(poison(split, len(split.train)).train))
    assert np.isnan(loss) and np.isnan(parts["percent_error"]) and lost == len(split.train)
    loss, _, lost = measure(batch(poison(split, 3).train))
    assert np.isfinite(loss) and lost == 3


@pytest.mark.usefixtures("_x64")
@pytest.mark.parametrize("planar", [True, False])
def test_rotated_orbits_obey_the_same_law(split, planar):
    data = batch(split.train)
    turn = jnp.asarray(random_rotations(0, 0, 0, 1, len(split.train), planar)[0])
    turned = rotate(data, turn)
    straight, rotated = (
        grid_error(setup(grid=Grid(LENGTH, 1)), TwoBody(1.0), b).percentile for b in (data, turned)
    )
    assert straight < 1e-8 and rotated == pytest.approx(straight, rel=1e-3)
    r, v = np.moveaxis(np.asarray(turned.states).reshape(LENGTH, 2, 3, -1), (1, 2), (0, 1))
    law = TwoBody(1.0).acceleration(0.0, r, v)
    np.testing.assert_allclose(
        np.moveaxis(np.asarray(turned.accelerations), 1, 0), law, rtol=1e-10, atol=1e-12
    )
    assert np.abs(turned.states - data.states).max() > 0.1
    np.testing.assert_allclose(
        np.linalg.norm(turned.states[:, :3], axis=1), np.linalg.norm(data.states[:, :3], axis=1), rtol=1e-13
    )
    if planar:
        np.testing.assert_array_equal(np.asarray(turned.states)[:, [2, 5]], 0.0)


@enough
def test_adaptive_and_grid_training_end_at_the_same_loss(plain, split):
    adaptive = train(split, replace(ADAM, integrator="adaptive"))
    assert adaptive.rows[-1]["loss"] == pytest.approx(plain.rows[-1]["loss"], rel=0.2)
    assert adaptive.rows[0]["loss"] == pytest.approx(plain.rows[0]["loss"], rel=1e-3)


def strong_float64(jaxpr) -> Iterator[Any]:
    """Equations of a jaxpr and all in it that make float64 arrays (weak scalars of Python aside)."""
    for equation in jaxpr.eqns:
        for out in equation.outvars:
            if getattr(out.aval, "dtype", None) == np.float64 and not out.aval.weak_type:
                yield equation
        inner = jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")
        )
        for parameter in inner:
            if hasattr(parameter, "eqns") or hasattr(parameter, "jaxpr"):
                yield from strong_float64(getattr(parameter, "jaxpr", parameter))


@pytest.mark.parametrize(
    ("integrator", "head"), [("grid", "mlp_4D_signed"), ("adaptive", "mlp_4D_signed"), ("grid", "mlp_simple")]
)
def test_a_float32_training_has_no_float64_in_it(split, integrator, head):
    """Of every call that a fit makes; each is answered with ones of the shapes that it would give."""
    settings = replace(SETTINGS, dtype="float32", augment=True)
    model = new_model(replace(SMALL, output_layer=head), 0, "float32")
    phase = replace(ADAM, integrator=integrator, steps=8)
    calls = []

    def noted(call):
        calls.append(call)
        with jax.enable_x64(True):
            shapes = jax.eval_shape(partial(call.function, call.static), *call.arguments)
            values = jax.tree.map(lambda x: jnp.ones(x.shape, x.dtype), shapes)
        if call.function.__name__ == "take_steps":
            values = (*values[:2], call.arguments[3])  # all that it was to take
        return Answer(values, 0.0, 0.0)

    samples = Samples(split.validation.states[0], split.validation.accelerations[0])
    measured = replace(split, samples=samples, paths=split.validation)
    for _ in fit(model, [phase], [measured], settings, execute=noted):
        pass
    made = [call.function.__name__ for call in calls]
    assert made == ["start", "draw", "take_steps", "field_error", "validate", "path_error"]
    assert set(made) <= set(stack._FUNCTIONS)  # each can be made for many runs at once
    found = []
    for call in calls:
        with jax.enable_x64(True):
            jaxpr = jax.make_jaxpr(call.function, static_argnums=0)(call.static, *call.arguments)
        found += [str(equation) for equation in strong_float64(jaxpr.jaxpr)]
    assert found == []
