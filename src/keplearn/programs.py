"""Compiled programs: made once a process, kept on disk between processes, and counted.

A program is a function compiled for one static value and one set of shapes. On disk it is found without
tracing the function again: its name holds all that it depends on, keplearn's own source included. Files are
written whole or not at all, so that any number of processes may share the directory; the oldest go when it
grows too large.

``KEPLEARN_CACHE_DIR`` moves the directory (default: ``keplearn/programs`` in the user's cache directory);
set to an empty string it turns the disk off.
"""

import hashlib
import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import serialize_executable

from keplearn.files import replacing
from keplearn.machine import cache_directory, processor

MAX_BYTES = 1_000_000_000
_PACKAGES = ("jax", "jaxlib", "equinox", "diffrax", "optimistix", "optax", "lineax", "numpy")
# What of the environment changes programs; EQX_ON_ERROR decides whether they hold checks that call Python.
_VARIABLES = ("XLA_FLAGS", "NPROC", "EQX_ON_ERROR")


class Compiled(NamedTuple):
    """A program, the seconds it took to get it now, and where from: ``memory``, ``disk`` or ``compiled``."""

    call: Callable[..., Any]
    seconds: float
    source: str


_programs: dict[Hashable, Callable[..., Any]] = {}
counts: Counter[str] = Counter()
"""How many programs this process has read from disk (``disk``), and how many it had to make (``compiled``)."""


def compiled(function: Callable[..., Any], static: Hashable, *arguments: Any) -> Compiled:
    """Return the program of ``function(static, *arguments)`` for arguments of these shapes and dtypes.

    ``static`` must be hashable, and have a ``repr`` that says all that it is (frozen dataclasses of plain values
    do); where the ``repr`` holds an address, the program is not kept on disk. Arguments are arrays in tuples,
    lists, dicts and named tuples. Call it, and the program, inside ``jax.enable_x64(True)``.
    """
    started = time.perf_counter()
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((np.shape(leaf), str(jax.numpy.result_type(leaf))) for leaf in leaves)
    key = (function, static, structure, shapes)
    if key in _programs:
        return Compiled(_programs[key], 0.0, "memory")
    words = repr(
        (function.__module__, function.__qualname__, static, str(structure), shapes, _surroundings())
    )
    name = None if " at 0x" in words else hashlib.sha256(words.encode()).hexdigest()[:40]
    program = _read(name) if name else None
    source = "disk" if program is not None else "compiled"
    if program is None:
        with _own_settings():
            program = jax.jit(function, static_argnums=0).lower(static, *arguments).compile()
        if name:
            _write(name, program)
    counts[source] += 1
    _programs[key] = program
    return Compiled(program, time.perf_counter() - started, source)


def power_above(count: int, least: int = 1, base: int = 2) -> int:
    """Return ``least`` times the smallest power of ``base`` that makes it no less than ``count``.

    Shapes filled up to few sizes need few programs.
    """
    size = least
    while size < count:
        size *= base
    return size


@contextmanager
def _own_settings() -> Iterator[None]:
    """Compile the same program whatever the process has set JAX to."""
    with (
        # A GPU would otherwise round the float32 products of any matrices to 10 bits.
        jax.default_matmul_precision("highest"),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        yield


@cache
def _surroundings() -> tuple[object, ...]:
    """Packages, keplearn's own source, device and processor: a program made for others may crash here."""
    source = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        source.update(file.read_bytes())
    device = jax.devices()[0]
    packages = tuple(version(name) for name in _PACKAGES)
    flags = (*(os.environ.get(name, "") for name in _VARIABLES), len(os.sched_getaffinity(0)))
    cpu = processor("model name", "flags", "Features")
    return (source.hexdigest(), packages, device.platform, device.device_kind, cpu, flags)


def _read(name: str) -> Callable[..., Any] | None:
    """Return a kept program, or None if there is none that is whole."""
    home = cache_directory()
    if home is None:
        return None
    file = home / name
    try:
        content = file.read_bytes()
        digest, body = content[:32], content[32:]
        if hashlib.sha256(body).digest() != digest:
            return None
        program = serialize_executable.deserialize_and_load(*pickle.loads(body))
        os.utime(file)  # the oldest go first
    except Exception:  # whatever is wrong with a kept program, it can be compiled again
        return None
    return program


def _write(name: str, program: Any) -> None:
    """Keep a program; a disk that is full or read-only only costs the keeping."""
    home = cache_directory()
    if home is None:
        return
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        body = pickle.dumps(serialize_executable.serialize(program))
        with replacing(home / name) as temporary:
            temporary.write_bytes(hashlib.sha256(body).digest() + body)
        _prune(home)
    except Exception:  # some programs cannot be serialised, some disks cannot be written
        return


def _prune(home: Path) -> None:
    """Remove the programs that were not used for longest, down to `MAX_BYTES`."""
    files = []
    for file in home.iterdir():
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        files.append((status.st_mtime, status.st_size, file))
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if total <= MAX_BYTES:
            break
        file.unlink(missing_ok=True)
        total -= size
