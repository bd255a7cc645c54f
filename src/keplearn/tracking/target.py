"""Where runs are mirrored, and whether what that needs is installed."""

import os
from importlib.util import find_spec
from typing import NamedTuple

from keplearn.config import RunConfig
from keplearn.core.errors import KeplearnError

MODES = ("online", "offline", "disabled")
SERVICE = "Weights & Biases"


class Target(NamedTuple):
    """A project of Weights & Biases; without ``entity`` the account's default one has it. ``mode``: online, offline."""

    project: str
    entity: str | None = None
    mode: str = "online"


def target_of(config: RunConfig) -> Target | None:
    """Return where a run is to be mirrored: nowhere unless its config names a project.

    The mode is the config's, else that of the environment (``WANDB_MODE``), else online.
    """
    surroundings = os.environ.get("WANDB_MODE", "")
    mode = config.mode or (surroundings if surroundings in MODES else "online")
    if config.project is None or mode == "disabled":
        return None
    return Target(config.project, config.entity, mode)


def require_wandb() -> None:
    """Refuse to go on where W&B's package is not installed.

    Raises
    ------
    KeplearnError
        With the command that installs it.
    """
    if find_spec("wandb") is None:
        raise KeplearnError(f'{SERVICE} needs a package that is not installed: pip install "keplearn[wandb]"')
