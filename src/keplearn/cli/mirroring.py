"""Flags of commands that train, for the mirror to Weights & Biases, and what a sweep says of it at its end.

The flags win over the config's table ``wandb``.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Project = Annotated[
    str | None, Parameter(help="Mirror runs to this project of Weights & Biases (docs/wandb.md).")
]
Entity = Annotated[str | None, Parameter(help="The project's user or team; by default the account's.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Mirroring:
    """Where runs are mirrored, if anywhere, whatever the config says."""

    wandb_project: Project = None
    wandb_entity: Entity = None
    wandb_mode: Annotated[
        Literal["online", "offline", "disabled"] | None,
        Parameter(help="Send as it trains, write files to send later, or do neither; by default online."),
    ] = None

    def overrides(self) -> list[str]:
        """Return the flags that are given as entries of a config."""
        given = {name.replace("_", ".", 1): value for name, value in asdict(self).items()}
        return [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None]


AS_THE_CONFIG = Mirroring()


def say_what_is_not_sent(group: str, runs: Sequence[Path]) -> None:
    """Say on stderr which of a group's runs are still being sent, and which could not be."""
    from keplearn.tracking.room import is_being_sent, unsent

    if going := sum(map(is_being_sent, runs)):
        print(
            f"the mirror to Weights & Biases goes on in the background: {going} of {len(runs)} runs are being sent.",
            file=sys.stderr,
        )
    if missing := unsent(runs):
        many = "1 run is" if len(missing) == 1 else f"{len(missing)} runs are"
        print(
            f"warning: {many} not on Weights & Biases ({missing[0] / 'wandb' / 'log.txt'} says why). "
            f"To send what is missing: keplearn wandb push {group}",
            file=sys.stderr,
        )
