"""keplearn's own training of a case, through the same ``fit`` that every run takes."""

import time

from benchmarks.cases import Case, loss_of, starting_model, training_segments
from keplearn.data.segments import Split
from keplearn.training.curriculum import Phase
from keplearn.training.fit import FitSettings, PhaseResult, fit


def train(case: Case, steps: int, integrator: str = "grid") -> dict[str, float]:
    """Train for so many steps; the rate is what ``fit`` records, compiling not counted."""
    segments = training_segments(case)
    split = Split(segments, segments, False, 10)
    phase = Phase((0.0, 1.0), 1e-3, steps, case.length, integrator=integrator)
    settings = FitSettings(batch_size=case.batch, dtype=case.dtype, validate_every=steps)
    started = time.perf_counter()
    first = None
    for event in fit(starting_model(case), [phase], [split], settings):
        first = first or time.perf_counter() - started
        if isinstance(event, PhaseResult):
            return {
                "steps_per_second": event.summary["steps_per_second"],
                "first_step_seconds": first,
                "loss": loss_of(case, event.final),
            }
    raise AssertionError("fit ends every phase with its result")
