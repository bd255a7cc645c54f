"""Compiled programs: made once a process, kept on disk between processes, and counted.

A program is a function compiled for one static value and one set of shapes. On disk it is found without
tracing the function again: its name holds all that it depends on, keplearn's own source included. Files are
written whole or not at all, so that any number of processes may share the directory; the oldest go when it
grows too large. In memory the programs used last are held, so that a process of many shapes does not grow.

A kept program is machine code, and reading it can run any: only files that nobody but the user and root can have
written are read (`keplearn.core.machine.others_may_change`). One that fails at its first call is compiled anew.

``KEPLEARN_CACHE_DIR`` moves the directory (default: ``keplearn/programs`` in the user's cache directory);
set to an empty string it turns the disk off.
"""

import ctypes
import gc
import hashlib
import os
import pickle
import stat
import time
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import serialize_executable

from keplearn.core.errors import KeplearnWarning
from keplearn.core.files import replacing
from keplearn.core.machine import cache_directory, cores, others_may_change, processor
from keplearn.core.signals import busy

MAX_BYTES = 1_000_000_000
# Held in memory, some 8 MB each: more than a run of three phases needs, so that runs alike never read them again.
MAX_HELD = 32
# What JAX remembers of the work around a program, up to 11 MB, is dropped after so many.
TRACES_HELD = 16
_PACKAGES = ("jax", "jaxlib", "equinox", "diffrax", "optimistix", "optax", "lineax", "numpy")
# What of the environment changes programs; EQX_ON_ERROR decides whether they hold checks that call Python.
_VARIABLES = ("XLA_FLAGS", "NPROC", "EQX_ON_ERROR")


class Program:
    """An executable; one from disk that fails at its first call is compiled anew, by ``again``."""

    def __init__(self, executable: Any, again: Callable[[], Any] | None):
        self.executable = executable
        self.again = again

    def __call__(self, *arguments: Any) -> Any:
        """Return the results for arguments of the program's shapes."""
        with _unchecked():
            if self.again is None:
                return self.executable(*arguments)
            try:
                results = jax.block_until_ready(self.executable(*arguments))
            except Exception:  # made for another device, damaged with a right checksum, or whatever it is
                self.executable = self.again()
                results = self.executable(*arguments)
            self.again = None
            return results


class Compiled(NamedTuple):
    """A program, the seconds it took to get it now, and where from: ``memory``, ``disk`` or ``compiled``."""

    call: Program
    seconds: float
    source: str


_programs: OrderedDict[Hashable, Program] = OrderedDict()
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
    device = _device()
    key = (function, static, structure, shapes, device)
    if key in _programs:
        _programs.move_to_end(key)
        return Compiled(_programs[key], 0.0, "memory")
    words = repr(
        (function.__module__, function.__qualname__, static, str(structure), shapes, _surroundings(device))
    )
    name = None if " at 0x" in words else hashlib.sha256(words.encode()).hexdigest()[:40]

    def make() -> Any:
        with _own_settings(), busy("the compilation to end"):
            executable = jax.jit(function, static_argnums=0).lower(static, *arguments).compile()
        if name:
            _write(name, executable)
        counts["compiled"] += 1
        return executable

    kept = _read(name, device) if name else None
    if kept is None:
        program, source = Program(make(), None), "compiled"
    else:
        program, source = Program(kept, make), "disk"
        counts["disk"] += 1
    _programs[key] = program
    if len(_programs) > MAX_HELD:
        _programs.popitem(last=False)
    if counts.total() % TRACES_HELD == 0:
        _forget_traces()
    return Compiled(program, time.perf_counter() - started, source)


def _forget_traces() -> None:
    """Drop what JAX remembers of functions that it has traced, and give the memory back."""
    jax.clear_caches()
    gc.collect()
    with suppress(AttributeError):  # glibc alone has it, and keeps memory until it is asked
        ctypes.CDLL(None).malloc_trim(0)


def power_above(count: int, least: int = 1, base: int = 2) -> int:
    """Return ``least`` times the smallest power of ``base`` that makes it no less than ``count``.

    Shapes filled up to few sizes need few programs.
    """
    size = least
    while size < count:
        size *= base
    return size


@contextmanager
def _unchecked() -> Iterator[None]:
    """Run programs as they are: a process may have set JAX to run without any, or to stop at the first NaN."""
    with jax.disable_jit(False), jax.debug_nans(False), jax.debug_infs(False):
        yield


@contextmanager
def _own_settings() -> Iterator[None]:
    """Compile the same program whatever the process has set JAX to."""
    with (
        # A GPU would otherwise round the float32 products of any matrices to 10 bits.
        jax.default_matmul_precision("highest"),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        _unchecked(),
    ):
        yield


def _device() -> Any:
    """Return the device on which arrays are made and programs run: JAX's first, unless it was told another."""
    chosen = jax.config.values["jax_default_device"]
    return chosen if isinstance(chosen, jax.Device) else jax.local_devices(backend=chosen)[0]


@cache
def _surroundings(device: Any) -> tuple[object, ...]:
    """Packages, keplearn's own source, devices and processor: a program made for others may crash here."""
    source = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        source.update(file.read_bytes())
    devices = (device.platform, device.device_kind, device.id, jax.device_count(device.platform))
    packages = tuple(version(name) for name in _PACKAGES)
    flags = (*(os.environ.get(name, "") for name in _VARIABLES), len(cores()))
    cpu = processor("model name", "flags", "Features")
    return (source.hexdigest(), packages, devices, cpu, flags)


def _home() -> Path | None:
    """Return the directory of kept programs; None where there is none, or others could put theirs into it."""
    home = cache_directory()
    return home if home is not None and _trusted(home) else None


@cache
def _trusted(home: Path) -> bool:
    """Say, and warn once, whether nobody but the user and root can change what lies in a directory."""
    reason = others_may_change(home)
    if reason:
        warnings.warn(
            f"compiled programs are not kept in {home}: {reason}, and a program that another user puts there "
            "would run as you. Set KEPLEARN_CACHE_DIR to a directory that you alone can write.",
            KeplearnWarning,
            stacklevel=2,
        )
    return not reason


def _read(name: str, device: Any) -> Any:
    """Return a kept program for a device, or None if there is none that is whole and the user's or root's own."""
    home = _home()
    if home is None:
        return None
    try:
        # The very file that is looked at is read: one put in its place later is another.
        with os.fdopen(os.open(home / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or others_may_change(file.fileno()):
                return None
            content = file.read()
        digest, body = content[:32], content[32:]
        if hashlib.sha256(name.encode() + body).digest() != digest:
            return None
        if b"lapack" in body:
            _find_lapack()
        program = serialize_executable.deserialize_and_load(
            *pickle.loads(body), backend=device.client, execution_devices=[device]
        )
        os.utime(home / name)  # the oldest go first
    except Exception:  # whatever is wrong with a kept program, it can be compiled again
        return None
    return program


@cache
def _find_lapack() -> None:
    """Have JAX find the routines of LAPACK, as it else does when it traces a call of one: a kept program assumes it."""
    jax.jit(jax.numpy.linalg.inv).lower(jax.ShapeDtypeStruct((2, 2), np.float32))


def _write(name: str, program: Any) -> None:
    """Keep a program; a disk that is full or read-only only costs the keeping."""
    home = _home()
    if home is None:
        return
    try:
        body = pickle.dumps(serialize_executable.serialize(program))
        with replacing(home / name) as temporary:
            temporary.write_bytes(hashlib.sha256(name.encode() + body).digest() + body)
        (home / name).chmod(0o600)
        _prune(home)
    except Exception:  # some programs cannot be serialised, some disks cannot be written
        return


def _prune(home: Path) -> None:
    """Remove the programs that were not used for longest, down to `MAX_BYTES`."""
    files = []
    for file in home.iterdir():
        if file.name.startswith("plugin-"):  # what the user has said of plugins (`keplearn.core.plugins`)
            continue
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
