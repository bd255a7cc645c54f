"""The page's file: data, style and program put into one HTML text, and written whole or not at all."""

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.core.files import file_name, write_text
from keplearn.data.dataset import OrbitDataset, load_dataset
from keplearn.evaluation.ranking import LEADING
from keplearn.figures.parts import style
from keplearn.groups.scoring import Track, score_runs, segments_of
from keplearn.report.content import Content, ContentBuilder, Shown
from keplearn.report.orbits import choose_orbits
from keplearn.runs.store import Run

_HERE = Path(__file__).parent
SCRIPTS = (
    *("study", "filters", "scales", "drawing", "colours", "menus", "parallel", "table"),
    *("plots", "dots", "runs", "run_orbits", "run_tables", "top", "page"),
)
"""The program's files in ``script/``, in the order in which they are put together."""


def write_report(
    found: Sequence[Run],
    words: Sequence[str],
    out: str | Path = "reports",
    *,
    where: Sequence[str] = (),
    on: Sequence[str] = (),
    segments: int | None = None,
    metric: str = LEADING,
    track: Track = iter,
    say: Callable[[str], object] = lambda text: None,
) -> Path:
    """Write the report of a group, ``OUT/GROUP.html``, or of runs that are chosen otherwise.

    Parameters
    ----------
    found
        The runs, one or more.
    words, where
        By what they were chosen, a group mostly (`keplearn.groups.choice.choose_runs`); it names the page.
    out
        The directory of the page.
    on
        Names or files of test datasets; by default all those that the runs were scored on. Runs without a
        kept evaluation are evaluated.
    segments
        Samples from one restart to the next, 0 for whole orbits; by default as the runs were scored.
    metric
        By which runs are ordered, and what is drawn first and of each orbit.
    track
        Goes through the blocks of runs and shows progress.
    say
        Is told of runs that are left out.

    Returns
    -------
    path
        The page.

    Raises
    ------
    KeplearnError
        If a dataset cannot be loaded, or the page cannot be written.
    """
    alone = found[0].group if list(words) == [found[0].group] and not where else ""
    path = Path(out) / f"{alone or file_name([*words, *where])}.html"
    over = segments_of(found, segments)
    write_text(path, render(_content(found, on, track, say, Shown(where, over, metric))))
    return path


def _content(
    found: Sequence[Run],
    on: Sequence[str],
    track: Track,
    say: Callable[[str], object],
    shown: Shown,
) -> Content:
    scored = dict.fromkeys(name for run in found for name in run.scored_on)
    datasets = choose_orbits(_load(on, say) if on else _load(scored, say, must=False))
    builder = ContentBuilder(found, datasets, say, shown)

    def skipped(run: Run, error: KeplearnError) -> None:
        if run.state == "finished":
            say(f"not evaluated: {error}")

    there = {data.name: data.dataset for data in datasets if data.dataset is not None}
    # On every dataset that was asked for, or else on those alone that a run was scored on.
    for run, scores in score_runs(
        found,
        there,
        lambda run: there if on else run.scored_on,
        segments=shown.segments,
        skipped=skipped,
        track=track,
    ):
        builder.add(run, scores)
    return builder.content()


def _load(
    names: Iterable[str], say: Callable[[str], object], must: bool = True
) -> dict[str, OrbitDataset | None]:
    """Load datasets by name; unless they must be there, None where a file is gone: the scores still are."""
    loaded: dict[str, OrbitDataset | None] = {}
    for name in names:
        try:
            loaded[name] = load_dataset(name)
        except KeplearnError as error:
            if must:
                raise
            loaded[name] = None
            say(f"no orbits of {name}: {error}")
    return loaded


def render(content: Content) -> str:
    """Return the page of a study as HTML that needs nothing else.

    The browser is told to run this one program and to load nothing from anywhere (Content-Security-Policy), and
    the data stand in it as JSON without ``<``, so that no name or value can become a part of the page.
    """
    script = program()
    css = (_HERE / "page.css").read_text(encoding="utf-8")
    policy = f"default-src 'none'; img-src data:; style-src {_hash(css)}; script-src {_hash(script)}"
    parts = {
        "TITLE": html.escape(f"{content.head['group']} · keplearn"),
        "POLICY": policy,
        "STYLE": css,
        "STUDY": _json(content.head | {"colours": _colours()}),
        "DETAILS": "\n".join(map(_json, content.details)),
        "SCRIPT": script,
    }
    page = (_HERE / "page.html").read_text(encoding="utf-8")
    # Split, not replaced one after another: no value is ever searched for a mark.
    pieces = page.split("%%")
    text = "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))
    # A lone surrogate (a file's name that is no UTF-8) cannot be written.
    return text.encode("utf-8", "replace").decode()


def program() -> str:
    """Return the page's program: its files one after another, in one function, so that nothing of it is global."""
    script = "\n".join((_HERE / "script" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{script}\n}})();\n'


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, escape)
    return text


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _colours() -> dict[str, Any]:
    """The house's colours: of compared runs, of the truth, and a scale that stays apart in grey."""
    import matplotlib

    scale = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, 19))
    return {
        "models": [colour for colour, _ in style.MODELS if colour != style.TRUTH],
        "truth": style.TRUTH,
        "body": style.EARTH,
        "scale": [[round(255 * float(x)) for x in colour[:3]] for colour in scale],
    }
