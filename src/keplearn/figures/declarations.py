"""What figures declare, read from the text of their files: a list of commands imports neither Matplotlib nor JAX.

A figure is imported when it is drawn. What is read here is what `keplearn.figures.registry.figure` was told.
"""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

from keplearn.core.errors import KeplearnError, KeplearnWarning, nearest
from keplearn.core.installed import installed_files, load_installed
from keplearn.core.plugins import load_plugin
from keplearn.figures.registry import PLOTS, Need, Plot

HOME = Path(__file__).with_name("plots")

_DECORATOR = re.compile(r"^@(\w+\.)*figure\(", re.MULTILINE)

_SECTION = re.compile(r"^\w+\n-+$", re.MULTILINE)

_KINDS: Mapping[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "Sequence[str]": list[str]}


@dataclass(frozen=True)
class Option:
    """A figure's parameter that its command has as an option.

    ``names`` on the command line; ``kind``: its type, list[str] for names with commas.
    """

    parameter: str
    names: tuple[str, ...]
    kind: Any
    default: Any
    help: str


@dataclass(frozen=True)
class Declaration:
    """A figure as its file declares it: name, what it draws (`Need`), a line about it, how it is read, its options.

    ``package``: the installed package that offers it; "" for keplearn's own and for a user's file.
    """

    name: str
    of: str
    about: str
    caption: str
    options: tuple[Option, ...]
    file: Path
    package: str = ""

    def load(self) -> Plot:
        """Import the figure."""
        if self.file.parent == HOME:
            import_module(f"keplearn.figures.plots.{self.file.stem}")
        elif self.package:
            load_installed()
        else:
            load_plugin(self.file)
        return PLOTS[PLOTS.full_name(self.name)]


@cache
def declarations() -> dict[str, Declaration]:
    """Return keplearn's own figures by name, and those of installed packages (`keplearn.core.plugins`)."""
    found = {one.name: one for file in sorted(HOME.glob("*.py")) for one in read_declarations(file)}
    for package, file in installed_files():
        try:
            for one in read_declarations(file):
                if one.name in found:
                    raise KeplearnError(f"{file}: figure {one.name!r} is there already.")
                found[one.name] = replace(one, package=package)
        except KeplearnError as error:
            said = f"the package {package}: {error} It is left out."
            warnings.warn(said, KeplearnWarning, stacklevel=2)
    return found


def read_declarations(file: Path) -> Iterator[Declaration]:
    """Yield the figures that a file declares; it is not run.

    Raises
    ------
    KeplearnError
        If it cannot be read, or a declaration is not written out: naming file and line.
    """
    try:
        tree = _parsed(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        raise KeplearnError(
            f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from error
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    by_name = {function.name: function for function in functions}
    for function in functions:
        for call in function.decorator_list:
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == "figure":
                try:
                    yield _declaration(function, call, by_name, file)
                except (ValueError, KeyError) as error:
                    raise KeplearnError(
                        f"{file}:{function.lineno}: figure {function.name}: its declaration cannot be read: {error}"
                    ) from error


def _parsed(text: str) -> ast.Module:
    """Parse a file as far as figures are declared in it, a tenth of the whole."""
    declared = [found.end() for found in _DECORATOR.finditer(text)]
    if not declared:
        return ast.Module([], [])
    docstring = text.find('"""', declared[-1])
    with suppress(SyntaxError):  # without a docstring
        return ast.parse(text[: text.find('"""', docstring + 3) + 3])
    return ast.parse(text)


def _declaration(
    function: ast.FunctionDef, call: ast.Call, others: Mapping[str, ast.FunctionDef], file: Path
) -> Declaration:
    said = dict(zip(("of", "options"), call.args, strict=False)) | {
        str(x.arg): x.value for x in call.keywords
    }
    prepare = said.get("prepare")
    prepared = others.get(prepare.id) if isinstance(prepare, ast.Name) else None
    parameters = (_parameters(prepared) if prepared else {}) | _parameters(function)
    about, _, more = (ast.get_docstring(function) or function.name).partition("\n")
    about = about.removeprefix("Draw ")
    written = _literal(said["options"]) if "options" in said else {}
    options = [_option(name, words, parameters) for name, words in written.items()]
    of = _literal(said["of"])
    if of not in get_args(Need):
        raise ValueError(f"it is of {of!r}, not of {', '.join(get_args(Need))}.{nearest(of, get_args(Need))}")
    caption = _SECTION.split(more)[0].strip()
    return Declaration(function.name, of, about[:1].upper() + about[1:], caption, tuple(options), file)


def _parameters(function: ast.FunctionDef) -> dict[str, tuple[ast.expr | None, ast.expr | None]]:
    """Return annotation and default of a function's parameters."""
    given = [*function.args.posonlyargs, *function.args.args]
    defaults = [None] * (len(given) - len(function.args.defaults)) + function.args.defaults
    both = [
        *zip(given, defaults, strict=True),
        *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
    ]
    return {argument.arg: (argument.annotation, default) for argument, default in both}


def _option(
    name: str, words: str | tuple[str, ...], parameters: Mapping[str, tuple[ast.expr | None, ast.expr | None]]
) -> Option:
    if name not in parameters:
        raise ValueError(f"there is no parameter {name}")
    *names, about = [words] if isinstance(words, str) else words
    annotation, default = parameters[name]
    return Option(
        name,
        tuple(names) or (f"--{name.replace('_', '-')}",),
        _kind(annotation),
        None if default is None else _literal(default),
        about,
    )


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f"{ast.unparse(node)} has to be written out, as text and numbers") from error


def _kind(annotation: ast.expr | None) -> Any:
    text = "str" if annotation is None else ast.unparse(annotation).removesuffix(" | None")
    if text.startswith("Literal["):
        values = ast.literal_eval(text.removeprefix("Literal").removesuffix(" | str"))
        return Literal[tuple(values)]
    if text not in _KINDS:
        raise ValueError(f"an option is of type {', '.join(_KINDS)} or Literal[…], not {text}")
    return _KINDS[text]
