"""Evaluations as numbers: summaries of datasets and orbits, tables of many runs, and their text."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keplearn.core.numbers import number_text
from keplearn.data.orbit_dataset import OrbitDataset
from keplearn.evaluation.distance import REGIONS
from keplearn.evaluation.metrics import METRICS, Metric, floors, keys
from keplearn.evaluation.ranking import measured_over, with_lost
from keplearn.evaluation.statistics import Distribution
from keplearn.orbits.elements import ELEMENT_NAMES

if TYPE_CHECKING:
    import pandas as pd
    import xarray


def summary(evaluation: "xarray.Dataset") -> dict[str, Any]:
    """Sum up an evaluation over all samples of all orbits.

    Returns
    -------
    summary
        The keys of `keplearn.evaluation.metrics.METRICS`, NaN where undefined; ``floor_mean`` and
        ``floor_field`` besides, where the truth's accelerations are finite differences.
    """
    result = dict[str, Any](summarize(samples_of(evaluation)))
    return result | {key: float(evaluation.attrs[key]) for key in floors() if key in evaluation.attrs}


def summarize(samples: Mapping[str, np.ndarray]) -> dict[str, float | int]:
    """Sum up the samples of an orbit, or of all orbits of a dataset, under the keys of `METRICS`.

    Parameters
    ----------
    samples
        The variables of an evaluation by name, (orbit, sample), lost ones infinite and padding NaN;
        ``diverged`` of each orbit.

    Returns
    -------
    summary
        NaN for a metric whose samples there are not (``flips``, for a head without m; ``field-near``, where no
        training states are known).
    """
    parts: dict[tuple[str, str], Distribution] = {}
    found: dict[str, float | int] = {}
    for key, metric in METRICS.items():
        part = metric.of, metric.over if metric.over in REGIONS else ""
        if part not in parts and metric.of in samples and ("distance" in samples or not part[1]):
            parts[part] = Distribution(_within(samples, *part))
        value = metric.total(parts[part]) if part in parts else np.nan
        found[key] = 100.0 * value if metric.share else value
    return found


def _within(samples: Mapping[str, np.ndarray], name: str, region: str) -> np.ndarray:
    """The samples of a variable, those outside of a region as padding."""
    return np.where(REGIONS[region](samples), samples[name], np.nan) if region else samples[name]


def orbit_table(evaluation: "xarray.Dataset") -> "pd.DataFrame":
    """One row an orbit: its name, elements (km, rad), number of samples, and the same keys as `summary`."""
    import pandas as pd

    samples = samples_of(evaluation)
    counts = np.isfinite(evaluation["time"].values).sum(axis=1)
    extra = [key for key in (*ELEMENT_NAMES, *floors()) if key in evaluation]
    rows = []
    for k, name in enumerate(evaluation["orbit"].values):
        scores = summarize({key: x[k : k + 1] for key, x in samples.items()})
        facts = {key: float(evaluation[key][k]) for key in extra}
        rows.append({"orbit": str(name), "samples": int(counts[k]), **facts, **scores})
    front = ["orbit", *ELEMENT_NAMES, "samples", *METRICS]
    return pd.DataFrame(rows)[[*front, *(key for key in floors() if key in extra)]]


def score_table(scored: Iterable[tuple[Mapping[str, Any], str, Mapping[str, Any]]]) -> "pd.DataFrame":
    """One row a run and dataset: columns that describe the run (with ``run_id``), ``dataset``, and a `summary`.

    Where scores are of segments, ``segments`` says of how many samples.
    """
    import pandas as pd

    rows = []
    for about, dataset, summed in scored:
        front = {"segments": summed["segments"]} if "segments" in summed else {}
        rows.append({**about, "dataset": dataset, **front, **summed})
    return pd.DataFrame(rows)


def dataset_labels(datasets: Mapping[str, OrbitDataset]) -> dict[str, str]:
    """Return what datasets are called in a table, by the names or files that they were asked for by.

    Their own names; where two of one name hold different orbits, also their files, and the beginning of their
    content's hash where those are called alike too.
    """

    def apart(texts: dict[str, str], more: Callable[[str, OrbitDataset], str]) -> dict[str, str]:
        content = {asked: datasets[asked].content_hash for asked in texts}
        alike = {
            text for text in texts.values() if len({content[k] for k, x in texts.items() if x == text}) > 1
        }
        return {k: f"{x} ({more(k, datasets[k])})" if x in alike else x for k, x in texts.items()}

    named = {asked: data.name for asked, data in datasets.items()}
    filed = apart(named, lambda asked, data: Path(asked).name)
    return apart(filed, lambda asked, data: data.content_hash[:8])


def wide(
    table: "pd.DataFrame",
    columns: Sequence[str] = (),
    *,
    metrics: Sequence[str] = (),
    all_metrics: bool = False,
) -> "pd.DataFrame":
    """Runs down, datasets across: ``median``, ``mean`` and ``field`` of each, or some metrics or all, and their floors.

    ``diverged`` and the numbers of lost samples stand beside where they are not zero in some run. ``columns``
    names the table's columns that describe a run, shown in front, behind its label if it has one. A run that was
    not scored on a dataset has NaN there.
    """
    always = list(metrics) or (keys("wide", "short", "all") if all_metrics else keys("wide"))
    front = dict.fromkeys(("run_id", *(["label"] if "label" in table else []), *columns))
    result = table[list(front)].drop_duplicates("run_id").reset_index(drop=True)
    for name in dict.fromkeys(table["dataset"]):
        rows = table[table["dataset"] == name].drop_duplicates("run_id").set_index("run_id")
        over = measured_over(rows["segments"].iloc[0]) if "segments" in rows else ""
        title = f"{name} ({over})" if over else name
        for key in dict.fromkeys((*always, *keys("lost"), *_floors_of(always))):
            if key not in always and (key not in rows or not rows[key].fillna(0.0).any()):
                continue
            result[f"{key} {title}"] = result["run_id"].map(rows[key])
    return result


def short(table: "pd.DataFrame", metrics: Sequence[str] = ()) -> "pd.DataFrame":
    """A `score_table` with the metrics that are for people, or some, their floors, and what is lost if anything is."""
    shown = list(metrics) or keys("wide", "short")
    hidden = set(METRICS) - {*shown, *keys("lost")} | {key for key in keys("lost") if not table[key].any()}
    hidden |= set(floors()) - set(_floors_of(shown))
    # What only some models have, and what is told by training states that may be unknown, is shown where there is any.
    of_some = {metric.of for metric in METRICS.values() if metric.sampled and metric.over}
    some = {key for key in shown if METRICS[key].over or METRICS[key].of in of_some}
    hidden |= {key for key in some if table[key].isna().all()}
    hidden -= set(metrics)
    left = [column for column in table.columns if column not in hidden]
    return (
        table[[column for column in left if column not in metrics] + list(metrics)]
        if metrics
        else table[left]
    )


def _floors_of(shown: Sequence[str]) -> list[str]:
    return [METRICS[key].floor_key for key in shown if METRICS[key].floor]


def cells(table: "pd.DataFrame") -> tuple[list[str], list[list[str]]]:
    """A table as titles and rows of text: four significant digits, ``-`` for what there is not."""
    rows = table.itertuples(index=False, name=None)
    return [str(title) for title in table.columns], [[_cell(value) for value in row] for row in rows]


def render(table: "pd.DataFrame", format: Literal["markdown", "csv", "json"]) -> str:
    """A table as text: markdown for people (rounded), csv and json with full precision.

    JSON is a list of one object a row, its keys the columns; what is not finite is null.
    """
    if format == "csv":
        return table.to_csv(index=False, lineterminator="\n").rstrip("\n")
    if format == "json":
        rows = ({key: _plain(value) for key, value in row.items()} for row in table.to_dict("records"))
        return "[" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "]"
    titles, rows = cells(table)
    lines = [titles, ["---"] * len(titles), *([text.replace("|", r"\|") for text in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def samples_of(evaluation: "xarray.Dataset") -> dict[str, np.ndarray]:
    """The variables that summaries are made of, lost samples of metrics infinite and padding NaN."""
    sampled = {metric.of: metric for metric in METRICS.values() if metric.sampled}
    used = dict.fromkeys(metric.of for metric in METRICS.values() if metric.of in evaluation)
    values = {name: evaluation[name].values for name in used}
    return {
        name: with_lost(x, asked_samples(evaluation, sampled[name])) if name in sampled else x
        for name, x in values.items()
    }


def asked_samples(evaluation: "xarray.Dataset", metric: Metric) -> np.ndarray:
    """An array (orbit, sample) that is finite where a metric is to have a value."""
    truth = true_samples(evaluation)
    if not metric.over:
        return truth
    return np.where(evaluation["observed"].values == (metric.over == "observed"), truth, np.nan)


def true_samples(evaluation: "xarray.Dataset") -> np.ndarray:
    """An array (orbit, sample) that is finite where there is a true sample to compare with."""
    return np.abs(evaluation["acceleration"].values).sum(axis=-1)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number_text(value) if np.isfinite(value) else "-"
    return "-" if value is None else str(value)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
