"""What the processes with W&B's package share: each ends with the one that started it, and answers on stdout."""

import os
from typing import TextIO

from keplearn.core.processes import die_with


def answer(parent: int) -> TextIO:
    """End with the parent from now on; return the stream to it, and have what libraries print go to stderr instead."""
    die_with(parent)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def reason(error: Exception) -> str:
    """Return why something could not be done, in a line."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
