"""Models on disk: one line of JSON that says what the model is, then its arrays. Nothing is unpickled."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

from keplearn.data.units import Units
from keplearn.errors import KeplearnError
from keplearn.files import replacing
from keplearn.models.features import LayerSettings
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model

_FORMAT = "keplearn model 1"


def save_model(model: NeuralODE, path: str | Path) -> None:
    """Write a model with its architecture, precision and units."""
    header = {
        "format": _FORMAT,
        "architecture": asdict(model.architecture),
        "dtype": str(model.max_acceleration.dtype),
        "units": asdict(model.units) if model.units else None,
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        with jax.enable_x64(True):
            eqx.tree_serialise_leaves(file, model)


def load_model(path: str | Path) -> NeuralODE:
    """Read a model that `save_model` wrote.

    Raises
    ------
    KeplearnError
        If the file is missing, foreign or truncated.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline())
            if header.get("format") != _FORMAT:
                raise ValueError(f"its first line does not say {_FORMAT!r}")
            architecture = _architecture(header["architecture"])
            units = Units(**header["units"]) if header["units"] else None
            blank = new_model(architecture, 0, header["dtype"], 1.0, units)
            with jax.enable_x64(True):
                return eqx.tree_deserialise_leaves(file, blank)
    except FileNotFoundError:
        raise KeplearnError(f"{path}: no such file.") from None
    except Exception as error:  # a damaged file can fail in any of the readers above
        raise KeplearnError(f"{path}: not a model of keplearn, or damaged: {error}") from error


def _architecture(record: dict[str, Any]) -> Architecture:
    return Architecture(**{**record, "settings": LayerSettings(**record["settings"])})
