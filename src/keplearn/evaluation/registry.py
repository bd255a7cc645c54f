"""What a metric is: one record with its words, unit, direction and scale, and the decorators that enter it.

The metrics themselves are in `keplearn.evaluation.metrics`: take `METRICS` from there, where it is filled.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.fingerprint import code_of
from keplearn.core.shapes import ScalarArray
from keplearn.evaluation.samples import Samples
from keplearn.evaluation.statistics import Distribution, mean

Shown = Literal["wide", "short", "all", "lost"]
_ROUNDING = {"°": 1e-9, "%": 1e-10}


@dataclass(frozen=True)
class Measure:
    """A number by which a run is judged.

    Attributes
    ----------
    key
        Its name in tables, commands and files.
    name
        In words, on the axes of figures.
    unit
        Empty for a pure number.
    short
        In few words, where there is little room.
    about
        What it is, in a sentence.
    smaller_is_better
        None where neither is better, or nobody can say.
    """

    key: str
    name: str
    unit: str = ""
    short: str = ""
    about: str = ""
    smaller_is_better: bool | None = True

    @property
    def axis_unit(self) -> str:
        """Its unit, empty where its name says it: diverged test orbits."""
        return "" if self.unit in self.name.split() else self.unit

    @property
    def label(self) -> str:
        """Its name with its unit."""
        return f"{self.name} ({self.axis_unit})" if self.axis_unit else self.name

    @property
    def run_label(self) -> str:
        """Its label for a run as a whole."""
        return self.label

    @property
    def short_label(self) -> str:
        """Its short name with its unit."""
        return f"{self.short} ({self.axis_unit})" if self.axis_unit else self.short

    @property
    def rounding(self) -> float:
        """What is rounding of float64 in this unit, on a logarithmic axis; 0 if nothing is known to be."""
        return _ROUNDING.get(self.unit, 0.0)


@dataclass(frozen=True)
class Metric(Measure):
    """A score of a model on test orbits.

    Attributes
    ----------
    of
        The variable of an evaluation whose samples it sums up.
    sampled
        What gives that variable by sample; None if it is another metric's, or what a propagation told.
    total
        Sums up the samples of an orbit, or of all orbits of a dataset.
    share
        Each sample is 0 or 1, and the metric the percentage of ones.
    needs
        What the system or model must have, else the metric is not a number: names of invariants, ``centre``.
    lost
        The metric that counts the lost samples of this one; None for one of which none is lost.
    shown
        ``wide``: in every table; ``short``: in tables for people too; ``all``: where all are asked for;
        ``lost``: beside the others where it is not zero.
    log
        Whether its values by orbit or sample stand on a logarithmic axis.
    floor
        Whether the system's own law is scored by it where true accelerations are finite differences.
    """

    of: str = ""
    sampled: Callable[[Samples], ScalarArray] | None = None
    total: Callable[[Distribution], float | int] = mean
    share: bool = False
    needs: frozenset[str] = frozenset()
    lost: str | None = "lost"
    shown: Shown = "all"
    log: bool = True
    floor: bool = False

    @property
    def samples_unit(self) -> str:
        """The unit of its samples, as files say it."""
        return {"°": "degree", "": "1"}.get(self.unit, self.unit) if not self.share else "1"

    @property
    def factor(self) -> float:
        """The metric's unit, in that of its samples."""
        return 100.0 if self.share else 1.0

    @property
    def floor_key(self) -> str:
        """What the law's own score is called."""
        return f"floor_{self.of}"

    @property
    def run_label(self) -> str:
        """Its label for a run as a whole: a mean over samples says so."""
        averaged = self.sampled and self.total is mean and not self.share
        return f"mean {self.label}" if averaged else self.label

    @property
    def sampling_code(self) -> str:
        """The code that gives its samples, as `keplearn.core.fingerprint` knows it; empty if they are not its own."""
        return f"{code_of(self.sampled)} {sorted(self.needs)}" if self.sampled else ""

    @property
    def code(self) -> str:
        """The code that decides its value."""
        return f"{self.sampling_code} {self.of} {code_of(self.total)} {self.factor:g}"


METRICS: dict[str, Metric] = {}
"""All metrics by key, in the order in which they are shown."""


def metric(
    key: str,
    name: str,
    *,
    unit: str = "",
    short: str = "",
    smaller_is_better: bool | None = True,
    total: Callable[[Distribution], float | int] = mean,
    share: bool = False,
    needs: Iterable[str] = (),
    lost: str | None = "lost",
    shown: Shown = "all",
    log: bool = True,
    floor: bool = False,
):
    """Enter a function from `Samples` to a number a sample; its name is the variable's, its docstring tells about it.

    The words are those of `Measure` and `Metric`.
    """

    def enter(function: Callable[[Samples], ScalarArray]):
        _enter(Metric(
            key, name, unit, short or name, _about(function), smaller_is_better, of=function.__name__,
            sampled=function, total=total, share=share, needs=frozenset(needs), lost=lost, shown=shown, log=log,
            floor=floor,
        ))  # fmt: skip
        return function

    return enter


def statistic(
    key: str,
    name: str,
    *,
    of: str = "mean",
    unit: str = "",
    short: str = "",
    smaller_is_better: bool | None = None,
    lost: str | None = "lost",
    shown: Shown = "all",
    log: bool = True,
):
    """Enter a function from the `Distribution` of samples that are there already to a number.

    ``of`` is their variable: that of a metric, or ``magnitude`` or ``diverged``. Others as for `metric`.
    """

    def enter(function: Callable[[Distribution], float | int]):
        _enter(Metric(
            key, name, unit, short or name, _about(function), smaller_is_better, of=of, total=function,
            lost=lost, shown=shown, log=log,
        ))  # fmt: skip
        return function

    return enter


def _enter(record: Metric) -> None:
    for other in METRICS.values():
        if other.sampled and record.sampled and other.of == record.of and other.key != record.key:
            raise KeplearnError(
                f"metric {record.key!r}: its function is called {record.of}, as that of {other.key!r} is."
            )
    METRICS[record.key] = record


def _about(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")


def keys(*shown: Shown) -> list[str]:
    """Return the keys of all metrics, or of those that are shown in one of these ways."""
    return [key for key, metric in METRICS.items() if not shown or metric.shown in shown]


def sampled() -> list[str]:
    """Return the keys of the metrics that are computed by sample."""
    return [key for key, metric in METRICS.items() if metric.sampled]


def measure_of(key: str) -> Measure:
    """Return the metric or the measure of training of this key; for any other number its name alone."""
    plain = key.replace("_", " ")
    return METRICS.get(key) or TRAINING.get(key) or Measure(key, plain, "", plain, smaller_is_better=None)


def find_metric(name: str, among: Iterable[str], what: str = "metric") -> Metric:
    """Return a metric of ``among`` by its key or its samples' variable.

    Raises
    ------
    KeplearnError
        If it is none of these; it names the nearest.
    """
    listed = list(among)
    by_variable = {METRICS[key].of: key for key in listed if METRICS[key].sampled}
    key = name if name in listed else by_variable.get(name)
    if key is None:
        raise KeplearnError(f"{what} is {name!r}, not one of {', '.join(listed)}.{nearest(name, listed)}")
    return METRICS[key]


def holds_all(kept: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether codes of metrics that something was made with are those that are wanted, or more."""
    return all(kept.get(key) == code for key, code in wanted.items())


def floors() -> list[str]:
    """Return what the law's own scores are called."""
    return [metric.floor_key for metric in METRICS.values() if metric.floor]


TRAINING: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure("best_loss", "least validation loss", "", "best loss", "Least validation loss of the last phase"),
        Measure(
            "seconds", "time of training", "s", "seconds",
            "Wall time of the run, compiling and scoring included",
        ),
        Measure(
            "steps_per_second", "optimiser steps per second", "1/s", "steps/s", "Training steps a second",
            smaller_is_better=False,
        ),
        Measure(
            "segment_ratio", "length of a segment over that of an orbit", "", "segment ratio",
            "Length of a segment over that of an orbit", smaller_is_better=None,
        ),
        Measure(
            "num_train_orbits", "training orbits", "", "train orbits", "Orbits trained on",
            smaller_is_better=None,
        ),
    )
}  # fmt: skip
"""What a run's summary tells of its training."""
