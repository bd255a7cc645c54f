"""The table of metrics: the decorators that enter one, and what finds one; `keplearn.evaluation.measure` is the record.

The metrics themselves are in `keplearn.evaluation.metrics`: take `METRICS` from there, where it is filled.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping

from keplearn.core.errors import KeplearnError, nearest
from keplearn.core.shapes import ScalarArray
from keplearn.core.tables import concerns_all
from keplearn.evaluation.measure import TRAINING, Measure, Metric, Shown
from keplearn.evaluation.samples import Samples
from keplearn.evaluation.statistics import Distribution, mean

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
    over: str = "",
    floor: bool = False,
):
    """Enter a function from `Samples` to a number a sample; its name is the variable's, its docstring tells about it.

    The words are those of `Measure` and `Metric`.
    """

    def enter(function: Callable[[Samples], ScalarArray]):
        _enter(Metric(
            key, name, unit, short or name, _about(function), smaller_is_better, of=function.__name__,
            sampled=function, total=total, share=share, needs=frozenset(needs), lost=lost, shown=shown, log=log,
            over=over, floor=floor,
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
    over: str = "",
):
    """Enter a function from the `Distribution` of samples that are there already to a number.

    ``of`` is their variable: that of a metric, or ``magnitude``, ``diverged``, ``distance`` or ``beyond``. Others as
    for `metric`.
    """

    def enter(function: Callable[[Distribution], float | int]):
        _enter(Metric(
            key, name, unit, short or name, _about(function), smaller_is_better, of=of, total=function,
            lost=lost, shown=shown, log=log, over=over,
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
    concerns_all(record.sampled or record.total)


def _about(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")


def keys(*shown: Shown) -> list[str]:
    """Return the keys of all metrics, or of those that are shown in one of these ways."""
    return [key for key, metric in METRICS.items() if not shown or metric.shown in shown]


def sampled(*shown: Shown) -> list[str]:
    """Return the keys of the metrics that are computed by sample, or of those that are shown in one of these ways."""
    return [key for key in keys(*shown) if METRICS[key].sampled]


def measure_of(key: str) -> Measure:
    """Return the metric or the measure of training of this key; for any other number its name alone."""
    plain = key.replace("_", " ").replace(".", " ")
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
