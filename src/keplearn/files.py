"""Files are written whole or not at all: into a temporary file beside the target, then renamed over it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keplearn.errors import NotWritten


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; on leaving it becomes ``path``, on an error it is removed.

    A crash at any moment leaves the old file or the new one, never half of one.

    Raises
    ------
    NotWritten
        If the file cannot be written (no such directory, no permission, no space left), naming it.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same directory: os.replace is atomic only within one file system.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def append_text(path: str | Path, text: str) -> None:
    """Append to a text file; what does not fit is not written."""
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: str | Path, error: OSError) -> NotWritten:
    """Say that a file cannot be written, and why."""
    # HDF5 puts lines of its own into strerror.
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason += ". Free some and run the command again: it goes on from what is there."
    return NotWritten(f"{path}: cannot be written: {reason}")


def _umask() -> int:
    """Return the process's umask; it can be read only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
