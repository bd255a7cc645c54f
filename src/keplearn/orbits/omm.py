"""Orbit mean-elements messages (CCSDS 502.0) in CSV, JSON, XML and KVN, as CelesTrak and Space-Track give them.

Every record is returned, with its fault where it cannot be used. Space-Track's JSON also has the two-line form of each
element set, which serves where the message itself is incomplete.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from keplearn.core.errors import KeplearnError
from keplearn.orbits.tle import ElementSet, plain, short_name, two_line_sets

_NUMBERS = (
    "MEAN_MOTION",
    "ECCENTRICITY",
    "INCLINATION",
    "RA_OF_ASC_NODE",
    "ARG_OF_PERICENTER",
    "MEAN_ANOMALY",
    "BSTAR",
    "MEAN_MOTION_DOT",
)
# Not used by SGP4, and often missing.
_UNUSED = "MEAN_MOTION_DDOT"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_EPOCH = re.compile(
    r"([0-9]{4})-(?:([0-9]{2})-([0-9]{2})|([0-9]{3}))[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]*)?Z?"
)
_KVN = re.compile(r"([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*(?:\[[^\]]*\])?")

Record = tuple[str, Mapping[str, Any]]
"""Where a record stands, and its entries by keyword; without any entry, a text that is no record is under ""."""


def mean_elements(text: str) -> tuple[str, list[ElementSet]] | None:
    """Return the form of a text (CSV, JSON, XML, KVN) and all its records; None where it has none of these forms.

    Raises
    ------
    KeplearnError
        If it has one of them, and is damaged so that its records cannot be told apart.
    """
    form = _form(text)
    if form is None:
        return None
    return form, [_element_set(where, entries) for where, entries in _READERS[form](text)]


def _form(text: str) -> str | None:
    first = next((line for line in text.splitlines() if plain(line) and not plain(line).startswith("#")), "")
    if plain(first)[:1] in ("[", "{"):
        return "JSON"
    if plain(first)[:1] == "<":
        return "XML"
    if re.search(r"^\s*(CCSDS_OMM_VERS|EPOCH|MEAN_MOTION)\s*=", text, re.MULTILINE):
        return "KVN"
    return "CSV" if {"EPOCH", "MEAN_MOTION"} <= set(re.findall(r"\w+", first.upper())) else None


def _read_json(text: str) -> Iterator[Record]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise KeplearnError(f"not JSON that can be read: {error}") from error
    for number, record in enumerate(content if isinstance(content, list) else [content], start=1):
        entries = record if isinstance(record, dict) else {"": json.dumps(record)}
        yield f"record {number}", {key.strip().upper(): x for key, x in entries.items() if x is not None}


def _read_xml(text: str) -> Iterator[Record]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise KeplearnError("XML with a document type of its own, which is not read")
    try:
        root = ElementTree.fromstring(plain(text))
    except (ElementTree.ParseError, ValueError) as error:
        raise KeplearnError(f"not XML that can be read: {error}") from error
    segments = [element for element in root.iter() if _tag(element) == "SEGMENT"]
    if not segments:
        raise KeplearnError("XML without a segment of an orbit mean-elements message")
    for number, segment in enumerate(segments, start=1):
        leaves = [element for element in segment.iter() if not len(element)]
        yield f"record {number}", {_tag(leaf): leaf.text for leaf in leaves if (leaf.text or "").strip()}


def _tag(element: ElementTree.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2].upper()


def _read_kvn(text: str) -> Iterator[Record]:
    start, entries = 0, dict[str, Any]()
    for number, line in enumerate(text.splitlines(), start=1):
        content = plain(line)
        if not content or content.split()[0] == "COMMENT" or content.startswith("#"):
            continue
        match = _KVN.fullmatch(content)
        if match is None:
            yield f"line {number}", {"": content}
            continue
        if entries and (match[1] == "CCSDS_OMM_VERS" or match[1] in entries):  # the next message
            yield f"line {start}", entries
            entries = {}
        start = start if entries else number
        entries[match[1]] = match[2]
    if entries:
        yield f"line {start}", entries


def _read_csv(text: str) -> Iterator[Record]:
    lines = [line.strip(" \ufeff") for line in text.splitlines()]
    header = next(line for line in lines if line and not line.startswith("#"))
    delimiter = max(",;\t|", key=header.count)
    rows = csv.reader(lines, delimiter=delimiter)
    names: list[str] = []
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not names:
                names = [cell.upper() for cell in cells]
            elif [cell.upper() for cell in cells] == names:
                continue  # files put together, each with its header
            elif len(cells) != len(names):
                counts = f"{len(cells)} cells, but the header has {len(names)}"
                yield f"line {rows.line_num}", {"": f"{counts}: {delimiter.join(cells)}"}
            else:
                yield f"line {rows.line_num}", {k: x for k, x in zip(names, cells, strict=True) if x}
    except csv.Error as error:
        raise KeplearnError(f"not CSV that can be read: line {rows.line_num}: {error}") from error


_READERS = {"CSV": _read_csv, "JSON": _read_json, "XML": _read_xml, "KVN": _read_kvn}


def _element_set(where: str, entries: Mapping[str, Any]) -> ElementSet:
    """A record as an element set, by its two lines where its own entries do not do."""
    keywords = {key: str(x) if isinstance(x, int | float) else x for key, x in entries.items()}
    keywords = {key: x.strip() for key, x in keywords.items() if isinstance(x, str)}
    if "" in keywords or not keywords:
        return ElementSet(short_name(keywords.get("", "")), where, fault="not an orbit mean-elements message")
    name = f"{keywords.get('NORAD_CAT_ID', '').zfill(5)} {keywords.get('OBJECT_NAME', '')}".removeprefix(
        "00000"
    )
    found = ElementSet(short_name(name) or where, where, (), {_UNUSED: "0", **keywords})
    problem = None if other_theory(found) else _problem(keywords)
    if problem and {"TLE_LINE1", "TLE_LINE2"} <= set(keywords):
        lines = [keywords.get("TLE_LINE0", found.name), keywords["TLE_LINE1"], keywords["TLE_LINE2"]]
        for other in two_line_sets(lines):
            if not other.fault:
                return replace(other, where=where)
    if problem:
        return replace(found, fault=problem[0], detail=problem[1])
    epoch = _epoch(keywords["EPOCH"]) if "EPOCH" in keywords else None
    return replace(found, keywords={**found.keywords, "EPOCH": epoch}) if epoch else found


def other_theory(entry: ElementSet) -> str:
    """Why the elements are not for SGP4 about the Earth in TEME, or ""."""
    kind, keywords = entry.ephemeris_type, entry.keywords
    theory = keywords.get("MEAN_ELEMENT_THEORY", "SGP4").upper()
    if kind == "4" or theory == "SGP4-XP":
        return "elements of SGP4-XP (ephemeris type 4): plain SGP4 propagates them wrongly"
    if kind not in ("", "0", "2", "3"):
        return f"elements of ephemeris type {short_name(kind)}, not of SGP4"
    if theory not in ("SGP", "SGP4", "SGP/SGP4", "SDP4", "SGP4/SDP4"):
        return f"mean elements of {short_name(theory)}, not of SGP4"
    for key, wanted in {"CENTER_NAME": "EARTH", "REF_FRAME": "TEME", "TIME_SYSTEM": "UTC"}.items():
        if keywords.get(key, wanted).upper() != wanted:
            return f"{key} is {short_name(keywords[key])}, but SGP4 needs {wanted}"
    return ""


def _problem(keywords: Mapping[str, str]) -> tuple[str, str] | None:
    """Fault and detail of a message that lacks entries, or whose entries are no numbers."""
    missing = [key for key in ("EPOCH", *_NUMBERS) if key not in keywords]
    if missing:
        return f"it lacks {', '.join(missing)}", ""
    for key in (*_NUMBERS, _UNUSED):
        if not _NUMBER.fullmatch(keywords.get(key, "0")):
            return "an entry is no number", f"{key} = {short_name(keywords[key])!r}"
    if _epoch(keywords["EPOCH"]) is None:
        return "its epoch is no time", f"EPOCH = {short_name(keywords['EPOCH'])!r}"
    return None


def _epoch(text: str) -> str | None:
    """An epoch as sgp4 reads it, to 1 µs; by calendar or by day of the year; None where it is none."""
    match = _EPOCH.fullmatch(text)
    if match is None:
        return None
    year, month, day, day_of_year, hours, minutes, seconds, fraction = match.groups()
    try:
        start = datetime(int(year), int(month or 1), int(day or 1), int(hours), int(minutes), int(seconds))
        days = int(day_of_year or 1) - 1
        if not 0 <= days < 366:
            return None
        found = start + timedelta(days=days, seconds=float(f"0{fraction or ''}"))
    except (ValueError, OverflowError):
        return None
    return found.strftime("%Y-%m-%dT%H:%M:%S.%f")
