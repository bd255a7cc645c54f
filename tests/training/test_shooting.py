"""Multiple shooting: pieces of orbits with beginnings of their own, and the gaps between them."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from keplearn.data.dataset import load_dataset
from keplearn.data.segments import CUTS, Segments
from keplearn.data.splits import Split
from keplearn.data.units import units_for
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model
from keplearn.training.batches import on_device
from keplearn.training.curriculum import Phase
from keplearn.training.events import Checkpoint, PhaseEnded, Row, Rows
from keplearn.training.fit import fit
from keplearn.training.objective import objective, validation
from keplearn.training.paths import sizes
from keplearn.training.problem import Batch, Constants, Setup
from keplearn.training.settings import FitSettings, setup_of

NOISE = 1e-3
NAME = "complex_TBP_planar_noise1e-3_3_train"
LENGTH = 31
# A head that cannot but point to the centre: some dozens of parameters learn the law.
SMALL = Architecture("log_radius", "central", 4, 1, "tanh", planar_constraint=True)
PHASE = Phase((0.0, 1.0), 0.01, 400, LENGTH, optimizer="bfgs", objective="shooting")
SETTINGS = FitSettings(
    loss="relative_squared_error",
    loss_weights={"continuity": 10.0},
    dtype="float64",
    validate_every=100,
    law=None,
)


def pieces(observed: bool = True) -> Segments:
    """Pieces of three orbits as they are observed, or their true states."""
    dataset = load_dataset(NAME)
    seen = dataset.as_observed
    return CUTS["pieces"](
        seen if observed else dataset.observed_truth, units_for(seen), (0.0, 1.0), LENGTH, range(3)
    )


def lawful() -> NeuralODE:
    """A model that is the two-body law: exp(-2 log r) towards the centre, by the linear path alone."""
    model = new_model(replace(SMALL, skip=True, init="zero_last"), 0, "float64")
    biases = [*model.parameters.biases[:-1], jnp.zeros(1)]
    return replace(model, parameters=replace(model.parameters, biases=biases, skip=jnp.array([[-2.0]])))


def problem(model: NeuralODE, segments: Segments, phase: Phase = PHASE) -> tuple[Setup, Batch, Constants]:
    """What the loss of a model takes."""
    setup = setup_of(replace(phase, stride=6), model.architecture, SETTINGS)
    one = jnp.ones(())
    weights = {"continuity": 10.0 * one}
    return setup, on_device(segments, setup, np.float64), Constants(model.scales, weights, one, one, one, one)


def slope(setup: Setup, flat: Array, batch: Batch, constants: Constants) -> tuple[Array, Array]:
    """Loss and gradient."""
    function = jax.value_and_grad(lambda x, batch: objective(setup, x, batch, constants)[0])
    return jax.jit(function)(flat, batch)


def train(
    phases: Sequence[Phase], resume: Checkpoint | None = None
) -> tuple[list[Row], list[Checkpoint], list]:
    """Train the small model on all pieces; rows, checkpoints, ends of phases."""
    segments = pieces()
    split = Split(segments, segments, False, 3)
    rows, checkpoints, ends = [], [], []
    for event in fit(new_model(SMALL, 0, "float64"), phases, [split] * len(phases), SETTINGS, resume):
        if isinstance(event, Rows):
            rows += event.rows
            checkpoints.append(event.checkpoint())
        elif isinstance(event, PhaseEnded):
            ends.append(event)
    return rows, checkpoints, ends


def test_each_piece_begins_where_the_one_before_ends():
    segments = pieces()
    assert segments.next is not None
    starts = segments.next == -1
    assert np.sum(starts) == 3 and len(segments) == 3 * (359 // (LENGTH - 1))
    joined = np.flatnonzero(~starts)
    np.testing.assert_array_equal(
        segments.states[-1][:, joined], segments.states[0][:, segments.next[joined]]
    )
    # Of those that are taken, the ones that went on to another that is not taken go on to none.
    chosen = np.array([5, 4, 1, 2])
    np.testing.assert_array_equal(segments.take(chosen).next, [-1, 0, 3, -1])


def test_the_gradient_is_that_of_finite_differences():
    with jax.enable_x64(True):
        model = new_model(SMALL, 0, "float64")
        own = ravel_pytree(model.parameters)[0]
        setup, batch, constants = problem(model, pieces().take(np.array([0, 1, 2])))
        flat = jnp.concatenate([own, jnp.asarray(np.random.default_rng(0).normal(size=18) / 1e3)])
        loss = jax.jit(lambda x: objective(setup, x, batch, constants)[0])
        gradient = jax.grad(loss)(flat)
        steps = 1e-6 * jnp.eye(len(flat))[jnp.array([0, len(own) - 1, *range(len(own), len(flat), 4)])]
        slopes = [(loss(flat + step) - loss(flat - step)) / 2e-6 for step in steps]
        np.testing.assert_allclose(1e6 * steps @ gradient, slopes, rtol=1e-5, atol=1e-9)
        parts = objective(setup, flat, batch, constants)[1]
    assert parts["gap_relative_squared_error"] > 0


def test_without_noise_the_law_with_the_observed_beginnings_is_the_optimum_as_it_is_of_trajectories():
    """Loss and gradient vanish, down to the error of the grid."""
    truth = pieces(observed=False)
    with jax.enable_x64(True):
        model = lawful()
        flat = ravel_pytree(model.parameters)[0]
        for phase, segments, beside in (
            (PHASE, truth, 6 * len(truth)),
            (replace(PHASE, objective="trajectory"), replace(truth, next=None), 0),
        ):
            setup, batch, constants = problem(model, segments, phase)
            at = jnp.concatenate([flat, jnp.zeros(beside)])
            loss, gradient = slope(setup, at, batch, constants)
            assert loss < 1e-11 and jnp.linalg.norm(gradient) < 1e-5, phase.objective


def test_validation_fits_the_beginnings_so_that_the_noise_of_one_sample_is_not_that_of_its_piece():
    """What is left is the noise of positions and velocities, less what four numbers of each beginning take up."""
    with jax.enable_x64(True):
        model = lawful()
        setup, batch, constants = problem(model, replace(pieces(), next=None))
        flat = ravel_pytree(model.parameters)[0]
        loss, _, lost = jax.jit(lambda x: validation(setup, flat, x, constants))(batch)
    assert loss == pytest.approx(2 * NOISE**2 * (1 - 4 / (4 * LENGTH)), rel=0.05) and lost == 0


def test_on_noisy_samples_it_recovers_field_and_beginnings_and_a_resumed_training_has_the_same_numbers():
    phases = [PHASE, replace(PHASE, optimizer="adam", steps=8, learning_rate=1e-4)]
    rows, checkpoints, ends = train(phases)
    last = [row for row in rows if row["phase"] == 0][-1]
    assert last["gap_relative_squared_error"] < 0.01 * last["relative_squared_error"]
    assert last["val_loss"] == pytest.approx(2 * NOISE**2, rel=0.1)
    between = next(c for c in checkpoints if c.phase == 0 and 100 < c.step < 400)
    again = train(phases, between)[0]
    assert again == rows[between.step :]

    truth = pieces(observed=False)
    model = ends[0].best
    r, v = (jnp.asarray(x) for x in np.split(np.moveaxis(truth.states, 1, 0).reshape(6, -1), 2))
    with jax.enable_x64(True):
        a = np.asarray(model.acceleration(0.0, r, v))
    true = -np.asarray(r) / np.linalg.norm(r, axis=0) ** 3
    assert np.mean(np.linalg.norm(a - true, axis=0) / np.linalg.norm(true, axis=0)) < 3e-3
    # The beginnings stand behind the model's parameters.
    end = [c for c in checkpoints if c.phase == 0][-1].arrays["state.0"]
    free = end[-6 * len(truth) :].reshape(6, -1) * np.sqrt(len(truth))
    seen = pieces()
    scale = np.asarray(sizes(jnp.asarray(seen.states[:1])))[0]
    left = np.sqrt(np.mean(((seen.states[0] + free * scale - truth.states[0]) / scale) ** 2))
    assert left < NOISE * np.sqrt(2 / 3) / 3
