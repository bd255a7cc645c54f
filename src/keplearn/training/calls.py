"""The calls of compiled programs that a training makes: at once, or together with others that wait for the same."""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax

from keplearn.core.programs import Compiled, compiled


class Call(NamedTuple):
    """A compiled function that a training waits for, to be called as ``function(static, *arguments)``."""

    function: Callable[..., Any]
    static: Hashable
    arguments: tuple[Any, ...]


class Answer(NamedTuple):
    """The result of a `Call`, and the seconds that compiling and running it took."""

    result: Any
    compile_seconds: float
    seconds: float


Execute = Callable[[Call], Answer]
"""What makes a training's calls: it comes back with the answer, at once or when others have asked for the same."""


def answer_call(call: Call) -> Answer:
    """Make a call, in the precision of its own arrays."""
    with jax.enable_x64(True):
        return run_program(compiled(call.function, call.static, *call.arguments), call.arguments)


def run_program(program: Compiled, arguments: Sequence[Any]) -> Answer:
    """Run a program to its end. Call it inside ``jax.enable_x64(True)``."""
    started = time.perf_counter()
    result = jax.block_until_ready(program.call(*arguments))
    return Answer(result, program.seconds, time.perf_counter() - started)
