"""What of a config does nothing or other than was meant is said once a file.

Keys that have no effect in any run, runs that therefore cannot differ from others of the set, and names that mean
something else than in old runs.
"""

import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence

from keplearn.config.facts import Effect, used_orbits
from keplearn.config.loading import ConfigWarning
from keplearn.config.schema import FACTS, TABLES, RunConfig

#: The keys that matter only to some runs, by the condition that they share.
EFFECTS: dict[Effect, tuple[str, ...]] = {
    effect: tuple(key for key, fact in FACTS.items() if fact.effect == effect)
    for effect in (fact.effect for fact in FACTS.values())
    if effect is not None
}
#: Names of the same function.
SAME: dict[str, str] = {
    "mlp_4D_accsoftplus": "mlp_4D_softplus",
    "swish": "silu",
    "hard_swish": "hard_silu",
}


def warn_of_idle_keys(runs: Sequence[RunConfig], given: Collection[str], source: str) -> None:
    """Say in one warning which of the given keys change nothing in any of the runs, and why."""
    said = []
    for effect, of in EFFECTS.items():
        keys = [key for key in of if key in given]
        if keys and not any(effect.matters(run) for run in runs):
            said.append(f"{', '.join(keys)} ({effect.else_why})")
    if said:
        _warn(source, f"given without effect: {'; '.join(said)}")


def warn_of_old_meaning(given: Iterable[Sequence[object]], source: str) -> None:
    """Say what the output layer mlp_4D means since it was changed, where it is in a list that a file gives."""
    lists = {tuple(layers) for layers in given}
    if not any("mlp_4D" in layers for layers in lists):
        return
    restore = "write that in its place"
    if len(lists) == 1:
        (layers,) = lists
        old = list(dict.fromkeys("mlp_4D_signed" if layer == "mlp_4D" else str(layer) for layer in layers))
        value = old[0] if len(old) == 1 else f"[{', '.join(old)}]"
        restore = f"--set 'output_layer={value}' restores it"
    _warn(
        source,
        "output_layer mlp_4D is |m| d since it was changed; what it was in old runs, m d, is called mlp_4D_signed: "
        + restore,
    )


def warn_of_runs_alike(runs: Sequence[RunConfig], source: str) -> None:
    """Say in one warning how many runs cannot differ from another of the set, by which keys, and how to avoid them."""
    varying = [key for keys in TABLES.values() for key in keys if len({_value(run, key) for run in runs}) > 1]
    if not any(key in _DOUBTED for key in varying):
        return
    alike: dict[tuple[Hashable, ...], list[RunConfig]] = defaultdict(list)
    for run in runs:
        alike[tuple(_heeded(run, key) for key in varying)].append(run)
    surplus: Counter[str] = Counter()
    for group in alike.values():
        for key in varying:
            if len({_value(run, key) for run in group}) > 1:
                surplus[key] += len(group) - 1
    if not surplus:
        return
    keys = "; ".join(f"{key} ({_why(key)}; {count} runs)" for key, count in surplus.items())
    _warn(
        source,
        f"{len(runs) - len(alike)} of {len(runs)} runs cannot differ from another of the set, by {keys}. To leave them "
        "out, give one value, or move the list into an entry of variants, beside what heeds it",
    )


def _value(run: RunConfig, key: str) -> Hashable:
    return getattr(run if key in RunConfig.model_fields else run.parameters, key)


def _heeded(run: RunConfig, key: str) -> Hashable:
    """Return what a run heeds of a key: equal where two values make no difference to it."""
    value, effect = _value(run, key), FACTS[key].effect
    if key == "num_trajs":
        return used_orbits(run)
    if effect is not None and effect.phases is not None and isinstance(value, tuple):
        return tuple(x if heeds else None for x, heeds in zip(value, effect.phases(run), strict=True))
    if effect is not None and not effect.matters(run):
        return None
    return SAME.get(str(value), value) if key in _NAMED else value


_NAMED = ("output_layer", "activation", "final_activation")
_DOUBTED = {*_NAMED, "num_trajs", *(key for keys in EFFECTS.values() for key in keys)}


def _why(key: str) -> str:
    effect = FACTS[key].effect
    if effect is not None:
        return effect.else_why
    return "-1 means all orbits" if key == "num_trajs" else "two names of the same function"


def _warn(source: str, text: str) -> None:
    warnings.warn(f"{source}: {text}" if source else text, ConfigWarning, stacklevel=4)
