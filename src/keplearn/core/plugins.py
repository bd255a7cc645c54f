"""Plugins: files of users and installed packages that enter layers and losses of their own into keplearn's tables.

A plugin is code, and loading one runs it. It is loaded only if the user has named its very content: in a config that
he gives to a command, by `load_plugin`, or by ``keplearn config allow FILE``. That is remembered by the hash of the
content: for the processes that this one starts in the environment (`ALLOWED`), for later ones by a mark in the cache
directory, if nobody but the user can put one there. A run names what it needs by digest; a copy lies in its group's
directory ``plugins``, and is loaded from there if its hash is that digest's and was named; else it is refused.
"""

import hashlib
import os
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType

from keplearn.core import tables
from keplearn.core.errors import Damaged, KeplearnError
from keplearn.core.files import write_bytes
from keplearn.core.machine import cache_directory, others_may_change
from keplearn.core.tables import NotLoaded, Source, digests, entered, sources

ALLOWED = "KEPLEARN_ALLOWED_PLUGINS"
ENTRY_POINTS = "keplearn.plugins"
DIRECTORY = "plugins"


def load_plugin(file: str | Path) -> list[str]:
    """Run a file of your own that enters layers or losses, and return their names.

    Its content is remembered as yours: runs that need it may be opened from now on.

    Raises
    ------
    KeplearnError
        If it cannot be read, or fails: naming the file and the line.
    """
    return [name for _, name in run_plugin(file)]


def run_plugin(file: str | Path) -> dict[tuple[str, str], str]:
    """`load_plugin`, and return what it has entered: by kind and name, with its place."""
    source = allow_plugin(file)
    _load(source)
    return entered(source.digest)


def allow_plugin(file: str | Path) -> Source:
    """Remember the content of a file as code that may be run, without running it."""
    path = Path(file)
    try:
        source = Source(str(path.resolve()), path.read_bytes(), True)
    except (OSError, ValueError) as error:
        raise KeplearnError(f"plugin {path}: cannot be read: {getattr(error, 'strerror', error)}.") from error
    allowed = os.environ.get(ALLOWED, "").split()
    if source.hash not in allowed:
        os.environ[ALLOWED] = " ".join([*allowed, source.hash])
    mark = _mark(source.hash)
    if mark is not None and not mark.exists():
        with suppress(OSError, KeplearnError):  # a full or read-only disk: it has to be named again next time
            write_bytes(mark, source.file.encode())
    return source


def _mark(content_hash: str) -> Path | None:
    """Return the file that says that a content was named; None where others could put one, or nothing is kept."""
    home = cache_directory()
    return None if home is None or others_may_change(home) else home / f"plugin-{content_hash}"


def _is_allowed(content_hash: str) -> bool:
    mark = _mark(content_hash)
    return content_hash in os.environ.get(ALLOWED, "").split() or (mark is not None and mark.exists())


def require(names: Iterable[object], *groups: Path) -> None:
    """Load the plugins that full names among values are of, from the copies in groups' directories if need be.

    Raises
    ------
    NotLoaded
        If there is no copy, or the user has not named its content.
    Damaged
        If the copy is not what the name says.
    KeplearnError
        If the plugin fails.
    """
    for digest in digests(names):
        if digest in sources:
            continue
        load_installed()
        if digest in sources:
            continue
        copies = [path for group in groups for path in (group / DIRECTORY).glob(f"*-{digest}.py")]
        if not copies:
            raise NotLoaded(
                f"{groups[0]}: a plugin (digest {digest}) that its runs need is not loaded, and no copy of it is "
                "there. Was it defined in a notebook or script, then run that cell first; is it of a package, install "
                "the version that was used; else load its file (keplearn.load_plugin)."
            )
        copy = copies[0]
        try:
            text = copy.read_bytes()
        except OSError as error:
            raise KeplearnError(f"{copy}: cannot be read: {error.strerror}.") from error
        content_hash = hashlib.sha256(text).hexdigest()
        if not content_hash.startswith(digest):
            raise Damaged(f"{copy}: damaged: it is not the plugin that it was.")
        if not _is_allowed(content_hash):
            raise NotLoaded(
                f"{copy} is code of somebody that a run needs, and you have not named it in a config or otherwise. "
                f"Read it, and if it may run as you: keplearn config allow {copy}"
            )
        _load(Source(str(copy.resolve()), text, True))


def keep(names: Iterable[object], group: Path) -> None:
    """Write copies of the plugins that full names among values are of into a group's directory.

    Raises
    ------
    NotWritten
        If it cannot be written.
    """
    for digest in digests(names):
        source = sources.get(digest)
        if source is not None and not list((group / DIRECTORY).glob(f"*-{digest}.*")):
            suffix = "py" if source.whole else "txt"  # a function of a notebook cannot be loaded alone
            stem = Path(source.file).stem.rpartition(f"-{digest}")[0] or Path(source.file).stem
            write_bytes(group / DIRECTORY / f"{stem}-{digest}.{suffix}", source.text)


@cache
def load_installed() -> None:
    """Load the plugins of installed packages, once: their entry points of the group ``keplearn.plugins``.

    Raises
    ------
    KeplearnError
        If one fails, with its package.
    """
    from importlib.metadata import entry_points  # costs some milliseconds

    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as error:
            package = point.dist.name if point.dist else "?"
            raise KeplearnError(
                f"the plugin {point.value} of the installed package {package} fails: {_where(error)}"
            ) from error


def _load(source: Source) -> None:
    """Run a plugin's text as a module, once a process."""
    name = f"keplearn_plugin_{source.digest}"
    if name in sys.modules:
        return
    module = ModuleType(name)
    module.__file__ = source.file
    sys.modules[name], tables.modules[name] = module, source
    try:
        exec(compile(source.text, source.file, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        tables.remove(source.digest)
        del sys.modules[name], tables.modules[name]
        if isinstance(error, KeplearnError):
            raise
        raise KeplearnError(_where(error, source.file)) from error


def _where(error: BaseException, file: str | None = None) -> str:
    """Return an error in one line, with the file and the line where it arose: in ``file``, if it passed there."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}."
    if isinstance(error, KeplearnError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((one for one in reversed(frames) if file in (None, one.filename)), frames[-1])
    said = str(error).strip().splitlines() or [""]
    return f"{frame.filename}:{frame.lineno}: {type(error).__name__}: {said[0]}".rstrip(": ")
