"""Signals that end a command (Ctrl-C, a polite kill, a terminal that is closed): none is lost, each is answered once.

Inside `heeding` the first signal raises KeyboardInterrupt. What swallows it (a callback of the garbage collector, a
bare ``except``) gets it again until it is heeded; what answers it (``except``, ``finally`` and ``with`` blocks that
it passes) is not disturbed by a second one. The user is told in one line, within a second also where a library
computes and lets nothing else run.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds after which a command that was told to end says what it waits for, and between raising again.
SOON = 0.8
AGAIN = 0.25


class _State:
    """What is known of signals in this process; the main thread's alone, but for `told`."""

    heeding = False
    told: float | None = None
    said = False
    held = 0
    busy_with = "what is under way to end"
    ending = threading.Lock()


@contextmanager
def heeding(last: bool = False) -> Iterator[None]:
    """Turn a signal to end into one KeyboardInterrupt, said in one line; at the end all is as it was before.

    A signal that is ignored (SIGHUP under nohup, SIGINT in a shell's background) stays so. In other threads than the
    main one, which gets no signals, it does nothing. Where it is the ``last`` that a process does, signals are ignored
    from then on: they must not break off libraries that end.
    """
    if _State.heeding or threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.told, _State.said, _State.held = None, False, 0
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = {number: signal.getsignal(number) for number in ENDING}
    hook, sys.unraisablehook = sys.unraisablehook, _quiet
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    _State.heeding = True
    threading.Thread(target=_watch, args=(read, threading.get_ident()), daemon=True).start()
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _answer)
        yield
    except KeyboardInterrupt:
        say("interrupted")
        raise
    finally:
        _State.held += 1
        with _State.ending:
            _State.heeding = False
        for number, handler in before.items():
            signal.signal(
                number, signal.SIG_IGN if last else handler if handler is not None else signal.SIG_DFL
            )
        signal.set_wakeup_fd(wakeup)
        os.close(write)
        sys.unraisablehook = hook


@contextmanager
def held() -> Iterator[None]:
    """Let a signal wait for the end of what must not be broken off: it is short, such as writing a file."""
    if not _State.heeding or threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
    if _State.told is not None:
        _answer()


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Say what a signal may have to wait for, such as ``the compilation to end``."""
    before, _State.busy_with = _State.busy_with, what
    try:
        yield
    finally:
        _State.busy_with = before


def _answer(number: int = 0, frame: FrameType | None = None) -> None:
    """Raise KeyboardInterrupt, unless one is being answered or it must wait."""
    _State.told = _State.told or time.monotonic()
    if not _State.held and not _is_answered():
        raise KeyboardInterrupt


def _is_answered() -> bool:
    """Say whether the main thread is in a block that a KeyboardInterrupt has led to."""
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _watch(pipe: int, main: int) -> None:
    """Wait for a signal; then say what it waits for, and raise it again where it was swallowed."""
    with os.fdopen(pipe, "rb", buffering=0) as signals:
        number = 0
        while number not in ENDING:
            if not (came := signals.read(1)):
                return
            number = came[0]
        since = raised = time.monotonic()
        while True:
            if select.select([signals], [], [], AGAIN)[0] and not signals.read(1):
                return
            now = time.monotonic()
            if now - since > SOON:
                say(f"interrupted: waits for {_State.busy_with}")
            if now - raised > AGAIN and not _State.held:  # what is held answers it at its end
                raised = now
                with _State.ending:  # afterwards the signal means something else again
                    if _State.heeding:
                        signal.pthread_kill(main, number)


def say(text: str) -> None:
    """Say on stderr what has become of a command that was told to end, once."""
    said, _State.said = _State.said, True
    if not said and sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def _quiet(unraisable) -> None:
    """Say nothing of a KeyboardInterrupt that was raised where nobody can hear it: it comes again."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
