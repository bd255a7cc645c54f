"""What holds for all phases of a training, and what follows of it for one: the setup, the sizes of batches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keplearn.core.programs import power_above
from keplearn.integrate import Grid
from keplearn.models.kinds import Architecture
from keplearn.systems import System
from keplearn.systems.two_body import TwoBody
from keplearn.training.compared import OBJECTIVES
from keplearn.training.curriculum import Phase
from keplearn.training.losses import ADDITIVE_TERMS, needs_of
from keplearn.training.optimizers import OPTIMIZERS
from keplearn.training.problem import Setup

# Steps of a phase that has its own batch size: filling up would cost it as much time as a program of its own.
LONG = 10_000

_TWO_BODY = TwoBody(1.0)


@dataclass(frozen=True)
class FitSettings:
    """What holds for all phases of a run.

    ``law``: the system that the data obey exactly, canonical, or None; ``reference``: the one whose invariants terms
    of the loss ask for.
    """

    loss: str = "percent_error"
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    dtype: str = "float32"
    rtol: float = 1e-6
    atol: float = 1e-8
    max_grad_norm: float | None = 100.0
    law: System | None = _TWO_BODY
    reference: System = _TWO_BODY
    planar: bool = True
    augment: bool = False
    validate_every: int = 50
    best_by: str = "loss"
    kl_annealing: int = 0
    weight_decay: float = 0.0
    patience: int | None = None


def setup_of(phase: Phase, architecture: Architecture, settings: FitSettings, uniform: bool = True) -> Setup:
    """Return what of a phase is compiled in; ``uniform`` says whether its samples are equally spaced in time."""
    stride = 1 if phase.stride is None and settings.law is None else phase.stride
    additive = tuple(name for name in ADDITIVE_TERMS if settings.loss_weights.get(name, 0.0) != 0.0)
    return Setup(
        architecture=architecture,
        grid=Grid.default(phase.segment_length, stride, uniform),
        integrator=phase.integrator,
        loss=settings.loss,
        additive=additive,
        optimizer=phase.optimizer,
        dtype=settings.dtype,
        law=settings.reference if "law" in needs_of(settings.loss, additive) else None,
        objective=phase.objective,
    )


def batch_sizes(phase: Phase, n_segments: int) -> tuple[int, int]:
    """Return the segments in each step's batch, of so many training segments, and the size it is filled up to.

    Batches smaller than wanted are filled up to 64, 256, 1024 …, so that runs and phases with a few segments more
    or less share a program: to make one takes as long as thousands of their steps. A long phase has its own, and so
    have whole windows, each of which is long.
    """
    if OPTIMIZERS[phase.optimizer].full_batch or phase.batch_size == -1:
        return n_segments, n_segments
    if n_segments >= phase.batch_size:
        return phase.batch_size, phase.batch_size
    if phase.steps >= LONG or OBJECTIVES[phase.objective].cut == "windows":
        return n_segments, n_segments
    return n_segments, min(phase.batch_size, power_above(n_segments, least=64, base=4))
