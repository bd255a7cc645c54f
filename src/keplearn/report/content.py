"""What a report page knows of a group: a table by columns for all views, and a few kB a run that are read when asked.

Everything is plain JSON. The table holds what varies among the runs, once a column; what all share stands once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import numpy as np

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.metrics import METRICS, TRAINING
from keplearn.evaluation.ranking import LEADING, LOST, lost_in, measured_over, places
from keplearn.evaluation.remarks import remarks
from keplearn.evaluation.scores import Scores
from keplearn.figures.parts.scales import wants_log
from keplearn.groups.difference import flat
from keplearn.groups.facts import groups_text
from keplearn.groups.table import STATES, summary_cells, varying_cells
from keplearn.groups.values import value_text
from keplearn.report.curves import Losses, loss_curves
from keplearn.report.numbers import rounded
from keplearn.report.orbits import TestData
from keplearn.runs.store import Run

Column = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """Which runs a page is of, over how many samples they are scored (None: whole orbits), by what they are ordered."""

    where: Sequence[str] = ()
    segments: int | None = None
    metric: str = LEADING

    def head(self) -> dict[str, Any]:
        """What the page must know of it."""
        return {
            "where": ", ".join(self.where),
            "over": measured_over(self.segments),
            "metric": self.metric,
            "error": error_facts(self.metric),
        }


@dataclass(frozen=True)
class Content:
    """A report's data: ``head`` for the whole study, and one entry of ``details`` a run, in the table's order."""

    head: dict[str, Any]
    details: list[dict[str, Any]]


def study_content(
    runs: Sequence[Run],
    datasets: Sequence[TestData],
    scores: Mapping[str, Mapping[str, Scores]],
) -> Content:
    """Put together what the page of a group shows.

    Parameters
    ----------
    runs
        The runs of one group, in any state.
    datasets
        The test datasets, the most important first: the scores on it tell which run is the best.
    scores
        Per run id, what was scored, by dataset's name; a run may lack some or all.

    Raises
    ------
    KeplearnError
        If there is no run.
    """
    if not runs:
        raise KeplearnError("There is nothing to report: the group has no run.")
    builder = ContentBuilder(runs, datasets)
    for run in runs:
        builder.add(run, scores.get(run.run_id, {}))
    return builder.content()


class ContentBuilder:
    """`study_content` run by run, for studies whose scores do not fit into memory together."""

    def __init__(
        self,
        runs: Sequence[Run],
        datasets: Sequence[TestData],
        say: Callable[[str], object] = lambda text: None,
        shown: Shown = Shown(),
    ):
        self.runs, self.datasets, self.say, self.shown = runs, datasets, say, shown
        self.scores: list[Mapping[str, Mapping[str, Any]]] = []
        self.details: list[dict[str, Any]] = []
        self.remarks: list[tuple[str, str]] = []
        self.losses = Losses()

    def add(self, run: Run, scores: Mapping[str, Scores]) -> None:
        """Take in the next run of the list."""
        recorded = {
            name: score
            for name, score in (run.record.get("scores") or {}).items()
            if score.get("segments") == self.shown.segments
        }
        self.scores.append({**recorded, **{name: found.summary for name, found in scores.items()}})
        detail = self._losses(run)
        if warnings := (run.record.get("summary") or {}).get("warnings"):
            detail["warnings"] = warnings[:4]
        for data in self.datasets:
            if remark := data.remark(scores.get(data.name)):
                self.remarks.append((f"{run.name} on {data.name}", remark))
                detail["warnings"] = [*detail.get("warnings", []), f"on {data.name} {remark}"]
        if scores:
            metric = self.shown.metric
            detail["errors"] = [data.errors(scores.get(data.name), metric) for data in self.datasets]
            detail["paths"] = [path for data in self.datasets for path in data.paths(scores.get(data.name))]
        self.details.append(detail)

    def _losses(self, run: Run) -> dict[str, Any]:
        """The run's loss curves; none where its metrics are damaged, which is said."""
        try:
            return loss_curves(run.metrics(), self.losses)
        except KeplearnError as error:
            self.say(f"no losses: {error}")
            return {}

    def content(self) -> Content:
        """The whole, once all runs were added."""
        configs = [run.config for run in self.runs]
        differing = varying_cells(configs)
        common = {key: value_text(x) for key, x in flat(configs[0]).items() if key not in differing}
        columns = [*self._states(), *self._parameters(differing), *self._metrics(), *self._summed()]
        head = self.shown.head() | {
            "group": groups_text(self.runs),
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "common": common,
            "datasets": [data.head() for data in self.datasets],
            "columns": columns,
            "losses": self.losses.kinds,
            "remarks": remarks(self.remarks),
        }
        return Content(head, self.details)

    def _states(self) -> list[Column]:
        labels = {"run_id": "run", "kind": "failure"}
        records = [run.record for run in self.runs]
        found = [column(key, labels.get(key, key), "state", [r.get(key) for r in records]) for key in STATES]
        if any(run.label for run in self.runs):
            found.insert(1, column("label", "label", "state", [run.label for run in self.runs]))
        return found

    def _parameters(self, differing: Mapping[str, Sequence[object]]) -> list[Column]:
        return [
            column(key, key.partition(".")[2], "parameter", _numbers_or_texts(values))
            for key, values in differing.items()
        ]

    def _metrics(self) -> list[Column]:
        found = []
        for number, data in enumerate(self.datasets):
            scores = [scores.get(data.name) or {} for scores in self.scores]
            tag = f" D{number + 1}" if len(self.datasets) > 1 else ""
            for key in METRICS:
                values = [_number(score.get(key)) for score in scores]
                if key in LOST and not any(values):
                    continue
                if any(value is not None for value in values):
                    about = metric_facts(key, number) | _ranked(scores, key)
                    found.append(column(f"{key}@{data.name}", f"{key}{tag}", "metric", values, **about))
        return found

    def _summed(self) -> list[Column]:
        summaries = [summary_cells(run.record) for run in self.runs]
        found = []
        for key, measure in TRAINING.items():
            values = [_number(summary[key]) for summary in summaries]
            if any(value is not None for value in values):
                about = {"unit": measure.unit, "about": measure.about}
                found.append(column(key, measure.short, "summary", values, **about))
        return found


def metric_facts(key: str, dataset: int) -> dict[str, Any]:
    """What the page knows of a metric on one of its datasets: unit, meaning, where it is shown, which way is better.

    ``region``: it is of some samples alone, and for people.
    """
    metric = METRICS[key]
    better = {True: "smaller", False: "greater", None: None}[metric.smaller_is_better]
    found = {"unit": metric.unit, "about": metric.about, "dataset": dataset, "shown": metric.shown}
    region = {"region": True} if metric.over and metric.shown == "short" else {}
    return found | region | ({"better": better} if better else {})


def error_facts(key: str) -> dict[str, str]:
    """What the page says of the score of each orbit (`TestData.errors`)."""
    metric = METRICS[key]
    mean = "mean " if metric.run_label != metric.label else ""
    return {"label": f"{mean}{metric.short_label}", "unit": metric.unit, "about": metric.run_label}


def column(key: str, label: str, role: str, values: Sequence[Any], **about: Any) -> Column:
    """A column of the page's table: numbers as they are, texts as numbers of ``levels``; None where missing.

    Parameters
    ----------
    key, label
        Its name in addresses, and the one that is shown.
    role
        state, parameter, metric or summary.
    values
        One a run.
    about
        More of it: unit, about, dataset, shown, better, lost.
    """
    head = {"key": key, "label": label, "role": role, **about}
    if all(value is None or isinstance(value, int | float) for value in values) and role != "state":
        lost = about.get("lost") or [0] * len(values)
        shown = [x for x, gone in zip(values, lost, strict=True) if x is not None and not gone]
        log = {"log": True} if wants_log(np.array(shown, float), key.partition("@")[0]) else {}
        return {**head, **log, "values": list(values)}
    levels = {text: k for k, text in enumerate(dict.fromkeys(x for x in values if x is not None))}
    return {**head, "levels": [str(x) for x in levels], "codes": [levels.get(x, -1) for x in values]}


def _numbers_or_texts(values: Sequence[object]) -> list[Any]:
    """Values as they are if all are numbers, else as texts; None where missing."""
    if all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    ):
        return list(values)
    return [None if value is None else value_text(value) for value in values]


def _ranked(scores: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """What is lost of each run's metric and which place it takes, where anything is: what the page orders by."""
    lost = [lost_in(score, key) for score in scores]
    found = {"lost": lost} if any(lost) else {}
    ordered = found or METRICS[key].smaller_is_better is False
    return found | ({"order": places(scores, key)} if ordered else {})


def _number(value: Any) -> float | int | None:
    if value is None or not isfinite(value):
        return None
    return (
        int(value)
        if float(value).is_integer() and abs(value) < 1e6
        else rounded(np.array([float(value)]), 5)[0]
    )
