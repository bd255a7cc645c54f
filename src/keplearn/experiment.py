"""From a config to a scored run: the one path that command line, demo, sweeps and notebooks take.

``train_run`` is the work unit: it makes the data, trains, keeps everything in the run's directory, and scores
the model on its test datasets. A run that fails is a run in state ``failed`` with its reason, no exception.
"""

import platform
import subprocess
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

import keplearn
from keplearn.config import Parameters, RunConfig
from keplearn.data.dataset import OrbitDataset, load_dataset
from keplearn.data.segments import Split, count_training, split_segments
from keplearn.data.units import Units, units_for
from keplearn.errors import KeplearnError, NotWritten
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import summary
from keplearn.models.features import LayerSettings
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model
from keplearn.programs import counts
from keplearn.runs.store import Run, RunWriter, open_run
from keplearn.training.curriculum import Phase
from keplearn.training.fit import (
    Checkpoint,
    FitSettings,
    PhaseResult,
    Progress,
    batch_sizes,
    fit,
    problem_of,
)
from keplearn.training.losses import ADDITIVE_TERMS
from keplearn.training.stack import Training, fit_stack

# What importing keplearn and its libraries has cost this process.
IMPORT_SECONDS = round(time.perf_counter() - keplearn.STARTED, 3)
# A kill costs at most the seconds since the last checkpoint.
CHECKPOINT_SECONDS = 5.0

_PACKAGES = ("keplearn", "jax", "jaxlib", "equinox", "diffrax", "optax", "optimistix", "numpy")
_LOSS_WEIGHTS = ("mse_weight", "attraction_weight", *ADDITIVE_TERMS)

OnProgress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Plan:
    """A run made ready to train: model, phases, data."""

    model: NeuralODE
    phases: list[Phase]
    splits: list[Split]
    settings: FitSettings
    facts: dict[str, Any]


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
    try:
        events = fit(*next(work))
        while True:
            try:
                event = next(events)
            except BaseException as error:
                work.throw(error)  # how a training ends is for its run to record
            else:
                work.send(event)
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
    works, trainings = [], []
    for config in configs:
        label = f"{config.group}/{config.run_id}"
        work = _work(
            config, Path(runs), again, on_progress, lambda text, label=label: say(f"{label}: {text}")
        )
        try:
            trainings.append(next(work))
            works.append(work)
        except StopIteration as end:
            yield end.value
        except KeplearnError as error:
            yield error
    under_way = set(range(len(works)))
    try:
        for number, event in fit_stack(trainings, at_once):
            if number not in under_way:
                continue
            try:
                if isinstance(event, KeplearnError):
                    works[number].throw(event)
                else:
                    works[number].send(event)
            except (StopIteration, NotWritten) as end:
                under_way.remove(number)
                yield end if isinstance(end, NotWritten) else end.value
    except BaseException as error:
        for number in under_way:
            with suppress(KeyboardInterrupt, StopIteration, NotWritten):
                works[number].throw(KeyboardInterrupt() if isinstance(error, GeneratorExit) else error)
        raise


def _work(
    config: RunConfig, runs: Path, again: bool, on_progress: OnProgress | None, say: Callable[[str], None]
) -> Generator[Training, Progress | PhaseResult, Run]:
    """One run from first to last, but for the training itself: yields what to train, and is sent its events."""
    writer = RunWriter(runs, config)
    skipped = "is finished: skipped (--again trains it again)"
    if not again and _is_finished(writer.path, config):
        say(skipped)
        return Run(writer.path)
    programs = Counter(counts)
    with writer:
        # Another process may have finished it since; to start now would remove what it has written.
        if not again and _is_finished(writer.path, config):
            say(skipped)
            return Run(writer.path)
        checkpoint = writer.start(_machine_facts(), resume=not again)
        if checkpoint is not None:
            say(f"goes on from step {checkpoint.step} of phase {checkpoint.phase}")
        with _states(writer):
            started = time.perf_counter()
            plan = prepare(config, runs)
            writer.write(summary=plan.facts)
            if not plan.splits[-1].own_validation:
                say("validation is on the training set")
            model, trained_summary = yield from _keep_training(writer, plan, checkpoint, on_progress, say)
            trained = time.perf_counter()
            scores = _score(writer, config, model, say)
            ended = time.perf_counter()
            seconds = {"evaluate": ended - trained, "total": ended - started}
            trained_summary["seconds"] |= {name: round(value, 3) for name, value in seconds.items()}
            # Hits and misses of the kept programs; what a run before had already loaded is neither.
            trained_summary["programs"] = {key: counts[key] - programs[key] for key in ("disk", "compiled")}
            writer.end("finished", summary=plan.facts | trained_summary, scores=scores)
    return Run(writer.path)


def _is_finished(path: Path, config: RunConfig) -> bool:
    """Say whether a run is finished, on the data that are there now: a file may have changed since."""
    if not (path / "run.json").exists() or Run(path).state != "finished":
        return False
    if not config.dataset_name.endswith(".nc"):
        return True
    dataset = _training_data(config.dataset_name, config.parameters.num_trajs)
    return Run(path).record["summary"]["dataset_hash"] == dataset.content_hash


def _training_data(name: str, orbits: int) -> OrbitDataset:
    """Load a dataset, or its first orbits; -1 for all."""
    dataset = load_dataset(name)
    return dataset if orbits == -1 else dataset.first(orbits)


@contextmanager
def _states(writer: RunWriter) -> Iterator[None]:
    """Turn what ends a training early into the run's state: interrupted, or failed with kind and reason."""
    try:
        yield
    except KeyboardInterrupt:
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


def prepare(config: RunConfig, runs: Path = Path("runs")) -> Plan:
    """Make the data, the phases and the untrained model of a config.

    Raises
    ------
    KeplearnError
        Where the data do not fit the config, before anything is compiled.
    """
    p = config.parameters
    dataset = _training_data(config.dataset_name, p.num_trajs)
    if p.planar_constraint and not dataset.planar:
        raise KeplearnError(
            f"planar_constraint: true, but {config.dataset_name} is not planar: set it to false."
        )
    origin = open_run(runs, config.from_run).model() if config.from_run else None
    units = (
        origin.units if origin is not None and origin.units is not None else units_for(dataset, p.length_unit)
    )
    phases = make_phases(p)
    splits = [
        split_segments(dataset, units, phase.window, phase.segment_length, p.train_val_split, p.split_order)
        for phase in phases
    ]
    model = origin.astype(p.dtype) if origin is not None else _new_model(p, dataset, units)
    if model.architecture != architecture_of(p):
        raise KeplearnError(f"run {config.from_run} has another architecture; it can only go on as it is.")
    settings = _fit_settings(p, dataset)
    return Plan(model, phases, splits, settings, _data_facts(p, dataset, units, splits[-1]))


def _fit_settings(p: Parameters, dataset: OrbitDataset) -> FitSettings:
    """Return what holds for all phases of a run."""
    return FitSettings(
        loss=p.loss_fcn,
        loss_weights={name: getattr(p, name) for name in _LOSS_WEIGHTS},
        batch_size=p.batch_size,
        seed=p.seed,
        dtype=p.dtype,
        rtol=p.rtol,
        atol=p.atol,
        stride=p.stride,
        known_law=dataset.acceleration_source == "law",
        planar=dataset.planar,
        augment=p.augment == "rotation",
        validate_every=p.validate_every,
    )


def training_programs(configs: Iterable[RunConfig]) -> list[set[Hashable]]:
    """Return for each config the training programs that it needs: equal ones are compiled once for all.

    A phase's program is that of its architecture, segment length, loss, optimiser, precision and the number
    of segments that a step's batch is filled up to. A phase without a training segment needs none.
    """
    data = cache(_training_data)
    found: list[set[Hashable]] = []
    for config in configs:
        p, needed = config.parameters, set[Hashable]()
        dataset = data(config.dataset_name, p.num_trajs)
        settings, samples = _fit_settings(p, dataset), dataset.n_samples.tolist()
        for phase in make_phases(p):
            cut = (phase.window, phase.segment_length, p.train_val_split, p.split_order)
            count = count_training(samples, *cut)
            if count:
                problem = problem_of(phase, architecture_of(p), settings)
                needed.add((problem, batch_sizes(phase, settings, count)[1]))
        found.append(needed)
    return found


def make_phases(p: Parameters) -> list[Phase]:
    """Make the phases of a run's strategies, which have one entry a phase each."""
    strategies = (p.length_strategy, p.lr_strategy, p.steps_strategy, p.segment_length_strategy)
    rows = zip(*strategies, p.optimizer, p.schedule, p.integrator, strict=True)
    return [Phase(*row) for row in rows]


def architecture_of(p: Parameters) -> Architecture:
    """Return what of the parameters shapes the model."""
    settings = LayerSettings(p.harmonics_degree, p.fourier_count, p.fourier_scale)
    names = (p.feature_layer, p.output_layer, p.width, p.depth, p.activation, p.final_activation)
    return Architecture(*names, p.planar_constraint, settings)


def _new_model(p: Parameters, dataset: OrbitDataset, units: Units) -> NeuralODE:
    largest = units.to_canonical_accelerations(dataset.accelerations)
    bound = float(np.nanmax(np.linalg.norm(largest, axis=-1)))
    return new_model(architecture_of(p), p.seed, p.dtype, bound, units)


def _keep_training(
    writer: RunWriter,
    plan: Plan,
    resume: Checkpoint | None,
    on_progress: OnProgress | None,
    say: Callable[[str], None],
) -> Generator[Training, Progress | PhaseResult, tuple[NeuralODE, dict[str, Any]]]:
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
            if isinstance(event, Progress):
                # The rows first: an interrupt's checkpoint must not be ahead of the metrics.
                writer.rows(event.rows)
                last = event
                done = int(before[event.phase]) + event.step
                if on_progress is not None:
                    rate = len(event.rows) / max(event.seconds, 1e-9)
                    state = {"run": writer.config.run_id, "done": done, "total": total, "rate": rate}
                    on_progress(state | {"phase": event.phase, "loss": event.rows[-1]["loss"]})
                phase_ends = event.step == plan.phases[event.phase].steps
                if phase_ends or time.monotonic() - last_saved > CHECKPOINT_SECONDS:
                    writer.checkpoint(event.checkpoint())
                    last_saved = time.monotonic()
            else:
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
    writer: RunWriter, result: PhaseResult, plan: Plan, say: Callable[[str], None]
) -> dict[str, Any]:
    """Save a phase's models and return its summary; say what a reader of its numbers must know."""
    for which, model in (("best", result.best), ("final", result.final)):
        writer.model(f"phase-{result.phase}-{which}", model)
    if result.phase == len(plan.phases) - 1:
        writer.model("model", result.best)
    kept = dict(result.summary, warnings=[])
    error, limit = kept["grid_error"], writer.config.parameters.grid_rtol
    if error is not None and not error <= limit:  # not a number is no small error
        kept["warnings"].append(
            f"phase {result.phase}: the grid's error on the true trajectories is {error:.1e} "
            f"(99th percentile), above grid_rtol {limit:.1e}: a smaller stride or shorter segments mend it"
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


def _data_facts(p: Parameters, dataset: OrbitDataset, units: Units, last: Split) -> dict[str, Any]:
    """Facts of the data that are recorded with the run (SPEC 3)."""
    return {
        "num_total_orbits": len(dataset),
        "num_train_orbits": last.num_train_orbits,
        "segment_ratio": p.segment_length_strategy[-1] / int(dataset.n_samples.max()),
        "length_unit_km": units.length_km,
        "mu": units.mu,
        "dataset_hash": dataset.content_hash,
        "acceleration_source": dataset.acceleration_source,
    }


@cache
def _machine_facts() -> dict[str, Any]:
    """Machine, package versions and git commit, recorded with every run."""
    device = jax.devices()[0]
    return {
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "python": platform.python_version(),
            "device": device.device_kind if device.platform != "cpu" else "cpu",
        },
        "versions": {name: version(name) for name in _PACKAGES},
        "git_commit": _git_commit(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


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
    for name in config.test:
        evaluation = keep_evaluation(writer.path, model, load_dataset(name))
        scores[name] = summary(evaluation)
        writer.write(scores=scores)
        if scores[name]["diverged"]:
            say(f"warning: {scores[name]['diverged']} orbits of {name} diverged")
    return scores
