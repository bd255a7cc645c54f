"""Plugins: files of users and installed packages that enter layers and losses of their own into keplearn's tables.

A plugin is code, and loading one runs it. It is loaded only if the user has named its very content: in a config that
he gives to a command, by `load_plugin`, or by ``keplearn config allow FILE``. That is remembered by the hash of the
content: for the processes that this one starts in the environment (`ALLOWED`), for later ones by a mark in the cache
directory, if nobody but the user can put one there. A run names what it needs by digest; a copy lies in its group's
directory ``plugins``, and is loaded from there if its hash is that digest's and was named; else it is refused.

What no config names, sinks and metrics, is for all runs of a group: a copy of a plugin with such lies in
``plugins/all``, and whoever trains or scores the group's runs loads it (`join`), and what installed packages offer.
"""

import hashlib
import os
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from keplearn.core import tables
from keplearn.core.errors import Damaged, KeplearnError, KeplearnWarning
from keplearn.core.files import write_bytes
from keplearn.core.installed import load_installed, where_it_failed
from keplearn.core.machine import cache_directory, others_may_change
from keplearn.core.tables import NotLoaded, Source, digests, entered, sources

ALLOWED = "KEPLEARN_ALLOWED_PLUGINS"
DIRECTORY = "plugins"
ALL = "all"
_left_out: set[Path] = set()


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
    """Load what runs of groups need: what is for all of them (`join`), and the plugins that full names are of.

    ``names`` are any values, full names among them; their plugins are loaded from the groups' copies if need be.

    Raises
    ------
    NotLoaded
        If there is no copy, or the user has not named its content.
    Damaged
        If the copy is not what the name says.
    KeplearnError
        If the plugin fails.
    """
    join(groups)
    for digest in digests(names):
        if digest in sources:
            continue
        copies = [path for group in groups for path in (group / DIRECTORY).glob(f"*-{digest}.py")]
        if not copies:
            raise NotLoaded(
                f"{groups[0]}: a plugin (digest {digest}) that its runs need is not loaded, and no copy of it is "
                "there. Was it defined in a notebook or script, then run that cell first; is it of a package, install "
                "the version that was used; else load its file (keplearn.load_plugin)."
            )
        _load_copy(copies[0], digest)


def join(groups: Iterable[Path]) -> None:
    """Load what is for all runs of groups: what installed packages offer, and the copies in ``plugins/all``.

    Of several versions of a file the one that was kept last, and none where this process has loaded one already.
    What cannot be loaded, or the user has not named, is left out with a warning.

    Raises
    ------
    KeplearnError
        If a plugin of an installed package fails.
    """
    load_installed()
    known = {_stem(source) for source in tables.modules.values()}
    for group in dict.fromkeys(groups):
        newest = {}
        for copy in sorted((group / DIRECTORY / ALL).glob("*.py"), key=_kept_at):
            stem, _, digest = copy.stem.rpartition("-")
            newest[stem] = copy, digest
        for copy, digest in (newest[stem] for stem in newest if stem not in known):
            if copy in _left_out:
                continue
            try:
                _load_copy(copy, digest)
            except KeplearnError as error:
                _left_out.add(copy)
                said = f"{error} Its sinks and metrics are left out."
                warnings.warn(said, KeplearnWarning, stacklevel=2)


def _kept_at(copy: Path) -> float:
    with suppress(OSError):
        return copy.stat().st_mtime
    return 0.0


def _load_copy(copy: Path, digest: str) -> None:
    """Load a group's copy of a plugin, if it is what it was and the user has named it."""
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
    """Write copies of plugins into a group's directory: of those that names are of, and of those for all runs.

    Raises
    ------
    NotWritten
        If it cannot be written.
    """
    for digest in digests(names):
        if digest in sources:
            _keep(sources[digest], group / DIRECTORY)
    for source in tables.modules.values():
        if source.digest in tables.for_all:
            _keep(source, group / DIRECTORY / ALL)


def _keep(source: Source, directory: Path) -> None:
    if kept := list(directory.glob(f"*-{source.digest}.*")):
        with suppress(OSError):  # another user's
            kept[0].touch()  # of several versions the last counts
    else:
        suffix = "py" if source.whole else "txt"  # a function of a notebook cannot be loaded alone
        write_bytes(directory / f"{_stem(source)}-{source.digest}.{suffix}", source.text)


def _stem(source: Source) -> str:
    """Return the name of a plugin's file, or of that which a copy is of."""
    stem = Path(source.file).stem
    return stem.removesuffix(f"-{source.digest}")


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
        raise KeplearnError(where_it_failed(error, source.file)) from error
