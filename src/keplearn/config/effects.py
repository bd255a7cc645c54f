"""When a key of a config has an effect: what is given and does nothing is said, in one line a file."""

import warnings
from collections.abc import Collection, Sequence

from keplearn.config.facts import Effect
from keplearn.config.loading import ConfigWarning
from keplearn.config.schema import FACTS, RunConfig

#: The keys that matter only to some runs, by the condition that they share.
EFFECTS: dict[Effect, tuple[str, ...]] = {
    effect: tuple(key for key, fact in FACTS.items() if fact.effect == effect)
    for effect in (fact.effect for fact in FACTS.values())
    if effect is not None
}


def warn_of_idle_keys(runs: Sequence[RunConfig], given: Collection[str], source: str) -> None:
    """Say in one warning which of the given keys change nothing in any of the runs, and why."""
    said = []
    for effect, of in EFFECTS.items():
        keys = [key for key in of if key in given]
        if keys and not any(effect.matters(run) for run in runs):
            said.append(f"{', '.join(keys)} ({effect.else_why})")
    if said:
        place = f"{source}: " if source else ""
        warnings.warn(f"{place}given without effect: {'; '.join(said)}", ConfigWarning, stacklevel=3)
