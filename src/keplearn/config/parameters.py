"""The parameters of a run: every key of the table ``parameters`` with its default, documentation and facts.

Longer than most files: it is a list, and its order is that of all tables of keys.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from keplearn.config import value_types as f
from keplearn.config.facts import (
    ADAPTIVE,
    ATTRACTION,
    BATCHES,
    CHOSEN_LOSS,
    DECAYED,
    FITTED,
    FOURIER,
    FREE,
    GRID,
    HARMONICS,
    INTEGRATED,
    JOINED,
    LATENT,
    LAYERS,
    NMSE,
    OWN_UNITS,
    SEVERAL_ORBITS,
    SPLIT,
    WATCHED,
    Fact,
    facts_of,
)
from keplearn.config.names import (
    cut_for,
    has_magnitude,
    needs_position_features,
    own_loss,
    takes_all_segments,
    uses_velocity,
    whole_state,
)


class Parameters(BaseModel):
    """The parameters of one run. What varies over phases is a tuple with one entry per phase."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    length_strategy: Annotated[
        tuple[f.Window, ...], Fact(label="part of each orbit", phased=True, shapes_program=False)
    ] = Field(
        ((0.0, 1.0),),
        min_length=1,
        description="[start, end] of the part of each orbit trained on, per phase",
    )
    lr_strategy: Annotated[
        tuple[f.Positive, ...], Fact(label="learning rate", phased=True, shapes_program=False, effect=BATCHES)
    ] = Field((1e-3,), min_length=1, description="learning rate, per phase")
    steps_strategy: Annotated[
        tuple[f.Count, ...], Fact(label="optimiser steps", phased=True, shapes_program=False)
    ] = Field((1000,), min_length=1, description="optimiser steps, per phase")
    segment_length_strategy: Annotated[
        tuple[f.SegmentLength, ...], Fact(label="segment length", unit="samples", phased=True)
    ] = Field((4,), min_length=1, description="samples per segment (orbits have 360), per phase")
    width: Annotated[f.Size, Fact(unit="neurons")] = Field(64, description="neurons per hidden layer")
    depth: Annotated[f.Size, Fact(unit="hidden layers")] = Field(2, description="hidden layers")
    train_val_split: Annotated[
        f.Fraction, Fact(label="training share", shapes_program=False, effect=SEVERAL_ORBITS)
    ] = Field(0.8, description="share that trains; at 1 validation is on the training set")
    batch_size: Annotated[f.BatchSize, Fact(unit="segments", by_phase=True, effect=BATCHES)] = Field(
        256, description="segments per step; -1: all, as bfgs always does; may vary by phase"
    )
    num_trajs: Annotated[f.AllOrCount, Fact(label="training orbits", shapes_program=False)] = Field(
        -1, description="use the first so many orbits; -1: all"
    )
    loss_fcn: Annotated[f.Loss, Fact(label="loss", effect=CHOSEN_LOSS)] = Field(
        "percent_error", description="the loss"
    )
    mse_weight: Annotated[
        f.NonNegative,
        Fact(label="weight of the squared error", shapes_program=False, weight=True, effect=NMSE),
    ] = Field(1.0, description="weight w in percent_error_plus_nmse")
    activation: f.Activation = Field("leaky_relu", description="activation of the hidden layers")
    final_activation: f.OptionalActivation = Field(
        None, description="activation after the last layer; null: none"
    )
    feature_layer: Annotated[f.FeatureLayer, Fact(effect=LAYERS)] = Field(
        "sph_4D_rinv_vel", description="what the network sees of the state"
    )
    output_layer: Annotated[f.OutputLayer, Fact(effect=LAYERS)] = Field(
        "mlp_4D_logmag_unit_exp", description="how its outputs make an acceleration"
    )
    planar_constraint: Annotated[bool, Fact(derived="true if the dataset is planar")] = Field(
        description="keep z and v_z exactly zero"
    )
    rtol: Annotated[f.Positive, Fact(label="relative tolerance", shapes_program=False, effect=ADAPTIVE)] = (
        Field(1e-6, description="relative tolerance of the adaptive integrator in training")
    )
    atol: Annotated[f.Positive, Fact(label="absolute tolerance", shapes_program=False, effect=ADAPTIVE)] = (
        Field(1e-8, description="absolute tolerance of the adaptive integrator in training")
    )
    seed: Annotated[f.Seed, Fact(shapes_program=False, ordered=False)] = Field(
        0, description="decides weights and batches, never the data"
    )

    optimizer: Annotated[tuple[f.Optimizer, ...], Fact(phased=True)] = Field(
        ("adam",),
        min_length=1,
        description="adam | adamw | lion (batches) | bfgs | lbfgs | levenberg_marquardt (all, in float64), per phase",
    )
    schedule: Annotated[tuple[f.Schedule, ...], Fact(phased=True, effect=BATCHES)] = Field(
        ("constant",),
        min_length=1,
        description="learning rate within a phase: constant | cosine | warmup_cosine | exponential | reduce_on_plateau "
        "(by validation), per phase",
    )
    integrator: Annotated[tuple[f.Integrator, ...], Fact(phased=True, effect=INTEGRATED)] = Field(
        ("grid",), min_length=1, description="grid (fixed steps) | adaptive (rtol, atol), per phase"
    )
    objective: Annotated[tuple[f.Objective, ...], Fact(phased=True, since="2026-11-26")] = Field(
        ("trajectory",),
        min_length=1,
        description="what the loss compares: trajectory (integrated states) | derivative (accelerations of "
        "differences of samples) | weak (increments of velocity over segment_length samples) | shooting (states along "
        "pieces of segment_length samples with beginnings of their own, and the gaps between), per phase",
    )
    continuity: Annotated[
        f.NonNegative,
        Fact(label="weight of gaps", shapes_program=False, weight=True, since="2026-11-26", effect=JOINED),
    ] = Field(10.0, description="weight of the gaps between pieces in the loss, with objective shooting")
    stride: Annotated[f.Stride, Fact(unit="samples", by_phase=True, effect=GRID)] = Field(
        None,
        description="samples per step of the grid; null: min(segment length - 1, 6), 1 if no law is known; may vary by "
        "phase",
    )
    grid_rtol: Annotated[f.Positive, Fact(shapes_program=False, effect=GRID)] = Field(
        1e-3,
        description="warn where the grid's relative error is above this (99th percentile; its maximum: 10 times)",
    )
    split_order: Annotated[f.SplitOrder, Fact(shapes_program=False, effect=SPLIT)] = Field(
        "orbits", description="orbits: split, then cut into segments | segments: cut, then split"
    )
    length_unit: Annotated[f.LengthUnit, Fact(shapes_program=False, effect=OWN_UNITS)] = Field(
        "max_radius", description="max_radius | earth_radius | a number of km"
    )
    l1: Annotated[f.NonNegative, Fact(label="weight of Σ|w|", weight=True)] = Field(
        0.0, description="weight of sum |w| in the loss"
    )
    l2: Annotated[f.NonNegative, Fact(label="weight of Σw²", weight=True)] = Field(
        0.0, description="weight of sum w² in the loss"
    )
    energy_drift: Annotated[f.NonNegative, Fact(label="weight of the energy drift", weight=True)] = Field(
        0.0, description="weight of the drift of v²/2 - μ/r along segments in the loss"
    )
    attraction_weight: Annotated[
        f.NonNegative, Fact(shapes_program=False, weight=True, effect=ATTRACTION)
    ] = Field(1.0, description="weight w in percent_error_with_attraction")
    sign_flip: Annotated[f.NonNegative, Fact(label="weight of changes of sign", weight=True)] = Field(
        0.0, description="weight of changes of sign of the magnitude in the loss"
    )
    harmonics_degree: Annotated[f.Degree, Fact(effect=HARMONICS)] = Field(
        2, description="highest degree of the harmonics features"
    )
    fourier_count: Annotated[f.Size, Fact(effect=FOURIER)] = Field(
        16, description="number of Fourier features"
    )
    fourier_scale: Annotated[f.Positive, Fact(effect=FOURIER)] = Field(
        1.0, description="scale of the Fourier features' frequencies"
    )
    augment: f.Augment = Field("none", description="none | rotation (of training orbits)")
    dtype: Annotated[f.Dtype, Fact(label="number format")] = Field("float32", description="float32 | float64")
    max_grad_norm: Annotated[
        f.Positive | None, Fact(shapes_program=False, since="2026-11-25", effect=BATCHES)
    ] = Field(100.0, description="shorten longer gradients to this norm (adam); null: take them as they are")
    weight_decay: Annotated[f.NonNegative, Fact(shapes_program=False, since="2026-11-26", effect=DECAYED)] = (
        Field(
            1e-4,
            description="share of the learning rate by which adamw and lion shrink all parameters in a step",
        )
    )
    validate_every: Annotated[f.Count, Fact(shapes_program=False)] = Field(
        50, description="optimiser steps between validations"
    )
    patience: Annotated[
        f.Count | None, Fact(unit="validations", shapes_program=False, since="2026-11-26")
    ] = Field(None, description="end a phase after so many validations without a better one; null: never")
    best_by: Annotated[f.BestBy, Fact(label="best by", shapes_program=False, since="2026-11-26")] = Field(
        "loss",
        description="the model that is kept: of least validation loss in the last phase | of least field error in all",
    )
    standardize: Annotated[bool, Fact(since="2026-11-26", effect=LAYERS)] = Field(
        False, description="give the network features of mean 0 and variance 1 over the training states"
    )
    skip: Annotated[bool, Fact(label="linear path", since="2026-11-26", effect=LAYERS)] = Field(
        False, description="add a linear function of the features to the network's outputs"
    )
    init: Annotated[f.Init, Fact(label="first weights", since="2026-11-26", effect=LAYERS)] = Field(
        "default", description="how weights are drawn: default | zero_last (last layer 0) | glorot | he"
    )
    model: Annotated[f.ModelKind, Fact(label="kind of model", since="2026-11-26")] = Field(
        "neural_ode",
        description="neural_ode: the field itself, from full states | latent_ode: an encoder of what is observed too",
    )
    latent_dynamics: Annotated[f.LatentDynamics, Fact(since="2026-11-26", effect=LATENT)] = Field(
        "second_order",
        description="what the latent is: second_order (position and velocity, with the layers of a neural ODE) | "
        "known+learned (the same, added to the two-body law) | free (latent_size numbers, with a decoder)",
    )
    latent_size: Annotated[f.Size, Fact(unit="numbers", since="2026-11-26", effect=FREE)] = Field(
        8, description="size of a free latent"
    )
    encoder: Annotated[f.Encoder, Fact(since="2026-11-26", effect=LATENT)] = Field(
        "gru", description="what reads the observed samples, backwards in time"
    )
    hidden_size: Annotated[f.Size, Fact(unit="neurons", since="2026-11-26", effect=LATENT)] = Field(
        64, description="size of the encoder"
    )
    observe: Annotated[f.Observe, Fact(label="observed", since="2026-11-26", effect=LATENT)] = Field(
        "position",
        description="what is observed: position | state | by stations range_angles (range and line of sight) or angles",
    )
    stations: Annotated[f.Stations, Fact(since="2026-11-26", effect=WATCHED)] = Field(
        "0 0, 0 120, 0 240", description="latitude and longitude of each ground station on the Earth, degrees"
    )
    observed_fraction: Annotated[
        f.Fraction, Fact(label="observed share", since="2026-11-26", effect=LATENT)
    ] = Field(
        0.5, description="share of a segment or a test orbit that is observed, from its first sample on"
    )
    kl_weight: Annotated[
        f.NonNegative,
        Fact(
            label="weight of the KL divergence",
            shapes_program=False,
            weight=True,
            since="2026-11-26",
            effect=LATENT,
        ),
    ] = Field(1.0, description="weight of the divergence from the prior in the evidence lower bound")
    kl_annealing: Annotated[
        f.CountOrNone, Fact(unit="steps", shapes_program=False, since="2026-11-26", effect=LATENT)
    ] = Field(0, description="optimiser steps of the first phase over which that weight rises from 0")
    likelihood_noise: Annotated[
        f.Positive | None, Fact(unit="canonical units", since="2026-11-26", effect=LATENT)
    ] = Field(None, description="standard deviation of what is observed, in canonical units; null: learned")
    refine: Annotated[f.CountOrNone, Fact(unit="steps", since="2026-11-26", effect=LATENT)] = Field(
        8,
        description="Gauss-Newton steps that fit the latent to what is observed of a test orbit, after the encoder",
    )
    refine_training: Annotated[f.CountOrNone, Fact(unit="steps", since="2026-11-26", effect=LATENT)] = Field(
        0, description="such steps in training, at each segment; 0: it begins where the encoder says"
    )
    fitted_to: Annotated[f.FittedTo, Fact(since="2026-11-27", effect=FITTED)] = Field(
        "observed",
        description="to what of a segment they fit it: observed (as for a test orbit) | all (for the noise's sake)",
    )
    bound_samples: Annotated[f.Size, Fact(unit="draws", since="2026-11-26", effect=LATENT)] = Field(
        1, description="draws of the beginning for each segment; several: the bound with importance weights"
    )
    decoder: Annotated[f.Decoder, Fact(since="2026-11-26", effect=FREE)] = Field(
        "mlp",
        description="what makes observations of a free latent: mlp (one hidden layer of width) | linear",
    )
    likelihood: Annotated[f.Likelihood, Fact(since="2026-11-26", effect=LATENT)] = Field(
        "constant",
        description="likelihood_noise is the same everywhere: constant | a share of radius and speed: relative",
    )

    @model_validator(mode="before")
    @classmethod
    def _broadcast(cls, values: object) -> object:
        """Repeat one-entry strategies over all phases; of a key that need not be one leave a single value."""
        if not isinstance(values, Mapping):
            return values
        facts = facts_of(cls)
        phased = [key for key, fact in facts.items() if fact.phased or fact.by_phase]
        given = {key: values.get(key, cls.model_fields[key].default) for key in phased}
        lengths = {key: len(v) if isinstance(v, tuple) else 1 for key, v in given.items()}
        phases = max(lengths.values())
        if not set(lengths.values()) <= {1, phases}:
            key = next(key for key in phased if lengths[key] not in (1, phases))
            shown = [key for key in phased if key.endswith("_strategy") or lengths[key] > 1]
            listing = ", ".join(f"{key} has {lengths[key]} {listed(given[key])}" for key in shown)
            raise f.Conflict(
                key,
                f"the strategies disagree on the number of phases: {listing}. "
                "Give each one entry, or all the same number",
            )
        tuples = {key: v for key, v in given.items() if isinstance(v, tuple)}
        repeated = {key: v * phases for key, v in tuples.items() if lengths[key] == 1}
        single = {key: v[0] for key, v in tuples.items() if facts[key].by_phase and len(set(v)) == 1}
        return {**values, **(repeated if phases > 1 else {}), **single}

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        double = next((name for name in self.optimizer if takes_all_segments(name)), None)
        if double and self.dtype != "float64":
            raise f.Conflict(
                "optimizer",
                f"{double.partition('@')[0]} needs double precision: set dtype: float64 "
                "(or use the optimizer adam)",
            )
        if self.sign_flip > 0 and not has_magnitude(self.output_layer):
            raise f.Conflict(
                "sign_flip",
                f"output_layer {self.output_layer} has no magnitude m whose sign could flip: set sign_flip: 0",
            )
        if own_loss(self.model):
            self._of_latent()
            for key in ("energy_drift", "sign_flip"):
                if getattr(self, key) > 0:
                    raise f.Conflict(key, f"the loss of model {self.model} has no such term: set {key}: 0")
            if self.best_by == "field" and self.latent_dynamics == "free":
                raise f.Conflict(
                    "best_by", "a free latent has no field of positions and velocities: set it to loss"
                )
        if self.augment == "rotation" and any(cut_for(name) == "pieces" for name in self.objective):
            raise f.Conflict(
                "augment",
                "rotation turns segments, and in objective shooting they have beginnings that stay: set it to none",
            )
        if needs_position_features(self.output_layer) and uses_velocity(self.feature_layer):
            raise f.Conflict(
                "output_layer",
                f"{self.output_layer} is a function of position alone, and feature_layer "
                f"{self.feature_layer} uses velocity: choose sph_4D_rinv or sph_4D_logr",
            )
        return self

    def _of_latent(self) -> None:
        """Refuse what a latent ODE cannot do together."""
        free = self.latent_dynamics == "free"
        if self.observe not in ("position", "state") and free:
            raise f.Conflict(
                "observe",
                "what stations observe is told from a state, and a free latent is none: set it to position",
            )
        if self.refine_training and (free or "adaptive" in self.integrator or whole_state(self.output_layer)):
            raise f.Conflict(
                "refine_training",
                "it takes derivatives forwards in time, which a free latent, adaptive steps and a head that gives "
                "whole states do not have: set it to 0",
            )


def listed(value: object) -> object:
    """Return tuples as lists, as JSON and YAML have them."""
    return [listed(v) for v in value] if isinstance(value, tuple) else value
