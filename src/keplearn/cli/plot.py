"""``keplearn plot KIND …``: a command for each figure that is declared (`keplearn.figures.registry`).

What a figure is drawn of is found by `keplearn.cli.needs`; here are its options, its title and its files.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from inspect import Parameter as Argument
from inspect import Signature, signature
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from keplearn.cli.needs import NEEDS, Saving
from keplearn.cli.output import listed_names
from keplearn.core.errors import KeplearnError
from keplearn.figures.declarations import Declaration, Option, declarations, read_declarations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

app = App(
    name="keplearn plot",
    help="""Draw a dataset, a run or a group: a command a figure; all draws every figure of a group.

    Figures of your own: keplearn plot --plugin FILE NAME …
    """,
    version_flags=(),
    suppress_keyboard_interrupt=False,
)
app["--help"].show = False

FIGURES: dict[str, Declaration] = {}
"""The figures that have a command, by name."""


def plot(*words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> None:
    """Run a figure's command; ``--plugin FILE`` adds those of a file of the user's own."""
    files, rest = [], []
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name == "--plugin":
            files.append(Path(value if equals else next(left, "--plugin without a file")))
        else:
            rest.append(word)
    for file in files:
        found = list(read_declarations(file))
        if not found:
            raise KeplearnError(f"{file} declares no figure: @keplearn.figure(...) does.")
        for declared in found:
            if declared.name in app:
                raise KeplearnError(
                    f"{file}: figure {declared.name!r} is there already: choose another name."
                )
            add_command(declared)
    app(rest)


def add_command(declared: Declaration) -> None:
    """Add the command of a figure: its options, and those of what it is drawn of and where it is saved."""
    need = NEEDS[declared.of]
    found = [argument for argument in signature(need).parameters.values() if argument.name != "given"]
    names = [argument for argument in found if argument.kind is not Argument.KEYWORD_ONLY]
    own = [_argument(option) for option in declared.options]
    if taken := {argument.name for argument in found} & {argument.name for argument in own}:
        raise KeplearnError(
            f"{declared.file}: figure {declared.name!r}: option {min(taken)!r} is the command's own."
        )
    arguments = Signature([*names, *own, *found[len(names) :]])

    def command(*words: Any, **chosen: Any) -> None:
        bound = arguments.bind(*words, **chosen)
        bound.apply_defaults()
        given = {option.parameter: bound.arguments.pop(option.parameter) for option in declared.options}
        for option in declared.options:
            if option.kind == list[str]:
                given[option.parameter] = listed_names(given[option.parameter] or "") or None
        subjects = [bound.arguments.pop(argument.name) for argument in names]
        saving = bound.arguments["saving"]
        things = need(*subjects, given=given, **bound.arguments)
        _save(draw(declared, things | given, saving.title), saving, declared.name, *things["named"])

    command.__doc__ = declared.about
    command.__signature__ = arguments  # type: ignore[attr-defined]
    app.command(command, name=declared.name)
    FIGURES[declared.name] = declared


def draw_quietly(words: Sequence[str]) -> None:
    """Run a figure's command by its words; what it prints of the file is not shown.

    Raises
    ------
    KeplearnError
        As the command does.
    CycloptsError
        If the words are not the command's.
    """
    with redirect_stdout(StringIO()):
        app(words, exit_on_error=False, print_error=False, result_action="return_value")


def why_not_drawn(error: Exception) -> str:
    """Return in a line why a figure could not be drawn, whatever it was."""
    text = str(error) if isinstance(error, KeplearnError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0]


def _argument(option: Option) -> Argument:
    """Return a figure's option as the command line takes it."""
    kind = str if option.kind == list[str] else option.kind
    look = Parameter(name=option.names, help=option.help, negative="" if kind is bool else None)
    optional = kind | None if option.default is None else kind
    return Argument(
        option.parameter, Argument.KEYWORD_ONLY, default=option.default, annotation=Annotated[optional, look]
    )


def draw(declared: Declaration, things: Mapping[str, Any], title: str = "") -> "Figure":
    """Draw a figure of what was found for it and its options, by the names of its parameters."""
    plot = declared.load()
    given = {**things, "title": title or things.get("title", "")}
    if plot.prepare is not None:
        given[next(iter(signature(plot.draw).parameters))] = plot.prepare(**_named(plot.prepare, given))
    return plot.draw(**_named(plot.draw, given))


def _named(function: Callable[..., Any], things: Mapping[str, Any]) -> dict[str, Any]:
    """Return of some things those that a function has parameters for."""
    return {name: things[name] for name in signature(function).parameters if name in things}


def _save(figure: "Figure", saving: Saving, kind: str, *names: str) -> None:
    """Write the figure, and its numbers where they are asked for; say where they are."""
    from keplearn.core.files import file_name
    from keplearn.figures.parts.style import save_figure

    path = save_figure(figure, saving.out or Path(f"{file_name([kind, *names])}.png"))
    print(f"figure: {path}")
    if saving.data is not None:
        from keplearn.core.files import write_text
        from keplearn.figures.parts.numbers import figure_numbers

        if saving.data.suffix != ".csv":
            raise KeplearnError(f"--data {saving.data}: the numbers are saved as .csv.")
        write_text(saving.data, figure_numbers(figure).to_csv(index=False, lineterminator="\n"))
        print(f"numbers: {saving.data}")


for _declared in declarations().values():
    add_command(_declared)
app.command(
    "keplearn.cli.plot_all:plot_all",
    name="all",
    help="Draw every figure that applies to a group into one folder, with a page index.html that shows them.",
)
