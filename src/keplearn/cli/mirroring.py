"""Flags of commands that train, for the mirror to Weights & Biases: they win over the config's table ``wandb``."""

import json
from dataclasses import asdict, dataclass
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
