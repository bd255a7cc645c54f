"""Time to an error: seconds from the start of a process until the field is so good near the training states.

One core, in one run: keplearn's recipes, with compiled programs cold and warm, beside the pattern of Diffrax's tutorial
and an expert's Diffrax, both with Adam and the network of the recipe ``spherical``. Trained on
``complex_TBP_planar_10_train``; the error is ``field-near`` on ``complex_TBP_planar_100_test``, measured as training
goes on, while the clock stands still.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.cases import TRAINING, Case, starting_model, training_segments
from benchmarks.cores import alone
from keplearn.models.neural_ode import NeuralODE

LEVELS = (5.0, 1.0, 0.1, 0.01, 0.001, 0.0001)
RECIPES = ("neutral", "conference", "spherical", "skip", "central")
# The network of the recipe ``spherical``; who trains it by Adam alone does so in float32, which is faster.
CASE = Case("sph_4D_logr", activation="tanh", width=16)
STEPS = {"tutorial": 3000, "expert: StepTo": 40_000, "expert: loose PID": 40_000}
"""Of Adam, in about 100 s: the rate falls over the last quarter."""
MOST = 150.0
"""Seconds after which a training is broken off."""
TEST = "complex_TBP_planar_100_test"


class Enough(Exception):
    """The time is over."""


@dataclass
class Watch:
    """Seconds since the process was started, without those in which errors were measured."""

    measure: Callable[[NeuralODE], float]
    started: float
    paused: float = 0.0
    reached: dict[float, float] = field(default_factory=dict)
    least: float = float("inf")

    def look(self, model: NeuralODE) -> None:
        """Measure a model, and note the levels that it is the first to reach."""
        now = time.time()
        error = self.measure(model)
        seconds = now - self.started - self.paused
        self.least = min(self.least, error)
        for level in LEVELS:
            if error <= level:
                self.reached.setdefault(level, seconds)
        self.paused += time.time() - now
        if seconds > MOST:
            raise Enough


def _field_near() -> Callable[[NeuralODE], float]:
    """Return what measures ``field-near``, compiled."""
    from keplearn.data.dataset import load_dataset
    from keplearn.data.units import units_for
    from keplearn.evaluation.distance import NEAR, TrainingStates

    training, test = load_dataset(TRAINING), load_dataset(TEST)
    states = TrainingStates.of(training.states, training.mu, centred=True)
    near = states.distances(test.states, test.mu) <= NEAR
    units = units_for(training, "max_radius")
    with jax.enable_x64(True):
        at = jnp.asarray(units.to_canonical_states(test.states[near]).T)
        true = jnp.asarray(units.to_canonical_accelerations(test.accelerations[near]).T)

    @jax.jit
    def error(model: NeuralODE) -> Any:
        off = model.acceleration(0.0, at[:3], at[3:]) - true
        return 100 * jnp.mean(jnp.linalg.norm(off, axis=0) / jnp.linalg.norm(true, axis=0))

    def measured(model: NeuralODE) -> float:
        with jax.enable_x64(True):
            return float(error(model.without_units().astype("float64")))

    return measured


def work(way: str, started: float) -> dict[str, Any]:
    """Train in this process, and say when each level was reached."""
    before = time.time()
    measure = _field_near()
    watch = Watch(measure, started, paused=time.time() - before)
    try:
        if way in RECIPES:
            _recipe(way, watch)
        else:
            _adam(way, watch)
    except Enough:
        pass
    return {"reached": watch.reached, "least": watch.least}


def _recipe(name: str, watch: Watch) -> None:
    """Train a recipe as a run does, and look whenever ``fit`` says something."""
    from keplearn.config import load_config
    from keplearn.experiment.plan import prepare
    from keplearn.training.events import PhaseEnded
    from keplearn.training.fit import fit
    from keplearn.training.problem import Shape, assemble

    home = Path(__file__).parents[1] / "configs" / "recipes"
    (config,) = load_config(home / f"{name}.yaml", [f"data.dataset_name={TRAINING}", "data.test=[]"])
    plan = prepare(config)
    model = plan.model
    shape = Shape(model.architecture, plan.settings.dtype)
    for event in fit(model, plan.phases, plan.splits, plan.settings):
        if isinstance(event, PhaseEnded):
            continue
        parameters = event.checkpoint().arrays["state.0"]
        with jax.enable_x64(True):
            made = assemble(shape, jnp.asarray(parameters), model.scales)
        assert isinstance(made, NeuralODE)
        watch.look(made)


def _adam(way: str, watch: Watch) -> None:
    from benchmarks import expert, tutorial

    if way == "tutorial":

        def look(step: int, value: jax.Array, model: NeuralODE) -> None:
            if step % 25 == 0:
                value.block_until_ready()
                watch.look(model)

        tutorial.fit(starting_model(CASE), training_segments(CASE), CASE.batch, STEPS[way], look)
    else:
        control = {"expert: StepTo": "steps", "expert: loose PID": "loose"}[way]
        expert.train(CASE, STEPS[way], control, watch.look)


def _measure(way: str, programs: str) -> dict[str, Any]:
    """Train by one way in a process of its own, on one core."""
    code = "from benchmarks.accuracy import work; print(json.dumps(work(words[0], float(words[1]))))"
    return alone(code, way, repr(time.time()), programs=programs)


def bench() -> dict[str, Any]:
    """Measure and print every way; recipes twice, the second time with the programs of the first."""
    found: dict[str, Any] = {}
    print(f"{'':24}" + "".join(f"{level:>9g} %" for level in LEVELS) + f"{'least':>11} %")
    with tempfile.TemporaryDirectory(prefix="bench-") as programs:
        ways = [
            (f"{name}, {how}", partial(_measure, name, programs))
            for name in RECIPES
            for how in ("cold", "warm")
        ]
        ways += [(way, partial(_measure, way, "")) for way in STEPS]
        for label, run in ways:
            found[label] = run()
            reached = {float(level): seconds for level, seconds in found[label]["reached"].items()}
            cells = (f"{reached[level]:9.1f} s" if level in reached else f"{'-':>11}" for level in LEVELS)
            print(f"{label:24}" + "".join(cells) + f"{found[label]['least']:11.2g} %", flush=True)
    return found
