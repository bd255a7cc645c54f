"""Standard streams that cannot break a command: closed ones, full ones, those of a narrow encoding.

A stream that cannot be written never ends the work. What is lost of stderr is only talk; where something of stdout
was lost, the command says so when it is done, and its exit code is 1: what it has trained or written is kept.
"""

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def steady_streams() -> Iterator[None]:
    """Let a command print whatever its standard streams are; those of a notebook or a test stay as they are.

    Raises
    ------
    SystemExit
        On leaving; with code 1 where the command succeeded and something of stdout could not be written.
    """
    given = sys.stdout, sys.stderr
    out: _Patient | None = None
    if sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__:
        out = _Patient(1)
        sys.stdout, sys.stderr = _text(out, given[0]), _text(_Patient(2), given[1])
    end: SystemExit | None = None
    try:
        yield
    except SystemExit as exit:
        end = exit
    except BrokenPipeError:  # the reader, such as head, has seen enough
        end = SystemExit(1)
    finally:
        lost = None if out is None else _finish(out)
        sys.stdout, sys.stderr = given
    if lost and not (end and end.code):
        end = SystemExit(1)
    if end:
        raise end


class _Patient(io.FileIO):
    """A standard stream that swallows what it cannot write, and keeps why."""

    failure: OSError | None = None

    def __init__(self, number: int):
        super().__init__(number, "w", closefd=False)

    def write(self, data: object, /) -> int:
        """Write, or lose; only a reader of stdout who has gone ends the command, once."""
        view = memoryview(data)  # pyright: ignore[reportArgumentType]
        try:
            while (count := super().write(view)) is None:  # a pipe that does not wait is full
                select.select([], [self], [])
            return count
        except OSError as error:
            ends = isinstance(error, BrokenPipeError) and self.fileno() == 1 and self.failure is None
            self.failure = self.failure or error
            if ends:
                raise
            return view.nbytes


def _text(file: _Patient, like: object) -> io.TextIOWrapper:
    """Return a text stream as Python makes it, but for characters that its encoding lacks: they become ``?``."""
    if not isinstance(like, io.TextIOWrapper):  # it was closed
        return io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", errors="replace")
    like.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=like.encoding,
        errors="replace",
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )


def _finish(out: _Patient) -> bool:
    """Write what the streams still hold; say and return whether something of stdout was lost."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    failure = out.failure
    if failure is not None and not isinstance(failure, BrokenPipeError):
        print(f"error: what it prints cannot be written: {os.strerror(failure.errno or 0)}.", file=sys.stderr)
    sys.stderr.flush()
    return failure is not None


def open_missing() -> None:
    """Open standard streams that are closed, first of all: the next file that is opened would become one of them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
