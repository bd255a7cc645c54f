"""What titles of figures say: of a run what was trained, and on what it is tested; of several what they share."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray

    from keplearn.runs.store import Run


def trained_on(run: "Run") -> str:
    """Return what a title says of a run: its layers, and what it was trained on."""
    p = run.config.parameters
    layers = f"{p.feature_layer} + {p.output_layer} ({run.group[:24]}/{run.name})"
    return f"{layers}\ntrained on {short_name(run.config.dataset_name)}"


def common_title(runs: "list[Run]") -> str:
    """Return what a title says of several runs: what all have in common."""
    from keplearn.groups.facts import groups_text

    data = {run.config.dataset_name for run in runs}
    return f"{len(runs)} runs of {groups_text(runs)}" + (
        f"\ntrained on {short_name(data.pop())}" if len(data) == 1 else ""
    )


def trained_and_tested(run: "Run", evaluation: "xarray.Dataset", orbit: int | None) -> str:
    """Return what was trained, and what it is tested on."""
    name, count = short_name(evaluation.attrs["dataset"]), evaluation.sizes["orbit"]
    over = int(evaluation.attrs.get("segments", 0))
    if orbit is None:
        return f"{trained_on(run)}\ntested on {tested_on(over, f'the {count} orbits of {name}')}"
    name, between = tested_on(over, name), "\n" if over else ": "
    if count == 1 and "=" in name:  # chosen by its elements, which are its name
        return f"{trained_on(run)}\ntested on {name}"
    a, e = (float(evaluation[key][orbit]) for key in ("semi_major_axis", "eccentricity"))
    return f"{trained_on(run)}\ntested on {name}#{orbit}{between}a = {a:,.0f} km, e = {e:.3f}"


def tested_on(segments: int | None, what: str) -> str:
    """Return what is tested on, "segments of 18 of" it where it is restarted."""
    from keplearn.evaluation.ranking import measured_over

    over = measured_over(segments)
    return f"{over} of {what}" if over else what


def short_name(dataset: str) -> str:
    """Return a dataset's name, or a file's without its directories."""
    return Path(dataset).name if dataset.endswith(".nc") else dataset
