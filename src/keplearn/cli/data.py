"""``keplearn data``: look at datasets, make them, import them, and propagate real satellites."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from keplearn.cli.dataset_view import print_description
from keplearn.cli.output import print_table

app = App(name="data")


@app.command
def show(name: str, *, format: Literal["table", "json"] = "table") -> None:
    """Show what is in a dataset: orbits, ranges of the elements, units, origin.

    Parameters
    ----------
    name
        A dataset's name (complex_TBP_planar_10_train) or its file (.nc).
    format
        A table, or JSON in km, s and rad.
    """
    from keplearn.data.dataset import load_dataset
    from keplearn.data.description import describe

    content = describe(load_dataset(name))
    if format == "json":
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        print_description(content)


@app.command
def make(names: Annotated[list[str], Parameter(negative=())], /, *, out: Path = Path()) -> None:
    """Write datasets as netCDF-4 files.

    Parameters
    ----------
    names
        Dataset names, e.g. complex_TBP_planar_10_train, complex_TBP_planar_missing30_noise1e-4_10_train,
        "orbit(a=20000,e=0.4)", or sums of them, A+B (docs/data.md).
    out
        The directory, or, for one dataset, the file that ends in .nc.
    """
    from keplearn.core.errors import KeplearnError
    from keplearn.data.dataset import make_dataset
    from keplearn.data.names import parse_name

    parsed = [parse_name(name) for name in names]
    if out.suffix == ".nc" and len(parsed) > 1:
        raise KeplearnError(
            f"{out} is one file, but {len(parsed)} datasets were asked for: give a directory."
        )
    for name in parsed:
        _save(make_dataset(name), out if out.suffix == ".nc" else out / f"{name}.nc")


@app.command(name="import")
def import_(
    file: Path,
    *,
    length_unit: str | None = None,
    time_unit: str | None = None,
    velocity_unit: str | None = None,
    columns: str = "",
    mu: float | None = None,
    body: str | None = None,
    radius: float | None = None,
    name: str | None = None,
    out: Path | None = None,
) -> None:
    """Import trajectories from tables of text, npz, netCDF or ephemeris messages (OEM).

    Tables need the columns t, x, y, z, vx, vy, vz, and orbit where there are several; arrays have these names.
    Units are those that the file says, else km, s and km/s unless the velocities show others. Orbits are cut at gaps
    in time, and velocities that are not the positions' derivative are refused (docs/data.md).

    Parameters
    ----------
    file
        The file: .csv, .tsv, .txt, .dat, .npz, .nc or .oem.
    length_unit
        Unit of length in the file: km, m, earth_radius, au.
    time_unit
        Unit of time in the file: s, min, h, day. Dates need none.
    velocity_unit
        Unit of velocity in the file, as in m/s or au/day; by default length unit per time unit.
    columns
        Columns or arrays of other names, as in t=Epoch,x=px; in tables also by number from 1.
    mu
        Gravitational parameter, km³/s²; the body's by default.
    body
        What the orbits go round: the Earth, or the body that --mu tells (Sun, planets, Moon: within 0.1 %), or none
        that is known; figures then draw no ball. Another's name may be given with its --mu.
    radius
        The body's radius, km, where it is not known or another is meant.
    name
        Name of the dataset; by default the file's.
    out
        File to write; NAME.nc by default.
    """
    from keplearn.core.errors import KeplearnError, printable
    from keplearn.data.description import fitted_mu, notes, two_body_distance
    from keplearn.data.importing import import_dataset
    from keplearn.orbits.bodies import body_of, central_body

    # Without any of the three, a file that names its centre tells the body.
    said = any(x is not None for x in (body, mu, radius))
    centre, mu = central_body(body, mu, radius) if said else (None, None)
    dataset = import_dataset(
        file,
        length_unit=length_unit,
        time_unit=time_unit,
        velocity_unit=velocity_unit,
        columns=columns,
        mu=mu,
        name=name,
        body=centre,
    )
    if out is None and "/" in dataset.name:
        raise KeplearnError(f"{dataset.name!r} names no file in this directory: give one, --out FILE.nc.")
    _save(dataset, out or Path(f"{dataset.name}.nc"))
    for key in ("file_units", "columns"):
        if key in dataset.provenance:
            print(printable(f"{key.replace('_', ' ')}: {dataset.provenance[key]}"))
    for note in notes(dataset):
        print(printable(f"warning: {note}"))
    distance = float(two_body_distance(dataset).mean())
    print(f"distance from the two-body law (acceleration): {distance:.3g} % (mean)")
    if distance > 50.0:
        fitted = fitted_mu(dataset)
        hint = f" The accelerations fit mu = {fitted:.6g} km³/s², {body_of(fitted).the}." if fitted else ""
        print(f"That is far: check --length-unit, --time-unit and --mu.{hint}")


@app.command
def observe(
    dataset: str,
    *,
    out: Path,
    noise: float = 0.0,
    position_noise: float = 0.0,
    velocity_noise: float = 0.0,
    missing: float = 0.0,
    seed: int = 0,
) -> None:
    """Write a dataset with noise and gaps in what is observed of it, its states being the truth.

    For data from a file, and for noise in km and km/s; orbits by name have words for it (docs/data.md).

    Parameters
    ----------
    dataset
        A dataset's file (.nc) or name.
    out
        File to write; its name without .nc becomes the dataset's.
    noise
        Standard deviation of each component, relative: of positions to the radius, of velocities to the speed.
    position_noise
        The same in km.
    velocity_noise
        The same in km/s.
    missing
        Percent of each orbit's samples that are missing, at random.
    seed
        Of the random numbers.
    """
    from keplearn.data.dataset import load_dataset
    from keplearn.data.observe import observe as observed

    wanted = {"noise": noise, "position_noise": position_noise, "velocity_noise": velocity_noise}
    _save(observed(load_dataset(dataset), out.stem, **wanted, missing=missing, seed=seed), out)


@app.command
def satellites(
    file: Path | None = None,
    *,
    strict: Annotated[bool, Parameter(negative="")] = False,
    out: Path = Path("satellites.nc"),
) -> None:
    """Propagate real satellites with SGP4 over one revolution, and write them as a dataset.

    Parameters
    ----------
    file
        Two- or three-line element sets, or orbit mean-elements messages (OMM) in CSV, JSON, XML or KVN; by default
        those that ship with the sgp4 package.
    strict
        Refuse a file with a damaged entry; by default the others are read, and it is listed with its reason.
    out
        File to write.
    """
    from keplearn.core.errors import printable
    from keplearn.data.description import regime_table
    from keplearn.data.satellites import satellites_dataset

    dataset, left_out = satellites_dataset(file, name=out.stem, strict=strict)
    _save(dataset, out)
    rows = [
        [row.regime, str(row.count), f"{row.mean:.4f}", f"{row.least:.4f}", f"{row.largest:.4f}"]
        for row in regime_table(dataset)
    ]
    columns = ["regime", "satellites", "mean %", "least %", "largest %"]
    print("Distance from the two-body law (acceleration)")
    print_table(columns, rows)
    total = sum(len(which) for which in left_out.values())
    print(f"\nframe: {dataset.provenance['frame']}")
    if "without_checksum" in dataset.provenance:
        print(f"without checksum: {dataset.provenance['without_checksum']}")
    print(f"left out: {total}")
    for reason, which in left_out.items():
        print(printable(f"  {len(which)}  {reason}: {', '.join(which)}"))


def _save(dataset: Any, path: Path) -> None:
    """Save under a path that is free or holds a dataset, and say so."""
    from keplearn.core.errors import KeplearnError, printable
    from keplearn.core.files import exists
    from keplearn.data.dataset import save_dataset
    from keplearn.data.files import is_dataset_file
    from keplearn.data.names import is_name

    if path.suffix != ".nc":
        raise KeplearnError(f"{path}: the file of a dataset ends in .nc.")
    if is_name(path.stem) and path.stem != dataset.name:
        raise KeplearnError(f"{path}: {path.stem} is the name of another dataset than {dataset.name!r}.")
    if exists(path) and not is_dataset_file(path):
        raise KeplearnError(f"{path} exists and is no dataset of keplearn; it is not overwritten.")
    save_dataset(dataset, path)
    size = path.stat().st_size / 1e6
    print(printable(f"wrote {path}: {dataset.name}, {len(dataset)} orbits, {size:.1f} MB"))
