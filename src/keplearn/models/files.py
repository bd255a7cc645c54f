"""Models on disk: one line of JSON that says what the model is, then its arrays. Nothing is unpickled."""

import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import equinox as eqx
import jax

from keplearn.core.errors import Damaged
from keplearn.core.files import read_sealed, write_bytes
from keplearn.core.plugins import require
from keplearn.core.seal import close
from keplearn.core.tables import NotLoaded
from keplearn.data.units import Units
from keplearn.models.kinds import KINDS, Model, name_of

_FORMAT = "keplearn model 1"


def save_model(model: Model, path: str | Path, within: Path | None = None) -> None:
    """Write a model with its architecture, precision, units and checksum; ``within`` a directory that is there."""
    header = {
        "format": _FORMAT,
        "model": name_of(model.architecture),
        "architecture": asdict(model.architecture),
        "dtype": str(model.scales.max_acceleration.dtype),
        "units": asdict(model.units) if model.units else None,
    }
    file = BytesIO()
    file.write(json.dumps(header).encode() + b"\n")
    with jax.enable_x64(True):
        eqx.tree_serialise_leaves(file, model)
    write_bytes(path, close(file.getvalue()), within)


def load_model(path: str | Path, must: bool = False) -> Model:
    """Read a model that `save_model` wrote; with ``must``, only one with a checksum.

    Raises
    ------
    Damaged
        If the file is foreign, or not as it was written.
    KeplearnError
        If the file is missing, or cannot be read, or needs a plugin that the user has not named.
    """
    file = BytesIO(read_sealed(path, must).content)
    try:
        header = json.loads(file.readline())
        if header.get("format") != _FORMAT:
            raise ValueError(f"its first line does not say {_FORMAT!r}")
        require(header["architecture"].values(), Path(path).parents[1])
        kind = KINDS[header.get("model", "neural_ode")]  # older files do not say which: there was one
        architecture = kind.read(header["architecture"])
        units = Units(**header["units"]) if header["units"] else None
        blank = kind.new(architecture, 0, header["dtype"], 1.0, units)
        with jax.enable_x64(True):
            return eqx.tree_deserialise_leaves(file, blank)
    except NotLoaded:
        raise
    except Exception as error:  # a damaged file can fail in any of the readers above
        raise Damaged(f"{path}: not a model of keplearn, or damaged: {error}") from error
