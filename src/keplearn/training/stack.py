"""Many trainings at once, for a GPU: calls that wait for the same program are made as one, under ``vmap``.

Each training is its own from first to last: its history, checkpoints, best model and failure. All that is shared
is the calls: those of the same function and shapes are stacked, and each training gets its row of the result.
"""

from collections import defaultdict
from collections.abc import Hashable
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from keplearn.core.programs import Program, compiled, power_above
from keplearn.training import chunk
from keplearn.training.calls import Answer, Call, answer_call, run_program
from keplearn.training.measured import field_error, path_error
from keplearn.training.objective import without_lost

# What of a device's memory a stack may take.
SHARE_OF_MEMORY = 0.8

_FUNCTIONS = {
    function.__name__: function
    for function in (
        *(chunk.start, chunk.draw, chunk.take_steps, chunk.rescue),
        *(chunk.validate, field_error, path_error, without_lost),
    )
}


class _Stacked(NamedTuple):
    """The static part of a stacked call."""

    function: str
    of_one: Hashable


class _Whole:
    """A stacked result: on the device, and once somebody looks, on the host."""

    def __init__(self, device: Array):
        self.device = device

    @cached_property
    def host(self) -> np.ndarray:
        """The result on the host, fetched once for all rows."""
        return np.asarray(self.device)


class Row:
    """One training's row of a stacked result; it is not cut out before somebody looks."""

    def __init__(self, whole: _Whole, index: int):
        self.whole, self.index = whole, index
        self.shape, self.dtype = whole.device.shape[1:], whole.device.dtype
        self.ndim = len(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.whole.host[self.index], dtype)

    def __getitem__(self, index: Any) -> Array:
        return self.whole.device[self.index][index]

    def __float__(self) -> float:
        return float(self.whole.host[self.index])

    def __int__(self) -> int:
        return int(self.whole.host[self.index])


class _Stacks:
    """Makes stacks, and remembers those of arrays that stay the same from call to call, such as the data."""

    def __init__(self, remembered: int = 64):
        self.known: dict[tuple[int, ...], tuple[tuple[Any, ...], Array]] = {}
        self.remembered = remembered

    def stack(self, *leaves: Any) -> Array:
        """Stack leaves; rows that make up a whole in its order are that whole."""
        first, last = leaves[0], leaves[-1]
        if isinstance(first, Row) and isinstance(last, Row) and len(leaves) == first.whole.device.shape[0]:
            rows = [leaf.index for leaf in leaves if isinstance(leaf, Row) and leaf.whole is first.whole]
            # What stands behind the last is there to fill up: whatever it is, its results are not used.
            if rows == [min(i, last.index) for i in range(len(leaves))]:
                return first.whole.device
        if not all(isinstance(leaf, jax.Array) for leaf in leaves):
            return jnp.stack([jnp.asarray(_cut_out(leaf)) for leaf in leaves])
        key = tuple(map(id, leaves))
        if key not in self.known:
            while len(self.known) >= self.remembered:
                self.known.pop(next(iter(self.known)))
            self.known[key] = leaves, jnp.stack(leaves)
        return self.known[key][1]


class Stack:
    """Makes the calls that trainings wait for, with ``at_once`` rows at most: those of one program as one call.

    By default as many rows as fit the device's memory.
    """

    def __init__(self, at_once: int | None = None):
        self._at_once = at_once
        self._stacks = _Stacks()

    def __call__(self, waiting: dict[int, Call]) -> dict[int, Answer]:
        """Return the answers to some of the calls, which are given and returned by number."""
        chosen = _next_group(waiting)
        calls = [waiting[number] for number in chosen]
        return dict(zip(chosen, _answer_together(self._stacks, calls, self._at_once), strict=True))


def _next_group(waiting: dict[int, Call]) -> list[int]:
    """The numbers of those that wait for one program; the fewest first, so that laggards catch up."""
    groups = defaultdict(list)
    for number, call in waiting.items():
        leaves, structure = jax.tree.flatten(call.arguments)
        shapes = tuple((np.shape(leaf), str(leaf.dtype)) for leaf in leaves)
        groups[call.function, call.static, structure, shapes].append(number)
    return min(groups.values(), key=len)


def _answer_together(stacks: _Stacks, calls: list[Call], at_once: int | None) -> list[Answer]:
    """Make calls of one program as one, or in parts where memory or ``at_once`` asks for it."""
    if len(calls) == 1:
        (call,) = calls
        return [answer_call(call._replace(arguments=jax.tree.map(_cut_out, call.arguments)))]
    # Few sizes, so that trainings that end one by one do not need a program each time.
    size = power_above(len(calls))
    if at_once is not None and size > at_once:
        return _in_halves(stacks, calls, at_once)
    filled = calls + [calls[-1]] * (size - len(calls))
    static = _Stacked(calls[0].function.__name__, calls[0].static)
    with jax.enable_x64(True):
        arguments = jax.tree.map(stacks.stack, *(call.arguments for call in filled))
        program = compiled(_call_stacked, static, *arguments)
    if not _fits(program.call):
        return _in_halves(stacks, calls, at_once)
    with jax.enable_x64(True):
        done = run_program(program, arguments)
    wholes = jax.tree.map(_Whole, done.result)
    shares = (done.compile_seconds / len(calls), done.seconds / len(calls))
    return [
        Answer(jax.tree.map(lambda whole, i=i: Row(whole, i), wholes), *shares) for i in range(len(calls))
    ]


def _in_halves(stacks: _Stacks, calls: list[Call], at_once: int | None) -> list[Answer]:
    middle = len(calls) // 2
    return [
        answer
        for part in (calls[:middle], calls[middle:])
        for answer in _answer_together(stacks, part, at_once)
    ]


def _call_stacked(static: _Stacked, *arguments: Any) -> Any:
    return jax.vmap(partial(_FUNCTIONS[static.function], static.of_one))(*arguments)


def _cut_out(leaf: Any) -> Any:
    return leaf.whole.device[leaf.index] if isinstance(leaf, Row) else leaf


def _fits(program: Program) -> bool:
    """Whether a program's arguments, results and what it needs between fit the device's memory."""
    limit = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    if limit is None:
        return True
    need = program.executable.memory_analysis()
    needed = need.argument_size_in_bytes + need.output_size_in_bytes + need.temp_size_in_bytes
    return needed <= SHARE_OF_MEMORY * limit
