"""From a config to a scored run: the one path that command line, demo, sweeps and notebooks take.

``train_run`` is the work unit: it makes the data, trains, and scores the model on its test datasets, and tells
sinks what happens (`keplearn.runs.events`): the run's directory, where everything is kept, the console, trackers.
A run that fails is a run in state ``failed`` with its reason, no exception.
"""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from keplearn.config import RunConfig
from keplearn.core.errors import Damaged, KeplearnError, NotWritten
from keplearn.core.programs import counts
from keplearn.data.dataset import load_dataset, training_data
from keplearn.evaluation.scores import scores_of
from keplearn.evaluation.store import keep_evaluation
from keplearn.experiment.facts import IMPORT_SECONDS, machine_facts
from keplearn.experiment.plan import load_plugins, prepare
from keplearn.models.kinds import Model
from keplearn.runs.directory import CHECKPOINT_SECONDS, Directory, kept_phase
from keplearn.runs.events import Ended, Event, Message, Prepared, Scored, Sink, Started, Telling
from keplearn.runs.records import outdated_data
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter
from keplearn.training.calls import Execute, answer_call
from keplearn.training.events import Checkpoint, PhaseEnded
from keplearn.training.fit import fit

# A grid's largest error may be so many times grid_rtol, which is for its 99th percentile, without a warning.
FAR_ABOVE = 10.0
_SKIPPED = Message("is finished: skipped (--again trains it again)")

Evaluate = Callable[[Path, Model, RunConfig], object]
"""Makes a run's evaluations on its test datasets before it scores them, and keeps them: together with others'."""


def train_run(
    config: RunConfig, runs: str | Path = "runs", *, again: bool = False, sinks: Sequence[Sink] = ()
) -> Run:
    """Train the run of a config, score it on its test datasets, and return it.

    A finished run is returned as it is unless ``again``; an interrupted one goes on from its checkpoint.

    Parameters
    ----------
    config
        The run's config; its id names the directory ``runs/group/id``.
    runs
        Directory of all runs.
    again
        Train from the start, whatever is there.
    sinks
        Functions that are called with each event of the run (`keplearn.runs.events`), beside its directory.

    Returns
    -------
    run
        In state ``finished`` or ``failed``.

    Raises
    ------
    KeyboardInterrupt
        After the run was left in state ``interrupted`` with a checkpoint.
    KeplearnError
        If the directory cannot be written or is being written.
    """
    return take_course(config, Path(runs), again, sinks)


def take_course(
    config: RunConfig,
    runs: Path,
    again: bool,
    sinks: Sequence[Sink],
    *,
    execute: Execute = answer_call,
    evaluate: Evaluate | None = None,
    every: float = CHECKPOINT_SECONDS,
) -> Run:
    """`train_run`; beside others, ``execute`` makes its calls of programs, and ``evaluate`` its evaluations."""
    writer = RunWriter(runs, config)
    tell = Telling(Directory(writer, every), sinks)
    if not again and _is_finished(writer.path, config) and not unscored(Run(writer.path)):
        tell(_SKIPPED)
        return Run(writer.path)
    load_plugins(config, runs)  # before anything is changed
    with writer:
        # Another process may have finished it since; to start now would remove what it has written.
        if again or not _is_finished(writer.path, config):
            _train(writer, tell, runs, again, execute, evaluate)
        elif names := unscored(Run(writer.path)):
            _score_again(writer, tell, names, evaluate)
        else:
            tell(_SKIPPED)
    return Run(writer.path)


def _train(
    writer: RunWriter,
    tell: Callable[[Event], None],
    runs: Path,
    again: bool,
    execute: Execute,
    evaluate: Evaluate | None,
) -> None:
    """Train a run in the directory that its writer holds; what ends it early becomes its state."""
    config = writer.config
    checkpoint = writer.start(machine_facts(), resume=not again, warn=lambda text: tell(Message(text, True)))
    try:
        reached = (checkpoint.phase, checkpoint.step) if checkpoint else (0, 0)
        tell(Started(config, writer.path, *reached))
        for event in _events(writer, runs, checkpoint, execute, evaluate):
            tell(event)
    except KeyboardInterrupt:
        with suppress(NotWritten):
            tell(Ended("interrupted", reason="interrupted by the user or by a signal", detail="by the user"))
        raise
    except NotWritten as error:  # a full disk is not the config's fault: the run can go on later
        with suppress(NotWritten):
            tell(Ended("interrupted", reason=str(error)))
        raise
    except Exception as error:  # whatever it is, it must not end the runs that come after
        expected = isinstance(error, KeplearnError)
        kind = getattr(error, "kind", "input" if expected else type(error).__name__)
        detail = None if expected else f"\n{traceback.format_exc()}"
        tell(Ended("failed", kind, str(error) or type(error).__name__, detail))


def _events(
    writer: RunWriter, runs: Path, checkpoint: Checkpoint | None, execute: Execute, evaluate: Evaluate | None
) -> Iterator[Event]:
    """One run from its data to its scores: yields what happens."""
    config, started, programs = writer.config, time.perf_counter(), Counter(counts)
    if checkpoint is not None:
        yield Message(f"goes on from step {checkpoint.step} of phase {checkpoint.phase}")
    plan = prepare(config, runs)
    yield Prepared(plan.facts)
    for note in plan.facts["data_notes"]:
        yield Message(f"{config.dataset_name}: {note}", warning=True)
    if not plan.splits[-1].own_validation:
        yield Message("validation is on the training set")
    model, phases = plan.model, list(writer.record["phases"])
    for event in fit(plan.model, plan.phases, plan.splits, plan.settings, checkpoint, execute):
        if isinstance(event, PhaseEnded):
            warnings = _warnings(event, config.parameters.grid_rtol)
            yield from (Message(text, warning=True) for text in warnings)
            event = replace(event, summary=event.summary | {"warnings": warnings})
            phases.append(event.summary)
            model = event.best
        yield event
    kept = kept_phase(phases, config.parameters.best_by)
    if kept < phases[-1]["phase"]:
        model = Run(writer.path).model()  # as the directory has kept it
    trained = time.perf_counter()
    yield from _scored(writer.path, model, config, evaluate)
    ended = time.perf_counter()
    summary = _summary(phases, kept)
    summary["seconds"] |= {"evaluate": round(ended - trained, 3), "total": round(ended - started, 3)}
    # Hits and misses of the kept programs; what a run before had already loaded is neither.
    summary["programs"] = {key: counts[key] - programs[key] for key in ("disk", "compiled")}
    yield Ended("finished", summary=summary)


def _warnings(ended: PhaseEnded, grid_rtol: float) -> list[str]:
    """Say what a reader of a phase's numbers must know."""
    summary, found = ended.summary, []
    error, worst = summary["grid_error"], summary["grid_error_max"]
    # Not a number is no small error.
    if error is not None and not (error <= grid_rtol and worst <= FAR_ABOVE * grid_rtol):
        found.append(
            f"phase {ended.phase}: the grid's error on the true trajectories is {error:.1e} (99th percentile) "
            f"and {worst:.1e} at most, above grid_rtol {grid_rtol:.1e}: a smaller stride or shorter segments fix it"
        )
    if count := summary["loss_spikes"]:
        steps = f"in step {summary['first_spike']}" + (f" and {count - 1} more" if count > 1 else "")
        found.append(
            f"phase {ended.phase}: the loss was over ten times that of the steps before {steps}: a smaller learning "
            "rate or max_grad_norm, or shorter segments, usually fix it"
        )
    if (last := summary["collapsed_after"]) is not None:
        found.append(
            f"phase {ended.phase}: the loss ended over ten times higher than it was up to step {last}: training "
            "collapsed"
        )
    if summary["lost_segments"]:
        found.append(f"phase {ended.phase}: {summary['lost_segments']} segments were lost")
    return found


def _summary(phases: Sequence[Mapping[str, Any]], kept: int) -> dict[str, Any]:
    """Sum up the phases: seconds, steps a second, all warnings; and how good the one is whose model is kept."""
    compiling, training = (sum(phase[f"{what}_seconds"] for phase in phases) for what in ("compile", "train"))
    steps = sum(phase["steps"] for phase in phases)
    best = next(phase for phase in phases if phase["phase"] == kept)
    before = sum(phase["steps"] for phase in phases if phase["phase"] < kept)
    converged = best.get("convergence_steps")
    return {
        "warnings": [warning for phase in phases for warning in phase["warnings"]],
        "validation_on": phases[-1]["validation_on"],
        "best_phase": kept,
        "best_step": best["best_step"],
        "best_loss": best["best_loss"],
        "best_field": best.get("best_field"),
        "convergence_steps": None if converged is None else before + converged,
        "steps": steps,
        "steps_per_second": round(steps / training, 2) if training else None,
        "seconds": {
            "import": IMPORT_SECONDS,
            "compile": round(compiling, 3),
            "train": round(training, 3),
        },
    }


def _scored(
    path: Path, model: Model, config: RunConfig, evaluate: Evaluate | None
) -> Iterator[Scored | Message]:
    """Score a run's model on its test datasets; every evaluation is kept beside the run."""
    if evaluate is not None:
        evaluate(path, model, config)
    segments = config.score_segments
    for name in config.test:
        dataset = load_dataset(name)
        evaluation = keep_evaluation(path, model, dataset, segments=segments)
        scores = scores_of(Run(path), evaluation, dataset, segments=segments).summary
        yield Scored(name, dataset.content_hash, scores)
        if scores["diverged"]:
            yield Message(f"{scores['diverged']} orbits of {name} diverged", warning=True)


def _score_again(
    writer: RunWriter, tell: Callable[[Event], None], names: Sequence[str], evaluate: Evaluate | None
) -> None:
    """Score a finished run whose scores are of other code or orbits."""
    tell(Message(f"is finished; its scores on {', '.join(names)} are of other code or orbits: scored anew"))
    try:
        model = Run(writer.path).model()
        writer.take_up()
        for event in _scored(writer.path, model, writer.config, evaluate):
            tell(event)
    except KeplearnError as error:
        tell(Message(f"not scored: {error}", warning=True))


def unscored(run: Run) -> list[str]:
    """Return the test datasets on which a run has no score that this code would give."""
    return [name for name in run.config.test if name not in run.record.get("scores", {})]


def _is_finished(path: Path, config: RunConfig) -> bool:
    """Say whether a run is finished, on the data that are there now: a file may have changed since."""
    try:
        if not (path / "run.json").exists() or Run(path).state != "finished":
            return False
    except Damaged:
        return False  # it is set aside, and said, as the run starts
    content = lambda name, orbits: training_data(name, orbits).content_hash  # noqa: E731
    return not outdated_data(config, Run(path).record.get("summary"), content)
