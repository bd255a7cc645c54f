"""``keplearn plot all``: every figure that applies to some runs, into one folder with a page that shows them.

Which figures there are is what is declared; what each is drawn of follows from what it needs (`OF`). Each is drawn by
the command that stands below it on the page.
"""

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from keplearn.cli.choosing import Names, Segments, Where, chosen
from keplearn.core.errors import KeplearnError, NotWritten
from keplearn.core.files import file_name
from keplearn.evaluation.ranking import measured_over, order
from keplearn.figures.declarations import HOME, Declaration
from keplearn.figures.page import Drawn, Folder, NotDrawn

if TYPE_CHECKING:
    from keplearn.runs.store import Run

_BEST = 6
"""Runs that are drawn in one figure, and training datasets: more would not be told apart."""


@dataclass(frozen=True)
class Subjects:
    """What the figures are drawn of: how the runs were chosen, and which of them are the best, the best first.

    ``segments`` as they were asked for, and ``over`` how many they are.
    """

    names: list[str]
    where: list[str]
    runs: "list[Run]"
    best: "list[Run]" = field(default_factory=list)
    dataset: str | None = None
    segments: int | None = None
    over: int = 0

    def chosen(self) -> list[str]:
        """The words that choose all runs."""
        return [*self.names, *(["--where", *self.where] if self.where else [])]

    def on(self, *, segments: bool = True) -> list[str]:
        """The options that say on what runs are tested."""
        over = [] if self.segments is None or not segments else ["--segments", str(self.segments)]
        return [*(["--on", self.dataset] if self.dataset else []), *over]

    def best_run(self) -> tuple[str, list[str]]:
        """The best run, in words, and the words that name it."""
        run = self._some()[0]
        return f"The best run, {_name(run)}.", [_name(run)]

    def best_runs(self) -> tuple[str, list[str]]:
        """The best runs likewise."""
        some = self._some()[:_BEST]
        return f"The {len(some)} best runs.", [_name(run) for run in some]

    def _some(self) -> "list[Run]":
        if not self.best:
            raise KeplearnError("none of the runs has scores yet.")
        return self.best


Words = Iterator[tuple[str, list[str]]]


def _of_group(subjects: Subjects) -> Words:
    count = len(subjects.runs)
    yield f"All {count} runs." if count > 1 else "The run.", [*subjects.chosen(), *subjects.on()]


def _of_metrics(subjects: Subjects) -> Words:
    yield subjects.best_run()
    if len(subjects.best) > 1:
        yield subjects.best_runs()


def _of_runs(subjects: Subjects) -> Words:
    what, words = subjects.best_runs()
    yield what, [*words, *subjects.on()]


def _of_evaluation(subjects: Subjects) -> Words:
    what, words = subjects.best_run()
    yield what, [*words, *subjects.on()]


def _of_orbit(subjects: Subjects) -> Words:
    what, words = subjects.best_run()
    yield what, [*words, *subjects.on(segments=False)]


def _of_run(subjects: Subjects) -> Words:
    yield subjects.best_run()


def _of_datasets(subjects: Subjects) -> Words:
    trained = list(dict.fromkeys(run.config.dataset_name for run in subjects.runs))
    tested = [subjects.dataset] if subjects.dataset else []
    yield "Training data, and the test dataset.", list(dict.fromkeys([*trained[:_BEST], *tested]))


OF: dict[str, Callable[[Subjects], Words]] = {
    "group": _of_group,
    "runs": _of_runs,
    "metrics": _of_metrics,
    "models": _of_metrics,
    "model": _of_run,
    "evaluation": _of_evaluation,
    "orbit": _of_orbit,
    "phases": _of_run,
    "datasets": _of_datasets,
}
"""By each `keplearn.figures.registry.Need`, in the page's order: of what a figure is drawn, in words and as the words
of its command."""


def plot_all(
    names: Names,
    /,
    *,
    where: Where = None,
    on: Annotated[str | None, Parameter(help="A test dataset; by default the first.")] = None,
    segments: Segments = None,
    runs: Annotated[Path, Parameter(help="The directory of all runs.")] = Path("runs"),
    out: Annotated[Path | None, Parameter(help="The folder; by default figures-GROUP.")] = None,
    data: Annotated[
        bool, Parameter(negative="", help="Write the numbers behind each figure too, NAME.csv.")
    ] = False,
) -> None:
    """Draw every figure that applies to a group into one folder, with a page index.html that shows them.

    Figures of groups are of all runs that are meant, others of the best run or the best runs by median. What cannot be
    drawn is listed with its reason. Drawn again, the folder's figures are replaced.
    """
    from keplearn.cli.plot import FIGURES

    folder = Folder(out or Path(file_name(["figures", *names, *(where or ())])))
    subjects = _subjects(chosen(runs, names, where), names, where or [], on, segments)
    needs = list(OF)
    declared = sorted(FIGURES.values(), key=lambda one: (needs.index(one.of), one.name))
    shared = [] if runs == Path("runs") else ["--runs", str(runs)]
    found = [picture for one in _told(declared) for picture in _draw(one, subjects, shared, folder, data)]
    drawn = [one for one in found if isinstance(one, Drawn)]
    missing = [one for one in found if isinstance(one, NotDrawn)]
    page = folder.close(_title(subjects), _about(subjects), drawn, missing)
    for one in missing:
        print(f"not drawn: {one.name}: {one.reason}", file=sys.stderr)
    print(f"page: {page} ({len(drawn)} figures, {len(missing)} not drawn)")


def _subjects(
    runs: "list[Run]", names: list[str], where: list[str], on: str | None, segments: int | None
) -> Subjects:
    """Find the best runs; without scores there are none, and what needs them says so."""
    from keplearn.cli.progress import track_blocks
    from keplearn.groups.table import group_table

    if not runs:
        raise KeplearnError(f"there is nothing to draw: {', '.join(names)} has no run.")
    try:
        table = group_table(runs, on, segments=segments, track=track_blocks("scoring"))
    except NotWritten:
        raise
    except KeplearnError as error:
        print(f"no run is the best: {error}", file=sys.stderr)
        return Subjects(names, where, runs, dataset=on, segments=segments)
    rows = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    keys = [order(row) for row in rows]
    scored = [k for k in range(len(runs)) if keys[k] != (float("inf"), float("inf"))]
    best = [runs[k] for k in sorted(scored, key=lambda k: keys[k])]
    return Subjects(names, where, runs, best, table.attrs["dataset"], segments, table.attrs["segments"])


def _draw(
    declared: Declaration, subjects: Subjects, shared: list[str], folder: Folder, data: bool
) -> "Iterator[Drawn | NotDrawn]":
    """Draw a figure, once for each thing that it is drawn of; what cannot be drawn is told with its reason."""
    from keplearn.cli.plot import draw_quietly, why_not_drawn

    try:
        for number, (of, words) in enumerate(OF[declared.of](subjects), start=1):
            name = f"{declared.name}{f'-{number}' if number > 1 else ''}"
            picture, numbers = f"{name}.png", f"{name}.csv" if data else None
            command = [declared.name, *words, *shared]
            saved = ["--data", str(folder.path / numbers)] if numbers else []
            draw_quietly([*command, "--out", str(folder.path / picture), *saved])
            plugin = [] if declared.file.parent == HOME else ["--plugin", str(declared.file)]
            told = shlex.join(["keplearn", "plot", *plugin, *command])
            yield Drawn(declared.about.rstrip("."), of, declared.caption, told, picture, numbers)
    except NotWritten:
        raise
    except Exception as error:  # whatever it is, it must not end the rest
        yield NotDrawn(declared.name, why_not_drawn(error))


def _title(subjects: Subjects) -> str:
    return f"Figures of {', '.join([*subjects.names, *subjects.where])}"


def _about(subjects: Subjects) -> str:
    """Say what the figures are of."""
    states = [run.state for run in subjects.runs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    tested = f"; tested on {subjects.dataset}" if subjects.dataset else ""
    over = measured_over(subjects.over)
    return f"{len(states)} runs ({counts}){tested}{f', {over}' if over else ''}."


def _told(declared: Sequence[Declaration]) -> Iterator[Declaration]:
    """Go through figures, and say on stderr how many are drawn, how fast, and how long the rest takes."""
    started = time.monotonic()
    for done, one in enumerate(declared):
        seconds = time.monotonic() - started
        left = (len(declared) - done) * seconds / max(done, 1)
        rate = f", {done / seconds:.2g} figures/s, {left:.0f} s left" if done else ""
        print(f"{done}/{len(declared)} figures{rate}: {one.name}", file=sys.stderr)
        yield one


def _name(run: "Run") -> str:
    return f"{run.group}/{run.run_id}"
