"""Little effort in compiling: for programs that run a few times, where no fact hangs on the last bit.

XLA then takes a third of its time, and what it makes runs at half of the speed. Numbers differ in rounding alone from
those of what a user compiles.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partialmethod
from pathlib import Path
from typing import Any

import pytest

OPTIONS = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
# The same for all that a process compiles, in its environment.
LITTLE_EFFORT = {"XLA_FLAGS": " ".join(f"--{name}={value}".lower() for name, value in OPTIONS.items())}
# Where it is enough: tests that compare no last bits of what programs give, and train shortly.
ENOUGH_FOR = (
    "sweeps",
    "figures",
    "report",
    "groups",
    "plugins",
    "evaluation",
    "cli",
    "models/test_latent_ode.py",
    "training/test_latent_training.py",
    "training/test_shooting.py",
    "runs/test_damage.py",
    "runs/test_events.py",
    "runs/test_observed.py",
    "runs/test_permissions.py",
    "runs/test_train_command.py",
    "runs/test_train_stack.py",
    "runs/test_validation.py",
    "test_demo.py",
    "test_fuzz.py",
)


# Of other files, the tests that compare programs which are compiled for them alone.
enough = pytest.mark.little_effort


def is_enough_for(item: pytest.Item) -> bool:
    """Say whether a test needs no more."""
    here = Path(__file__).parent
    marked = item.get_closest_marker("little_effort") is not None
    return marked or any(item.path.is_relative_to(here / place) for place in ENOUGH_FOR)


@cache
def _kept() -> tuple[OrderedDict[Any, Any], Any]:
    """What `keplearn.core.programs` remembers of programs that are compiled so, beside the others."""
    from keplearn.core import programs

    return OrderedDict(), cache(programs._surroundings.__wrapped__)


@contextmanager
def little_effort() -> Iterator[None]:
    """Compile keplearn's programs with little effort, in this process and in those that it starts."""
    import jax

    from keplearn.core import programs

    jax.local_devices()  # XLA has read its flags by now: what it is told here is for other processes
    compile, held = jax.stages.Lowered.compile, (programs._programs, programs._surroundings)
    flags = os.environ.get("XLA_FLAGS")
    jax.stages.Lowered.compile = partialmethod(compile, OPTIONS)  # pyright: ignore[reportAttributeAccessIssue]
    programs._programs, programs._surroundings = _kept()
    os.environ |= LITTLE_EFFORT
    try:
        yield
    finally:
        jax.stages.Lowered.compile = compile
        programs._programs, programs._surroundings = held
        os.environ.pop("XLA_FLAGS")
        if flags is not None:
            os.environ["XLA_FLAGS"] = flags
