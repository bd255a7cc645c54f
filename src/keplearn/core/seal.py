"""The seal: a checksum that a kept file carries in itself, so that damage is noticed before anything is read.

A sealed file holds ``keplearn-sha256:`` and behind it the SHA-256 (64 hex digits) of all its other bytes: at its
end, or where its format leaves room, so that other programs read the file as ever. Lines that are appended one by
one carry a CRC-32 each.
"""

import hashlib
import json
import math
import zlib
from typing import Any

from keplearn.core.errors import Damaged

MARK = b"keplearn-sha256:"
SOURCE = {"Source": "keplearn"}
"""What a picture (PNG) says of itself that keplearn has drawn."""
_DIGITS = 64
_LINE = "crc"


def close(content: bytes) -> bytes:
    """Return the content with its seal at the end."""
    return _insert(content + MARK, len(content) + len(MARK))


def _insert(content: bytes, at: int) -> bytes:
    return content[:at] + hashlib.sha256(content).hexdigest().encode() + content[at:]


def open_seal(content: bytes) -> tuple[bytes, bool]:
    """Return the content as it was before it was sealed, and whether it was sealed at all.

    Raises
    ------
    Damaged
        If the content does not match its seal.
    """
    at = content.rfind(MARK)
    if at < 0:
        return content, False
    at += len(MARK)
    digest, rest = content[at : at + _DIGITS], content[:at] + content[at + _DIGITS :]
    if hashlib.sha256(rest).hexdigest().encode() != digest:
        raise Damaged("its content does not match its checksum: it was changed after it was written")
    return rest.removesuffix(MARK), True


def close_json(record: dict[str, Any]) -> bytes:
    """Return a record as sealed JSON."""
    return close_text(json.dumps(record, indent=1, allow_nan=False))


def close_text(text: str) -> bytes:
    """Seal the text of a JSON object: the seal is its last entry."""
    content = f'{text.rstrip()[:-1].rstrip()},\n "seal": "{MARK.decode()}"\n}}\n'.encode()
    return _insert(content, content.rindex(MARK) + len(MARK))


def close_parquet(content: bytes) -> bytes:
    """Seal a Parquet file between its data and its footer, which is found from the end."""
    at = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    return _insert(content[:at] + MARK + content[at:], at + len(MARK))


def close_line(row: dict[str, Any]) -> str:
    """Return a row of numbers as a line of JSON with its checksum, the line's end included.

    JSON holds no number that is not finite: it becomes null, and NaN when the line is opened.
    """
    finite = {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in row.items()}
    text = json.dumps(finite, allow_nan=False)
    return f'{text[:-1]}, "{_LINE}": "{zlib.crc32(text.encode()):08x}"}}\n'


def open_line(line: str, must: bool = False) -> dict[str, Any]:
    """Return the row that `close_line` was given; a line without a checksum as it is, unless it ``must`` have one.

    Raises
    ------
    Damaged
        If it is no row, or does not match its checksum.
    """
    body, found, rest = line.rpartition(f', "{_LINE}": "')
    text = body + "}" if found else line
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"no row of JSON: {error}") from None
    if not isinstance(row, dict) or (must and not found):
        raise Damaged("no row with a checksum")
    if found and rest != f'{zlib.crc32(text.encode()):08x}"}}':
        raise Damaged("the row does not match its checksum: it was changed after it was written")
    return {key: math.nan if x is None else x for key, x in row.items()}
