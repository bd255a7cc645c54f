"""Files of satellites in every form of the field: each entry is read as the sgp4 package reads it, or listed.

Longer than most files: a form of file after the other, with the same satellites.
"""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sgp4 import omm
from sgp4.api import Satrec
from sgp4.exporter import export_tle

from keplearn.core.errors import KeplearnError
from keplearn.orbits.satellites import propagate_satellites, read_element_sets, satrec
from keplearn.orbits.tle import checksum, plain, two_line_sets

CASES = Path(__file__).parents[1] / "cases"
THREE = (CASES / "one_indented.tle").read_text().splitlines()
FIELDS = next(csv.DictReader((CASES / "omm.csv").open()))
MEAN = ("ecco", "inclo", "nodeo", "argpo", "mo", "no_kozai", "bstar", "ndot", "jdsatepoch", "jdsatepochF")
ELEMENTS = (
    "MEAN_MOTION",
    "ECCENTRICITY",
    "INCLINATION",
    "RA_OF_ASC_NODE",
    "ARG_OF_PERICENTER",
    "MEAN_ANOMALY",
)


def sgp4_states(satellite: Satrec, minutes: np.ndarray) -> np.ndarray:
    """Positions and velocities of the package's own reading."""
    days = np.full(len(minutes), satellite.jdsatepoch)
    _, r, v = satellite.sgp4_array(days, satellite.jdsatepochF + minutes / 1440.0)
    return np.concatenate([r, v], axis=1)


def mean_elements_of(satellite: Satrec) -> list[float]:
    return [getattr(satellite, name) for name in MEAN]


def omm_satellite(fields: dict[str, str]) -> Satrec:
    satellite = Satrec()
    omm.initialize(satellite, fields)
    return satellite


def listed(found) -> dict[str, list[str]]:
    return found.left_out


@pytest.fixture
def write(tmp_path):
    def write_text(text: str, name: str = "some.txt") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write_text


def xml(records: list[dict[str, str]], namespace: str = "") -> str:
    """Messages in the XML of CCSDS 502.0."""

    def part(name: str, keys: list[str], fields: dict[str, str]) -> str:
        return f"<{name}>" + "".join(f"<{k}>{fields[k]}</{k}>" for k in keys) + f"</{name}>"

    tle = ["EPHEMERIS_TYPE", "CLASSIFICATION_TYPE", "NORAD_CAT_ID", "ELEMENT_SET_NO", "REV_AT_EPOCH", "BSTAR"]
    tle += ["MEAN_MOTION_DOT", "MEAN_MOTION_DDOT"]
    bodies = [
        "<omm><header/><body><segment>"
        + part("metadata", ["OBJECT_NAME", "OBJECT_ID"], fields)
        + f"<data>{part('meanElements', ['EPOCH', *ELEMENTS], fields)}{part('tleParameters', tle, fields)}</data>"
        + "</segment></body></omm>"
        for fields in records
    ]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ndm{namespace}>{"".join(bodies)}</ndm>'


def kvn(records: list[dict[str, str]]) -> str:
    """Messages in keyword-value notation, one after another."""
    head = ["CCSDS_OMM_VERS = 2.0", "COMMENT by hand", "CENTER_NAME = EARTH", "REF_FRAME = TEME"]
    units = {"INCLINATION": " [deg]", "MEAN_MOTION": " [rev/day]"}
    return "\n".join(
        "\n".join([*head, *(f"{k:<20} = {x}{units.get(k, '')}" for k, x in fields.items())]) + "\n"
        for fields in records
    )


def csv_text(records: list[dict[str, str]], delimiter: str = ",") -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(records[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


FORMS = {
    "CSV": csv_text,
    "JSON": json.dumps,
    "XML": xml,
    "KVN": kvn,
}


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("omm.csv", ["100123 EXAMPLE A"]),
        ("omm.json", ["100123 EXAMPLE A"]),
        ("gp_with_tle_lines.json", ["100123 EXAMPLE A"]),
        ("one_indented.tle", ["90001 EXAMPLE A", "90002 EXAMPLE B", "90003 EXAMPLE C"]),
        ("utf16.tle", ["90001 EXAMPLE A", "90002 EXAMPLE B", "90003 EXAMPLE C"]),
        ("bom_2le.tle", ["90001"]),
        ("name_begins_with_digit.tle", ["90001 2 STAGE ROCKET"]),
        ("one_bad_checksum.tle", ["90001 EXAMPLE A", "90003 EXAMPLE C"]),
        ("no_checksums.tle", ["90001 EXAMPLE A", "90002 EXAMPLE B", "90003 EXAMPLE C"]),
    ],
)
def test_every_form_is_read_as_the_package_reads_it(file, names):
    found = propagate_satellites(CASES / file)
    assert list(found.names) == names
    lines = [line.strip() for line in THREE]
    own = {lines[k][2:7]: Satrec.twoline2rv(lines[k], lines[k + 1]) for k in (1, 4, 7)}
    own["100123"] = omm_satellite(FIELDS)
    for k, name in enumerate(names):
        truth = sgp4_states(own[name.split()[0]], found.times[k] / 60.0)
        np.testing.assert_allclose(found.states[k], truth, rtol=0, atol=1e-9)
    assert found.unchecked == (3 if file == "no_checksums.tle" else 0)
    bad = {"wrong checksum": ["90002 EXAMPLE B (line 5; column 69 is 0, but the line sums to 9)"]}
    assert listed(found) == (bad if file == "one_bad_checksum.tle" else {})


def test_a_bad_checksum_refuses_the_file_if_strict():
    message = r"one_bad_checksum\.tle, line 5: wrong checksum: column 69 is 0, but the line sums to 9"
    with pytest.raises(KeplearnError, match=message):
        propagate_satellites(CASES / "one_bad_checksum.tle", strict=True)


def test_elements_of_sgp4_xp_are_left_out_with_the_reason(write):
    with pytest.raises(KeplearnError, match=r"SGP4-XP \(ephemeris type 4\).*90001 EXAMPLE A"):
        propagate_satellites(CASES / "sgp4_xp.tle")
    both = (CASES / "sgp4_xp.tle").read_text() + "\n".join(THREE[3:])
    found = propagate_satellites(write(both))
    assert len(found.names) == 2
    assert [len(which) for which in listed(found).values()] == [1]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\n\n"])
@pytest.mark.parametrize("prefix", ["", "0 ", "\t ", "\ufeff"])
def test_line_endings_and_what_stands_before_a_line_do_not_matter(write, ending, prefix):
    lines = [line.strip() for line in THREE]
    text = ending.join(f"{prefix}{line}" if k % 3 == 0 else line for k, line in enumerate(lines))
    found = propagate_satellites(write(text))
    assert list(found.names) == ["90001 EXAMPLE A", "90002 EXAMPLE B", "90003 EXAMPLE C"]
    assert listed(found) == {}


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_any_encoding_is_read(tmp_path, codec):
    path = tmp_path / "some.tle"
    path.write_bytes("\n".join(["SATÉLITE", *(line.strip() for line in THREE[1:])]).encode(codec))
    assert propagate_satellites(path).names[0] == "90001 SATÉLITE"


def test_text_without_elements_and_halves_of_a_set_are_listed(write):
    one, two = THREE[1], THREE[2]
    text = "\n".join(["A HEADING", "EXAMPLE A", one, two, "LOST", one, "EXAMPLE B", two, "LAST"])
    found = propagate_satellites(write(text))
    assert found.names == ("90001 EXAMPLE A",)
    assert listed(found) == {
        "text without an element set": ["A HEADING (line 1)", "EXAMPLE B (line 7)", "LAST (line 9)"],
        "repeated entry": ["90001 LOST"],
    }
    found = propagate_satellites(write("\n".join([two, "NAME", one, *THREE])))
    assert len(found.names) == 3
    assert listed(found) == {
        "its line 1 is missing": ["90001 (line 1)"],
        "its line 2 is missing": ["90001 NAME (line 3)"],
    }


@pytest.mark.parametrize("form", FORMS)
def test_messages_are_read_in_each_form(write, form):
    second = {
        **FIELDS,
        "OBJECT_NAME": "HIGH ONE",
        "NORAD_CAT_ID": "7",
        "MEAN_MOTION": "2.0",
        "ECCENTRICITY": "0.7",
    }
    found = propagate_satellites(write(FORMS[form]([FIELDS, second])))
    assert found.form == f"orbit mean-elements messages in {form}"
    assert (found.names, listed(found)) == (("100123 EXAMPLE A", "00007 HIGH ONE"), {})
    for k, fields in enumerate((FIELDS, second)):
        truth = sgp4_states(omm_satellite(fields), found.times[k] / 60.0)
        np.testing.assert_allclose(found.states[k], truth, rtol=0, atol=1e-9)


def test_xml_is_read_as_the_package_reads_it(write):
    text = xml([FIELDS], namespace=' xmlns="urn:ccsds"')
    assert len(propagate_satellites(write(text)).names) == 1
    bare = xml([FIELDS])
    (own,) = omm.parse_xml(io.StringIO(bare))
    (ours,) = read_element_sets(write(bare))[1]
    assert {key: ours.keywords[key] for key in own} == own


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_csv_may_have_other_delimiters_and_several_headers(write, delimiter):
    text = "# from a catalogue\r\n" + 2 * csv_text([FIELDS], delimiter)
    found = propagate_satellites(write(text))
    assert len(found.names) == 1
    assert listed(found) == {"repeated entry": ["100123 EXAMPLE A"]}


@pytest.mark.parametrize(
    ("epoch", "same"),
    [
        ("2025-11-04T12:00:00", "2025-11-04T12:00:00.000000"),
        ("2025-11-04T12:00:00.25Z", "2025-11-04T12:00:00.250000"),
        ("2025-11-04 12:00:00.1234567", "2025-11-04T12:00:00.123457"),
        ("2025-308T12:00:00.5", "2025-11-04T12:00:00.500000"),
    ],
)
def test_epochs_are_read_in_all_notations(write, epoch, same):
    (found,) = read_element_sets(write(json.dumps([{**FIELDS, "EPOCH": epoch}])))[1]
    assert found.keywords["EPOCH"] == same
    assert mean_elements_of(satrec(found)) == mean_elements_of(omm_satellite({**FIELDS, "EPOCH": same}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"BSTAR": None}, "it lacks BSTAR"),
        ({"EPOCH": None, "MEAN_ANOMALY": None}, "it lacks EPOCH, MEAN_ANOMALY"),
        ({"ECCENTRICITY": "0,001"}, "an entry is no number"),
        ({"ECCENTRICITY": "nan"}, "an entry is no number"),
        ({"EPOCH": "yesterday"}, "its epoch is no time"),
        ({"EPOCH": "2025-02-30T00:00:00"}, "its epoch is no time"),
        ({"EPHEMERIS_TYPE": 4}, "elements of SGP4-XP"),
        ({"EPHEMERIS_TYPE": "4", "BSTAR": None}, "elements of SGP4-XP"),
        ({"MEAN_ELEMENT_THEORY": "DSST"}, "mean elements of DSST, not of SGP4"),
        ({"CENTER_NAME": "MARS"}, "CENTER_NAME is MARS"),
        ({"REF_FRAME": "EME2000"}, "REF_FRAME is EME2000"),
        ({"ECCENTRICITY": "1.5"}, "SGP4 cannot propagate it"),
    ],
)
def test_a_message_that_cannot_be_used_is_listed_with_its_reason(write, change, reason):
    changed = {key: x for key, x in {**FIELDS, "OBJECT_NAME": "BAD", **change}.items() if x is not None}
    found = propagate_satellites(write(json.dumps([changed, FIELDS])))
    assert found.names == ("100123 EXAMPLE A",)
    ((found_reason, (name,)),) = listed(found).items()
    assert found_reason.startswith(reason)
    assert name.startswith("100123 BAD")


def test_two_lines_serve_where_a_message_is_incomplete(write):
    (record,) = json.loads((CASES / "gp_with_tle_lines.json").read_text())
    short = {key: x for key, x in record.items() if key != "BSTAR"}
    found = propagate_satellites(write(json.dumps([short])))
    assert found.names == ("90001 EXAMPLE A",)
    whole = propagate_satellites(write(json.dumps([record])))
    # The two lines have the angles to 1e-4 degrees.
    np.testing.assert_allclose(found.states[..., :3], whole.states[..., :3], rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"EPOCH": ', "not JSON that can be read"),
        ("[" * 100_000, "not JSON that can be read"),
        ("<ndm><omm>", "not XML that can be read"),
        ("<html></html>", "XML without a segment"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><ndm/>', "document type"),
        ("[]", "it is empty"),
        ("[3, null]", "not an orbit mean-elements message"),
        ("CCSDS_OMM_VERS = 2.0\nnonsense", "not an orbit mean-elements message: nonsense"),
        ("EPOCH,MEAN_MOTION\n1,2,3", "3 cells, but the header has 2: 1,2,3"),
    ],
)
def test_damaged_messages_are_refused_with_what_is_wrong(write, text, message):
    with pytest.raises(KeplearnError, match=message):
        propagate_satellites(write(text))


angles = st.floats(0.0, 359.9999)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 339999), st.floats(0.0, 0.9), st.floats(0.0, 179.9), angles, angles, angles,
    st.floats(0.1, 17.0), st.floats(-9e-2, 9e-2).map(lambda x: round(x, 8)), st.floats(20000.0, 40000.0),
)  # fmt: skip
def test_elements_come_back_from_two_lines(number, e, i, node, argument, anomaly, motion, bstar, epoch):
    made = Satrec()
    angle = [float(np.radians(x)) for x in (argument, i, anomaly)]
    made.sgp4init(
        1, "i", number, epoch, bstar, 0.0, 0.0, e, *angle, motion * np.pi / 720.0, float(np.radians(node))
    )
    lines = export_tle(made)
    (found,) = two_line_sets(["A NAME", *lines])
    assert not found.fault, (found, lines)
    assert found.checked
    assert mean_elements_of(satrec(found)) == mean_elements_of(Satrec.twoline2rv(*lines))
    assert satrec(found).ecco == pytest.approx(e, abs=1e-7)
    assert satrec(found).no_kozai == pytest.approx(motion * np.pi / 720.0, abs=1e-9)


WHOLE = [line.strip() for line in THREE]
noise = st.lists(
    st.tuples(
        st.sampled_from(["change", "remove", "insert", "drop line", "repeat line"]),
        st.integers(0, 8),
        st.integers(0, 68),
        st.characters(codec="utf-8", exclude_characters="\r\n"),
    ),
    min_size=1,
    max_size=3,
)


def noisy(changes) -> list[str]:
    lines = list(WHOLE)
    for what, row, column, character in changes:
        row = min(row, len(lines) - 1)
        line = lines[row]
        if what == "drop line" and len(lines) > 1:
            del lines[row]
        elif what == "repeat line":
            lines.insert(row, line)
        elif what == "change":
            lines[row] = line[:column] + character + line[column + 1 :]
        elif what == "remove":
            lines[row] = line[:column] + line[column + 1 :]
        else:
            lines[row] = line[:column] + character + line[column:]
    return lines


@settings(max_examples=200, deadline=None)
@given(noise)
def test_noise_in_a_file_loses_no_satellite_and_invents_none(changes):
    lines = noisy(changes)
    found = two_line_sets(lines)
    used = [entry for entry in found if not entry.fault]
    pairs = list(pairwise(lines))
    for k in (1, 4, 7):  # a pair that stands there whole is read
        if (WHOLE[k], WHOLE[k + 1]) in pairs:
            assert (WHOLE[k], WHOLE[k + 1]) in [entry.lines for entry in used]
    for entry in used:  # what is read is a pair of the file whose checksums hold
        assert all(len(line) == 68 or checksum(line) == int(line[-1]) for line in entry.lines)
        satrec(entry)
    # Every line that is more than blanks or a comment is used or listed.
    places = {int(entry.where.split()[1]) for entry in found if entry.fault}
    taken = {line for entry in used for line in entry.lines} | {entry.name[6:] for entry in used}
    for number, line in enumerate(lines, start=1):
        near = set(range(number - 1, number + 3)) & places
        shown = "".join(filter(str.isprintable, line)).strip()
        used_here = any(text and (text in shown or text in line) for text in taken)
        assert near or used_here or not shown or plain(line).startswith("#"), (line, found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_is_read_or_refused_with_one_message(tmp_path, content):
    path = tmp_path / "any"
    path.write_bytes(content)
    try:
        propagate_satellites(path)
    except KeplearnError as error:
        assert "any" in str(error)
