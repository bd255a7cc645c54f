"""What is known of each key of a config beside its type and default: one `Fact` a key, written beside the key.

Whoever needs to know more of a key than its value reads it from `keplearn.config.schema.FACTS`, and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from keplearn.config.names import (
    cut_for,
    dataset_facts,
    decays_weights,
    integrates,
    own_loss,
    takes_all_segments,
)
from keplearn.core.tables import is_foreign

if TYPE_CHECKING:
    from pydantic import BaseModel

    from keplearn.config.schema import RunConfig


class Effect(NamedTuple):
    """To which runs a key matters, and why not to the others, in words; of one with phases also in which it does."""

    matters: "Callable[[RunConfig], bool]"
    else_why: str
    phases: "Callable[[RunConfig], Sequence[bool]] | None" = None


@dataclass(frozen=True)
class Fact:
    """What is known of a key.

    Parameters
    ----------
    label
        What figures call it; its name with blanks, if empty.
    unit
        Of its values, in words.
    phased
        Whether it may vary over the phases of a run: it is then a tuple with one entry a phase.
    by_phase
        Whether it may too, and is a tuple only where it does: a key that once could not.
    shapes_program
        Whether runs that differ in it need different compiled programs; else it is an argument of one.
    ordered
        Whether its values, where they are numbers, have an order.
    weight
        Whether it is the weight of a term of the loss.
    since
        The date on which the key came, for keys that are younger than runs: such a key is left out of a run's id
        while it has its default, so that a run that was finished before has the id that it had.
    derived
        How its default follows from the rest of the config, in words; null then means the default.
    effect
        To which runs it matters, if not to all.
    """

    label: str = ""
    unit: str = ""
    phased: bool = False
    by_phase: bool = False
    shapes_program: bool = True
    ordered: bool = True
    weight: bool = False
    since: str | None = None
    derived: str = ""
    effect: Effect | None = None

    def name_of(self, key: str) -> str:
        """Return what figures call the key."""
        return self.label or key.replace("_", " ")

    def label_of(self, key: str) -> str:
        """Return what figures call the key, with its unit."""
        return f"{self.name_of(key)} ({self.unit})" if self.unit else self.name_of(key)


@cache
def facts_of(model: "type[BaseModel]") -> dict[str, Fact]:
    """Return the fact of each key of a table, in the table's order."""
    return {
        key: next((part for part in entry.metadata if isinstance(part, Fact)), Fact())
        for key, entry in model.model_fields.items()
    }


def added(model: "BaseModel") -> set[str]:
    """Return the keys of a table that came after the first runs and have their default: they are in no id."""
    entries, facts = type(model).model_fields, facts_of(type(model))
    kept = lambda key: set(getattr(model, key)) if facts[key].phased else getattr(model, key)  # noqa: E731
    default = lambda key: set(entries[key].default) if facts[key].phased else entries[key].default  # noqa: E731
    return {key for key in _younger(type(model)) if kept(key) == default(key)}


@cache
def _younger(model: "type[BaseModel]") -> list[str]:
    return [key for key, fact in facts_of(model).items() if fact.since]


def used_orbits(run: "RunConfig") -> int:
    """Return how many orbits a run uses."""
    most = run.parameters.num_trajs
    return dataset_facts(run.dataset_name).orbits if most == -1 else most


def _batched(run: "RunConfig") -> list[bool]:
    """Return in which phases a run takes batches, at a learning rate."""
    return [not takes_all_segments(name) for name in run.parameters.optimizer]


def _integrated(run: "RunConfig") -> list[bool]:
    """Return in which phases a run integrates its model."""
    return [integrates(name) for name in run.parameters.objective]


def _steps(run: "RunConfig", integrator: str) -> bool:
    """Say whether a run takes the steps of an integrator in any phase."""
    taken = zip(run.parameters.integrator, _integrated(run), strict=True)
    return any(name == integrator and integrated for name, integrated in taken)


def _if(key: str, value: str) -> Effect:
    """Return the effect of a key that matters where another has a value; a user's own layer may read any."""
    return Effect(
        lambda run: (given := getattr(run.parameters, key)) == value or is_foreign(given),
        f"{key} is not {value}",
    )


TESTED = Effect(
    lambda run: bool(run.test) or run.validation is not None, "neither test nor validation names a dataset"
)
MIRRORED = Effect(
    lambda run: run.project is not None or run.mode == "disabled",
    "no project is named, so nothing goes to Weights & Biases",
)
INTEGRATED = Effect(lambda run: any(_integrated(run)), "objective integrates nothing", _integrated)
ADAPTIVE = Effect(lambda run: _steps(run, "adaptive"), "integrator is not adaptive")
GRID = Effect(lambda run: _steps(run, "grid"), "integrator is not grid")
JOINED = Effect(
    lambda run: any(cut_for(name) == "pieces" for name in run.parameters.objective),
    "objective has no pieces with gaps between",
)
NMSE = _if("loss_fcn", "percent_error_plus_nmse")
ATTRACTION = _if("loss_fcn", "percent_error_with_attraction")
HARMONICS = Effect(
    lambda run: "harmonics" in (name := run.parameters.feature_layer) or is_foreign(name),
    "feature_layer has no harmonics",
)
FOURIER = _if("feature_layer", "fourier")
BATCHES = Effect(
    lambda run: any(_batched(run)),
    "its optimizer has no learning rate, takes all segments and clips nothing",
    _batched,
)
DECAYED = Effect(
    lambda run: any(decays_weights(name) for name in run.parameters.optimizer), "no optimizer decays weights"
)
SPLIT = Effect(
    lambda run: run.validation is None and run.parameters.train_val_split < 1 and used_orbits(run) > 1,
    "nothing is split off",
)
SEVERAL_ORBITS = Effect(
    lambda run: run.validation is None and used_orbits(run) > 1,
    "one orbit trains and validates, or validation has its own data",
)
LATENT = Effect(lambda run: run.parameters.model == "latent_ode", "model is not latent_ode")
FREE = Effect(
    lambda run: run.parameters.model == "latent_ode" and run.parameters.latent_dynamics == "free",
    "no latent is free",
)
FITTED = Effect(
    lambda run: LATENT.matters(run) and run.parameters.refine_training > 0, "refine_training is 0"
)
WATCHED = Effect(
    lambda run: LATENT.matters(run) and run.parameters.observe in ("range_angles", "angles"),
    "no station observes anything",
)
LAYERS = Effect(
    lambda run: not FREE.matters(run), "a free latent has no such layers: its field is a network of all of it"
)
CHOSEN_LOSS = Effect(
    lambda run: not own_loss(run.parameters.model),
    "model has a loss of its own, the evidence lower bound",
)
OWN_UNITS = Effect(lambda run: run.from_run is None, "the units are those of from_run")
