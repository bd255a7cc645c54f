"""What makes a function a figure: `figure` enters it under its name, drawn in the house style."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from keplearn.core.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Need = Literal["datasets", "metrics", "evaluation", "orbit", "phases", "model", "models", "runs", "group"]
"""What a command finds for a figure, by the names that it is told."""

Drawn = TypeVar("Drawn", bound=Callable[..., Any])


@dataclass(frozen=True)
class Plot:
    """A figure: what draws it, and what makes the numbers that are drawn of what a command finds."""

    draw: "Callable[..., Figure]"
    prepare: Callable[..., Any] | None


PLOTS: Table[Plot] = Table("figure")
"""The figures whose files are imported, by name."""


def figure(
    of: Need,
    options: Mapping[str, str | tuple[str, ...]] | None = None,
    *,
    prepare: Callable[..., Any] | None = None,
) -> Callable[[Drawn], Drawn]:
    """Make a function the figure of its name: it runs in the house style, and `keplearn plot` has a command for it.

    The command gives what the function's parameters name, of what there is and of the options. Its help is the first
    line of the docstring. Commands and help are read from the text (`keplearn.figures.declarations`), so what stands
    in the decorator is written out.

    Parameters
    ----------
    of
        What it draws, and so which parameters it may have beside ``title`` and its options:

        - ``datasets``: ``datasets``, those that are named
        - ``metrics``: ``metrics`` of a run's training, a row a step, ``phases``, their labels, and ``kept``, phase and
          step of the model that it keeps, or None; of several runs ``metrics`` by label, and no more
        - ``evaluation``: ``evaluation`` of a run on a test dataset, and ``orbit``, which one is meant
        - ``orbit``: ``model`` of a run, ``evaluation``, the true orbits, and ``orbit``, which one is meant
        - ``phases``: ``models`` after each phase of a run, ``labels`` and ``evaluations``, on one orbit
        - ``model``: ``model`` of a run, ``training``, the dataset that it was trained on, and ``segment_lengths``, the
          samples of a segment in each phase
        - ``models``: ``models`` of the runs that are named, ``trainings``, the dataset that each was trained on, and
          ``labels`` for a legend
        - ``runs``: ``runs``, those that are named, ``dataset``, the test orbits, ``model``, which of theirs,
          and ``segments``, samples from one restart to the next (None: whole orbits)
        - ``group``: ``table`` of a group, a row a run (of several test datasets a run and dataset), ``runs``, and
          ``say``, for remarks
    options
        The parameters that the command has as options, with their help; where an option is called otherwise, its
        names and the help. The type is the parameter's annotation: str, int, float, bool, a Literal (or that and str,
        where the function itself refuses others), or Sequence[str], which is given as names with commas.
    prepare
        Makes the first parameter of what is found and of options, named as the function's are.
    """

    def enter(function: Drawn) -> Drawn:
        from keplearn.figures.parts.style import styled

        drawn = styled(function)
        PLOTS.enter(function, Plot(drawn, prepare))
        return drawn

    return enter
