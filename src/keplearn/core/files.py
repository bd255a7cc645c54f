"""Files are written whole or not at all: into a temporary file beside the target, then renamed over it.

What is kept of runs is sealed (`keplearn.core.seal`): its checksum is compared before anything of it is used.
"""

import errno
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from keplearn.core import seal
from keplearn.core.errors import Damaged, KeplearnError, NotAllowed, NotWritten
from keplearn.core.signals import held

_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}\.tmp")


def is_file(path: str | Path) -> bool:
    """Whether a file is there; also False for what can be no path, such as one that is too long."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def exists(path: str | Path) -> bool:
    """Whether anything is there; also False for what can be no path."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def file_name(words: Iterable[str], letters: int = 150) -> str:
    """Return what a file may be called that is made of things of these names: of files without their directories."""
    return "-".join(file_word(Path(word).name.removesuffix(".nc")) for word in words)[:letters]


def file_word(text: str) -> str:
    """Return a text with ``_`` for what has no place in a file's name."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", text).lstrip(".")


@contextmanager
def replacing(path: str | Path, within: Path | None = None) -> Iterator[Path]:
    """Give a temporary path to write to; on leaving it becomes ``path``, on an error it is removed.

    A crash at any moment leaves the old file or the new one, never half of one; a signal to end waits for it.
    Directories that are missing are made; ``within`` a directory only those below it, and if it is gone itself
    nothing is written.

    Raises
    ------
    NotWritten
        If the file cannot be written (no such directory, no permission, no space left), naming it.
    """
    with held(), _replacing(Path(path), within) as temporary:
        yield temporary


@contextmanager
def _replacing(path: Path, within: Path | None) -> Iterator[Path]:
    temporary = None
    try:
        if within is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            made = within
            for name in path.parent.relative_to(within).parts:
                (made := made / name).mkdir(exist_ok=True)
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


def remove_temporaries(directory: Path, of: Callable[[str], bool]) -> None:
    """Remove what `replacing` left of some files, by name, when its process was killed; nothing behind a link."""
    for file in () if directory.is_symlink() else directory.glob(".*.tmp"):
        name = _TEMPORARY.fullmatch(file.name)
        if name is not None and of(name[1]) and not file.is_dir():
            file.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, content: bytes, within: Path | None = None) -> None:
    """Write a file whole or not at all."""
    with replacing(path, within) as temporary:
        temporary.write_bytes(content)


class Read(NamedTuple):
    """What a file holds, without its checksum, and whether it has one."""

    content: bytes
    sealed: bool


def read_sealed(path: str | Path, must: bool = False) -> Read:
    """Read a file and compare its checksum, which those of earlier versions have not, unless it ``must`` be there.

    Raises
    ------
    Damaged
        If the content does not match its checksum, or the checksum is missing.
    KeplearnError
        If there is no such file, or it cannot be read.
    """
    path = Path(path)
    try:
        found = Read(*seal.open_seal(path.read_bytes()))
    except FileNotFoundError:
        raise KeplearnError(f"{path}: no such file.") from None
    except OSError as error:
        raise KeplearnError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}.") from error
    except Damaged as error:
        raise Damaged(f"{path}: damaged: {error}.") from None
    if must and not found.sealed:
        raise Damaged(f"{path}: damaged: its checksum is missing.")
    return found


def set_aside(path: Path) -> Path:
    """Rename a damaged file to a name that nobody reads, ``NAME.damaged`` or with a number; return that.

    Raises
    ------
    NotWritten
        If it cannot be renamed.
    """
    names = (path.with_name(f"{path.name}.damaged{k or ''}") for k in count())
    aside = next(name for name in names if not os.path.lexists(name))
    try:
        return path.rename(aside)
    except OSError as error:
        raise not_written(aside, error) from error


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
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return NotAllowed(f"{path}: cannot be written: {reason}")
    return NotWritten(f"{path}: cannot be written: {reason}")


def _umask() -> int:
    """Return the process's umask; it can be read only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
