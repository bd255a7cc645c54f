"""The exceptions that a user can fix: the command line prints them without a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches
from unicodedata import normalize


class KeplearnError(Exception):
    """Bad input, said in one message: what is wrong, where, and how to fix it (exit code 2)."""


class NotWritten(KeplearnError):
    """A file that could not be written: the disk's fault, not the config's; the work can be taken up again."""


class NotAllowed(NotWritten):
    """A place that this user may not write to: read-only, or another's."""


class Damaged(KeplearnError):
    """A kept file that is not as it was written: truncated, changed, or no such file at all."""


class KeplearnWarning(UserWarning):
    """Something that the user should know and that does not stop the work: one plain line on the command line."""


class KeptWarning(KeplearnWarning):
    """Something about kept files that a user must know: damage, or that nothing could be kept."""


def printable(text: str) -> str:
    """Foreign text as it may be printed: escape codes and other control characters written out (``\\x1b``)."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for another known word nearest to ``word``, or an empty string.

    One that looks the same is shown by its code points.
    """
    matches = get_close_matches(word, [other for other in known if other != word], n=1, cutoff=0.5)
    if not matches:
        return ""
    alike = normalize("NFKC", matches[0]) == normalize("NFKC", word)
    return f" Did you mean {ascii(matches[0]) if alike else repr(matches[0])}?"
