"""Orbit ephemeris messages: read as the standard has them, refused where they break it or are cut off."""

from pathlib import Path

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.data.importing import import_dataset

MESSAGE = (Path(__file__).parents[1] / "cases" / "imports" / "oem.oem").read_text()


@pytest.fixture
def message(tmp_path):
    def write(text):
        path = tmp_path / "message.oem"
        path.write_text(text)
        return path

    return write


def test_frame_centre_and_time_system_are_kept(message):
    found = import_dataset(message(MESSAGE))
    assert found.orbit_names == ("EXAMPLE A",)
    assert [found.provenance[key] for key in ("centre", "frame", "time_system")] == [
        "EARTH",
        "EME2000",
        "UTC",
    ]


def test_segments_are_orbits_and_accelerations_comments_and_covariances_are_passed_over(message):
    head, meta = MESSAGE.split("META_START", 1)
    segment = "META_START" + meta.replace(
        "META_STOP\n", "INTERPOLATION = HERMITE\nINTERPOLATION_DEGREE = 7\nMETA_STOP\nCOMMENT GPS\n"
    )
    longer = "\n".join(
        f"{line} 0.1 0.2 0.3" if line.startswith("2026") else line for line in segment.splitlines()
    )
    covariance = "COVARIANCE_START\nEPOCH = 2026-01-01T00:00:00\n1.0\n1.0 2.0\nCOVARIANCE_STOP\n"
    found = import_dataset(message(f"{head}{segment}{covariance}{longer}\n"))
    assert found.orbit_names == ("EXAMPLE A", "EXAMPLE A, segment 2")
    np.testing.assert_array_equal(found.states[0], found.states[1])


def test_dates_may_count_the_days_of_the_year(message):
    np.testing.assert_array_equal(
        import_dataset(message(MESSAGE.replace("2026-01-01T", "2026-001T"))).states,
        import_dataset(message(MESSAGE)).states,
    )


def test_the_centre_tells_the_body(message):
    moon = import_dataset(message(MESSAGE.replace("CENTER_NAME = EARTH", "CENTER_NAME = MOON")))
    assert (moon.body.name, moon.mu) == ("Moon", 4902.800118)
    other = message(MESSAGE.replace("CENTER_NAME = EARTH", "CENTER_NAME = 67P"))
    with pytest.raises(
        KeplearnError, match=r"message\.oem: the body '67P' is not known here .* give its --mu"
    ):
        import_dataset(other)
    assert import_dataset(other, mu=398000.0).mu == 398000.0
    with pytest.raises(KeplearnError, match="the file says its centre is EARTH, but the Moon was given"):
        import_dataset(message(MESSAGE), mu=4902.8)


def replaced(old, new):
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("edit", "message_part"),
    [
        (replaced("CCSDS_OEM_VERS = 2.0", "CCSDS_OEM_VERS = 9.0"), r"line 1: version '9\.0'"),
        (replaced("CCSDS_OEM_VERS = 2.0\n", ""), "line 1: CCSDS_OEM_VERS must be the first"),
        (replaced("REF_FRAME = EME2000\n", ""), "line 5: the segment lacks REF_FRAME"),
        (replaced("REF_FRAME = EME2000", "REF_FRAME EME2000"), "line 9: 'REF_FRAME EME2000' is no KEYWORD"),
        (replaced("TIME_SYSTEM", "TIME_SISTEM"), "line 10: .* is no KEYWORD = value"),
        (replaced("OBJECT_ID = 2026-001A", "OBJECT_NAME = B"), "OBJECT_NAME stands twice"),
        (replaced("-5212.878943722", "-5212.8789a"), "line 16: .* is no epoch with a state"),
        (replaced("-5212.878943722", ""), "line 16: .* is no epoch with a state"),
        (replaced("-5212.878943722", "nan"), "line 16: a value is not finite"),
        (replaced("2026-01-01T00:01:00.000 ", "2026-13-01T00:01:00.000 "), "line 16: .* is no epoch"),
        (lambda text: text[: text.index("META_STOP")], "it ends in its meta: the file is cut off"),
        (lambda text: text[: text.index("META_START")], "it ends in its header"),
        (
            lambda text: "\n".join(text.splitlines()[:-1]),
            r"line 33: the states of EXAMPLE A end before their STOP_TIME",
        ),
        (lambda text: text + "COVARIANCE_START\n", "it ends in its covariance"),
        (lambda text: "<?xml version='1.0'?>" + text, "XML is not read"),
    ],
)
def test_a_broken_message_is_refused(message, edit, message_part):
    with pytest.raises(KeplearnError, match=message_part):
        import_dataset(message(edit(MESSAGE)))
