"""keplearn's own training of a case, through the same ``fit`` that every run takes."""

import time

from benchmarks.cases import Case, loss_of, starting_model, training_segments
from keplearn.data.segments import Split
from keplearn.training.curriculum import Phase
from keplearn.training.fit import FitSettings, PhaseResult, fit


def train(case: Case, steps: int, integrator: str = "grid") -> dict[str, float]:
    """Train for so many steps and measure the loss; the rate is of ten times as many, or of 5 s at the most.

    Rates are what ``fit`` records, with everything between the steps and without compiling.
    """
    segments = training_segments(case)
    split = Split(segments, segments, False, 10)
    started = time.perf_counter()
    first, final, rate = 0.0, None, 0.0
    for count in (steps, 10 * steps):
        phase = Phase((0.0, 1.0), 1e-3, count, case.length, integrator=integrator)
        settings = FitSettings(batch_size=case.batch, dtype=case.dtype, validate_every=count)
        begun = time.perf_counter()
        for event in fit(starting_model(case), [phase], [split], settings):
            first = first or time.perf_counter() - started
            if isinstance(event, PhaseResult):
                final, rate = final or event.final, event.summary["steps_per_second"]
            elif final is not None and time.perf_counter() - begun > 5:
                rate = event.step / (time.perf_counter() - begun)
                break
    assert final is not None  # fit ends every phase with its result
    return {"steps_per_second": rate, "first_step_seconds": first, "loss": loss_of(case, final)}
