"""What a metric is: one record with its words, unit, direction and scale; and the measures of a run's training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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
    over
        The samples that it is of: ``observed`` or ``forecast`` of a model that observes a part of an orbit; of a
        statistic a region by the training states (`keplearn.evaluation.distance.REGIONS`); else all.
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
    over: str = ""
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
        return f"{self.sampling_code} {self.of} {code_of(self.total)} {self.factor:g}{self.over}"


TRAINING: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure("best_loss", "least validation loss", "", "best loss", "Least validation loss of the last phase"),
        Measure(
            "convergence_steps", "steps to within 10 % of the least validation loss", "", "steps to converge",
            "Steps from the run's start to the last phase's first validation whose loss is within 10 % of its least",
        ),
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
