"""Tables of text in any dialect give back what was written; what cannot be read is refused with line and value."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keplearn.core.errors import KeplearnError
from keplearn.data.dates import nanoseconds
from keplearn.data.readers import read_raw
from keplearn.data.tables import read_table

SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ROLES = ("t", "x", "y", "z", "vx", "vy", "vz")
NAMES = {
    "plain": ROLES,
    "upper": tuple(role.upper() for role in ROLES),
    "units": ("t [s]", *(f"{a} [km]" for a in "xyz"), *(f"v{a} (km/s)" for a in "xyz")),
    "tails": ("t_s", *(f"{a}_km" for a in "xyz"), *(f"v{a}_km_s" for a in "xyz")),
    "dots": ("time", *"xyz", *(f"{a}_dot" for a in "xyz")),
    "gmat": ("A.ElapsedSecs", *(f"A.EarthMJ2000Eq.{a}" for a in ("X", "Y", "Z", "VX", "VY", "VZ"))),
}
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(
    rows=st.lists(st.lists(numbers, min_size=7, max_size=7), min_size=1, max_size=8),
    names=st.sampled_from(list(NAMES)),
    delimiter=st.sampled_from([",", ";", "\t", "  ", ", "]),
    order=st.permutations(range(7)),
    comments=st.lists(st.sampled_from(["# made by hand", "% units km, s", "#"]), max_size=3),
    hidden=st.booleans(),
    unit_row=st.booleans(),
    comma=st.booleans(),
    trailing=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    orbits=st.booleans(),
)
@SETTINGS
def test_every_dialect_gives_back_its_numbers(
    tmp_path,
    rows,
    names,
    delimiter,
    order,
    comments,
    hidden,
    unit_row,
    comma,
    trailing,
    end,
    encoding,
    orbits,
):
    header = [NAMES[names][k] for k in order]
    units = [("s", "km", "km", "km", "km/s", "km/s", "km/s")[k] for k in order]
    if delimiter == "  ":
        header = [cell.replace(" ", "") for cell in header]
    body = [[repr(row[k]) for k in order] for row in rows]
    if comma and delimiter == ";":
        body = [[cell.replace(".", ",") for cell in row] for row in body]
    table = [header, *([units] if unit_row else []), *body]
    if orbits:
        cells = [
            "orbit",
            *(["-"] if unit_row else []),
            *(f"sat {k % 2}".replace(" ", "_") for k in range(len(body))),
        ]
        table = [[cell, *row] for cell, row in zip(cells, table, strict=True)]
    tail = delimiter.strip() if trailing and delimiter.strip() else ""
    lines = [delimiter.join(row) + tail for row in table]
    if hidden and not unit_row:
        lines[0] = f"# {lines[0]}"
    path = tmp_path / "table.csv"
    path.write_bytes(end.join([*comments, *lines, ""]).encode(encoding))
    found = read_raw(path, {}).orbits
    wanted = np.array(rows)
    parts = [wanted[0::2], wanted[1::2]] if orbits else [wanted]
    assert len(found) == sum(len(part) > 0 for part in parts)
    for orbit, part in zip(found, parts, strict=False):
        np.testing.assert_array_equal(orbit.times, part[:, 0])
        np.testing.assert_array_equal(orbit.states, part[:, 1:])


@given(text=st.text(alphabet='t,xyzv;#%\t \n\r"0123456789.-+eE$SO:Tnan', max_size=200))
@settings(max_examples=200, deadline=None)
def test_other_text_is_refused_with_one_message(tmp_path_factory, text):
    from pathlib import Path

    header = "t,x,y,z,vx,vy,vz\n"
    for content in (text, header + text):
        try:
            raw = read_table(Path("some.csv"), content, {})
        except KeplearnError as error:
            assert "some.csv" in str(error)
        else:
            assert all(np.isfinite(orbit.times).all() for orbit in raw.orbits)


def table(tmp_path, text, **columns):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return read_raw(path, columns)


ROW = "0 1 2 3 4 5 6"


def test_columns_may_be_named_or_numbered(tmp_path):
    named = table(tmp_path, f"a b c d e f g\n{ROW}", t="a", x="b", y="c", z="d", vx="e", vy="f", vz="g")
    numbered = table(tmp_path, ROW, **{role: str(k) for k, role in enumerate(ROLES, start=1)})
    for raw in (named, numbered):
        assert raw.orbits[0].states.tolist() == [[1, 2, 3, 4, 5, 6]]
    assert named.facts["columns"] == "t=a, x=b, y=c, z=d, vx=e, vy=f, vz=g"


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (f"{ROW}\n{ROW}", {}, r"no header; its first line is '0 1 2.*--columns t=1,x=2"),
        (
            f"t x y z vx vy w\n{ROW}",
            {},
            r"missing or repeated: vz\. It has: t, x, y, z, vx, vy, w\..*--columns vz=NAME",
        ),
        (f"t x x y z vx vy vz\n9 {ROW}", {}, "missing or repeated: x"),
        (f"t x y z vx vy w\n{ROW}", {"vz": "vw"}, r"there is no column 'vw'.*Did you mean"),
        (f"t x[km] y[m] z[km] vx vy vz\n{ROW}", {}, "columns of length have different units: km, m"),
        (
            "t,x,y,z,vx,vy,vz\n2026-01-01,1,2,3,4,5,6\nsoon,1,2,3,4,5,6",
            {},
            "line 3, column t: 'soon' is no date",
        ),
        ("# only a comment", {}, "there is no orbit in it"),
        ("t x y z vx vy vz\ns km km km km/s km/s km/s", {}, "there is no orbit in it"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, columns, message):
    with pytest.raises(KeplearnError, match=message):
        table(tmp_path, text, **columns)


def test_rows_without_a_state_at_an_orbits_end_are_padding(tmp_path):
    raw = table(
        tmp_path,
        "orbit,t,x,y,z,vx,vy,vz\n1,0,1,2,3,4,5,6\n1,1,,,,,,\n2,0,1,2,3,4,5,6\n2,1,nan,nan,nan,nan,nan,nan",
    )
    assert [len(orbit.times) for orbit in raw.orbits] == [1, 1]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01"),
        ("2026-01-01 12:00:00.5", "2026-001T12:00:00.500000000"),
        ("2026-10-07T00:00:00", "A.D. 2026-Oct-07 00:00:00.0000"),
        ("07 Oct 2026 11:59:28.000", "2026-10-07T11:59:28"),
        ("2024-366T00:00", "2024-12-31T00:00:00"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_date_may_be_written_in_several_ways(text, same):
    assert nanoseconds(text) == nanoseconds(same) is not None


@pytest.mark.parametrize(
    "text", ["2025-366", "2026-02-30", "2026-01-01T24:00:00", "0", "2461320.5", "", "2026-01-01T00:00:60"]
)
def test_what_is_no_date_is_none(text):
    assert nanoseconds(text) is None


@given(moment=st.datetimes())
@settings(max_examples=50)
def test_dates_are_exact_to_the_microsecond(moment):
    from datetime import datetime, timedelta

    exact = (moment - datetime(2000, 1, 1)) // timedelta(microseconds=1) * 1000
    assert nanoseconds(moment.isoformat()) == exact
