"""What a legend calls runs: their labels, or that in which they differ."""

from collections.abc import Sequence

from keplearn.config.schema import FACTS
from keplearn.groups.facts import run_names
from keplearn.groups.table import varying_cells
from keplearn.groups.values import level_texts
from keplearn.runs.store import Run

_MOST = 3
"""Parameters in which runs differ, told of each; of more the run's name says more."""


def legend(runs: Sequence[Run], apart_from: Sequence[str] = ()) -> list[str]:
    """Return a text for each of some runs, no two alike.

    What ``apart_from`` names is said elsewhere: of what varies it does not count.

    A run that its user has labelled has that label. Else it is the values of what varies among the runs, such as
    "mlp_4D_signed, segment length 18", where that is up to three parameters; and its id's first digits where it is
    more or says nothing.
    """
    differing = varying_cells([run.config for run in runs])
    every = {key.partition(".")[2]: values for key, values in differing.items()}
    said = {name.rpartition(".")[2] for name in apart_from}
    named = {key: values for key, values in every.items() if key not in said}
    texts = {key: level_texts(values) for key, values in named.items()}
    found = []
    for k, (run, name) in enumerate(zip(runs, run_names(runs), strict=True)):
        parts = [_said(key, values[k], texts[key][values[k]]) for key, values in named.items()]
        found.append(name if run.label or not 0 < len(parts) <= _MOST else ", ".join(parts))
    return [
        f"{text} ({run.run_id[:8]})" if found.count(text) > 1 else text
        for text, run in zip(found, runs, strict=True)
    ]


def _said(key: str, value: object, text: str) -> str:
    """A value with its parameter's name, but for names of layers, losses, datasets, which say what they are."""
    if isinstance(value, str) and not value.startswith("["):
        return text
    return f"{FACTS[key].name_of(key)} {text}"
