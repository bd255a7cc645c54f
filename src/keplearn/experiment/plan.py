"""From a config to a run made ready to train: its data, its phases, its untrained model."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from keplearn.config import Parameters, RunConfig
from keplearn.config.names import rotation_problem
from keplearn.config.schema import FACTS
from keplearn.core.errors import KeplearnError
from keplearn.core.plugins import require
from keplearn.core.tables import digests
from keplearn.data.dataset import OrbitDataset, load_dataset, training_data
from keplearn.data.description import notes, sampling
from keplearn.data.segments import CUTS, Cut
from keplearn.data.segments import cut as cut_segments
from keplearn.data.splits import (
    Split,
    count_training,
    samples_of,
    split_segments,
    validate_on,
    validation_samples,
)
from keplearn.data.units import Units, check_mu, units_for
from keplearn.models.kinds import KINDS, Architecture, Model
from keplearn.runs.find import open_run
from keplearn.training.compared import OBJECTIVES
from keplearn.training.curriculum import Phase
from keplearn.training.settings import FitSettings, batch_sizes, setup_of

_LOSS_WEIGHTS = [key for key, fact in FACTS.items() if fact.weight]


@dataclass(frozen=True)
class Plan:
    """A run made ready to train: model, phases, data."""

    model: Model
    phases: list[Phase]
    splits: list[Split]
    settings: FitSettings
    facts: dict[str, Any]


def prepare(config: RunConfig, runs: Path = Path("runs")) -> Plan:
    """Make the data, the phases and the untrained model of a config.

    Raises
    ------
    KeplearnError
        Where the data do not fit the config, before anything is compiled.
    """
    p = config.parameters
    dataset = training_data(config.dataset_name, p.num_trajs)
    if p.planar_constraint and not dataset.planar:
        raise KeplearnError(
            f"planar_constraint: true, but {config.dataset_name} is not planar: set it to false."
        )
    if p.augment == "rotation" and (
        problem := rotation_problem(dataset.name, dataset.system, dataset.planar)
    ):
        raise KeplearnError(f"augment: {problem}.")
    origin = open_run(runs, config.from_run).model() if config.from_run else None
    seen = dataset.as_observed
    units = (
        origin.units if origin is not None and origin.units is not None else units_for(seen, p.length_unit)
    )
    check_mu(units, dataset)
    phases = make_phases(p)
    validation = _validation(config, units)
    splits = _splits(config, phases, units, dataset, validation)
    model = origin.astype(p.dtype) if origin is not None else _new_model(p, seen, units, splits)
    if model.architecture != architecture_of(p):
        raise KeplearnError(f"run {config.from_run} has another architecture; it can only go on as it is.")
    settings = _fit_settings(p, dataset, units)
    facts = _data_facts(p, dataset, units, splits[-1])
    if validation is not None:
        facts |= {"num_validation_orbits": len(validation), "validation_hash": validation.content_hash}
    return Plan(model, phases, splits, settings, facts)


def _validation(config: RunConfig, units: Units) -> OrbitDataset | None:
    """Return the dataset that a run validates on, if it is another than its training set."""
    if config.validation is None:
        return None
    dataset = load_dataset(config.validation)
    check_mu(units, dataset)
    if config.parameters.planar_constraint and not dataset.planar:
        raise KeplearnError(
            f"validation: {config.validation} is not planar, but the model is: choose planar data, "
            "or set planar_constraint: false."
        )
    return dataset


def _splits(
    config: RunConfig,
    phases: Iterable[Phase],
    units: Units,
    dataset: OrbitDataset,
    validation: OrbitDataset | None,
) -> list[Split]:
    """Return the segments of each phase, and in all the same samples and paths if errors are to be measured there.

    All of it as it is observed; beside it the truth of training segments that are not, to measure the grid on.
    """
    p, paths = config.parameters, None
    has_field = architecture_of(p).field is not None
    share = p.train_val_split if validation is None else 1.0
    truth, dataset = dataset.observed_truth, dataset.as_observed
    validation = validation and validation.as_observed
    splits = []
    for phase in phases:
        how, cut = (units, phase.window, phase.segment_length), cut_of(phase)
        differences = OBJECTIVES[phase.objective].differences
        seen = lambda data, differences=differences: data.differenced if differences else data  # noqa: E731
        split = split_segments(seen(dataset), *how, share, p.split_order, cut)
        if dataset is not truth:
            split = replace(split, truth=split_segments(truth, *how, share, p.split_order, cut).train)
        splits.append(split if validation is None else validate_on(split, seen(validation), *how, cut))
    if validation is not None and has_field:
        every = range(len(validation))
        samples = samples_of(validation, units, every)
        if config.score_segments is not None:
            paths = cut_segments(validation, units, (0.0, 1.0), config.score_segments, every)
    elif p.best_by == "field":
        samples = validation_samples(dataset, units, splits[-1], p.split_order)
    else:
        return splits
    return [replace(split, samples=samples, paths=paths) for split in splits]


def load_plugins(config: RunConfig, runs: Path) -> None:
    """Load the plugins that a run needs, from its own group or from that of the run that it goes on from.

    Raises
    ------
    KeplearnError
        If they are not there, fail, or may not be loaded (`keplearn.core.plugins.require`).
    """
    groups = [runs / config.group]
    if config.from_run and digests(config.values()):
        groups.append(open_run(runs, config.from_run).path.parent)
    require(config.values(), *groups)


def _fit_settings(p: Parameters, dataset: OrbitDataset, units: Units) -> FitSettings:
    """Return what holds for all phases of a run."""
    return FitSettings(
        loss=KINDS[p.model].loss or p.loss_fcn,
        loss_weights={name: getattr(p, name) for name in _LOSS_WEIGHTS},
        seed=p.seed,
        dtype=p.dtype,
        rtol=p.rtol,
        atol=p.atol,
        max_grad_norm=p.max_grad_norm,
        law=dataset.system and dataset.system.canonical(units.length_km, units.mu),
        reference=dataset.reference.canonical(units.length_km, units.mu),
        planar=dataset.planar,
        augment=p.augment == "rotation",
        validate_every=p.validate_every,
        best_by=p.best_by,
        kl_annealing=p.kl_annealing,
        weight_decay=p.weight_decay,
        patience=p.patience,
    )


def training_programs(configs: Iterable[RunConfig]) -> list[set[Hashable]]:
    """Return for each config the training programs that it needs: equal ones are compiled once for all.

    A phase's program is that of its architecture, segment length, loss, optimiser, precision and the number
    of segments that a step's batch is filled up to. A phase without a training segment needs none.
    """
    data = cache(training_data)
    units = cache(lambda name, orbits, unit: units_for(data(name, orbits).as_observed, unit))
    found: list[set[Hashable]] = []
    for config in configs:
        p, needed = config.parameters, set[Hashable]()
        dataset = data(config.dataset_name, p.num_trajs)
        settings = _fit_settings(p, dataset, units(config.dataset_name, p.num_trajs, p.length_unit))
        seen = dataset.as_observed
        samples, uniform = seen.n_samples.tolist(), sampling(seen)["equal_spacing"]
        for phase in make_phases(p):
            share = p.train_val_split if config.validation is None else 1.0
            how = phase.window, phase.segment_length, share, p.split_order, cut_of(phase)
            count = count_training(samples, *how)
            if count:
                setup = setup_of(phase, architecture_of(p), settings, uniform)
                needed.add((setup, batch_sizes(phase, count)[1]))
        found.append(needed)
    return found


def make_phases(p: Parameters) -> list[Phase]:
    """Make the phases of a run's strategies, which have one entry a phase each."""
    strategies = (p.length_strategy, p.lr_strategy, p.steps_strategy, p.segment_length_strategy)
    single = (x if isinstance(x, tuple) else (x,) * len(p.steps_strategy) for x in (p.batch_size, p.stride))
    rows = zip(*strategies, p.optimizer, p.schedule, p.integrator, p.objective, *single, strict=True)
    return [Phase(*row) for row in rows]


def cut_of(phase: Phase) -> Cut:
    """Return how a phase's orbits are cut."""
    return CUTS[OBJECTIVES[phase.objective].cut]


def architecture_of(p: Parameters) -> Architecture:
    """Return what of the parameters shapes the model."""
    return KINDS[p.model].chosen(p)


def _new_model(p: Parameters, dataset: OrbitDataset, units: Units, splits: Sequence[Split]) -> Model:
    largest = units.to_canonical_accelerations(dataset.accelerations)
    bound = float(np.nanmax(np.linalg.norm(largest, axis=-1)))
    states = np.hstack([np.hstack(list(split.train.states)) for split in splits])
    return KINDS[p.model].new(architecture_of(p), p.seed, p.dtype, bound, units, states)


def _data_facts(p: Parameters, dataset: OrbitDataset, units: Units, last: Split) -> dict[str, Any]:
    """Facts of the data that are recorded with the run."""
    return {
        "num_total_orbits": len(dataset),
        "num_train_orbits": last.num_train_orbits,
        "segment_ratio": p.segment_length_strategy[-1] / int(dataset.as_observed.n_samples.max()),
        "length_unit_km": units.length_km,
        "mu": units.mu,
        **dataset.body.attributes(),
        "dataset_hash": dataset.content_hash,
        "acceleration_source": dataset.as_observed.acceleration_source,
        "data_notes": notes(dataset),
    }
