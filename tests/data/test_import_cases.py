"""One orbit as other programs write it: each dialect gives the same states, and what is no physics is refused."""

from pathlib import Path

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.data.importing import import_dataset

CASES = Path(__file__).parents[1] / "cases" / "imports"


@pytest.fixture(scope="module")
def truth():
    """The orbit of the cases by Kepler's equation: 7000 km, e 0.01, i 51.6°, from the first state on, each 60 s."""
    from scipy.integrate import solve_ivp

    start = np.array(
        [-5198.094273042, -2151.937818956, 4051.713490718, -0.433137841, -6.491022117, -3.965026516]
    )
    solved = solve_ivp(
        lambda t, y: [*y[3:], *(-398600.4418 * y[:3] / np.linalg.norm(y[:3]) ** 3)],
        (0, 1140),
        start,
        t_eval=np.arange(0.0, 1141.0, 60.0),
        rtol=1e-12,
        atol=1e-9,
    )
    return solved.t, solved.y.T


@pytest.mark.parametrize(
    "file",
    [
        "semicolon.csv",
        "tab.csv",
        "comment_first.csv",
        "savetxt_header.csv",
        "time_column.csv",
        "unit_row.csv",
        "gmat_report.csv",
        "julian_days_km_s.csv",
        "km_m_s.csv",
        "solve_ivp.npz",
        "netcdf3.nc",
        "datetime64.nc",
        "oem.oem",
    ],
)
def test_the_same_orbit_comes_out_of_every_dialect(truth, file):
    found = import_dataset(CASES / file)
    np.testing.assert_allclose(found.times, truth[0][None], atol=1e-4)  # Julian days are known to 4e-5 s
    np.testing.assert_allclose(found.states[0], truth[1], atol=2e-5)
    np.testing.assert_allclose(found.elements[0, :2], [7000, 0.01], rtol=1e-4)


@pytest.mark.parametrize(
    ("file", "units", "factor"),
    [
        ("julian_days_km_s.csv", "km, day, km/s", "86400 times as fast"),
        ("km_m_s.csv", "km, s, m/s", "factor of 1000"),
    ],
)
def test_units_found_by_the_velocities_are_told_with_their_factor(file, units, factor):
    told = import_dataset(CASES / file).provenance["file_units"]
    assert told.startswith(units)
    assert factor in told


@pytest.mark.parametrize(
    ("file", "flags"),
    [
        ("julian_days_km_s.csv", {"time_unit": "day", "velocity_unit": "km/s"}),
        ("km_m_s.csv", {"velocity_unit": "m/s"}),
        ("horizons.csv", {"velocity_unit": "km/s", "mu": 4902.800118}),
    ],
)
def test_units_may_be_said(file, flags):
    assert len(import_dataset(CASES / file, **flags)) == 1


@pytest.mark.parametrize(
    ("file", "flags", "message"),
    [
        ("julian_days_km_s.csv", {"time_unit": "day"}, r"86400 times as fast .* --velocity-unit km/s"),
        ("km_m_s.csv", {"velocity_unit": "km/s"}, r"0\.001 times as fast .* 1000\).* --velocity-unit m/s"),
        ("julian_days_km_s.csv", {"velocity_unit": "km/s"}, r"86400 times as fast .* --time-unit day"),
        ("unit_row.csv", {"velocity_unit": "m/s"}, "velocity unit is 'km/s', but 'm/s' was given"),
        ("tab.csv", {"velocity_unit": "knots"}, "unknown velocity unit 'knots'"),
    ],
)
def test_units_that_contradict_the_positions_are_refused_with_the_factor(file, flags, message):
    with pytest.raises(KeplearnError, match=message):
        import_dataset(CASES / file, **flags)


def test_horizons_vector_table_is_in_days_and_km_per_s():
    found = import_dataset(CASES / "horizons.csv", mu=4902.800118)
    assert found.provenance["file_units"] == "km, day, km/s"
    assert 1800 < found.elements[0, 0] < 1900


def test_horizons_whole_report_is_read_between_its_marks(tmp_path):
    header, *rows = (CASES / "horizons.csv").read_text().splitlines()
    preamble = ["*****", "Target body name: LRO", " Output units    : KM-S", "*****", f" {header}", "*****"]
    report = tmp_path / "report.txt"
    report.write_text("\n".join([*preamble, "$$SOE", *rows, "$$EOE", "*****", "Reference frame : ICRF"]))
    short = import_dataset(CASES / "horizons.csv", mu=4902.800118)
    np.testing.assert_array_equal(import_dataset(report, mu=4902.800118).states, short.states)
    report.write_text("\n".join([*preamble, "$$SOE", *rows]))
    with pytest.raises(KeplearnError, match="cut off"):
        import_dataset(report)


@pytest.mark.parametrize(
    ("file", "cause"),
    [
        ("velocity_negated.csv", r"200 % .* they point backwards \(negated"),
        ("velocity_swapped.csv", r"swapped: as \(vy, vx, vz\) they fit"),
        ("velocity_zero.csv", "they are all 0"),
    ],
)
def test_velocities_that_are_no_derivative_are_refused_with_the_cause(file, cause):
    with pytest.raises(KeplearnError, match=cause):
        import_dataset(CASES / file)


def test_a_gap_makes_two_orbits_and_is_told():
    cut, apart = (import_dataset(CASES / f"{name}.csv") for name in ("gap", "gap_as_two_orbits"))
    assert cut.content_hash == apart.content_hash
    assert cut.orbit_names == ("0/1", "0/2")
    assert cut.provenance["gaps"] == "1: orbit 0 after 1440 s, 5.001 days"
    assert "gaps" not in apart.provenance
