"""Datasets on disk: netCDF-4, uncompressed, written atomically, its content hash checked on reading."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keplearn.core import seal
from keplearn.core.errors import Damaged, KeplearnError
from keplearn.core.files import is_file, read_sealed, write_bytes
from keplearn.core.machine import free_memory
from keplearn.data.contract import SOURCES
from keplearn.data.orbit_dataset import OBSERVED_VARIABLES, VARIABLES, OrbitDataset
from keplearn.orbits.bodies import body_of
from keplearn.orbits.elements import ELEMENT_NAMES

if TYPE_CHECKING:
    import xarray

_ENGINE = "h5netcdf"
_FORMAT = "NETCDF4"
_MARK = "keplearn orbit dataset 1"
_TEXTS = ("name", "problem", "acceleration_source", "content_hash")


def is_dataset_file(path: Path) -> bool:
    """Whether the file is a dataset that keplearn wrote (its content is not checked)."""
    try:
        return text_attribute(open_netcdf(path).attrs, "format") == _MARK
    except KeplearnError:
        return False


def save_dataset(dataset: OrbitDataset, path: str | Path) -> Path:
    """Write a dataset as netCDF-4; a crash leaves the old file or the new one, never half of one.

    Returns
    -------
    The path.

    Raises
    ------
    KeplearnError
        If the file cannot be written.
    """
    path = Path(path)
    content = dataset.to_xarray()
    content.attrs = {"format": _MARK, **content.attrs}
    write_netcdf(content, path)
    return path


def write_netcdf(content: "xarray.Dataset", path: str | Path, within: Path | None = None) -> None:
    """Write a sealed netCDF-4 file whole or not at all; it is made in memory, since HDF5 crashes on a full disk."""
    made = content.to_netcdf(engine=_ENGINE, format=_FORMAT)
    write_bytes(path, seal.close(bytes(made)), within)


def open_netcdf(path: Path, sealed: str = "") -> "xarray.Dataset":
    """The whole file in memory, or one error that names it.

    Its checksum is compared if it has one, and must be there where the attribute ``format`` is ``sealed``.
    """
    import xarray

    file = read_sealed(path)
    # netCDF-3, as older tools write it, is another format.
    engine = "scipy" if file.content.startswith(b"CDF") else _ENGINE
    try:
        with xarray.open_dataset(BytesIO(file.content), engine=engine, decode_times=False) as opened:
            _check_size(opened, path)
            content = opened.load()
    except (ImportError, KeplearnError):
        raise  # a broken installation is no fault of the file
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and more on damaged files
        raise Damaged(f"{path}: not a readable netCDF-4 file (truncated or foreign): {error}") from error
    if sealed and text_attribute(content.attrs, "format") == sealed and not file.sealed:
        raise Damaged(f"{path}: damaged: its checksum is missing.")
    return content


def _check_size(content: "xarray.Dataset", path: Path) -> None:
    """Refuse a file that unpacks to more than there is memory for, before it does."""
    needed, free = sum(v.size * v.dtype.itemsize for v in content.variables.values()), free_memory()
    if needed > free:
        raise KeplearnError(
            f"{path}: it would take {needed / 1e9:.3g} GB of memory; {free / 1e9:.3g} GB are free."
        )


def text_attribute(attributes: Mapping[Any, Any], key: str) -> str:
    """An attribute of a netCDF file that is text; "" where there is none, or it is numbers or an array."""
    value = attributes.get(key, "")
    return value if isinstance(value, str) else ""


def read_dataset(path: Path) -> OrbitDataset:
    """Read a dataset that `save_dataset` wrote.

    Raises
    ------
    KeplearnError
        Naming the file and what is wrong with it: truncated, foreign, variables or attributes missing, other
        units or dimensions than ours, values that break the dataset's contract, another content hash.
    """
    if not is_file(path):
        raise KeplearnError(f"{path}: no such file. A dataset is a file that ends in .nc, or a name.")
    content = open_netcdf(path)
    if text_attribute(content.attrs, "format") != _MARK:
        raise KeplearnError(
            f"{path}: a netCDF file, but no dataset of keplearn. Import it first: keplearn data import {path}"
        )
    _check_layout(content, path)
    attributes = content.attrs
    values = {
        key: np.asarray(content[key].values, dtype=np.float64) for key in (*VARIABLES, *_observed(content))
    }
    observed = [values[key] for key in _observed(content)]
    prefix = "provenance_"
    try:
        dataset = OrbitDataset(
            name=str(attributes["name"]),
            problem=str(attributes["problem"]),
            planar=bool(attributes["planar"]),
            mu=float(attributes["mu"]),
            times=values["time"],
            states=np.concatenate([values["position"], values["velocity"]], axis=-1),
            elements=np.stack([values[name] for name in ELEMENT_NAMES], axis=-1),
            accelerations=values["acceleration"],
            acceleration_source=attributes["acceleration_source"],
            orbit_names=tuple(str(name) for name in content["orbit"].values),
            provenance={
                str(key).removeprefix(prefix): str(value)
                for key, value in attributes.items()
                if str(key).startswith(prefix)
            },
            body=body_of(float(attributes["mu"]), attributes),
            observations=np.concatenate(observed, axis=-1) if observed else None,
        )
    except KeplearnError as error:
        raise KeplearnError(f"{path}: {error}") from error
    if dataset.content_hash != attributes["content_hash"]:
        raise KeplearnError(
            f"{path}: the content does not match its hash: the file was changed after it was written. "
            "Make or import it again."
        )
    return dataset


def _check_layout(content: "xarray.Dataset", path: Path) -> None:
    """Refuse missing attributes and variables, and variables of other dimensions, types or units."""
    missing = [key for key in (*_TEXTS, "planar", "mu") if key not in content.attrs]
    missing += [key for key in (*VARIABLES, *_observed(content), "orbit") if key not in content.variables]
    if missing:
        raise KeplearnError(f"{path}: it lacks {', '.join(missing)}.")
    for key in _TEXTS:
        if not isinstance(content.attrs[key], str):
            raise KeplearnError(f"{path}: attribute {key} is {content.attrs[key]}, not text.")
    for key in ("planar", "mu"):
        if not isinstance(content.attrs[key], (int, float, np.number)):
            raise KeplearnError(f"{path}: attribute {key} is {content.attrs[key]}, not a number.")
    source = content.attrs["acceleration_source"]
    if source not in SOURCES:
        raise KeplearnError(f"{path}: acceleration_source is {source}, not one of {', '.join(SOURCES)}.")
    for key in (*VARIABLES, *_observed(content)):
        dims, units = (VARIABLES | OBSERVED_VARIABLES)[key]
        variable = content[key]
        if variable.dims != dims:
            raise KeplearnError(f"{path}: {key} has dimensions {variable.dims}, not {dims}.")
        if variable.dtype.kind != "f":
            raise KeplearnError(f"{path}: {key} holds {variable.dtype}, not numbers.")
        found = text_attribute(variable.attrs, "units") or None
        if found != units:
            raise KeplearnError(f"{path}: {key} has units {found!r}, not {units!r}.")
    if content.sizes["component"] != 3:
        raise KeplearnError(f"{path}: {content.sizes['component']} components, not x, y, z.")


def _observed(content: "xarray.Dataset") -> tuple[str, ...]:
    """The variables of what is observed: those of a file that has one of them, else none."""
    return tuple(OBSERVED_VARIABLES) if any(key in content.variables for key in OBSERVED_VARIABLES) else ()
