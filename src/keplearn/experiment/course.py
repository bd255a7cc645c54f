"""From a config to a scored run: the one path that command line, demo, sweeps and notebooks take.

``train_run`` is the work unit: it makes the data, trains, keeps everything in the run's directory, and scores
the model on its test datasets. A run that fails is a run in state ``failed`` with its reason, no exception.
"""

import platform
import subprocess
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import keplearn
from keplearn.config import RunConfig
from keplearn.core.errors import Damaged, KeplearnError, NotWritten
from keplearn.core.machine import processor
from keplearn.core.programs import counts
from keplearn.data.dataset import load_dataset
from keplearn.evaluation.propagation import models_at_once
from keplearn.evaluation.scores import scores_of
from keplearn.evaluation.store import keep_evaluation, keep_evaluations
from keplearn.experiment.plan import Plan, load_plugins, prepare, training_data
from keplearn.models.neural_ode import NeuralODE
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter
from keplearn.training.events import Checkpoint, PhaseEnded, Rows
from keplearn.training.fit import fit
from keplearn.training.stack import Training, fit_stack

# What importing keplearn and its libraries has cost this process.
IMPORT_SECONDS = round(time.perf_counter() - keplearn.STARTED, 3)
# A kill costs at most the seconds since the last checkpoint; a stack takes this long for every hundred runs.
CHECKPOINT_SECONDS = 5.0
# A grid's largest error may be so many times grid_rtol, which is for its 99th percentile, without a warning.
FAR_ABOVE = 10.0

_PACKAGES = ("keplearn", "jax", "jaxlib", "equinox", "diffrax", "optax", "optimistix", "numpy")

OnProgress = Callable[[Mapping[str, Any]], None]


class Scoring(NamedTuple):
    """What a trained run is about to do: score its model on datasets; results kept by then are used."""

    run: Path
    model: NeuralODE
    datasets: Sequence[str]


Events = Generator[Training | Scoring, Rows | PhaseEnded | None, Run]
"""One run from first to last: it asks for its training until it has all its events, and says when it scores."""


def train_run(
    config: RunConfig,
    runs: str | Path = "runs",
    *,
    again: bool = False,
    on_progress: OnProgress | None = None,
    say: Callable[[str], None] | None = None,
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
    on_progress
        Called after every chunk of steps with done, total, phase, loss, rate.
    say
        Called with each message for the user.

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
    work = _work(config, Path(runs), again, on_progress, say or (lambda text: None))
    events: Iterator[Rows | PhaseEnded] | None = None
    try:
        wanted = next(work)
        while True:
            if isinstance(wanted, Scoring):
                wanted = next(work)
                continue
            events = events or fit(*wanted)
            try:
                event = next(events)
            except BaseException as error:
                wanted = work.throw(error)  # how a training ends is for its run to record
            else:
                wanted = work.send(event)
    except StopIteration as end:
        return end.value


def train_stack(
    configs: Sequence[RunConfig],
    runs: str | Path = "runs",
    *,
    again: bool = False,
    on_progress: OnProgress | None = None,
    say: Callable[[str], None] | None = None,
    at_once: int | None = None,
) -> Iterator[Run | KeplearnError]:
    """Train many runs together, for a GPU: those that share programs go as one (`keplearn.training.stack`).

    Parameters are those of `train_run`; ``at_once`` bounds the rows of a stack.

    Yields
    ------
    run
        Each run as it ends, or why its directory could not be written.
    """
    say = say or (lambda text: None)
    every = CHECKPOINT_SECONDS * max(1.0, len(configs) / 100)
    works: dict[int, Events] = {}
    trainings: dict[int, Training] = {}
    scorings: dict[int, Scoring] = {}

    def go_on(number: int, step: Callable[[], Training | Scoring]) -> Iterator[Run | KeplearnError]:
        try:
            wanted = step()
            if isinstance(wanted, Scoring):
                scorings[number] = wanted
            else:
                trainings[number] = wanted
        except (StopIteration, KeplearnError) as end:
            del works[number]
            yield end.value if isinstance(end, StopIteration) else end

    try:
        for number, config in enumerate(configs):
            label = f"{config.group}/{config.run_id}"
            tell = lambda text, label=label: say(f"{label}: {text}")  # noqa: E731
            works[number] = _work(config, Path(runs), again, on_progress, tell, every)
            yield from go_on(number, partial(next, works[number]))
        numbers = list(trainings)
        for row, event in fit_stack(list(trainings.values()), at_once):
            number = numbers[row]
            if number in works and number not in scorings:
                work = works[number]
                answer = work.throw if isinstance(event, KeplearnError) else work.send
                yield from go_on(number, partial(answer, event))
        while scorings:
            some = [scorings.popitem() for _ in range(min(len(scorings), models_at_once()))]
            _score_together([scoring for _, scoring in some])
            for number, _ in some:
                yield from go_on(number, partial(next, works[number]))
    except BaseException as error:
        for work in works.values():
            with suppress(KeyboardInterrupt, StopIteration, NotWritten):
                work.throw(KeyboardInterrupt() if isinstance(error, GeneratorExit) else error)
        raise


def _score_together(scorings: Sequence[Scoring]) -> None:
    """Make what the runs are about to need; what cannot be made, each run meets itself."""
    for name in dict.fromkeys(name for scoring in scorings for name in scoring.datasets):
        having = [(x.run, x.model) for x in scorings if name in x.datasets]
        with suppress(Exception):
            keep_evaluations(having, load_dataset(name))


def _work(
    config: RunConfig,
    runs: Path,
    again: bool,
    on_progress: OnProgress | None,
    say: Callable[[str], None],
    every: float = CHECKPOINT_SECONDS,
) -> Events:
    """One run from first to last, but for the training itself: yields what to train, and is sent its events."""
    writer = RunWriter(runs, config)
    skipped = "is finished: skipped (--again trains it again)"
    if not again and _is_finished(writer.path, config) and not unscored(Run(writer.path)):
        say(skipped)
        return Run(writer.path)
    load_plugins(config, runs)  # before anything is changed
    programs = Counter(counts)
    with writer:
        # Another process may have finished it since; to start now would remove what it has written.
        if not again and _is_finished(writer.path, config):
            if names := unscored(Run(writer.path)):
                yield from _score_again(writer, config, names, say)
            else:
                say(skipped)
            return Run(writer.path)
        checkpoint = writer.start(_machine_facts(), resume=not again, say=say)
        if checkpoint is not None:
            say(f"goes on from step {checkpoint.step} of phase {checkpoint.phase}")
        with _states(writer):
            started = time.perf_counter()
            plan = prepare(config, runs)
            writer.write(summary=plan.facts)
            for note in plan.facts["data_notes"]:
                say(f"warning: {config.dataset_name}: {note}")
                writer.log(f"warning: {config.dataset_name}: {note}")
            if not plan.splits[-1].own_validation:
                say("validation is on the training set")
            model, trained_summary = yield from _keep_training(
                writer, plan, checkpoint, on_progress, say, every
            )
            trained = time.perf_counter()
            yield Scoring(writer.path, model, config.test)
            scores = _score(writer, config, model, say)
            ended = time.perf_counter()
            seconds = {"evaluate": ended - trained, "total": ended - started}
            trained_summary["seconds"] |= {name: round(value, 3) for name, value in seconds.items()}
            # Hits and misses of the kept programs; what a run before had already loaded is neither.
            trained_summary["programs"] = {key: counts[key] - programs[key] for key in ("disk", "compiled")}
            writer.end("finished", summary=plan.facts | trained_summary, scores=scores)
    return Run(writer.path)


def _score_again(
    writer: RunWriter, config: RunConfig, names: Sequence[str], say: Callable[[str], None]
) -> Generator[Scoring, Rows | PhaseEnded | None, None]:
    """Score a finished run whose scores are of other code or orbits."""
    say(f"is finished; its scores on {', '.join(names)} are of other code or orbits: scored anew")
    try:
        model = Run(writer.path).model()
        yield Scoring(writer.path, model, names)
        writer.take_up()
        _score(writer, config, model, say)
    except KeplearnError as error:
        say(f"warning: not scored: {error}")


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
    if not config.dataset_name.endswith(".nc"):
        return True
    dataset = training_data(config.dataset_name, config.parameters.num_trajs)
    return (Run(path).record.get("summary") or {}).get("dataset_hash") == dataset.content_hash


@contextmanager
def _states(writer: RunWriter) -> Iterator[None]:
    """Turn what ends a training early into the run's state: interrupted, or failed with kind and reason."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(NotWritten):
            writer.log("interrupted")
            writer.end("interrupted", reason="interrupted by the user or by a signal")
        raise
    except NotWritten as error:  # a full disk is not the config's fault: the run can go on later
        with suppress(NotWritten):
            writer.end("interrupted", reason=str(error))
        raise
    except Exception as error:  # whatever it is, it must not end the runs that come after
        expected = isinstance(error, KeplearnError)
        kind = getattr(error, "kind", "input" if expected else type(error).__name__)
        writer.log(f"failed: {error}" if expected else f"failed:\n{traceback.format_exc()}")
        writer.end("failed", kind=kind, reason=str(error) or type(error).__name__)


def _keep_training(
    writer: RunWriter,
    plan: Plan,
    resume: Checkpoint | None,
    on_progress: OnProgress | None,
    say: Callable[[str], None],
    every: float,
) -> Generator[Training, Rows | PhaseEnded | None, tuple[NeuralODE, dict[str, Any]]]:
    """Write what a training yields; return the run's model and its summary once the last phase is there."""
    total = sum(phase.steps for phase in plan.phases)
    before = np.concatenate([[0], np.cumsum([phase.steps for phase in plan.phases])])
    phases: list[dict[str, Any]] = writer.record["phases"]
    last_saved, last = time.monotonic(), None
    model = plan.model
    training = Training(plan.model, plan.phases, plan.splits, plan.settings, resume)
    try:
        while len(phases) < len(plan.phases):
            event = yield training
            if isinstance(event, Rows):
                # The rows first: an interrupt's checkpoint must not be ahead of the metrics.
                writer.rows(event.rows)
                last = event
                done = int(before[event.phase]) + event.step
                if on_progress is not None:
                    rate = len(event.rows) / max(event.seconds, 1e-9)
                    state = {"run": writer.config.run_id, "done": done, "total": total, "rate": rate}
                    on_progress(state | {"phase": event.phase, "loss": event.rows[-1]["loss"]})
                phase_ends = event.step == plan.phases[event.phase].steps
                if phase_ends or time.monotonic() - last_saved > every:
                    writer.checkpoint(event.checkpoint())
                    last_saved = time.monotonic()
            elif event is not None:
                phases.append(_keep_phase(writer, event, plan, say))
                writer.write(phases=phases)
                model = event.best
    except (KeyboardInterrupt, NotWritten):
        with suppress(NotWritten):
            if last is not None:
                writer.checkpoint(last.checkpoint())
        raise
    return model, _summary(phases)


def _keep_phase(
    writer: RunWriter, result: PhaseEnded, plan: Plan, say: Callable[[str], None]
) -> dict[str, Any]:
    """Save a phase's models and return its summary; say what a reader of its numbers must know."""
    for which, model in (("best", result.best), ("final", result.final)):
        writer.model(f"phase-{result.phase}-{which}", model)
    if result.phase == len(plan.phases) - 1:
        writer.model("model", result.best)
    kept = dict(result.summary, warnings=[])
    limit, (error, worst) = writer.config.parameters.grid_rtol, (kept["grid_error"], kept["grid_error_max"])
    # Not a number is no small error.
    if error is not None and not (error <= limit and worst <= FAR_ABOVE * limit):
        kept["warnings"].append(
            f"phase {result.phase}: the grid's error on the true trajectories is {error:.1e} (99th percentile) "
            f"and {worst:.1e} at most, above grid_rtol {limit:.1e}: a smaller stride or shorter segments fix it"
        )
    if kept["lost_segments"]:
        kept["warnings"].append(f"phase {result.phase}: {kept['lost_segments']} segments were lost")
    for warning in kept["warnings"]:
        say(f"warning: {warning}")
        writer.log(f"warning: {warning}")
    return kept


def _summary(phases: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum up the phases: seconds, steps a second, the warnings of all."""
    compiling, training = (sum(phase[f"{what}_seconds"] for phase in phases) for what in ("compile", "train"))
    steps = sum(phase["steps"] for phase in phases)
    return {
        "warnings": [warning for phase in phases for warning in phase["warnings"]],
        "validation_on": phases[-1]["validation_on"],
        "best_loss": phases[-1]["best_loss"],
        "steps": steps,
        "steps_per_second": round(steps / training, 2) if training else None,
        "seconds": {
            "import": IMPORT_SECONDS,
            "compile": round(compiling, 3),
            "train": round(training, 3),
        },
    }


@cache
def _machine_facts() -> dict[str, Any]:
    """Machine, package versions and git commit, recorded with every run."""
    device = jax.devices()[0]
    return {
        "machine": {
            "platform": platform.platform(),
            "processor": processor("model name"),
            "python": platform.python_version(),
            "device": device.device_kind if device.platform != "cpu" else "cpu",
        },
        "versions": {name: version(name) for name in _PACKAGES},
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    """Return the commit of the working directory's repository, with ``+`` where it has changes, or None."""
    try:
        ask = lambda *words: subprocess.run(  # noqa: E731
            ["git", *words], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
        return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _score(
    writer: RunWriter, config: RunConfig, model: NeuralODE, say: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Score the run's model on its test datasets and keep every evaluation beside the run."""
    scores: dict[str, dict[str, float]] = {}
    scored_on: dict[str, str] = {}
    for name in config.test:
        dataset = load_dataset(name)
        evaluation = keep_evaluation(writer.path, model, dataset)
        scores[name] = scores_of(Run(writer.path), evaluation, dataset).summary
        scored_on[name] = dataset.content_hash
        writer.write(scores=scores, scored_on=scored_on)
        if scores[name]["diverged"]:
            say(f"warning: {scores[name]['diverged']} orbits of {name} diverged")
    return scores
