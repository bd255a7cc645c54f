"""The schema: every key of a config with its default and its documentation, and the id of a run."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from keplearn.config import fields as f
from keplearn.config.names import has_magnitude, needs_position_features, uses_velocity
from keplearn.core.errors import KeplearnError

STRATEGIES = ("length_strategy", "lr_strategy", "steps_strategy", "segment_length_strategy")
#: Parameters that came after the first runs: out of a run's id while they have their default.
ADDED = ("max_grad_norm",)
#: The entries that vary over the phases of a run: tuples with one entry per phase.
PHASED = (*STRATEGIES, "optimizer", "schedule", "integrator")


class Parameters(BaseModel):
    """The parameters of one run. What varies over phases is a tuple with one entry per phase."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    length_strategy: tuple[f.Window, ...] = Field(
        ((0.0, 1.0),),
        min_length=1,
        description="[start, end] of the part of each orbit trained on, per phase",
    )
    lr_strategy: tuple[f.Positive, ...] = Field((1e-3,), min_length=1, description="learning rate, per phase")
    steps_strategy: tuple[f.Count, ...] = Field(
        (1000,), min_length=1, description="optimiser steps, per phase"
    )
    segment_length_strategy: tuple[f.SegmentLength, ...] = Field(
        (4,), min_length=1, description="samples per segment (orbits have 360), per phase"
    )
    width: f.Size = Field(64, description="neurons per hidden layer")
    depth: f.Size = Field(2, description="hidden layers")
    train_val_split: f.Fraction = Field(
        0.8, description="share that trains; at 1 validation is on the training set"
    )
    batch_size: f.AllOrCount = Field(256, description="segments per step; -1: all, as bfgs always does")
    num_trajs: f.AllOrCount = Field(-1, description="use the first so many orbits; -1: all")
    loss_fcn: f.Loss = Field("percent_error", description="the loss")
    mse_weight: f.NonNegative = Field(1.0, description="weight w in percent_error_plus_nmse")
    activation: f.Activation = Field("leaky_relu", description="activation of the hidden layers")
    final_activation: f.OptionalActivation = Field(
        None, description="activation after the last layer; null: none"
    )
    feature_layer: f.FeatureLayer = Field("sph_4D_rinv_vel", description="what the network sees of the state")
    output_layer: f.OutputLayer = Field(
        "mlp_4D_logmag_unit_exp", description="how its outputs make an acceleration"
    )
    planar_constraint: bool = Field(description="keep z and v_z exactly zero")
    rtol: f.Positive = Field(1e-6, description="relative tolerance of the adaptive integrator in training")
    atol: f.Positive = Field(1e-8, description="absolute tolerance of the adaptive integrator in training")
    seed: f.Seed = Field(0, description="decides weights and batches, never the data")

    optimizer: tuple[f.Optimizer, ...] = Field(
        ("adam",), min_length=1, description="adam | bfgs (full batch, needs float64), per phase"
    )
    schedule: tuple[f.Schedule, ...] = Field(
        ("constant",), min_length=1, description="learning rate within a phase: constant | cosine, per phase"
    )
    integrator: tuple[f.Integrator, ...] = Field(
        ("grid",), min_length=1, description="grid (fixed steps) | adaptive (rtol, atol), per phase"
    )
    stride: f.Count | None = Field(
        None,
        description="samples per step of the grid; null: min(segment length - 1, 6), 1 if no law is known",
    )
    grid_rtol: f.Positive = Field(
        1e-3,
        description="warn where the grid's relative error is above this (99th percentile; its maximum: 10 times)",
    )
    split_order: f.SplitOrder = Field(
        "orbits", description="orbits: split, then cut into segments | segments: cut, then split"
    )
    length_unit: f.LengthUnit = Field("max_radius", description="max_radius | earth_radius | a number of km")
    l1: f.NonNegative = Field(0.0, description="weight of sum |w| in the loss")
    l2: f.NonNegative = Field(0.0, description="weight of sum w² in the loss")
    energy_drift: f.NonNegative = Field(
        0.0, description="weight of the drift of v²/2 - μ/r along segments in the loss"
    )
    attraction_weight: f.NonNegative = Field(1.0, description="weight w in percent_error_with_attraction")
    sign_flip: f.NonNegative = Field(
        0.0, description="weight of changes of sign of the magnitude in the loss"
    )
    harmonics_degree: f.Degree = Field(2, description="highest degree of the harmonics features")
    fourier_count: f.Size = Field(16, description="number of Fourier features")
    fourier_scale: f.Positive = Field(1.0, description="scale of the Fourier features' frequencies")
    augment: f.Augment = Field("none", description="none | rotation (of training orbits)")
    dtype: f.Dtype = Field("float32", description="float32 | float64")
    max_grad_norm: f.Positive | None = Field(
        100.0, description="shorten longer gradients to this norm (adam); null: take them as they are"
    )
    validate_every: f.Count = Field(50, description="optimiser steps between validations")

    @model_validator(mode="before")
    @classmethod
    def _broadcast(cls, values: object) -> object:
        """Repeat one-entry strategies over all phases."""
        if not isinstance(values, Mapping):
            return values
        given = {key: values.get(key, cls.model_fields[key].default) for key in PHASED}
        lengths = {key: len(v) if isinstance(v, tuple) else 1 for key, v in given.items()}
        phases = max(lengths.values())
        if phases == 1:
            return values
        if not set(lengths.values()) <= {1, phases}:
            key = next(key for key in PHASED if lengths[key] not in (1, phases))
            shown = [key for key in PHASED if key in STRATEGIES or lengths[key] > 1]
            listing = ", ".join(f"{key} has {lengths[key]} {listed(given[key])}" for key in shown)
            raise f.Conflict(
                key,
                f"the strategies disagree on the number of phases: {listing}. "
                "Give each one entry, or all the same number",
            )
        repeated = {key: v * phases for key, v in given.items() if lengths[key] == 1 and isinstance(v, tuple)}
        return {**values, **repeated}

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        if "bfgs" in self.optimizer and self.dtype != "float64":
            raise f.Conflict(
                "optimizer", "bfgs needs double precision: set dtype: float64 (or use the optimizer adam)"
            )
        if self.sign_flip > 0 and not has_magnitude(self.output_layer):
            raise f.Conflict(
                "sign_flip",
                f"output_layer {self.output_layer} has no magnitude m whose sign could flip: set sign_flip: 0",
            )
        if needs_position_features(self.output_layer) and uses_velocity(self.feature_layer):
            raise f.Conflict(
                "output_layer",
                f"{self.output_layer} is a function of position alone, and feature_layer "
                f"{self.feature_layer} uses velocity: choose sph_4D_rinv or sph_4D_logr",
            )
        return self


class RunConfig(BaseModel):
    """All that decides one run: where it is filed, its data, its parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    group: f.Group = Field(description="the study that the run belongs to; names its directory")
    project: str | None = Field(None, description="Weights & Biases project")
    entity: str | None = Field(None, description="Weights & Biases user or team")
    mode: f.Mode | None = Field(None, description="Weights & Biases mode: online | offline | disabled")
    dataset_name: f.Dataset = Field(description="the training data: a dataset's name, or a .nc file")
    problem: f.Problem = Field(description="TBP (or 2BP); must agree with the dataset")
    test: tuple[f.Dataset, ...] = Field(
        description="datasets scored when training ends (one list, not an axis)"
    )
    from_run: f.RunName | None = Field(
        None, description="a finished run (group/id) whose model this one goes on from"
    )
    parameters: Parameters

    @cached_property
    def run_id(self) -> str:
        """The run's id: 16 hex digits of the SHA-256 over group, data and parameters.

        A parameter of `ADDED` is left out of this hash while it has its default, or else every run that was
        finished before it came would get a new id.
        """
        parameters = self.parameters.model_dump()
        for key in ADDED:
            if parameters[key] == Parameters.model_fields[key].default:
                del parameters[key]
        what = {
            "group": self.group,
            "data": {
                key: getattr(self, key)
                for key in TABLES["data"]
                if key != "from_run" or self.from_run is not None
            },
            "parameters": parameters,
        }
        canonical = json.dumps(what, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, dict[str, object]]:
        """Return the config as the tables of a config file of this one run, ready for JSON or YAML."""
        record: dict[str, dict[str, object]] = {
            table: {key: listed(getattr(self, key)) for key in TABLES[table]} for table in ("wandb", "data")
        }
        values = {key: listed(value) for key, value in self.parameters}
        # In the file form the outermost list is the list of values: here there is one.
        record["parameters"] = {k: [v] if k in PHASED else v for k, v in values.items()}
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, object]) -> "RunConfig":
        """Return the config that :meth:`to_dict` wrote; datasets are not looked up.

        Raises
        ------
        KeplearnError
            If it is not such a record.
        """
        tables = {}
        for table in TABLES:
            tables[table] = record.get(table, {})
            if not isinstance(tables[table], Mapping):
                raise KeplearnError(f"not a run's config: {table} is not a table")
        if extra := set(record) - set(TABLES):
            raise KeplearnError(f"not a run's config: unknown table {sorted(map(str, extra))[0]!r}")
        parameters = {
            key: _tuples(value[0]) if key in PHASED and isinstance(value, list | tuple) and value else value
            for key, value in tables["parameters"].items()
        }
        head = {key: _tuples(value) for key, value in {**tables["wandb"], **tables["data"]}.items()}
        try:
            return cls.model_validate({**head, "parameters": Parameters.model_validate(parameters)})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise KeplearnError(f"not a run's config: {where}: {first['msg']}") from error
        except TypeError as error:
            raise KeplearnError(f"not a run's config: {error}") from error


#: The keys of each table of a config file.
TABLES: dict[str, tuple[str, ...]] = {
    "wandb": ("group", "project", "entity", "mode"),
    "data": ("dataset_name", "problem", "test", "from_run"),
    "parameters": tuple(Parameters.model_fields),
}

#: Defaults that depend on the rest of the config, in words.
DERIVED = {
    "group": "the file's stem",
    "dataset_name": "none: must be given",
    "problem": "the dataset's",
    "test": "complex_TBP[_planar]_{1,10,100}_test for two-body data, else none",
    "planar_constraint": "true if the dataset is planar",
}


def listed(value: object) -> object:
    """Return tuples as lists, as JSON and YAML have them."""
    return [listed(v) for v in value] if isinstance(value, tuple) else value


def _tuples(value: object) -> object:
    """Return lists as tuples, as the schema has them."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
