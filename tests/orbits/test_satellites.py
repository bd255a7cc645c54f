"""Real satellites keep their known distances from Kepler's law; bad element sets are refused."""

from pathlib import Path

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.orbits.constants import MU_EARTH
from keplearn.orbits.elements import elements_from_states
from keplearn.orbits.satellites import propagate_satellites, regime
from keplearn.orbits.tle import checksum
from keplearn.systems.two_body import TwoBody

MOLNIYA = (
    "MOLNIYA 2-14",
    "1 08195U 75081A   06176.33215444  .00000099  00000-0  11873-3 0   813",
    "2 08195  64.1586 279.0717 6877146 264.7651  20.2257  2.00491383225656",
)


@pytest.fixture(scope="module")
def satellites():
    return propagate_satellites()


@pytest.fixture
def tle(tmp_path):
    def write(*lines: str) -> Path:
        path = tmp_path / "some.tle"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def distances(satellites, *words):
    """Mean % acceleration from the two-body law of the satellites whose names contain one of the words."""
    system = TwoBody(MU_EARTH)
    samples = system.distance_percent(satellites.times, satellites.states, satellites.accelerations)
    distance = samples.mean(axis=1)
    return [distance[k] for k, name in enumerate(satellites.names) if any(word in name for word in words)]


def test_real_orbits_keep_their_known_distance_from_the_two_body_law(satellites):
    assert all(0.15 < d < 0.19 for d in distances(satellites, "DELTA", "CBERS", "SL-12 DEB"))
    assert all(0.02 < d < 0.03 for d in distances(satellites, "MOLNIYA"))
    assert distances(satellites, "NAVSTAR") == [pytest.approx(0.01, rel=0.1)]
    assert all(0.001 < d < 0.003 for d in distances(satellites, "AMC", "INTELSAT", "ITALSAT", "XM-3"))


def test_every_entry_of_the_shipped_file_is_taken_or_counted(satellites):
    counts = {reason.split(":")[0]: len(which) for reason, which in satellites.left_out.items()}
    assert counts == {
        "invented test case of the sgp4 package": 5,
        "decayed": 3,
        "beyond GEO": 2,
        "decaying": 2,
        "repeated entry": 1,
    }
    assert len(satellites.names) + sum(counts.values()) == 33


def test_one_revolution_is_sampled_at_one_degree_from_the_epoch(satellites):
    k = satellites.names.index("08195 MOLNIYA 2-14")
    steps = np.diff(satellites.times[k])
    np.testing.assert_allclose(steps, 86400 / 2.00491383 / 360, rtol=1e-4)
    assert satellites.times.shape == (20, 360)
    assert satellites.times[k, 0] == 0


def test_regimes_are_told_by_the_osculating_orbit(satellites):
    elements = elements_from_states(satellites.states[:, 0], MU_EARTH)
    found = {
        name: regime(float(el[0]), float(el[1])) for name, el in zip(satellites.names, elements, strict=True)
    }
    assert found["28057 CBERS 2"] == "LEO"
    assert found["28129 NAVSTAR 53 (USA 175)"] == "MEO"
    assert found["25954 AMC-4"] == "GEO"
    assert found["08195 MOLNIYA 2-14"] == "HEO"


@pytest.mark.parametrize("name", ["MOLNIYA 2-14", "0 MOLNIYA 2-14", "#   MOLNIYA 2-14   # a remark"])
def test_names_stand_on_the_line_before(tle, name):
    assert propagate_satellites(tle(name, *MOLNIYA[1:])).names == ("08195 MOLNIYA 2-14",)


def test_what_follows_column_69_is_ignored(tle):
    path = tle(MOLNIYA[0], MOLNIYA[1], MOLNIYA[2] + "      0.0      2880.0")
    assert len(propagate_satellites(path).names) == 1


def test_a_wrong_checksum_is_refused_with_file_and_line(tle):
    path = tle(MOLNIYA[0], MOLNIYA[1][:-1] + "4", MOLNIYA[2])
    with pytest.raises(KeplearnError, match=r"some\.tle, line 2: wrong checksum: column 69 is 4.* sums to 3"):
        propagate_satellites(path, strict=True)
    with pytest.raises(
        KeplearnError, match=r"no satellite .* is left \(wrong checksum: 08195 .*line 2; .* to 3"
    ):
        propagate_satellites(path)


def test_a_truncated_line_is_refused_with_file_and_line(tle):
    with pytest.raises(KeplearnError, match=r"line 3: a line is cut short: 40 columns of 69"):
        propagate_satellites(tle(MOLNIYA[0], MOLNIYA[1], MOLNIYA[2][:40]), strict=True)


def test_letters_among_the_digits_are_refused_though_the_checksum_ignores_them(tle):
    broken = MOLNIYA[2].replace("64.1586", "6O.1586")
    broken = broken[:-1] + str(checksum(broken))
    with pytest.raises(KeplearnError, match="line 3: not in the format"):
        propagate_satellites(tle(MOLNIYA[0], MOLNIYA[1], broken), strict=True)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((MOLNIYA[1],), "line 1: its line 2 is missing: 08195"),
        ((MOLNIYA[2],), "line 1: its line 1 is missing: 08195"),
        ((MOLNIYA[1], MOLNIYA[1], MOLNIYA[2]), "line 1: its line 2 is missing"),
        (("nothing", "here"), "no two-line element set in it, and no orbit mean-elements message"),
        ((), "no two-line element set"),
    ],
)
def test_half_an_element_set_is_refused(tle, lines, message):
    with pytest.raises(KeplearnError, match=message):
        propagate_satellites(tle(*lines), strict=True)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(KeplearnError, match="cannot read it"):
        propagate_satellites(tmp_path / "none.tle")


def test_a_file_of_nothing_but_distant_satellites_is_refused_with_the_reason(tle):
    wind = (
        "1 23333U 94071A   94305.49999999 -.00172956  26967-3  10000-3 0    15",
        "2 23333  28.7490   2.3720 9728298  30.4360   1.3500  0.07309491    70",
    )
    with pytest.raises(KeplearnError, match=r"no satellite between LEO and GEO is left .*beyond GEO"):
        propagate_satellites(tle(*wind))
