"""A reader of the file that W&B writes offline: a log of protobufs in blocks of 32 kB, each piece with a checksum."""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportAttributeAccessIssue]

BLOCK, HEAD = 32768, 7
WHOLE, FIRST, _MIDDLE, LAST = 1, 2, 3, 4


class Offline(NamedTuple):
    """What such a file says of a run."""

    run: Any
    config: dict[str, Any]
    rows: list[dict[str, Any]]
    summary: dict[str, Any]
    artifacts: list[Any]
    files: list[str]


def records(file: Path) -> Iterator[Any]:
    """Yield the records of a file; an assertion fails where one is not as it was written."""
    content, at, body = file.read_bytes(), HEAD, b""
    assert content[:4] == b":W&B"
    while at < len(content):
        if BLOCK - at % BLOCK < HEAD:
            at += BLOCK - at % BLOCK
            continue
        checksum, length, kind = struct.unpack_from("<IHB", content, at)
        piece = content[at + HEAD : at + HEAD + length]
        assert zlib.crc32(bytes([kind]) + piece) == checksum
        at += HEAD + length
        body = piece if kind in (WHOLE, FIRST) else body + piece
        if kind in (WHOLE, LAST):
            yield Record.FromString(body)


def read_offline(file: Path) -> Offline:
    """Read all that a file says of its run."""
    found = Offline(None, {}, [], {}, [], [])
    for record in records(file):
        match record.WhichOneof("record_type"):
            case "run":
                found = found._replace(run=record.run, config=_entries(record.run.config.update))
            case "history":
                found.rows.append(_entries(record.history.item))
            case "summary":
                found.summary.update(_entries(record.summary.update))
            case "artifact":
                found.artifacts.append(record.artifact)
            case "files":
                found.files.extend(item.path for item in record.files.files)
    return found


def _entries(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
