"""Commands that begin with a signal or a limit of their own.

It is set by a process that then becomes the command: between a fork and the start of a program nothing of Python
may run, for JAX has threads.
"""

import sys


def heeding_ctrl_c(*command: object) -> list[str]:
    """Return a command that heeds Ctrl-C, though a shell that runs the tests in the background has it ignored."""
    return _after("signal.signal(signal.SIGINT, signal.SIG_DFL)", command)


def with_files_up_to(size: int, *command: object) -> list[str]:
    """Return a command whose files end at so many bytes, as on a full disk."""
    return _after(f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))", command)


def _after(setting: str, command: tuple[object, ...]) -> list[str]:
    body = f"import os, resource, signal, sys; {setting}; os.execvp(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-c", body, *map(str, command)]
