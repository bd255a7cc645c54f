"""What a loss sees of a batch of segments: the truth, and what of the model it has asked for.

To a loss the truth is what is observed: with noise, and accelerations by differences, where the data have it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Array, Float

from keplearn.core.errors import KeplearnError
from keplearn.core.jax_shapes import Scalar
from keplearn.models.kinds import Model
from keplearn.models.neural_ode import NeuralODE
from keplearn.models.posterior import Fitted, Mode, Posterior
from keplearn.systems import System

# What a loss may need, beside the posterior, which that of a latent ODE alone does.
NEEDS = ("pair", "trajectory", "field", "law")


class FieldPair(NamedTuple):
    """dy/dt (sample, 6, segment) at the true states, the first sample among them: the model's, and the true one."""

    predicted: Float[Array, "sample 6 segment"]
    truth: Float[Array, "sample 6 segment"]


class Gap(NamedTuple):
    """Where pieces of an orbit end, and where the next one begins; ``joined``: 0 for a piece without a next one."""

    predicted: Float[Array, "1 6 segment"]
    truth: Float[Array, "1 6 segment"]
    joined: Float[Array, "segment"]


class Encoded(NamedTuple):
    """What a latent ODE made of a batch: the distribution of the beginnings, how sure it is of what it observes.

    ``share``: of the weight of the distribution's distance from the prior, the part that counts in this step.
    ``surprise``: where beginnings are fitted, minus the log density that the encoder gives them. ``ratios``: of
    several draws, the log of the prior's density over the posterior's; what is predicted has the components of all.
    ``seen``: 0 for what no station observes. ``fits``: whether the noise is to be the one that fits the residuals.
    ``observed``: how many samples the model has been shown.
    """

    posterior: Posterior | Fitted | Mode
    noise: Scalar | Float[Array, "sample component segment"]
    share: Float[Array, "segment"]
    surprise: Float[Array, "segment"] | None = None
    ratios: Float[Array, "draw segment"] | None = None
    seen: Float[Array, "sample segment"] | None = None
    fits: bool = False
    observed: int = 0


@dataclass(frozen=True)
class Solved:
    """What a loss sees of a batch of segments.

    Attributes
    ----------
    truth
        The true states without the first sample, or what else an objective compares (`keplearn.training.compared`);
        of a latent ODE what is observed of them, with the first.
    initial
        The first sample.
    keep
        1, or 0 for a lost segment.
    model
        The network being trained.
    trajectory, rates, system, latent
        What `predicted`, `field`, `law` and `encoded` give; None where nobody has asked for it.
    gap
        Of pieces with beginnings of their own; the loss compares it as it does the rest.
    """

    truth: Float[Array, "sample component segment"]
    initial: Float[Array, "6 segment"]
    keep: Float[Array, "segment"]
    model: Model
    trajectory: Float[Array, "sample component segment"] | None = None
    rates: FieldPair | None = None
    system: System | None = None
    latent: Encoded | None = None
    gap: Gap | None = None

    @property
    def learned(self) -> NeuralODE:
        """The field that is being trained."""
        return _stated("field", self.model.field)

    @property
    def encoded(self) -> Encoded:
        """What the encoder of a latent ODE has made of the segments; of what needs the posterior."""
        return _stated("posterior", self.latent)

    @property
    def predicted(self) -> Float[Array, "sample component segment"]:
        """What is to be compared with the truth; of what needs the pair.

        Of what needs the trajectory it is the states that the model comes to from the first sample, integrated.
        """
        return _stated("trajectory", self.trajectory)

    @property
    def field(self) -> FieldPair:
        """The field along the true segments; of what needs the field. Nothing is integrated for it."""
        return _stated("field", self.rates)

    @property
    def law(self) -> System:
        """The system in canonical units, whose invariants may be asked for; of what needs the law."""
        return _stated("law", self.system)


def _stated(need: str, given: Any) -> Any:
    if given is None:
        raise KeplearnError(f"a loss looks at the {need} and does not say so: write @loss(needs={need!r}).")
    return given
